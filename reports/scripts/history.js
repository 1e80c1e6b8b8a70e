// The raw history: a table that only has the rows in sight, a filter, and two downloads.

const ROW_HEIGHT = 26, SPARE_ROWS = 6, CHUNK_ROWS = 4000;
const FIELDS = ["process", "type", "f", "key", "value", "error", "row", "after", "before"];

/** Conditions out of `process:3 key:x type:info after:12.0 word`; throws what to say to a reader. */
function parseFilter(text) {
  const conditions = [];
  for (const [, name, quoted, plain] of text.matchAll(/(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/gi)) {
    const wanted = quoted ?? plain;
    if (name !== undefined && !FIELDS.includes(name)) {
      throw new Error(`There is no field ${name}. Fields: ${FIELDS.join(", ")}.`);
    }
    if (["after", "before", "row"].includes(name) && Number.isNaN(Number(wanted))) {
      throw new Error(`${name} needs a number, not ${wanted}.`);
    }
    conditions.push({ name: name ?? "any", wanted });
  }
  return conditions;
}

/** A function that tells whether a row fulfils a condition; texts are looked up once. */
function testOf(run, { name, wanted }) {
  const { rows } = run;
  const low = wanted.toLowerCase(), number = Number(wanted);
  const matching = (texts, whole) => Uint8Array.from(texts, (text) => {
    const found = text.toLowerCase();
    return whole ? found === low || found === `"${low}"` : found.includes(low);
  });
  const failed = () => {
    const texts = run.lines("errors").map((text) => text.toLowerCase().includes(low));
    return (place) => texts[run.errors.get(rows.number[place])] ?? false;
  };
  switch (name) {
    case "process": return (place) => processText(run, rows.process[place]).toLowerCase() === low;
    case "type":
      if (low === "open") {
        return (place) => run.callOfRow[place] >= 0
          && run.calls.outcome[run.callOfRow[place]] === OPEN;
      }
      return (place) => TYPES[rows.type[place]] === low;
    case "f": {
      const good = matching(run.header.functions, true);
      return (place) => good[rows.f[place]] === 1;
    }
    case "key": {
      const good = matching(run.lines("keys"), true);
      return (place) => good[rows.key[place]] === 1;
    }
    case "value": {
      const good = matching(run.lines("values"), true);
      return (place) => good[rows.value[place]] === 1;
    }
    case "error": return failed();
    case "row": return (place) => rows.number[place] === number;
    case "after": return (place) => rows.time[place] >= number * 1e9;
    case "before": return (place) => rows.time[place] < number * 1e9;
    default: {
      const values = matching(run.lines("values"), false), keys = matching(run.lines("keys"), false);
      const functions = matching(run.header.functions, false), error = failed();
      return (place) => values[rows.value[place]] === 1 || keys[rows.key[place]] === 1
        || functions[rows.f[place]] === 1 || error(place);
    }
  }
}

function filterRows(run, text) {
  const tests = parseFilter(text).map((condition) => testOf(run, condition));
  if (!tests.length) return counted(run.rows.length);
  const found = new Int32Array(run.rows.length);
  let count = 0;
  for (let place = 0; place < run.rows.length; place++) {
    if (tests.every((test) => test(place))) found[count++] = place;
  }
  return found.subarray(0, count);
}

function makeHistory(stage, panel) {
  const { run, view } = stage;
  const box = panel.querySelector(".rows"), body = box.querySelector("tbody");
  const spacer = box.querySelector(".spacer"), table = box.querySelector("table");
  const filter = panel.querySelector("input"), said = panel.querySelector(".filter-said");
  let found = new Int32Array(0), shownQuery = null, shownSelection = null, frame = 0;

  function apply() {
    try {
      found = filterRows(run, view.query);
      const all = run.rows.length;
      said.textContent = `${found.length.toLocaleString("en")} of ${all.toLocaleString("en")} rows`;
      filter.setAttribute("aria-invalid", "false");
    } catch (error) {
      said.textContent = error.message;
      filter.setAttribute("aria-invalid", "true");
    }
    spacer.style.height = `${found.length * ROW_HEIGHT}px`;
    table.setAttribute("aria-rowcount", String(found.length + 1));
    draw();
  }

  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    const count = Math.ceil(box.clientHeight / ROW_HEIGHT) + 2 * SPARE_ROWS;
    const inView = found.subarray(first, first + count);
    table.style.top = `${first * ROW_HEIGHT}px`;
    body.replaceChildren(...Array.from(inView, (place, at) => line(place, first + at)));
  }

  function line(place, at) {
    const { rows } = run, call = run.callOfRow[place];
    const cells = [
      rows.index[place], run.header.timed ? (rows.time[place] / 1e9).toFixed(6) : "–",
      processText(run, rows.process[place]), TYPES[rows.type[place]], functionText(run, place),
      keyText(run, place), rows.value[place] > 0 ? valueText(run, place, 200) : "",
      errorText(run, place),
    ];
    const row = make("tr", { className: `t-${call < 0 ? "none" : TYPES[rows.type[place]]}` },
      ...cells.map((cell) => make("td", {}, make("bdi", {}, String(cell)))));
    row.setAttribute("aria-rowindex", String(at + 2));
    if (call >= 0 && view.selection?.kind === "call" && view.selection.id === call) {
      row.setAttribute("aria-selected", "true");
    }
    row.addEventListener("click", () => {
      if (call >= 0) select(run, view, { kind: "call", id: call });
    });
    return row;
  }

  function follow() {
    if (view.query !== shownQuery) {
      shownQuery = view.query;
      if (filter.value !== view.query) filter.value = view.query;
      apply();
    }
    if (view.selection === shownSelection) return;
    shownSelection = view.selection;
    if (view.selection?.kind === "call") {
      const at = lowerBound(found, run.calls.first[view.selection.id]);
      const top = at * ROW_HEIGHT;
      if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 2 * ROW_HEIGHT) {
        box.scrollTop = Math.max(top - box.clientHeight / 2, 0);
      }
    }
    draw();
  }

  box.addEventListener("scroll", () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  });
  filter.addEventListener("input", () => {
    view.query = filter.value;
    changed(view);
  });
  for (const button of panel.querySelectorAll("[data-download]")) {
    button.addEventListener("click", () => {
      const asEdn = button.dataset.download === "edn";
      download(run, found, asEdn ? ednLine : jsonLine, asEdn ? "history.edn" : "history.jsonl");
    });
  }
  view.listeners.push(follow);
  follow();
}

function download(run, places, lineOf, name) {
  const parts = [];
  for (let from = 0; from < places.length; from += CHUNK_ROWS) {
    parts.push(Array.from(places.subarray(from, from + CHUNK_ROWS), (at) => lineOf(run, at)).join(""));
  }
  const link = make("a", { href: URL.createObjectURL(new Blob(parts)), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function rowParts(run, place) {
  const { rows } = run, { stamped, origin, functions } = run.header;
  const process = rows.process[place], error = run.errors.get(rows.number[place]);
  return {
    time: stamped ? String(BigInt(origin) + BigInt(rows.time[place])) : null,
    who: process >= 0 ? process : run.header.processes.at(process),
    f: functions[rows.f[place]],
    key: rows.key[place] > 0 ? run.lines("keys")[rows.key[place]] : null,
    value: run.lines("values")[rows.value[place]],
    error: error === undefined ? null : run.lines("errors")[error],
  };
}

/** A row as harness/formats/jsonl.py writes it; values are not read, so no digit is lost. */
function jsonLine(run, place) {
  const { time, who, f, key, value, error } = rowParts(run, place);
  return `{"index":${run.rows.index[place]},"time_ns":${time ?? -1},"process":${JSON.stringify(who)}`
    + `,"type":"${TYPES[run.rows.type[place]]}","f":${JSON.stringify(f)}`
    + `${key === null ? "" : `,"key":${key}`},"value":${value}`
    + `${error === null ? "" : `,"error":${error}`}}\n`;
}

/** A row as harness/formats/edn.py writes it. */
function ednLine(run, place) {
  const { time, who, f, key, value, error } = rowParts(run, place);
  const told = key === null ? edn(value, f === "txn") : `[${edn(key)} ${edn(value, f === "txn")}]`;
  return `{:index ${run.rows.index[place]}, ${time === null ? "" : `:time ${time}, `}`
    + `:type :${TYPES[run.rows.type[place]]}, :process ${typeof who === "number" ? who : ednName(who)}, `
    + `:f ${ednName(f)}, :value ${told}${error === null ? "" : `, :error ${edn(error)}`}}\n`;
}

function ednName(name) {
  return /^[a-zA-Z*!_?<>=][\w*!?<>=.+-]*$/.test(name) ? `:${name}` : JSON.stringify(name);
}

function isBeyond64Bits(token) {
  return /^-?\d{19,}$/.test(token) && BigInt.asIntN(64, BigInt(token)) !== BigInt(token);
}

/** JSON text as EDN, token by token: numbers keep their digits. */
function edn(json, transaction = false) {
  let told = "", depth = 0, previous = "";
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g)) {
    if (token === "[" || token === "{") depth++;
    if (token === "]" || token === "}") depth--;
    if (token === ",") told += json[0] === "{" && depth === 1 ? ", " : " ";
    else if (token === ":") told += " ";
    else if (token === "null") told += "nil";
    else if (isBeyond64Bits(token)) told += `${token}N`;
    else if (transaction && depth === 2 && previous === "[" && token[0] === '"') {
      told += ednName(JSON.parse(token));
    } else told += token;
    previous = token;
  }
  return told;
}
