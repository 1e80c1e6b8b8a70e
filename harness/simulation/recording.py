"""What a run records for its report: messages, what nodes said of themselves, who was up.

    world, as it goes:   Log      the events themselves in a ring, and what changed about a node
                          │
    at the end:          Recording    columns and tables, plain data ─▶ recording.msgpack.gz

Recording must cost next to nothing while a run goes on. So the ring keeps the very tuples that the
world takes from its heap, and the world asks a node for its status after its timers and after what
it notes, and otherwise at most once in `LOOK_NS`: a change of role is seen within that time or,
where a timer or a probe came with it, at once. Bodies of messages are put into words at the end.

Limits: the last `EVENTS_MAX` events are kept (of a replay as good as all), and
`Recording.forgotten` counts the messages that are not; of sightings the first `SIGHTINGS_MAX`.

>>> log = Log(nodes=1)
>>> log.record((2_000_000, 1, 0, 1, 2, "hello", 1_500_000))
>>> found = Recording.of(log, clients=1, facts=Facts())
>>> found.messages["sent_ns"].tolist(), found.kinds, Recording.decode(found.encode()) == found
([1500000], ('str',), True)
"""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.columns import pack, unpack
from harness.errors import UsageError
from harness.node import NodeStatus
from harness.places import ADDRESS
from harness.simulation.failure import Misuse
from harness.simulation.trace import LOST, MESSAGE, TraceEvent
from harness.simulation.wire import Wire

FORMAT = 1
EVENTS_MAX = 150_000
SIGHTINGS_MAX = 200_000
#: How long a node may go unobserved while things happen to it.
LOOK_NS = 10_000_000
#: A message is told in at most so many characters.
BODY_CHARACTERS = 300
#: Of messages that are longer than this it would take longest to put all into words.
_LONG_CHARACTERS = 10 * BODY_CHARACTERS
_OWN_WORDS: Any = msgspec.Struct.__repr__

#: time_ns, order, kind, destination, source, payload, sent_ns: an entry of the world's heap. Here
#: the order and, of all but messages, the time of sending mean nothing.
Event = tuple[int, int, int, int, int, Any, int]
#: time_ns, node, what it said.
Sighting = tuple[int, int, NodeStatus]

#: What a node has said before it has said anything; None is something that it may say.
_NOTHING = object()

Columns = dict[str, NDArray[np.int64]]


class Log:
    """What a world records while it runs. Messages that were lost are events of their own."""

    def __init__(self, *, nodes: int, capacity: int = EVENTS_MAX) -> None:
        self.nodes = nodes
        self.wire: Wire | None = None
        self.events: deque[Event] = deque(maxlen=capacity)
        self.record = self.events.append
        self.sightings: list[Sighting] = []
        self.lives: list[tuple[int, int, str]] = []
        #: Per node, the moment from which on the next event is followed by a look at it.
        self.look_at_ns = [0] * (nodes + 1)
        self._last: list[object] = [_NOTHING] * (nodes + 1)

    def look(self, time_ns: int, node: int, status: NodeStatus) -> None:
        """A node has said what it is; it is noted if it has changed."""
        self.look_at_ns[node] = time_ns + LOOK_NS
        if status != self._last[node]:
            _check_status(status)
            self._last[node] = status
            if len(self.sightings) < SIGHTINGS_MAX:
                self.sightings.append((time_ns, node, status))

    def decode(self, payload: Any) -> Any:
        """The message behind what was on the wire; what was lost at once was never encoded."""
        encoded = self.wire is not None and isinstance(payload, bytes)
        return self.wire.read(payload) if encoded else payload  # type: ignore[union-attr]

    def trace(self, limit: int) -> list[TraceEvent]:
        """The last `limit` events, but for lost messages, as the trace has them."""
        last: list[TraceEvent] = []
        for time_ns, _, kind, destination, source, payload, _ in reversed(self.events):
            if kind != LOST:
                if len(last) == limit:
                    break
                told = self.decode(payload) if kind == MESSAGE else payload
                last.append((time_ns, kind, source, destination, told))
        last.reverse()
        return last

    def became(self, time_ns: int, node: int, state: str) -> None:
        """A node is now "up", "down" or "paused"."""
        self.lives.append((time_ns, node, state))
        self._last[node] = _NOTHING


def _check_status(status: Any) -> None:
    """Raises Misuse for what cannot be recorded."""
    if not isinstance(status, NodeStatus):
        raise Misuse(
            f"A node was asked for its status() and returned {status!r}, which is no NodeStatus. "
            "Return NodeStatus(role=..., term=..., leader=...); only the role is needed."
        )
    if (
        status.term.__class__ is int
        and status.leader.__class__ is int
        and status.committed.__class__ is int
        and status.role.__class__ is str
    ):
        return
    raise Misuse(
        f"A node was asked for its status() and returned {status!r}. The role is a string; term, "
        "leader and committed are integers, 0 for what is unknown."
    )


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a run; see `harness.runner.Run`."""

    digest: str = ""
    duration_ns: int = 0
    delivered: int = 0
    delivered_bytes: int = 0
    dropped: int = 0
    goals: dict[str, int] = {}


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A recording on disk: columns packed."""

    nodes: int
    clients: int
    facts: Facts
    forgotten: int
    kinds: tuple[str, ...]
    bodies: tuple[str, ...]
    words: tuple[str, ...]
    tables: dict[str, dict[str, bytes]]
    format: int = FORMAT


class Recording:
    """A finished record, as columns.

    `messages` (in order of their end): sent_ns, end_ns, source, destination, kind (of `kinds`),
    body (of `bodies`), lost (1: it was lost at end_ns). Endpoints 1 .. nodes are nodes; clients
    follow. `sightings`: time_ns, node, role (of `words`), term, leader, committed. `lives` and
    `marks`, which are what nodes noted: time_ns, node, word (of `words`).
    """

    def __init__(
        self,
        *,
        nodes: int,
        clients: int,
        facts: Facts,
        forgotten: int,
        kinds: tuple[str, ...],
        bodies: tuple[str, ...],
        words: tuple[str, ...],
        messages: Columns,
        sightings: Columns,
        lives: Columns,
        marks: Columns,
    ) -> None:
        self.nodes = nodes
        self.clients = clients
        self.facts = facts
        self.forgotten = forgotten
        self.kinds = kinds
        self.bodies = bodies
        self.words = words
        self.messages = messages
        self.sightings = sightings
        self.lives = lives
        self.marks = marks

    @staticmethod
    def of(
        log: Log,
        *,
        clients: int,
        facts: Facts,
        marks: Sequence[tuple[int, int, str]] = (),
    ) -> Recording:
        """The record of a finished run; `marks` are (time_ns, node, event) that nodes noted."""
        kinds, bodies, words = _Table(), _Table(), _Table()
        kind_ids, body_ids = [], []
        kind_of: dict[type, int] = {}
        long_ones: set[type] = set()
        events = [event for event in log.events if event[2] in (MESSAGE, LOST)]
        for event in events:
            payload = log.decode(event[5])
            number = kind_of.get(type(payload))
            if number is None:
                number = kind_of[type(payload)] = kinds.id(type(payload).__name__)
            kind_ids.append(number)
            body_ids.append(bodies.id(_told(payload, long_ones)))
        seen = log.sightings
        sightings = {
            "time_ns": _column([at for at, _, _ in seen]),
            "node": _column([node for _, node, _ in seen]),
            "role": _column([words.id(status.role) for _, _, status in seen]),
            "term": _column([status.term for _, _, status in seen]),
            "leader": _column([status.leader for _, _, status in seen]),
            "committed": _column([status.committed for _, _, status in seen]),
        }
        lives, noted = _worded(log.lives, words), _worded(marks, words)
        return Recording(
            nodes=log.nodes,
            clients=clients,
            facts=facts,
            forgotten=max(0, facts.delivered + facts.dropped - len(events)),
            kinds=kinds.texts,
            bodies=bodies.texts,
            words=words.texts,
            messages={
                "sent_ns": _column([event[6] for event in events]),
                "end_ns": _column([event[0] for event in events]),
                "source": _column([event[4] for event in events]),
                "destination": _column([event[3] for event in events]),
                "kind": _column(kind_ids),
                "body": _column(body_ids),
                "lost": _column([int(event[2] == LOST) for event in events]),
            },
            sightings=sightings,
            lives=lives,
            marks=noted,
        )

    def encode(self) -> bytes:
        """The recording as compressed msgpack; the same recording gives the same bytes."""
        stored = _Stored(
            nodes=self.nodes,
            clients=self.clients,
            facts=self.facts,
            forgotten=self.forgotten,
            kinds=self.kinds,
            bodies=self.bodies,
            words=self.words,
            tables={
                name: {column: pack(numbers) for column, numbers in table.items()}
                for name, table in self._tables()
            },
        )
        return gzip.compress(msgspec.msgpack.encode(stored), compresslevel=3, mtime=0)

    @staticmethod
    def decode(content: bytes) -> Recording:
        """Read what `encode` wrote. Raises UsageError if it is no such thing."""
        try:
            stored = msgspec.msgpack.decode(gzip.decompress(content), type=_Stored)
            tables = {
                name: {column: unpack(packed) for column, packed in table.items()}
                for name, table in stored.tables.items()
            }
        except (OSError, EOFError, ValueError, msgspec.DecodeError) as error:
            raise UsageError(
                f"This is no recording of a run: {error}. A recording is the file "
                "recording.msgpack.gz that `splitbrain run` writes into the folder of a run."
            ) from error
        if stored.format != FORMAT:
            raise UsageError(
                f"The recording has format {stored.format}; this version reads format {FORMAT}. "
                "Run the plan again to record it anew."
            )
        return Recording(
            nodes=stored.nodes,
            clients=stored.clients,
            facts=stored.facts,
            forgotten=stored.forgotten,
            kinds=stored.kinds,
            bodies=stored.bodies,
            words=stored.words,
            **tables,
        )

    def _tables(self) -> list[tuple[str, Columns]]:
        return [(name, getattr(self, name)) for name in ("messages", "sightings", "lives", "marks")]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recording) and self.encode() == other.encode()

    __hash__ = None  # type: ignore[assignment]


class _Table:
    """Texts, each once, numbered by first appearance."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def id(self, text: str) -> int:
        return self._ids.setdefault(text, len(self._ids))

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(self._ids)


def _column(numbers: Sequence[int]) -> NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64)


def _worded(entries: Sequence[tuple[int, int, str]], words: _Table) -> Columns:
    return {
        "time_ns": _column([at for at, _, _ in entries]),
        "node": _column([node for _, node, _ in entries]),
        "word": _column([words.id(word) for _, _, word in entries]),
    }


def _told(payload: Any, long_ones: set[type]) -> str:
    """A message in words: its type and its fields, the same in every process.

    `long_ones` are the types of messages that were found to be much longer than what is told.
    """
    kind = type(payload)
    text = _beginning(payload, BODY_CHARACTERS) if kind in long_ones else repr(payload)
    if len(text) > _LONG_CHARACTERS:
        long_ones.add(kind)
    if " at 0x" in text:
        text = ADDRESS.sub("", text)
    return text if len(text) <= BODY_CHARACTERS else text[: BODY_CHARACTERS - 1] + "…"


def _beginning(value: Any, room: int) -> str:
    """repr(value), or a text that is longer than `room` too and begins with the same `room`
    characters."""
    kind = type(value)
    named = isinstance(value, msgspec.Struct) and kind.__repr__ is _OWN_WORDS
    if named and not kind.__struct_config__.repr_omit_defaults:
        left, right = f"{kind.__name__}(", ")"
        parts = [(f"{name}=", getattr(value, name)) for name in kind.__struct_fields__]
    elif kind is list or kind is tuple:
        left, right = "[]" if kind is list else ("(", ",)" if len(value) == 1 else ")")
        parts = [("", part) for part in value[:room]]
    else:
        return repr(value)
    texts: list[str] = []
    room -= len(left)
    for name, part in parts:
        if room <= -len(", "):
            break
        texts.append(name + _beginning(part, room - len(name)))
        room -= len(texts[-1]) + len(", ")
    return left + ", ".join(texts) + right
