// The axis that all tracks share: a stretch of time over a width, evenly or warped.
//
// Warped, a moment stands where its rank among all rows of the history puts it (with a little of
// even time, so that order never ties): crowded stretches get room, idle ones shrink.

const EVEN_SHARE = 0.12;

function makeAxis(run, view, left, width) {
  const { start, end, warp } = view;
  const span = Math.max(end - start, 1);
  const even = (time) => (time - start) / span;
  if (!warp) {
    return {
      left, width,
      x: (time) => left + width * even(time),
      time: (x) => start + span * (x - left) / width,
    };
  }
  const times = run.rows.time;
  const rank = (time) => {
    const place = lowerBound(times, time);
    if (place === 0) return 0;
    if (place === times.length) return place;
    const gap = times[place] - times[place - 1];
    return place - 1 + (gap > 0 ? (time - times[place - 1]) / gap : 1);
  };
  const first = rank(start), ranks = Math.max(rank(end) - first, 1e-9);
  const share = (time) => EVEN_SHARE * even(time) + (1 - EVEN_SHARE) * (rank(time) - first) / ranks;
  const x = (time) => left + width * share(time);
  const time = (wanted) => {
    let low = start, high = end;
    for (let round = 0; round < 48; round++) {
      const middle = (low + high) / 2;
      if (x(middle) < wanted) low = middle; else high = middle;
    }
    return (low + high) / 2;
  };
  return { left, width, x, time };
}

/** Round moments within the view, about as many as wanted. */
function ticks(run, view, axis, about) {
  if (view.warp) return warpedTicks(run, view, axis, about);
  const least = Math.max((view.end - view.start) / about, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= least);
  const decimals = Math.max(0, Math.min(9, -Math.floor(Math.log10(step / 1e9) + 1e-9)));
  const found = [];
  for (let time = Math.ceil(view.start / step) * step; time <= view.end; time += step) {
    found.push({ x: axis.x(time), text: momentText(run, time, decimals) });
  }
  return found;
}

function warpedTicks(run, view, axis, about) {
  const found = [];
  const least = (view.end - view.start) / (about * 40);
  const decimals = Math.max(0, Math.min(9, 1 - Math.floor(Math.log10(Math.max(least, 1) / 1e9))));
  for (let number = 0; number < about; number++) {
    const time = axis.time(axis.left + axis.width * (number + 0.5) / about);
    found.push({ x: axis.x(time), text: momentText(run, time, Math.min(decimals, 6)) });
  }
  return found;
}
