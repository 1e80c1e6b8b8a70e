// The inspector: the whole record of what is selected, what can have led to it, what changed.

const CAUSES_MAX = 12;

function listenToSelection(stage, panel) {
  const { view } = stage;
  let shown = stage;  // nothing that can be selected
  const update = () => {
    if (view.selection === shown) return;
    shown = view.selection;
    panel.replaceChildren(...(shown === null ? [hint(stage)] : described(stage, shown)));
  };
  view.listeners.push(update);
  update();
}

function hint({ witnesses, sightings: seen }) {
  const keys = witnesses.length ? "n for the next operation of the witness, "
    : seen.length ? "n for the next sighting, " : "";
  return make("p", { className: "muted small" },
    `Nothing is selected. Click a mark, or press ${keys}j for the next operation, ? for help.`);
}

function described(stage, thing) {
  const { run } = stage;
  if (thing.kind === "call") return describedCall(stage, thing.id);
  if (thing.kind === "message") return describedMessage(stage, thing.id);
  const name = `n${thing.id} at ${momentText(run, thing.time, 6)}`;
  return [
    make("h4", {}, thing.word ? `${name}: ${thing.word}` : name),
    ...sightingsAt(stage, thing).map(({ letter, text }) => (
      make("p", {}, make("bdi", {}, text), ` (${letter})`))),
    columns(
      statesTable(run, [thing.id], [thing.time - 1, thing.time], ["just before", "then"]),
      causes(stage)),
  ];
}

function columns(...parts) {
  return make("div", { className: "inspected" }, ...parts.filter((part) => part !== null));
}

function facts(...pairs) {
  const body = make("tbody");
  for (const [name, value] of pairs.filter(([, told]) => told !== null && told !== "")) {
    body.append(make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, make("bdi", {}, value))));
  }
  return make("table", { className: "facts" }, body);
}

function describedCall(stage, call) {
  const { run, witnesses } = stage, { calls, rows } = run;
  const first = calls.first[call], last = calls.last[call];
  const number = witnesses.find((entry) => entry.call === call);
  const title = callText(run, call, 120);
  const part = number ? `, operation ${number.number} of the witness` : "";
  const told = (place, time) => `${valueText(run, place, 1000)}, ${momentText(run, time, 6)}, `
    + `row ${rows.number[place]}`;
  const record = facts(
    ["outcome", OUTCOMES[calls.outcome[call]] + part],
    ["process", `${rows.process[first]} (client ${calls.thread[call]})`],
    ["asked", told(first, calls.start[call])],
    ["answered", last < 0 ? "never" : told(last, calls.stop[call])],
    ["took", last < 0 || !run.header.timed ? "" : durationText(calls.stop[call] - calls.start[call])],
    ["key", keyText(run, first)],
    ["error", last < 0 ? "" : errorText(run, last)],
    ["answered by", servedBy(run, call)],
  );
  const nodes = run.nodeTimelines.map(({ node }) => node);
  return [
    make("h4", {}, make("bdi", {}, title)),
    columns(
      make("div", {}, record, reached(stage, call)),
      run.nodes ? statesTable(run, nodes, [calls.start[call], calls.stop[call]],
        ["when asked", "when answered"]) : null,
      causes(stage)),
  ];
}

function servedBy(run, call) {
  const answer = run.messages.length ? answerOf(run, call) : null;
  if (answer === null) return "";
  const state = stateAt(run, answer.node, answer.time);
  return `n${answer.node}${state ? `, then ${roleText(state)}` : ""}`;
}

/** Of which other operations' success the node that answered this one can have known. */
function reached({ run, view, witnesses }, call) {
  const mine = witnesses.find((entry) => entry.call === call);
  const answer = mine && view.cone ? answerOf(run, call) : null;
  if (answer === null || answer.node > run.nodes) return null;
  const cone = lightCone(run, answer.node, answer.time, true), items = [];
  for (const { call: other, number, witness } of witnesses) {
    const before = other !== call && witness === mine.witness && run.calls.outcome[other] === OK;
    const told = before ? answerOf(run, other) : null;
    if (told === null || told.node > run.nodes || told.time > answer.time) continue;
    const known = cone.until[told.node] >= told.time;
    const had = `n${told.node} had answered operation ${number}`;
    const told_it = known ? `n${answer.node} can have known that ${had}.`
      : `n${answer.node} could not know that ${had}: `
        + "no chain of messages between nodes led there in time.";
    items.push(make("li", {}, make(known ? "span" : "strong", {},
      told.node === answer.node ? `n${answer.node} itself had answered operation ${number} before.`
        : told_it)));
  }
  return items.length ? make("ul", { className: "small" }, ...items) : null;
}

function describedMessage(stage, message) {
  const { run } = stage, { messages } = run;
  const lost = messages.lost[message] === 1, node = messages.destination[message];
  const body = run.messages.body[message];
  const record = facts(
    ["sent", momentText(run, messages.sent[message], 6)],
    [lost ? "lost" : "arrived", `${momentText(run, messages.end[message], 6)}`
      + (lost ? "" : `, ${durationText(messages.end[message] - messages.sent[message])} later`)],
    ["content", body < 0 ? "not in this page" : visible(run.lines("bodies")[body], 1000)],
  );
  const states = lost || node > run.nodes ? null
    : statesTable(run, [node], [messages.end[message] - 1, messages.end[message] + LOOK_LATE],
      ["before", "after"]);
  return [
    make("h4", {}, `${messageText(run, message)}${lost ? " (lost)" : ""}`),
    columns(record, states, causes(stage)),
  ];
}

// A node is asked for its status at most this long after what changed it.
const LOOK_LATE = 1e7;

/** What the nodes said of themselves at two moments; what differs stands out. */
function statesTable(run, nodes, [before, after], names) {
  const body = make("tbody");
  let differing = 0;
  for (const node of nodes) {
    const one = stateAt(run, node, before), other = stateAt(run, node, after);
    const cells = [stateText(run, one), stateText(run, other)];
    const differs = cells[0] !== cells[1];
    if (differs) differing++;
    body.append(make("tr", { className: differs ? "differs" : "" },
      make("th", { scope: "row" }, `n${node}`),
      make("td", {}, cells[0]), make("td", {}, differs ? cells[1] : "the same")));
  }
  const head = make("thead", {}, make("tr", {},
    ...["node", ...names].map((name) => make("th", { scope: "col" }, name))));
  return make("table", { className: "states" },
    make("caption", {}, differing ? `What nodes said of themselves; ${differing} changed`
      : "What nodes said of themselves"), head, body);
}

function stateText(run, state) {
  if (!state) return "nothing yet";
  if (state.life !== "up") return state.life;
  const parts = [roleText(state)];
  if (state.leader) parts.push(`follows n${state.leader}`);
  // 0 as well: that a node begins anew after a restart may be what explains the run
  if (run.commits && state.role) parts.push(`committed ${state.committed}`);
  return parts.join(", ");
}

/** The light cone in words: how many messages, which came last. */
function causes({ run, view }) {
  const { cone } = view;
  if (!cone) return null;
  const latest = latestCauses(run, cone, CAUSES_MAX);
  const before = lowerBound(run.messages.end, cone.time + 1);
  const list = make("ol", { className: "causes small" }, ...latest.map((message) => {
    const button = make("button", { type: "button", className: "plain" },
      `${momentText(run, run.messages.end[message], 6)} ${messageText(run, message)}`);
    button.addEventListener("click", () => select(run, view, { kind: "message", id: message }));
    return make("li", {}, button);
  }));
  const cut = [];
  for (let node = 1; node <= run.nodes; node++) {
    const silence = cone.time - cone.until[node];
    if (silence === Infinity) cut.push(`nothing of n${node}`);
    else if (silence > 5e8) cut.push(`nothing of n${node} after ${momentText(run, cone.until[node])}`);
  }
  return make("div", {},
    make("p", { className: "small" },
      `${cone.count.toLocaleString("en")} of ${before.toLocaleString("en")} earlier messages can have `
      + `influenced it${cut.length ? `; ${cut.join(", ")}` : ""}. The others are dimmed.`),
    latest.length ? make("p", { className: "small muted" }, "The latest of them:") : null, list);
}
