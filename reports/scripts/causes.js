// The light cone: everything that can have influenced an event, by chains of delivered messages.

/**
 * What is in the past of `time` at `endpoint`. `until[e]` is the last moment of endpoint e that
 * can have had an influence (-Infinity: none), `inside[m]` tells whether message m can have.
 * One pass backwards is enough: a message that extends the cone ended after all that it lets in.
 * With `nodesOnly`, chains through clients do not count.
 */
function lightCone(run, endpoint, time, nodesOnly = false) {
  const { messages } = run;
  const until = new Float64Array(run.messages.highest + run.header.concurrency + 1).fill(-Infinity);
  const inside = new Uint8Array(messages.length);
  until[endpoint] = time;
  let count = 0;
  for (let place = lowerBound(messages.end, time + 1) - 1; place >= 0; place--) {
    if (messages.lost[place] || messages.end[place] > until[messages.destination[place]]) continue;
    const source = messages.source[place];
    if (nodesOnly && source > run.nodes) continue;
    inside[place] = 1;
    count++;
    if (messages.sent[place] > until[source]) until[source] = messages.sent[place];
  }
  return { endpoint, time, until, inside, count };
}

function clientEndpoint(run, thread) {
  return run.nodes + 1 + thread;
}

/** Whether a call, once begun, can have had an influence. */
function callInCone(run, cone, call) {
  return run.calls.start[call] <= cone.until[clientEndpoint(run, run.calls.thread[call])];
}

/** The node that answered a call, and when; null if no answer of a node arrived during it. */
function answerOf(run, call) {
  const { messages, calls } = run;
  const client = clientEndpoint(run, calls.thread[call]);
  for (let place = lowerBound(messages.end, calls.stop[call] + 1) - 1; place >= 0; place--) {
    if (messages.end[place] < calls.start[call]) break;
    if (messages.destination[place] === client && !messages.lost[place]) {
      return { node: messages.source[place], time: messages.sent[place], message: place };
    }
  }
  return null;
}

/** Messages in the cone that ended last before its tip, the latest first. */
function latestCauses(run, cone, limit) {
  const found = [];
  let place = lowerBound(run.messages.end, cone.time + 1) - 1;
  for (; place >= 0 && found.length < limit; place--) if (cone.inside[place]) found.push(place);
  return found;
}
