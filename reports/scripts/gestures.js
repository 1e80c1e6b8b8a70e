// Pointer and keyboard: zoom, pan, brush, hover, select.

/** What lies under a place of the canvas: a call, a mark, a message, a node's state, or null. */
function thingAt(stage, x, y) {
  const { run, layout, axis } = stage;
  if (x < layout.left) return null;
  const time = axis.time(x);
  const { calls, nodes } = layout;
  if (y >= calls.y && y < calls.y + calls.height) {
    const thread = run.threads[Math.floor((y - calls.y) / layout.rowHeight)];
    const call = nearestCall(stage, thread, x);
    if (call >= 0) return { kind: "call", id: call };
  }
  const seen = stage.drawnSightings?.find((one) => Math.hypot(one.x - x, one.y - y) < BADGE + 2);
  if (seen) return seen.thing;
  for (const mark of stage.drawnMarks ?? []) {
    if (Math.hypot(mark.x - x, mark.y - y) < 7) {
      return {
        kind: "node", id: run.marks.node[mark.place], time: run.marks.time[mark.place],
        word: run.header.words[run.marks.word[mark.place]],
      };
    }
  }
  const message = nearestMessage(stage, x, y);
  if (message >= 0) return { kind: "message", id: message };
  if (y >= nodes.y && y < nodes.y + nodes.height) {
    return { kind: "node", id: Math.floor((y - nodes.y) / SIZES.node) + 1, time };
  }
  return null;
}

const NEAR = 4;

function nearestCall({ run, axis }, thread, x) {
  const mine = run.byThread.get(thread);
  let best = -1, distance = NEAR;
  for (let at = firstInView(run, mine, axis.time(x - NEAR)); at < mine.length; at++) {
    const left = axis.x(run.calls.start[mine[at]]), right = axis.x(run.calls.stop[mine[at]]);
    if (left > x + NEAR) break;
    const away = x < left ? left - x : x > right ? x - right : 0;
    if (away < distance) [best, distance] = [mine[at], away];
  }
  return best;
}

function nearestMessage({ run, layout, axis, drawnMessages }, x, y) {
  let best = -1, distance = NEAR;
  for (const place of drawnMessages ?? []) {
    const { sent, end, source, destination } = run.messages;
    const fromX = axis.x(sent[place]), fromY = layout.endpointY(source[place]);
    const overX = axis.x(end[place]) - fromX, overY = layout.endpointY(destination[place]) - fromY;
    const length = overX * overX + overY * overY || 1;
    const share = Math.min(Math.max(((x - fromX) * overX + (y - fromY) * overY) / length, 0), 1);
    const away = Math.hypot(x - fromX - share * overX, y - fromY - share * overY);
    if (away < distance) [best, distance] = [place, away];
  }
  return best;
}

function thingText(run, thing) {
  if (thing.kind === "call") {
    const { calls } = run, call = thing.id;
    const outcome = OUTCOMES[calls.outcome[call]];
    return `${callText(run, call)} · process ${run.rows.process[calls.first[call]]} · ${outcome} · `
      + `${momentText(run, calls.start[call])}, `
      + `${run.header.timed ? durationText(calls.stop[call] - calls.start[call]) : ""}`;
  }
  if (thing.kind === "message") {
    const { sent, end, lost } = run.messages;
    const came = lost[thing.id] ? "lost" : `took ${durationText(end[thing.id] - sent[thing.id])}`;
    return `${messageText(run, thing.id)} · sent ${momentText(run, sent[thing.id])}, ${came}`;
  }
  const state = stateAt(run, thing.id, thing.time);
  const told = state ? (state.life === "up" ? roleText(state) : state.life) : "unknown";
  return `n${thing.id} at ${momentText(run, thing.time)}: ${thing.word ?? told}`;
}

/** Drag pans, drag with Shift or in the overview brushes, a wheel with Ctrl zooms. */
function listenToPointer(stage) {
  const { canvas, run, view, layout } = stage;
  let drag = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const inOverview = (y) => y < stage.layout.overview.height;
  const overviewTime = (x) => {
    const width = stage.layout.width - stage.layout.left - RIGHT_ROOM;
    const share = Math.min(Math.max((x - stage.layout.left) / width, 0), 1);
    return view.whole.start + share * (view.whole.end - view.whole.start);
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const [x, y] = place(event);
    canvas.setPointerCapture(event.pointerId);
    const brush = inOverview(y) || event.shiftKey;
    drag = { x, y, brush, overview: inOverview(y), start: view.start, end: view.end,
      from: inOverview(y) ? overviewTime(x) : stage.axis.time(x), moved: false, axis: stage.axis };
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (drag === null) return hover(stage, x, y);
    if (Math.abs(x - drag.x) > 3) drag.moved = true;
    if (!drag.moved) return;
    stage.tip.hidden = true;
    if (drag.brush) {
      const to = drag.overview ? overviewTime(x) : drag.axis.time(x);
      if (drag.overview) look(view, Math.min(drag.from, to), Math.max(drag.from, to));
      else stage.brushed = [Math.min(drag.from, to), Math.max(drag.from, to)];
      changed(view);
    } else if (view.warp) {
      const by = drag.axis.time(drag.x) - drag.axis.time(x);
      look(view, drag.start + by, drag.end + by);
    } else {
      const by = (drag.end - drag.start) * (drag.x - x) / stage.axis.width;
      look(view, drag.start + by, drag.end + by);
    }
  });
  const finish = (event) => {
    if (drag === null) return;
    const [x, y] = place(event), was = drag;
    drag = null;
    if (stage.brushed) {
      look(view, ...stage.brushed);
      stage.brushed = null;
    } else if (!was.moved && was.overview) {
      const half = (view.end - view.start) / 2, time = overviewTime(x);
      look(view, time - half, time + half);
    } else if (!was.moved && event.type === "pointerup") {
      select(run, view, thingAt(stage, x, y), { show: false });
    }
  };
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
  canvas.addEventListener("pointerleave", () => {
    stage.tip.hidden = true;
    view.pointer = null;
    changed(view);
  });
  canvas.addEventListener("dblclick", (event) => {
    const [x, y] = place(event);
    if (inOverview(y)) look(view, view.whole.start, view.whole.end);
    else zoom(view, stage.axis, 0.4, x);
  });
  canvas.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (event.ctrlKey || event.metaKey || event.altKey) {
      zoom(view, stage.axis, Math.exp(event.deltaY / 250), place(event)[0]);
    } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      pan(view, sideways / layout.width);
    } else {
      return;  // up and down scrolls the page
    }
    event.preventDefault();
  }, { passive: false });
}

function hover(stage, x, y) {
  const { canvas, tip, run, view, layout } = stage;
  view.pointer = x >= layout.left && y > layout.axis.y ? x : null;
  const thing = stage.axis ? thingAt(stage, x, y) : null;
  canvas.classList.toggle("finger", thing !== null);
  tip.hidden = thing === null;
  if (thing !== null) {
    tip.textContent = thingText(run, thing);
    const width = tip.offsetWidth;
    tip.style.left = `${Math.min(Math.max(x + 12, 0), Math.max(layout.width - width - 4, 0))}px`;
    tip.style.top = `${y + 18}px`;
  }
  changed(view);
}

/** Selects the next call, message or sighting after the selected one. */
function stepEvent(stage, by) {
  const { run, view } = stage, chosen = view.selection;
  if (chosen?.kind === "message") {
    const next = chosen.id + by;
    if (next >= 0 && next < run.messages.length) select(run, view, { kind: "message", id: next });
  } else if (chosen?.kind === "node") {
    const { states } = run.nodeTimelines[chosen.id - 1];
    const next = by > 0 ? states.find((state) => state.time > chosen.time)
      : states.findLast((state) => state.time < chosen.time);
    if (next) select(run, view, { kind: "node", id: chosen.id, time: next.time });
  } else if (run.calls.length) {
    const first = lowerBound(run.calls.start, view.start, run.calls.length);
    const next = chosen ? chosen.id + by : Math.min(first, run.calls.length - 1);
    if (next >= 0 && next < run.calls.length) select(run, view, { kind: "call", id: next });
  }
}

/** Shows all operations of a witness at once, unless they are in view and of a good size. */
function revealWitness({ run, view, witnesses }, witness) {
  const mine = witnesses.filter((entry) => entry.witness === witness);
  const extents = mine.map(({ call }) => extent(run, { kind: "call", id: call }));
  const start = Math.min(...extents.map((one) => one[0]));
  const end = Math.max(...extents.map((one) => one[1]));
  const room = Math.max((end - start) * 0.25, 5e6), span = view.end - view.start;
  if (start >= view.start && end <= view.end && span < 4 * (end - start + room)) return;
  look(view, start - room, end + room);
}

/** Selects the next operation of a witness, or the next sighting; shows the stage. */
function stepWitness(stage, by) {
  const { run, view, witnesses, sightings: seen } = stage;
  if (!witnesses.length) {
    if (seen.length) stepSighting(stage, by);
    return;
  }
  const at = witnesses.findIndex(({ call }) => view.selection?.kind === "call"
    && view.selection.id === call);
  const next = at < 0 ? (by > 0 ? 0 : witnesses.length - 1)
    : (at + by + witnesses.length) % witnesses.length;
  revealWitness(stage, witnesses[next].witness);
  select(run, view, { kind: "call", id: witnesses[next].call }, { show: false });
  stage.canvas.scrollIntoView({ block: "nearest" });
}

function listenToKeys(stage, page) {
  const { view } = stage;
  const actions = {
    "?": () => page.help.showModal(),
    j: () => stepEvent(stage, 1), k: () => stepEvent(stage, -1),
    n: () => stepWitness(stage, 1), p: () => stepWitness(stage, -1),
    "/": () => page.filter.focus(),
    w: () => page.toggleWarp(),
    c: () => page.copy(),
    "+": () => zoom(view, stage.axis, 0.5), "=": () => zoom(view, stage.axis, 0.5),
    "-": () => zoom(view, stage.axis, 2),
    0: () => look(view, view.whole.start, view.whole.end),
    ArrowLeft: () => pan(view, -0.2), ArrowRight: () => pan(view, 0.2),
    Escape: () => select(stage.run, view, null),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || page.help.open) return;
    const typing = event.target.closest("input, select, textarea");
    if (typing) {
      if (event.key === "Escape") typing.blur();
      return;
    }
    const arrow = event.key.startsWith("Arrow");
    // Arrows belong to whatever scrolls, unless the stage has the focus.
    if (arrow && document.activeElement !== stage.canvas) return;
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (action) {
      event.preventDefault();
      action();
    }
  });
}
