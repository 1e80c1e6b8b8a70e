"""Which nodes a nemesis aims at.

>>> from random import Random
>>> pick("majority", [1, 2, 3, 4, 5], leader=None, random=Random(1))
[1, 2, 5]
>>> pick("leader", [1, 2, 3], leader=2, random=Random(1))
[2]
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from harness.errors import unknown_name

TARGETS = ("one", "leader", "minority", "majority", "all")


def pick(target: str, nodes: Sequence[int], *, leader: int | None, random: Random) -> list[int]:
    """The nodes meant by `target`, in ascending order; "leader" without one means a random node."""
    match target:
        case "one":
            count = 1
        case "leader":
            if leader is not None:
                return [leader]
            count = 1
        case "minority":
            count = max(1, (len(nodes) - 1) // 2)
        case "majority":
            count = len(nodes) // 2 + 1
        case "all":
            count = len(nodes)
        case _:
            raise unknown_name("target", target, TARGETS)
    return sorted(random.sample(list(nodes), count))
