"""The flight recorder: the last events of a run in a bounded ring, and what they were.

The digest of a run is kept by the world as it goes; this room turns the ring into lines. A line
is a JSON array `[time_ns, kind, source, destination, payload]`, so that two traces of the same
seed can be compared with `diff`.

>>> from collections import deque
>>> ring = deque([(1_000, TIMER, 2, 2, "election")])
>>> print(b"".join(trace_lines(ring)).decode(), end="")
[1000,"timer","n2","n2","election"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

#: Kinds of events on the heap of the world; WAKE and CALL are the harness's own.
MESSAGE, TIMER, DISK, CALL, WAKE = 0, 1, 2, 3, 4
#: Further kinds that only the trace knows, and one that only a recording knows.
PROBE, FAULT, LOST = 5, 6, 7

KIND_NAMES = ("message", "timer", "disk", "call", "wake", "probe", "fault", "lost")

#: So many of the last events a run keeps. A replay keeps as good as all of them.
RING_EVENTS = 20_000
REPLAY_EVENTS = 1_000_000

#: time_ns, kind, source, destination, payload
TraceEvent = tuple[int, int, int, int, Any]


def trace_lines(
    events: Iterable[TraceEvent], name: Callable[[int], str] = lambda endpoint: f"n{endpoint}"
) -> Iterator[bytes]:
    """Each event as one line of JSON; endpoints are written by `name`."""
    encode = msgspec.json.Encoder(enc_hook=repr).encode
    for time_ns, kind, source, destination, payload in events:
        yield encode((time_ns, KIND_NAMES[kind], name(source), name(destination), payload)) + b"\n"


def first_difference(left: Iterable[bytes], right: Iterable[bytes]) -> str | None:
    """The first line in which two traces differ, in words; None if they are equal.

    >>> first_difference([b"a", b"b"], [b"a", b"c"])
    'event 2 is b in one run and c in the other'
    """
    lefts, rights = iter(left), iter(right)
    number = 0
    while True:
        number += 1
        one, other = next(lefts, None), next(rights, None)
        if one is None and other is None:
            return None
        if one != other:
            texts = ["missing" if line is None else line.decode().strip() for line in (one, other)]
            return f"event {number} is {texts[0]} in one run and {texts[1]} in the other"


def since(first: bytes, lines: Sequence[bytes]) -> Sequence[bytes]:
    """The part of a whole trace to compare with a ring whose oldest line is `first`.

    It begins with that line or, if the trace lacks it, with the first one of its time or later.

    >>> since(b'[7,"timer"]', [b'[6,"disk"]', b'[7,"disk"]', b'[7,"timer"]', b'[9,"disk"]'])
    [b'[7,"timer"]', b'[9,"disk"]']
    >>> since(b'[7,"message"]', [b'[6,"disk"]', b'[8,"disk"]'])
    [b'[8,"disk"]']
    """
    if first in lines:
        return lines[lines.index(first) :]
    begin_ns = msgspec.json.decode(first)[0]
    return [line for line in lines if msgspec.json.decode(line)[0] >= begin_ns]
