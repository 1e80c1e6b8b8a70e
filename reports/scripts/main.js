// The page comes alive: the data block is opened, and every panel is told what is looked at.

/** Operations of witnesses in the order of their sentences: call, number, culprit, which witness. */
function witnessCalls(run) {
  const found = [];
  run.header.witnesses.forEach(({ rows, culprit }, witness) => {
    rows.forEach((row, place) => {
      const at = lowerBound(run.rows.number, row);
      const call = run.rows.number[at] === row ? run.callOfRow[at] : -1;
      if (call >= 0) {
        found.push({ call, number: place + 1, culprit: row === culprit, witness: witness + 1 });
      }
    });
  });
  return found;
}

/** Sentences and bars of the witness select their operation, and light up when it is selected. */
function linkWitnesses({ run, view, witnesses }) {
  const marks = witnesses.map(({ call, number, witness }) => ({
    call, witness,
    bar: document.getElementById(`w${witness}-b${number}`),
    sentence: document.getElementById(`w${witness}-s${number}`),
  })).filter(({ bar, sentence }) => bar && sentence);
  for (const { call, witness, bar, sentence } of marks) {
    const choose = () => {
      revealWitness({ run, view, witnesses }, witness);
      select(run, view, { kind: "call", id: call }, { show: false });
    };
    bar.addEventListener("click", choose);
    sentence.addEventListener("click", (event) => {
      event.preventDefault();
      choose();
    });
  }
  let before = -1;
  view.listeners.push(() => {
    const chosen = view.selection?.kind === "call" ? view.selection.id : -1;
    if (chosen === before) return;
    before = chosen;
    marks.find(({ call }) => call === chosen)?.sentence.closest("details")?.setAttribute("open", "");
    for (const { call, bar, sentence } of marks) {
      bar.classList.toggle("lit", call === chosen);
      sentence.classList.toggle("lit", call === chosen);
    }
  });
}

/** Moments worth a look, for the list: witnesses, starts of faults, new leaders. */
function moments({ run, witnesses, sightings: seen }) {
  const groups = [["Witness", []], ["Faults", []], ["Leaders", []]];
  for (const { call, number, culprit } of witnesses) {
    const about = culprit ? " (unexplained)" : "";
    groups[0][1].push([run.calls.start[call], `operation ${number}: ${callText(run, call, 30)}${about}`,
      { kind: "call", id: call }]);
  }
  for (const { time, letter, text, thing } of seen) {
    groups[0][1].push([time, `${letter}: ${text}`, thing]);
  }
  for (const lane of run.header.lanes) {
    for (const [start, end, state] of lane.faults) {
      groups[1][1].push([start, `${lane.name} begins`, null]);
      if (state === "stopped") groups[1][1].push([end, `${lane.name} ends`, null]);
    }
  }
  for (const { node, stretches } of run.nodeTimelines) {
    for (const stretch of stretches) {
      if (stretch.role === "leader" && stretch.life === "up") {
        groups[2][1].push([stretch.start, `n${node} leads term ${stretch.term}`,
          { kind: "node", id: node, time: stretch.start }]);
      }
    }
  }
  for (const [, list] of groups.slice(1)) list.sort((a, b) => a[0] - b[0]);
  return groups.filter(([, list]) => list.length);
}

const MOMENTS_MAX = 150;

function fillMoments(stage, list) {
  const { run, view } = stage, choices = [];
  for (const [name, found] of moments(stage)) {
    const group = make("optgroup", { label: name });
    for (const [time, text, thing] of found.slice(0, MOMENTS_MAX)) {
      group.append(make("option", { value: String(choices.length) }, `${momentText(run, time)}  ${text}`));
      choices.push([time, thing]);
    }
    list.append(group);
  }
  list.disabled = choices.length === 0;
  list.addEventListener("change", () => {
    if (list.value === "") return;
    const [time, thing] = choices[Number(list.value)];
    const half = Math.min(view.end - view.start, 2e9) / 2;
    look(view, time - half, time + half);
    if (thing) select(run, view, thing, { show: false });
    list.value = "";
  });
}

/** A box to tick for each kind of message. */
function fillKinds(stage, field) {
  const { run, view } = stage;
  const counts = new Map();
  for (const kind of run.messages.kind) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  field.hidden = counts.size === 0;
  for (const [kind, count] of [...counts].sort((a, b) => b[1] - a[1])) {
    const box = make("input", { type: "checkbox", checked: !view.hiddenKinds.has(kind) });
    box.addEventListener("change", () => {
      if (box.checked) view.hiddenKinds.delete(kind); else view.hiddenKinds.add(kind);
      changed(view);
    });
    field.append(make("label", {}, box, ` ${run.header.kinds[kind]} `,
      make("span", { className: "muted" }, count.toLocaleString("en"))));
  }
}

function makeStage(run, view) {
  const canvas = document.getElementById("stage-canvas");
  const stage = {
    run, view, canvas, context: canvas.getContext("2d"), tip: document.getElementById("stage-tip"),
    witnesses: witnessCalls(run), sightings: sightings(), ratio: 1,
  };
  const fit = () => {
    const width = canvas.parentElement.clientWidth;
    if (width < 120) return;  // not shown: printing, say
    stage.ratio = Math.min(devicePixelRatio || 1, 2);
    stage.layout = layOut(run, width);
    canvas.width = Math.round(width * stage.ratio);
    canvas.height = Math.round(stage.layout.height * stage.ratio);
    canvas.style.height = `${stage.layout.height}px`;
    stage.theme = readTheme(stage.context);
    stage.bars = null;
    paint(stage);
  };
  fit();
  addEventListener("resize", fit);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", fit);
  view.listeners.push(() => paint(stage));
  return stage;
}

/** Says in words what the canvas shows, for those who do not see it. */
function announce(stage, element) {
  const { run, view } = stage;
  let timer = 0;
  view.listeners.push(() => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const stretch = `From ${momentText(run, view.start)} to ${momentText(run, view.end)}`;
      const chosen = view.selection ? `Selected: ${thingText(run, view.selection)}` : "";
      element.textContent = `${stretch}${view.warp ? ", warped" : ""}. ${chosen}`;
    }, 400);
  });
}

function listenToButtons(stage) {
  const { view } = stage;
  const warp = document.getElementById("stage-warp");
  const page = {
    help: document.getElementById("help"),
    filter: document.getElementById("history-filter"),
    copy: () => document.querySelector("[data-copies]").click(),
    toggleWarp: () => {
      if (!stage.run.header.timed) return;
      view.warp = !view.warp;
      changed(view);
    },
  };
  const on = (id, action) => document.getElementById(id).addEventListener("click", action);
  on("stage-in", () => zoom(view, stage.axis, 0.5));
  on("stage-out", () => zoom(view, stage.axis, 2));
  on("stage-all", () => look(view, view.whole.start, view.whole.end));
  on("stage-warp", page.toggleWarp);
  on("stage-help", () => page.help.showModal());
  on("help-close", () => page.help.close());
  view.listeners.push(() => warp.setAttribute("aria-pressed", String(view.warp)));
  return page;
}

/** A reader of a failed run first sees what nothing explains. */
function beginAtWitness(stage) {
  const { run, view, witnesses } = stage;
  const first = witnesses.filter(({ witness }) => witness === 1);
  const told = first.find(({ culprit }) => culprit) ?? first.at(-1);
  if (told) {
    revealWitness(stage, 1);
    select(run, view, { kind: "call", id: told.call }, { show: false });
  } else if (stage.sightings.length) {
    showSightings(stage);
  }
}

async function comeAlive() {
  const block = document.getElementById("run-data");
  if (block === null || !("DecompressionStream" in globalThis)) return;
  const bytes = await inflate(fromBase64(block.textContent));
  const run = makeRun(openContainer(bytes));
  block.remove();  // its text is no longer needed
  document.documentElement.classList.add("live");
  const view = makeView(run), stage = makeStage(run, view);
  if (!location.hash.includes("=")) beginAtWitness(stage);
  listenToPointer(stage);
  listenToKeys(stage, listenToButtons(stage));
  listenToSelection(stage, document.getElementById("inspector"));
  linkWitnesses(stage);
  fillMoments(stage, document.getElementById("stage-moments"));
  linkSightings(stage);
  fillKinds(stage, document.getElementById("stage-kinds"));
  makeHistory(stage, document.getElementById("history"));
  announce(stage, document.getElementById("stage-said"));
  keepFragment(run, view);
  changed(view);
  document.documentElement.dataset.ready = "yes";
}

comeAlive();
