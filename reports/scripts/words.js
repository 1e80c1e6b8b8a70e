// How values, moments and calls are put into words. Nothing here makes markup: all text of a run
// enters the page as text nodes.

// What a reader cannot see, or what would reorder the line it stands in.
const UNSEEN = new RegExp("[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e"
  + "\\u2060-\\u206f\\ufeff\\ufff9-\\uffff\\ud800-\\udfff]", "gu");

function visible(text, limit = 160) {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replace(UNSEEN, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function momentText(run, time, decimals = 3) {
  if (!run.header.timed) return `row ${Math.round(time)}`;
  return `${(time / 1e9).toFixed(decimals)} s`;
}

function durationText(time) {
  for (const [size, unit] of [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]]) {
    if (time >= size) return `${Number((time / size).toPrecision(3))} ${unit}`;
  }
  return `${Math.round(time)} ns`;
}

function endpointName(run, endpoint) {
  return endpoint <= run.nodes ? `n${endpoint}` : `client ${endpoint - run.nodes - 1}`;
}

function processText(run, process) {
  const names = run.header.processes;
  return process >= 0 ? String(process) : visible(names[names.length + process] ?? "?", 40);
}

function functionText(run, place) {
  return visible(run.header.functions[run.rows.f[place]], 60);
}

function valueText(run, place, limit) {
  return visible(run.lines("values")[run.rows.value[place]], limit);
}

function keyText(run, place) {
  return run.rows.key[place] > 0 ? visible(run.lines("keys")[run.rows.key[place]], 60) : "";
}

function errorText(run, place) {
  const error = run.errors.get(run.rows.number[place]);
  return error === undefined ? "" : visible(run.lines("errors")[error], 400);
}

/** A call in few words: write 9, read → 7, cas [1, 2] on "x". */
function callText(run, call, limit = 60) {
  const { calls, rows } = run;
  const first = calls.first[call], last = calls.last[call];
  const asked = rows.value[first] > 0 ? ` ${valueText(run, first, limit)}` : "";
  const answers = last >= 0 && calls.outcome[call] === OK
    && (rows.value[last] !== rows.value[first] || !asked);
  const answered = answers && (rows.value[last] > 0 || !asked && READS.has(functionText(run, first)))
    ? ` → ${valueText(run, last, limit)}` : "";
  const key = keyText(run, first);
  return `${functionText(run, first)}${asked}${answered}${key ? ` on ${key}` : ""}`;
}

const READS = new Set(["read", "get", "dequeue", "poll", "pop", "lookup"]);

function messageText(run, message) {
  const { kind, source, destination } = run.messages;
  return `${run.header.kinds[kind[message]]} from ${endpointName(run, source[message])} to `
    + endpointName(run, destination[message]);
}

/** An element with properties, and children that are elements or texts. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value; else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
