// What a checker saw at nodes: lettered sentences on the page, lettered marks on the stage.

/** The sightings among the sentences of the page; "a" is the first. */
function sightings() {
  return [...document.querySelectorAll(".sighting")].map((item) => {
    const time = Number(item.dataset.time), node = Number(item.dataset.node);
    const [letter, text] = [...item.children].map((part) => part.textContent.trim());
    return {
      time, node, letter, item, text: text.replace(/^[\d.,]+ s\s+/, ""),
      thing: { kind: "node", id: node, time, letter },
    };
  });
}

/** Sentences about a node at a moment lead there. */
function linkSightings({ run, view, sightings: found, canvas }) {
  for (const { letter, text, thing, item } of found) {
    const label = `Show ${letter} on the stage: ${text}`;
    const button = make("button", { className: "plain", type: "button", ariaLabel: label }, "show");
    button.addEventListener("click", () => {
      select(run, view, thing);
      canvas.scrollIntoView({ block: "nearest" });
    });
    item.lastElementChild.append(" ", button);
  }
}

/** What was seen at a node at a moment; the address of the page keeps microseconds. */
function sightingsAt({ sightings: found }, thing) {
  return found.filter(({ node, time }) => node === thing.id && Math.abs(time - thing.time) < 1000);
}

/** Time to either side of what was seen that a reader sees first. */
const SIGHTING_NS = 150e6;

/** All sightings at once, for they contradict each other, and the last one selected. */
function showSightings({ run, view, sightings: found }) {
  const times = found.map(({ time }) => time);
  const start = Math.min(...times), end = Math.max(...times);
  const room = Math.max(SIGHTING_NS, (end - start) / 12);
  look(view, start - room, end + room);
  select(run, view, found.at(-1).thing, { show: false });
}

/** Selects the next sighting, in view with the others if they are in view. */
function stepSighting(stage, by) {
  const { run, view, sightings: found } = stage;
  const chosen = view.selection?.kind === "node" ? view.selection : null;
  const mine = chosen ? sightingsAt(stage, chosen) : [];
  const at = found.indexOf(mine.find(({ letter }) => letter === chosen.letter) ?? mine[0]);
  const next = at < 0 ? (by > 0 ? 0 : found.length - 1) : (at + by + found.length) % found.length;
  const { time, thing } = found[next];
  select(run, view, thing, { show: time < view.start || time > view.end });
  stage.canvas.scrollIntoView({ block: "nearest" });
}

const BADGE = 7;

/** A mark at its node for each sighting; of several at one place it has the first and last letter. */
function paintSightings(stage) {
  const { view, layout, context, theme, axis, run } = stage;
  stage.drawnSightings = [];
  for (const { node, time, letter, thing } of stage.sightings) {
    if (node < 1 || node > run.nodes || time < view.start || time > view.end) continue;
    const x = axis.x(time), y = layout.nodeY(node) - 11;
    const near = stage.drawnSightings.find((one) => one.thing.id === node && x - one.x < 2 * BADGE);
    if (near) near.last = letter;
    else stage.drawnSightings.push({ x, y, thing, letter, last: letter });
  }
  for (const { x, y, letter, last } of stage.drawnSightings) {
    const text = letter === last ? letter : `${letter}–${last}`;
    const half = Math.max(BADGE, context.measureText(text).width / 2 + 4);
    const at = Math.min(Math.max(x, layout.left + half), layout.width - half);
    context.fillStyle = theme.fail;
    context.fillRect(x - 1, y, 2, 24);
    context.beginPath();
    context.roundRect(at - half, y - BADGE, 2 * half, 2 * BADGE, BADGE);
    context.fill();
    context.fillStyle = theme["on-mark"];
    context.textAlign = "center";
    context.font = `bold 10px ${theme.font}`;
    context.fillText(text, at, y + 0.5);
    context.font = `11px ${theme.font}`;
  }
}
