// What is looked at: the stretch of time, warp, the selection, the filter; kept in the fragment.

/** The whole run, and what the fragment of the address asks for. */
function makeView(run) {
  const whole = { start: run.header.start, end: Math.max(run.header.end, run.header.start + 1) };
  const view = {
    whole, start: whole.start, end: whole.end, warp: false, query: "", selection: null,
    cone: null, hiddenKinds: clientKinds(run), pointer: null, listeners: [],
  };
  readFragment(run, view);
  return view;
}

/** Kinds of messages that only travel between clients and nodes: hidden at first. */
function clientKinds(run) {
  const between = new Set(), seen = new Set();
  const { source, destination, kind } = run.messages;
  for (let place = 0; place < run.messages.length; place++) {
    seen.add(kind[place]);
    if (source[place] <= run.nodes && destination[place] <= run.nodes) between.add(kind[place]);
  }
  return new Set([...seen].filter((number) => !between.has(number)));
}

/** Tells everyone, once per frame, that the view has changed. */
function changed(view) {
  if (view.pending) return;
  view.pending = true;
  requestAnimationFrame(() => {
    view.pending = false;
    for (const listener of view.listeners) listener();
  });
}

/** Looks at a stretch, at least a microsecond of it, within the run. */
function look(view, start, end) {
  const { whole } = view;
  const span = Math.min(Math.max(end - start, 1000), whole.end - whole.start);
  view.start = Math.min(Math.max(start, whole.start), whole.end - span);
  view.end = view.start + span;
  changed(view);
}

function zoom(view, axis, factor, x = axis.left + axis.width / 2) {
  const centre = axis.time(x);
  look(view, centre - (centre - view.start) * factor, centre + (view.end - centre) * factor);
}

function pan(view, share) {
  const step = (view.end - view.start) * share;
  look(view, view.start + step, view.end + step);
}

/** Makes sure that a stretch is in view, with some room around it. */
function reveal(view, start, end) {
  const inside = start >= view.start && end <= view.end;
  const share = (end - start) / (view.end - view.start);
  if (inside && share > 0.01) return;
  const room = Math.max((end - start) * 3, 2e7);
  look(view, start - room, end + room);
}

/** Selects {kind: "call" | "message" | "node", id, time}, or nothing. */
function select(run, view, selection, { show = true } = {}) {
  view.selection = selection;
  view.cone = null;
  if (selection !== null) {
    const [start, end, endpoint] = extent(run, selection);
    if (run.messages.length && endpoint !== null) view.cone = lightCone(run, endpoint, end);
    if (show) reveal(view, start, end);
  }
  changed(view);
}

/** Where a selected thing lies in time, and the endpoint at which it ends (null: nowhere). */
function extent(run, { kind, id, time }) {
  if (kind === "call") {
    const { calls } = run;
    const stop = calls.outcome[id] === OPEN ? calls.start[id] : calls.stop[id];
    return [calls.start[id], stop, run.nodes ? clientEndpoint(run, calls.thread[id]) : null];
  }
  if (kind === "message") {
    const { sent, end, source, destination, lost } = run.messages;
    // A lost message has a past, which is that of its sender.
    return lost[id] ? [sent[id], sent[id], source[id]] : [sent[id], end[id], destination[id]];
  }
  return [time, time, id];
}

const FRAGMENT_DIGITS = 6;

function fragment(run, view) {
  const parts = [];
  const seconds = (time) => (time / 1e9).toFixed(FRAGMENT_DIGITS);
  if (view.start > view.whole.start || view.end < view.whole.end) {
    parts.push(`t=${seconds(view.start)}-${seconds(view.end)}`);
  }
  const chosen = view.selection;
  if (chosen?.kind === "call") parts.push(`op=${run.rows.number[run.calls.first[chosen.id]]}`);
  if (chosen?.kind === "message") parts.push(`m=${chosen.id}`);
  if (chosen?.kind === "node") parts.push(`n=${chosen.id}@${seconds(chosen.time)}`);
  if (view.warp) parts.push("warp=1");
  if (view.query) parts.push(`q=${encodeURIComponent(view.query)}`);
  return parts.join("&");
}

/** What the fragment says; what it does not name or names wrongly stays as it is. */
function readFragment(run, view) {
  const said = new Map(location.hash.slice(1).split("&").map((part) => {
    const [name, ...rest] = part.split("=");
    return [name, rest.join("=")];
  }));
  view.warp = said.get("warp") === "1" && run.header.timed;
  try {
    view.query = decodeURIComponent(said.get("q") ?? "");
  } catch {
    view.query = "";
  }
  const stretch = /^(-?\d+(?:\.\d+)?)-(-?\d+(?:\.\d+)?)$/.exec(said.get("t") ?? "");
  if (stretch && Number(stretch[1]) < Number(stretch[2])) {
    look(view, Number(stretch[1]) * 1e9, Number(stretch[2]) * 1e9);
  }
  const show = !stretch;
  const place = run.rows.number.indexOf(Number(said.get("op") ?? -1));
  const node = /^(\d+)@(-?\d+(?:\.\d+)?)$/.exec(said.get("n") ?? "");
  if (place >= 0 && run.callOfRow[place] >= 0) {
    select(run, view, { kind: "call", id: run.callOfRow[place] }, { show });
  } else if (/^\d+$/.test(said.get("m") ?? "") && Number(said.get("m")) < run.messages.length) {
    select(run, view, { kind: "message", id: Number(said.get("m")) }, { show });
  } else if (node && Number(node[1]) >= 1 && Number(node[1]) <= run.nodes) {
    select(run, view, { kind: "node", id: Number(node[1]), time: Number(node[2]) * 1e9 }, { show });
  }
}

/** Keeps the fragment up to date, without an entry in the browser's history for every step. */
function keepFragment(run, view) {
  let timer = 0;
  view.listeners.push(() => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const said = fragment(run, view);
      if (said !== location.hash.slice(1) && (said || location.hash.includes("="))) {
        history.replaceState(null, "", `#${said}`);
      }
    }, 150);
  });
  addEventListener("hashchange", () => {
    if (location.hash.includes("=")) readFragment(run, view);
  });
}
