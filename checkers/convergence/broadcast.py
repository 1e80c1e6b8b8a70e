"""Messages that are broadcast: does every node get every one, and after how long?

What holds is what `set-full` asks of elements: once acknowledged, or seen anywhere, a message
stays, and the last answers of all nodes have it. Measured is how it spread:

    first node    from the call to the first answer of any node that has it
    last node     from the call to the first answer with it of the slowest node
    stable        from known to the last read that missed it
    hops          over how many nodes it came, if answers tell: {"hops": [[m, n], ...]}
    messages      how many of each kind all nodes sent, for each broadcast that was acknowledged, if
                  answers tell: {"sent": {kind: count}}, without those from before a restart

Times are upper bounds: a node may have had the message since its last answer without it.

>>> from checkers.convergence.notation import parse
>>> verdict = Broadcast().check(parse('''
...     1000 0 broadcast 5 =
...     2000 1 elements = 2
...     3000 1 elements = 2 5
... '''))
>>> verdict.outcome, verdict.details["distributions"]["last node"]["quantiles"]["1"]
('pass', 2001.0)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from checkers.convergence.set_full import Fates, SetFull
from checkers.convergence.words import distribution, milliseconds
from harness.history import OK, History


class Broadcast(SetFull):
    """Every node gets every message; key by key.

    `linearizable`, and what is raised, as for `set-full`.
    """

    name = "broadcast"
    noun = "message"

    def _details(self, fates: Fates) -> dict[str, Any]:
        details = super()._details(fates)
        sight, times = fates.sight, fates.sight.history.time_ns
        places = np.flatnonzero(fates.stable)
        found: dict[str, list[float]] = {"first node": [], "last node": []}
        for place in places.tolist():
            began_ns = int(times[sight.added[place]])
            rows = [int(sight.first_present[node][place]) for node in sight.nodes]
            if min(rows) >= 0:
                found["first node"].append(milliseconds(int(times[min(rows)]) - began_ns))
                found["last node"].append(milliseconds(int(times[max(rows)]) - began_ns))
        spread = {name: distribution(values) for name, values in found.items()}
        costs = _costs(sight.history)
        if costs:
            hops = [float(pair[1]) for cost in costs for pair in cost.get("hops", [])]
            spread["hops"] = distribution(hops, unit="hops")
            sent: dict[str, int] = {}
            for cost in costs:
                for kind, number in cost.get("sent", {}).items():
                    sent[kind] = sent.get(kind, 0) + number
            details["sent"] = dict(sorted(sent.items()))
            details["sent_per_message"] = round(
                sum(sent.values()) / max(details["acknowledged"], 1), 3
            )
        details["distributions"] = {**spread, **details["distributions"]}
        return details


def _costs(history: History) -> list[dict[str, Any]]:
    """The last answer of every node that tells of hops."""
    last: dict[Any, dict[str, Any]] = {}
    told = history.client_rows & (history.type == OK) & history.named(("cost",))
    for row in np.flatnonzero(told).tolist():
        answer = history.values[history.value[row]]
        if isinstance(answer, dict) and isinstance(answer.get("hops"), list):
            last[answer.get("node")] = answer
    return list(last.values())
