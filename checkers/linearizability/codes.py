"""The numbers that a `Problem` has for what operations do and for what became of them.

They are the kernel's (kernel/lin.h). Which of them a kind of object knows, and what `a` and `b`
of an operation then are:

    register         READ a   WRITE a   UPDATE a to b (compare-and-set)
    text             READ a   WRITE a   UPDATE (append a)
    queue, stack,    ADD a   REMOVE a (-1 if open: whatever was there)   PEEK a   EMPTY (nothing was
    bag, priority-     there)
    queue
    set              ADD a   INSERT a (it was absent)   REMOVE a (it was there)   DISCARD a
                     PEEK a (it is there)   LACKS a (it is absent)   READ a (all elements)
    counter          READ a   WRITE a   UPDATE (add a; the sum is b then, or -1: not told)
    python           none: a model in Python looks at the calls themselves

>>> READ, DISCARD, sorted(PURE)
(0, 9, [0, 5, 6, 7])
"""

from __future__ import annotations

from typing import Final, Literal

READ: Final = 0
WRITE: Final = 1
UPDATE: Final = 2
ADD: Final = 3
REMOVE: Final = 4
EMPTY: Final = 5
PEEK: Final = 6
LACKS: Final = 7
INSERT: Final = 8
DISCARD: Final = 9

#: Those that change nothing wherever they are possible; open, they say nothing at all.
PURE: Final = frozenset({READ, EMPTY, PEEK, LACKS})

#: What is known of an operation's outcome: it returned; it returned and saw that the state was not
#: what it compared with; or no answer is known.
RETURNED: Final = 0
REJECTED: Final = 1
OPEN: Final = 2

Kind = Literal[
    "register",
    "text",
    "queue",
    "stack",
    "bag",
    "priority-queue",
    "set",
    "counter",
    "python",
]
