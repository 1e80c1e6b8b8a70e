// The stage, second half: nodes, messages, rates, and the overview that is brushed.

/** Calls `visit` with each stretch of a node's life in view: where it begins, and how wide it is. */
function stretchesInView({ run, view, layout, axis }, visit) {
  for (const { node, stretches } of run.nodeTimelines) {
    for (const stretch of stretches) {
      if (stretch.end < view.start || stretch.start > view.end) continue;
      const x = Math.max(axis.x(stretch.start), layout.left);
      visit(stretch, x, layout.nodeY(node), Math.min(axis.x(stretch.end), layout.width) - x);
    }
  }
}

function paintNodes(stage) {
  stretchesInView(stage, (stretch, x, y, width) => {
    paintStretch(stage.context, stage.theme, stretch, x, y, Math.max(width, 1));
  });
}

/** Role and term over each stretch that has room for them. */
function paintRoles(stage) {
  const { context, theme } = stage;
  context.textAlign = "left";
  stretchesInView(stage, (stretch, x, y, width) => {
    if (width < 24) return;
    const up = stretch.life === "up", text = up ? roleText(stretch) : stretch.life;
    if (context.measureText(text).width > width - 6) return;
    haloed(context, theme, text, x + 3, y - 11, up && stretch.role === "leader" ? theme.ink : theme.muted);
  });
}

function roleText({ role, term }) {
  return term ? `${role} ${term}` : role;
}

/** A leader is a thick bar, a candidate hatched, down is nothing between two edges, paused dots. */
function paintStretch(context, theme, { role, life }, x, y, width) {
  if (life === "up" && role === "leader") {
    context.fillStyle = theme.ink;
    context.fillRect(x, y - 4, width, 8);
  } else if (life === "up" && role.includes("candidate")) {
    context.fillStyle = theme.info;
    context.fillRect(x, y - 3, width, 6);
  } else if (life === "up") {
    context.fillStyle = theme.muted;
    context.fillRect(x, y - 1, width, 2);
  } else {
    context.strokeStyle = theme.fail;
    context.setLineDash(life === "paused" ? [2, 4] : [7, 5]);
    context.beginPath();
    context.moveTo(x, y + 0.5);
    context.lineTo(x + width, y + 0.5);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = theme.fail;
    context.fillRect(x, y - 6, 1.5, 12);
  }
}

const RECENT_CAUSES = 400;

/** Calls `visit` with each message in view that is not hidden; those to and from the tip of the
 *  cone never are. */
function messagesInView({ run, view }, visit) {
  const { end, sent, source, destination, kind } = run.messages, { cone, hiddenKinds } = view;
  const last = lowerBound(end, view.end + run.messages.longest);
  const chosen = view.selection?.kind === "message" ? view.selection.id : -1;
  const tip = cone ? cone.endpoint : -1;
  for (let place = lowerBound(end, view.start); place < last; place++) {
    if (sent[place] > view.end) continue;
    if (hiddenKinds.has(kind[place]) && place !== chosen) {
      const own = source[place] === tip || destination[place] === tip;
      if (!own || !cone.recent.has(place)) continue;
    }
    visit(place);
  }
}

function paintMessages(stage) {
  const { run, view, context, theme } = stage;
  if (!run.messages.length) return;
  if (view.cone && !view.cone.recent) {
    view.cone.recent = new Set(latestCauses(run, view.cone, RECENT_CAUSES));
  }
  stage.drawnMessages = [];
  const { end } = run.messages;
  const about = lowerBound(end, view.end) - lowerBound(end, view.start);
  if (about > 10 * LINES_MAX) return paintDensity(stage);
  const found = [];
  messagesInView(stage, (place) => found.push(place));
  if (found.length > LINES_MAX) return paintDensity(stage);
  stage.drawnMessages = found;
  const groups = { plain: [], cone: [], lost: [] };
  for (const place of found) {
    if (run.messages.lost[place]) groups.lost.push(place);
    else if (view.cone?.inside[place]) groups.cone.push(place);
    else groups.plain.push(place);
  }
  const alpha = found.length > 600 ? 0.35 : 0.65;
  const arrows = found.length <= ARROWS_MAX;
  paintLines(stage, groups.plain, { colour: theme.muted, alpha: view.cone ? 0.22 : alpha, arrows });
  paintLines(stage, groups.lost, { colour: theme.fail, alpha: view.cone ? 0.4 : 0.8, arrows });
  paintLines(stage, groups.cone, { colour: theme.link, alpha: 0.85, thick: 1.4, arrows });
  if (view.selection?.kind === "message") {
    paintLines(stage, [view.selection.id], { colour: theme.link, alpha: 1, thick: 3, arrows: true });
  }
  const named = view.cone ? [...groups.cone, ...groups.lost] : found;
  if (found.length <= NAMES_MAX * 2 && named.length <= NAMES_MAX) paintKinds(stage, named);
  context.globalAlpha = 1;
}

function paintLines(stage, places, { colour, alpha, thick = 1, arrows }) {
  const { run, layout, context, axis } = stage, { messages } = run;
  context.strokeStyle = context.fillStyle = colour;
  context.globalAlpha = alpha;
  context.lineWidth = thick;
  context.beginPath();
  for (const place of places) {
    const x = axis.x(messages.sent[place]), y = layout.endpointY(messages.source[place]);
    let toX = axis.x(messages.end[place]), toY = layout.endpointY(messages.destination[place]);
    if (messages.lost[place]) {
      // It got nowhere: half the way, and a cross.
      toY = y + (toY - y) * 0.45;
      toX = messages.end[place] === messages.sent[place] ? x + 3 : x + (toX - x) * 0.45;
      context.moveTo(toX - 3, toY - 3);
      context.lineTo(toX + 3, toY + 3);
      context.moveTo(toX + 3, toY - 3);
      context.lineTo(toX - 3, toY + 3);
    }
    context.moveTo(x, y);
    context.lineTo(toX, toY);
    if (arrows && !messages.lost[place]) arrowHead(context, x, y, toX, toY);
  }
  context.stroke();
  context.lineWidth = 1;
}

/** The kinds of messages beside their lines, where there is room for them. */
function paintKinds({ run, layout, context, theme, axis }, places) {
  const { messages } = run, taken = [];
  context.globalAlpha = 1;
  context.textAlign = "center";
  for (const place of places) {
    const x = (axis.x(messages.sent[place]) + axis.x(messages.end[place])) / 2;
    const y = (layout.endpointY(messages.source[place])
      + layout.endpointY(messages.destination[place])) / 2;
    const text = run.header.kinds[messages.kind[place]];
    const half = context.measureText(text).width / 2 + 3;
    if (taken.some((one) => Math.abs(one.y - y) < 13 && Math.abs(one.x - x) < one.half + half)) continue;
    taken.push({ x, y, half });
    haloed(context, theme, text, x, y, messages.lost[place] ? theme.fail : theme.ink);
  }
}

/** A text that stays legible on lines. */
function haloed(context, theme, text, x, y, colour) {
  context.strokeStyle = theme.paper;
  context.lineWidth = 3.5;
  context.lineJoin = "round";
  context.strokeText(text, x, y);
  context.lineWidth = 1;
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

function arrowHead(context, x, y, toX, toY) {
  const angle = Math.atan2(toY - y, toX - x);
  for (const turn of [-0.4, 0.4]) {
    context.moveTo(toX, toY);
    context.lineTo(toX - 7 * Math.cos(angle + turn), toY - 7 * Math.sin(angle + turn));
  }
}

/** Too many messages for lines: how many arrived (and were lost) at each node, by pixel. */
function paintDensity(stage) {
  const { run, view, layout, context, theme, axis } = stage;
  const { end, destination, lost } = run.messages, width = Math.ceil(axis.width) + 1;
  const arrived = new Float32Array(width * run.nodes), missed = new Uint8Array(width * run.nodes);
  const scale = axis.width / (view.end - view.start);
  let most = 1;
  messagesInView(stage, (place) => {
    const node = destination[place];
    const pixel = Math.floor(view.warp ? axis.x(end[place]) - layout.left
      : (end[place] - view.start) * scale);
    if (node > run.nodes || pixel < 0 || pixel >= width) return;
    const at = (node - 1) * width + pixel;
    if (lost[place]) missed[at] = 1;
    else if (++arrived[at] > most) most = arrived[at];
  });
  const canvas = stage.density ??= document.createElement("canvas");
  canvas.width = width;
  canvas.height = 2 * run.nodes;
  const brush = canvas.getContext("2d"), image = brush.createImageData(width, 2 * run.nodes);
  const pixels = new Uint32Array(image.data.buffer);
  const plain = packedColour(theme.muted), red = packedColour(theme.fail);
  for (let at = 0; at < arrived.length; at++) {
    const line = 2 * Math.floor(at / width), x = at % width;
    if (arrived[at]) {
      const alpha = Math.round(70 + 140 * arrived[at] / most);
      pixels[line * width + x] = (plain | alpha << 24) >>> 0;
    }
    if (missed[at]) pixels[(line + 1) * width + x] = (red | 230 << 24) >>> 0;
  }
  brush.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  for (let node = 1; node <= run.nodes; node++) {
    const y = layout.nodeY(node);
    context.drawImage(canvas, 0, 2 * node - 2, width, 1, layout.left, y + 6, width, 5);
    context.drawImage(canvas, 0, 2 * node - 1, width, 1, layout.left, y + 12, width, 3);
  }
}

/** Diamonds where a node noted something. */
function paintMarks(stage) {
  const { run, view, layout, context, theme, axis } = stage, { marks } = run;
  const first = lowerBound(marks.time, view.start), last = lowerBound(marks.time, view.end + 1);
  stage.drawnMarks = [];
  if (last - first > LINES_MAX) return;
  context.strokeStyle = theme.paper;
  for (let place = first; place < last; place++) {
    const x = axis.x(marks.time[place]), y = layout.nodeY(marks.node[place]) + 11;
    context.fillStyle = theme.link;
    context.beginPath();
    context.moveTo(x, y - 5);
    context.lineTo(x + 4.5, y);
    context.lineTo(x, y + 5);
    context.lineTo(x - 4.5, y);
    context.closePath();
    context.fill();
    context.stroke();
    stage.drawnMarks.push({ place, x, y });
  }
  if (last - first > NAMES_MAX) return;
  context.textAlign = "left";
  const free = new Map();
  for (const { place, x, y } of stage.drawnMarks) {
    const text = run.header.words[marks.word[place]];
    if (x < (free.get(marks.node[place]) ?? -Infinity)) continue;
    haloed(context, theme, text, x + 7, y, theme.link);
    free.set(marks.node[place], x + 16 + context.measureText(text).width);
  }
}

const BIN_PIXELS = 7;
// Of more answers than this in view, evenly chosen ones stand for the others in the quantiles.
const MEASURED_MAX = 12_000;

/** Answers per second as bars, and the median and 99th percentile of their latency as lines. */
function paintRates(stage) {
  const { layout, context, theme, axis } = stage;
  if (!layout.rates.height) return;
  const { y, height } = layout.rates, { order, ends } = completions(stage);
  const bins = Math.max(8, Math.floor(axis.width / BIN_PIXELS)), size = axis.width / bins;
  const edges = [], places = [];
  for (let bin = 0; bin <= bins; bin++) {
    edges.push(axis.time(axis.left + bin * size));
    places.push(lowerBound(ends, edges[bin]));
  }
  const rates = edges.slice(1).map((edge, bin) => (places[bin + 1] - places[bin])
    / Math.max(edge - edges[bin], 1));
  const most = Math.max(...rates, 1e-12);
  context.fillStyle = theme.ok;
  context.globalAlpha = 0.45;
  rates.forEach((rate, at) => {
    const tall = rate / most * (height - 4);
    context.fillRect(axis.left + at * size, y + height - tall, size - 1, tall);
  });
  context.globalAlpha = 1;
  context.fillStyle = theme.muted;
  context.textAlign = "left";
  const answers = places[bins] - places[0];
  if (!answers) {
    context.fillText("nothing succeeded in this time", axis.left + 4, y + 6);
    return;
  }
  const figure = Number((most * 1e9).toPrecision(3)).toLocaleString("en");
  context.fillText(`${figure} a second at most`, axis.left + 4, y + 6);
  const stride = Math.max(1, Math.ceil(answers / MEASURED_MAX));
  const { start, stop } = stage.run.calls;
  const sorted = rates.map((_, bin) => {
    const took = [];
    for (let at = places[bin]; at < places[bin + 1]; at += stride) {
      took.push(stop[order[at]] - start[order[at]]);
    }
    return Float64Array.from(took).sort();
  });
  paintQuantiles(stage, sorted, size);
}

/** Calls that succeeded, in the order of their answers, which is that of the rows; made once. */
function completions(stage) {
  if (!stage.completions) {
    const { calls, rows, callOfRow } = stage.run;
    const order = new Int32Array(calls.length);
    let count = 0;
    for (let place = 0; place < rows.length; place++) {
      const call = callOfRow[place];
      if (call >= 0 && calls.last[call] === place && calls.outcome[call] === OK) order[count++] = call;
    }
    const ends = new Float64Array(count);
    for (let at = 0; at < count; at++) ends[at] = calls.stop[order[at]];
    stage.completions = { order: order.subarray(0, count), ends };
  }
  return stage.completions;
}

function paintQuantiles({ layout, context, theme, axis }, sorted, size) {
  const { y, height } = layout.rates;
  const longest = Math.max(...sorted.map((all) => all.at(-1) ?? 1), 10);
  const shortest = Math.min(...sorted.map((all) => all[0] ?? Infinity), longest / 10);
  const scale = (time) => y + height - 2
    - (height - 8) * Math.log(time / shortest + 1e-9) / Math.log(longest / shortest);
  for (const [share, dash] of [[0.5, []], [0.99, [3, 2]]]) {
    context.strokeStyle = theme.ink;
    context.setLineDash(dash);
    context.beginPath();
    let drawing = false;
    sorted.forEach((all, bin) => {
      if (!all.length) {
        drawing = false;
        return;
      }
      const at = scale(Math.max(all[Math.min(all.length - 1, Math.floor(share * all.length))], 1));
      const x = axis.left + (bin + 0.5) * size;
      if (drawing) context.lineTo(x, at); else context.moveTo(x, at);
      drawing = true;
    });
    context.stroke();
  }
  context.setLineDash([]);
  context.fillStyle = theme.ink;
  context.textAlign = "right";
  context.fillText(`slowest ${durationText(longest)}`, axis.left + axis.width - 4, y + 6);
}

/** The whole run in small: where calls ended how, faults, and the stretch that is in view. */
function paintOverview(stage) {
  const { run, view, layout, context, theme } = stage;
  const { y, height } = layout.overview, left = layout.left;
  const width = layout.width - left - RIGHT_ROOM, span = view.whole.end - view.whole.start;
  const x = (time) => left + width * (time - view.whole.start) / span;
  context.fillStyle = theme.raised;
  context.fillRect(left, y, width, height);
  for (const lane of run.header.lanes) {
    context.fillStyle = theme.faults[lane.colour];
    context.globalAlpha = 0.3;
    for (const [start, end] of lane.faults) {
      context.fillRect(x(start), y, Math.max(x(end) - x(start), 1), height);
    }
  }
  context.globalAlpha = 1;
  context.drawImage(overviewBars(stage, Math.floor(width / 2), height), left, y);
  context.fillStyle = theme.fail;
  for (const { call, culprit } of stage.witnesses) {
    if (culprit) context.fillRect(x(run.calls.start[call]) - 1, y, 2.5, height);
  }
  for (const { time } of stage.sightings) context.fillRect(x(time) - 1, y, 2.5, height);
  context.globalAlpha = 0.62;
  context.fillStyle = theme.paper;
  context.fillRect(left, y, x(view.start) - left, height);
  context.fillRect(x(view.end), y, left + width - x(view.end), height);
  context.globalAlpha = 1;
  context.strokeStyle = theme.ink;
  context.strokeRect(x(view.start) + 0.5, y + 0.5, Math.max(x(view.end) - x(view.start) - 1, 2), height - 1);
  context.fillStyle = theme.muted;
  context.textAlign = "right";
  context.fillText(layout.left < GUTTER ? "all" : "whole run", left - 8, y + height / 2);
}

/** The bars of the overview, drawn once for a width and a theme. */
function overviewBars(stage, count, height) {
  if (stage.bars) return stage.bars;
  const { run, view, theme } = stage, { calls } = run;
  const span = view.whole.end - view.whole.start;
  const counts = new Float64Array(count * 3);
  for (let call = 0; call < calls.length; call++) {
    const place = Math.floor((calls.start[call] - view.whole.start) / span * count);
    const kind = calls.outcome[call] === OK ? 0 : calls.outcome[call] === FAIL ? 2 : 1;
    counts[3 * Math.min(Math.max(place, 0), count - 1) + kind]++;
  }
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(count * 2, 1);
  canvas.height = height;
  const brush = canvas.getContext("2d");
  let most = 1;
  for (let at = 0; at < count; at++) {
    most = Math.max(most, counts[3 * at] + counts[3 * at + 1] + counts[3 * at + 2]);
  }
  for (let at = 0; at < count; at++) {
    let top = height - 2;
    ["ok", "info", "fail"].forEach((role, kind) => {
      const tall = counts[3 * at + kind] / most * (height - 6);
      if (!tall) return;
      brush.fillStyle = theme[role];
      brush.fillRect(at * 2, top - Math.max(tall, 1), 2, Math.max(tall, 1));
      top -= tall;
    });
  }
  stage.bars = canvas;
  return canvas;
}
