// The stage: one canvas, five tracks, one time axis. Only what is in view is drawn; what is
// narrower than a pixel is merged, and the worst outcome lies in front.

const GUTTER = 92, RIGHT_ROOM = 10;
const SIZES = { overview: 34, axis: 20, lane: 17, node: 38, rates: 64, gap: 8 };
const LINES_MAX = 2500, ARROWS_MAX = 250, NAMES_MAX = 40;
const WORST = new Uint8Array([0, 1, 2, 3, 3]);  // by outcome: ok, fail, info, open
const WORST_ROLE = ["", "ok", "fail", "info"];
const COLOURS = ["paper", "raised", "line", "ink", "muted", "link", "ok", "fail", "info",
  "on-mark", "culprit-wash"];

/** Where each track lies; rows of many clients are lower. */
function layOut(run, width) {
  const count = run.threads.length;
  const rowHeight = count > 400 ? 1 : count > 100 ? 3 : count > 40 ? 7 : count > 16 ? 12 : 17;
  const lanes = run.header.lanes.length;
  const layout = { width, rowHeight, left: width < 520 ? 62 : GUTTER };
  let y = 0;
  const track = (name, height) => {
    layout[name] = { y, height };
    y += height + (height ? SIZES.gap : 0);
  };
  track("overview", SIZES.overview);
  track("axis", SIZES.axis);
  track("lanes", lanes * SIZES.lane);
  track("calls", run.threads.length * rowHeight);
  track("nodes", run.nodes * SIZES.node);
  track("rates", run.header.timed && run.calls.length > 20 ? SIZES.rates : 0);
  layout.height = y;
  layout.rowOf = new Map(run.threads.map((thread, place) => [thread, place]));
  layout.callY = (thread) => layout.calls.y + layout.rowOf.get(thread) * rowHeight;
  layout.nodeY = (node) => layout.nodes.y + (node - 1) * SIZES.node + SIZES.node / 2;
  layout.endpointY = (endpoint) => {
    if (endpoint <= run.nodes) return layout.nodeY(endpoint);
    const row = layout.rowOf.get(endpoint - run.nodes - 1);
    return row === undefined ? layout.calls.y : layout.calls.y + (row + 0.5) * rowHeight;
  };
  return layout;
}

/** The colours of the page's theme, and a hatch for what nobody knows. */
function readTheme(context) {
  const style = getComputedStyle(document.documentElement);
  const theme = {};
  for (const name of COLOURS) theme[name] = style.getPropertyValue(`--${name}`).trim();
  theme.faults = [];
  for (let number = 0; style.getPropertyValue(`--fault-${number}`); number++) {
    theme.faults.push(style.getPropertyValue(`--fault-${number}`).trim());
  }
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const brush = tile.getContext("2d");
  brush.globalAlpha = 0.18;
  brush.fillStyle = theme.info;
  brush.fillRect(0, 0, 6, 6);
  brush.globalAlpha = 0.85;
  brush.strokeStyle = theme.info;
  brush.lineWidth = 1.6;
  brush.beginPath();
  for (const shift of [-6, 0, 6]) { brush.moveTo(shift, 6); brush.lineTo(shift + 6, 0); }
  brush.stroke();
  theme.hatch = context.createPattern(tile, "repeat");
  theme.font = "system-ui, sans-serif";
  theme.packed = WORST_ROLE.map((role) => role ? packedColour(theme[role]) : 0);
  return theme;
}

function paint(stage) {
  const { run, view, layout, context, theme, ratio } = stage;
  stage.axis = makeAxis(run, view, layout.left, layout.width - layout.left - RIGHT_ROOM);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, layout.width, layout.height);
  context.textBaseline = "middle";
  context.font = `11px ${theme.font}`;
  paintOverview(stage);
  context.save();
  context.beginPath();
  context.rect(layout.left, layout.axis.y, layout.width - layout.left, layout.height);
  context.clip();
  paintAxis(stage);
  paintFaults(stage);
  paintCalls(stage);
  paintNodes(stage);
  paintMessages(stage);
  paintRoles(stage);
  paintMarks(stage);
  paintRates(stage);
  paintPointer(stage);
  paintSightings(stage);
  context.restore();
  paintNames(stage);
}

function paintAxis({ run, view, layout, context, theme, axis }) {
  context.strokeStyle = theme.line;
  context.fillStyle = theme.muted;
  context.textAlign = "center";
  context.lineWidth = 1;
  context.beginPath();
  for (const tick of ticks(run, view, axis, Math.max(3, Math.round(axis.width / 120)))) {
    const x = Math.round(tick.x) + 0.5;
    context.moveTo(x, layout.axis.y + SIZES.axis - 3);
    context.lineTo(x, layout.height);
    if (x - layout.left > 26 && layout.width - x > 26) {
      context.fillText(tick.text, x, layout.axis.y + 8);
    }
  }
  context.stroke();
}

function paintFaults({ run, view, layout, context, theme, axis }) {
  run.header.lanes.forEach((lane, number) => {
    const y = layout.lanes.y + number * SIZES.lane;
    context.fillStyle = theme.faults[lane.colour];
    for (const [start, end] of lane.faults) {
      if (end < view.start || start > view.end) continue;
      const x = Math.max(axis.x(start), layout.left - 1);
      const width = Math.max(Math.min(axis.x(end), layout.width) - x, 1.5);
      context.globalAlpha = 0.1;
      context.fillRect(x, y + SIZES.lane - 2, width, layout.height - y);
      context.globalAlpha = 0.4;
      context.fillRect(x, y, width, SIZES.lane - 2);
      if (width > 16) {
        context.globalAlpha = 1;
        context.fillStyle = theme.ink;
        context.textAlign = "center";
        context.fillText(width > 90 ? lane.name : lane.letter, x + width / 2, y + 8);
        context.fillStyle = theme.faults[lane.colour];
      }
    }
  });
  context.globalAlpha = 1;
}

function paintCalls(stage) {
  const { run, view, layout, context, theme, axis } = stage;
  const { calls } = run, { rowHeight } = layout;
  const width = Math.ceil(axis.width) + 2, linear = !view.warp;
  const scale = axis.width / (view.end - view.start);
  const lit = new Uint8Array(width), dim = new Uint8Array(width);
  const strip = pixelStrip(stage, width, run.threads.length);
  const inset = rowHeight > 10 ? 2 : rowHeight > 3 ? 1 : 0, height = rowHeight - 2 * inset;
  context.textAlign = "left";
  for (const thread of run.threads) {
    const y = layout.callY(thread) + inset;
    lit.fill(0);
    dim.fill(0);
    const mine = run.byThread.get(thread), { start, stop } = calls;
    for (let at = firstInView(run, mine, view.start); at < mine.length; at++) {
      const call = mine[at];
      if (start[call] > view.end) break;
      if (stop[call] < view.start) continue;
      const x = linear ? layout.left + (start[call] - view.start) * scale : axis.x(start[call]);
      const right = linear ? layout.left + (stop[call] - view.start) * scale : axis.x(stop[call]);
      const inside = view.cone === null || callInCone(run, view.cone, call);
      if (right - x < 2.5) {
        const from = Math.max(Math.floor(x - layout.left), 0);
        const to = Math.min(Math.floor(right - layout.left), width - 1);
        const into = inside ? lit : dim, worst = WORST[calls.outcome[call]];
        for (let pixel = from; pixel <= to; pixel++) if (into[pixel] < worst) into[pixel] = worst;
      } else {
        context.globalAlpha = inside ? 1 : 0.22;
        paintBar(stage, call, Math.max(x, layout.left - 4), y, Math.min(right, layout.width + 4), height);
      }
    }
    strip.fill(layout.rowOf.get(thread), dim, lit, theme);
  }
  context.globalAlpha = 1;
  strip.flush();
  for (const thread of run.threads) {
    strip.draw(context, layout.rowOf.get(thread), layout.left, layout.callY(thread) + inset, height);
  }
  paintWitnesses(stage, inset, height);
}

/** Calls of one thread follow each other: start looking one before the first that begins later. */
function firstInView(run, mine, start) {
  let low = 0, high = mine.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (run.calls.start[mine[middle]] < start) low = middle + 1; else high = middle;
  }
  return Math.max(low - 1, 0);
}

function paintBar({ run, context, theme, layout }, call, x, y, right, height) {
  const outcome = run.calls.outcome[call], width = Math.max(right - x, 1);
  if (outcome === OK) {
    context.fillStyle = theme.ok;
    context.fillRect(x, y, width - 0.5, height);
  } else if (outcome === FAIL) {
    context.fillStyle = theme.paper;
    context.fillRect(x, y, width, height);
    context.strokeStyle = theme.fail;
    context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
  } else {
    context.fillStyle = theme.hatch;
    context.fillRect(x, y, width, height);
    context.strokeStyle = theme.info;
    context.beginPath();
    context.moveTo(x + width, y + 0.5);
    context.lineTo(x + 0.5, y + 0.5);
    context.lineTo(x + 0.5, y + height - 0.5);
    context.lineTo(x + width, y + height - 0.5);
    context.stroke();
  }
  if (height > 10 && width > 34) {
    const text = fitted(context, callText(run, call, 40), width - 8);
    if (text) {
      context.fillStyle = outcome === OK ? theme["on-mark"] : theme.ink;
      context.fillText(text, Math.max(x, layout.left) + 4, y + height / 2 + 0.5);
    }
  }
}

/** As much of a text as there is room for; nothing if that is next to nothing. */
function fitted(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  const length = Math.floor(text.length * room / context.measureText(text).width) - 1;
  return length >= 3 ? `${text.slice(0, length)}…` : "";
}

/**
 * Pixels, a line a row, that are put on the canvas at once: much faster than as many rectangles.
 * Of each code the colour is that of WORST_ROLE; `dim` is drawn faint, `lit` over it.
 */
function pixelStrip(stage, width, lines) {
  const canvas = stage.strip ??= document.createElement("canvas");
  if (!width || !lines) return { fill() {}, flush() {}, draw() {} };
  if (canvas.width !== width || canvas.height !== lines) {
    canvas.width = width;
    canvas.height = lines;
  }
  const brush = canvas.getContext("2d"), image = brush.createImageData(width, lines);
  const pixels = new Uint32Array(image.data.buffer);
  return {
    fill(line, dim, lit, theme) {
      const offset = line * width, faint = 0x38000000, full = 0xff000000;
      for (let at = 0; at < width; at++) {
        if (lit[at]) pixels[offset + at] = (theme.packed[lit[at]] | full) >>> 0;
        else if (dim[at]) pixels[offset + at] = (theme.packed[dim[at]] | faint) >>> 0;
      }
    },
    flush() {
      brush.putImageData(image, 0, 0);
    },
    draw(context, line, x, y, height) {
      context.imageSmoothingEnabled = false;
      context.drawImage(canvas, 0, line, width, 1, x, y, width, height);
    },
  };
}

/** A colour #rrggbb as the pixels of little-endian image data have it, without opacity. */
function packedColour(colour) {
  const number = Number.parseInt(colour.slice(1), 16);
  return (number & 255) << 16 | number & 0xff00 | number >> 16;
}

/** Rings around the calls of witnesses and around the selected one. */
function paintWitnesses({ run, view, layout, context, theme, axis, witnesses }, inset, height) {
  const ring = (call, colour, thick, number) => {
    if (run.calls.start[call] > view.end || run.calls.stop[call] < view.start) return;
    const x = axis.x(run.calls.start[call]);
    const width = Math.max(axis.x(run.calls.stop[call]) - x, 3);
    const y = layout.callY(run.calls.thread[call]) + inset;
    context.strokeStyle = colour;
    context.lineWidth = thick;
    context.strokeRect(x - 1.5, y - 1.5, width + 3, height + 3);
    context.lineWidth = 1;
    if (number === null) return;
    const at = Math.max(x - 9, layout.left + 8);
    context.fillStyle = colour;
    context.beginPath();
    context.arc(at, y + height / 2, 7, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = colour === theme.fail ? theme["on-mark"] : theme.paper;
    context.textAlign = "center";
    context.font = `bold 10px ${theme.font}`;
    context.fillText(String(number), at, y + height / 2 + 0.5);
    context.font = `11px ${theme.font}`;
  };
  // Numbers are those of one witness: of the one that the selection is part of, or the first.
  const chosen = view.selection?.kind === "call" ? view.selection.id : -1;
  const active = witnesses.find(({ call }) => call === chosen)?.witness ?? 1;
  for (const { call, number, culprit, witness } of witnesses) {
    if (witness !== active) continue;
    ring(call, culprit ? theme.fail : theme.ink, 2, height > 8 ? number : null);
  }
  if (view.selection?.kind === "call") ring(view.selection.id, theme.link, 2.5, null);
}

function paintPointer({ view, layout, context, theme, axis, brushed }) {
  if (brushed) {
    const x = axis.x(brushed[0]), y = layout.axis.y + SIZES.axis - 4;
    context.globalAlpha = 0.16;
    context.fillStyle = theme.link;
    context.fillRect(x, y, axis.x(brushed[1]) - x, layout.height);
    context.globalAlpha = 1;
  }
  if (view.selection?.kind === "node") {
    const x = axis.x(view.selection.time), y = layout.nodeY(view.selection.id);
    context.strokeStyle = theme.link;
    context.lineWidth = 2;
    context.strokeRect(x - 5, y - 13, 10, 26);
    context.lineWidth = 1;
  }
  if (view.pointer === null) return;
  context.strokeStyle = theme.muted;
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(Math.round(view.pointer) + 0.5, layout.axis.y + SIZES.axis - 4);
  context.lineTo(Math.round(view.pointer) + 0.5, layout.height);
  context.stroke();
  context.setLineDash([]);
}

/** What stands left of the tracks. */
function paintNames({ run, layout, context, theme }) {
  context.fillStyle = theme.muted;
  context.textAlign = "right";
  const right = layout.left - 8;
  const short = layout.left < GUTTER;
  run.header.lanes.forEach((lane, number) => {
    const name = short ? lane.letter : fitted(context, `${lane.letter} ${lane.name}`, right);
    context.fillText(name, right, layout.lanes.y + number * SIZES.lane + 8);
  });
  if (layout.rowHeight > 10) {
    for (const thread of run.threads) {
      const name = short ? `c${thread}` : `client ${thread}`;
      context.fillText(name, right, layout.callY(thread) + layout.rowHeight / 2);
    }
  } else if (run.threads.length) {
    context.fillText(`${run.threads.length} clients`, right, layout.calls.y + 8);
  }
  context.fillStyle = theme.ink;
  context.font = `bold 11px ${theme.font}`;
  for (let node = 1; node <= run.nodes; node++) {
    context.fillText(`n${node}`, right, layout.nodeY(node));
  }
  context.font = `11px ${theme.font}`;
  context.fillStyle = theme.muted;
  if (layout.rates.height) {
    context.fillText(short ? "rates" : "ok a second", right, layout.rates.y + 8);
    context.fillStyle = theme.ink;
    context.fillText(short ? "p99" : "p50, p99", right, layout.rates.y + 24);
  }
}
