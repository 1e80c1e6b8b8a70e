// The run out of the page's block of data: columns as typed arrays, texts split when first asked.

const INVOKE = 0, OK = 1, FAIL = 2, INFO = 3, OPEN = 4;
const OUTCOMES = ["invoke", "ok", "fail", "info", "open"];
const THREADS_MAX = 8000;  // rows of a canvas; the history below has all
const TYPES = ["invoke", "ok", "fail", "info"];

/** Zigzag differences, seven bits a byte, as reports/payload.py packs them. */
function unpack(bytes, count, Kind) {
  const column = new Kind(count);
  let at = 0, sum = 0;
  for (let place = 0; place < count; place++) {
    let byte = bytes[at++], number = byte & 127, scale = 128;
    while (byte > 127) {
      byte = bytes[at++];
      number += (byte & 127) * scale;  // no shift: numbers may have more than 32 bits
      scale *= 128;
    }
    sum += number % 2 ? -(number + 1) / 2 : number / 2;
    column[place] = sum;
  }
  return column;
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The container: header, columns and texts; see reports/payload.py. */
function openContainer(bytes) {
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const decoder = new TextDecoder();
  const header = JSON.parse(decoder.decode(bytes.subarray(4, 4 + size)));
  const body = bytes.subarray(4 + size);
  const split = new Map();
  return {
    header,
    has: (name) => name in header.columns,
    column(name, Kind = Int32Array) {
      if (!(name in header.columns)) return new Kind(0);
      const [offset, length, count] = header.columns[name];
      return unpack(body.subarray(offset, offset + length), count, Kind);
    },
    lines(name) {
      if (!split.has(name)) {
        const [offset, length] = header.texts[name] ?? [0, 0];
        split.set(name, decoder.decode(body.subarray(offset, offset + length)).split("\n"));
      }
      return split.get(name);
    },
  };
}

/** Everything that the page draws and lists. Times are nanoseconds since the origin. */
function makeRun(container) {
  const { header, column, lines, has } = container;
  const rows = {
    time: column("time", Float64Array), type: column("type", Uint8Array), value: column("value"),
  };
  rows.length = rows.time.length;
  rows.process = has("process") ? column("process") : processes(rows, header, column("thread"));
  Object.assign(rows, functionsAndKeys(rows, header, column("f"), column("key")));
  rows.number = has("row") ? column("row") : counted(rows.length);
  rows.index = has("index") ? column("index", Float64Array) : rows.number;
  const run = { header, rows, lines, ...pairUp(rows, header), nodes: header.nodes };
  run.errors = new Map();
  column("error").forEach((row, place) => run.errors.set(row, place));
  run.messages = messagesOf(header, column);
  run.nodeTimelines = nodeTimelines(header, column);
  // whether it is a system whose nodes commit at all
  run.commits = run.nodeTimelines.some(({ states }) => states.some(({ committed }) => committed > 0));
  run.marks = {
    time: column("p.time", Float64Array), node: column("p.node"), word: column("p.word"),
  };
  return run;
}

function counted(length) {
  const column = new Int32Array(length);
  for (let place = 0; place < length; place++) column[place] = place;
  return column;
}

/** Processes out of threads: who ends `info` is retired, and the thread goes on as the next one. */
function processes(rows, header, thread) {
  const present = counted(header.concurrency);
  for (let place = 0; place < rows.length; place++) {
    const who = thread[place];
    if (who < 0) continue;
    thread[place] = present[who];
    if (rows.type[place] === INFO) present[who] += header.concurrency;
  }
  return thread;
}

/** Function and key of every row; a completion has those of its call where it does not tell. */
function functionsAndKeys(rows, header, f, key) {
  const { process, type, length } = rows;
  if (f.length === length) return { f, key };
  const wholeF = new Int32Array(length), wholeKey = new Int32Array(length);
  const under = new Int32Array(header.concurrency);  // by thread: one call at a time
  let next = 0;
  for (let place = 0; place < length; place++) {
    const who = process[place];
    let from;
    if (who < 0) from = next++;
    else if (type[place] === INVOKE) from = under[who % header.concurrency] = next++;
    else from = under[who % header.concurrency];
    wholeF[place] = f[from];
    wholeKey[place] = key[from];
  }
  return { f: wholeF, key: wholeKey };
}

/** Calls out of rows: an invocation and what became of it, by thread as well. */
function pairUp(rows, header) {
  let count = 0;
  for (let place = 0; place < rows.length; place++) {
    if (rows.process[place] >= 0 && rows.type[place] === INVOKE) count++;
  }
  const calls = {
    length: count, first: new Int32Array(count), last: new Int32Array(count).fill(-1),
    start: new Float64Array(count), stop: new Float64Array(count).fill(header.end),
    outcome: new Uint8Array(count).fill(OPEN), thread: new Int32Array(count),
  };
  const callOfRow = new Int32Array(rows.length).fill(-1);
  const under = new Int32Array(header.concurrency).fill(-1);  // by thread: one call at a time
  const { process, type, time } = rows, { first, last, start, stop, outcome, thread } = calls;
  let call = 0;
  for (let place = 0; place < rows.length; place++) {
    if (process[place] < 0) continue;
    const who = process[place] % header.concurrency;
    if (type[place] === INVOKE) {
      under[who] = call;
      first[call] = place;
      start[call] = time[place];
      thread[call] = who;
      callOfRow[place] = call++;
    } else if (under[who] >= 0) {
      const mine = under[who];
      under[who] = -1;
      last[mine] = place;
      stop[mine] = Math.max(time[place], start[mine]);
      outcome[mine] = type[place];
      callOfRow[place] = mine;
    }
  }
  return { calls, callOfRow, ...grouped(calls, header.concurrency) };
}

/** The threads that there are, and the calls of each in the order of their beginning. */
function grouped({ thread, length }, concurrency) {
  const counts = new Int32Array(concurrency), threads = [], byThread = new Map();
  for (let call = 0; call < length; call++) counts[thread[call]]++;
  const lists = Array.from(counts, (count) => new Int32Array(count));
  counts.fill(0);
  for (let call = 0; call < length; call++) lists[thread[call]][counts[thread[call]]++] = call;
  lists.forEach((list, one) => {
    if (!list.length || threads.length === THREADS_MAX) return;
    threads.push(one);
    byThread.set(one, list);
  });
  return { threads, byThread };
}

function messagesOf(header, column) {
  const messages = {
    end: column("m.end", Float64Array), sent: column("m.took", Float64Array),
    source: column("m.source"), destination: column("m.destination"),
    kind: column("m.kind"), body: column("m.body"), lost: column("m.lost", Uint8Array),
    longest: 0, highest: header.nodes + 1,
  };
  messages.length = messages.end.length;
  for (let place = 0; place < messages.length; place++) {
    const took = messages.sent[place];
    if (took > messages.longest) messages.longest = took;
    messages.sent[place] = messages.end[place] - took;
    const far = Math.max(messages.source[place], messages.destination[place]);
    if (far > messages.highest) messages.highest = far;
  }
  return messages;
}

/** Per node: what it said of itself and when, and stretches of one role, term and life. */
function nodeTimelines(header, column) {
  const said = {
    time: column("s.time", Float64Array), node: column("s.node"), role: column("s.role"),
    term: column("s.term", Float64Array), leader: column("s.leader"),
    committed: column("s.committed", Float64Array),
  };
  const lives = {
    time: column("l.time", Float64Array), node: column("l.node"), word: column("l.word"),
  };
  const timelines = [];
  for (let node = 1; node <= header.nodes; node++) {
    const events = [];
    said.node.forEach((who, place) => {
      if (who === node) {
        events.push({
          time: said.time[place], role: header.words[said.role[place]], term: said.term[place],
          leader: said.leader[place], committed: said.committed[place], life: null,
        });
      }
    });
    lives.node.forEach((who, place) => {
      if (who === node) events.push({ time: lives.time[place], life: header.words[lives.word[place]] });
    });
    events.sort((a, b) => a.time - b.time || (a.life === null) - (b.life === null));
    const states = [], stretches = [];
    let state = { life: "up", role: "", term: 0, leader: 0, committed: 0 };
    for (const event of events) {
      state = event.life === null ? { ...event, life: state.life } : { ...state, ...event };
      states.push(state);
      const before = stretches.at(-1);
      if (!before || before.role !== state.role || before.term !== state.term
        || before.life !== state.life) {
        if (before) before.end = state.time;
        stretches.push({ start: state.time, end: header.end, ...state });
      }
    }
    timelines.push({ node, states, stretches });
  }
  return timelines;
}

/** What a node last said at or before a time; undefined before it said anything. */
function stateAt(run, node, time) {
  const { states } = run.nodeTimelines[node - 1];
  let low = 0, high = states.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (states[middle].time <= time) low = middle + 1; else high = middle;
  }
  return states[low - 1];
}

/** The first place in ascending `column` whose number is at least `wanted`. */
function lowerBound(column, wanted, length = column.length) {
  let low = 0, high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column[middle] < wanted) low = middle + 1; else high = middle;
  }
  return low;
}
