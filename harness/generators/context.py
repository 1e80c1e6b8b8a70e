"""What a generator may know when it is asked: the time, the threads, and draws.

A *thread* is a worker of the run: the clients 0 .. n-1, and "nemesis". A *process* is who the
history says acted: it begins as the thread's number, and a client thread whose operation ended
`info` goes on as process + n, because the old process may still be at it.

A context is immutable; the interpreter makes the next one with `dispatched`, `completed`, `at`
and `with_next_process`, each well under a microsecond. Sets of threads are bit masks inside: bit i
is client i, and bit n is the nemesis.

**Draws are honest.** A pure generator needs randomness, and yet the same generator asked twice in
the same context must give the same answer. So a draw is keyed by (seed, number of operations
dispatched so far, number of draws in this ask): asking again, or asking more often, draws the same
again, and no earlier operation's draws shift a later one's. `prepare` starts every ask anew.
Generators draw from `context.random`, a full `random.Random` that ignores PYTHONHASHSEED.

Limits: in an unchanged state a generator that draws "not now" draws it again, until an operation
was dispatched; waiting is said with `Pending(until_ns=...)`.

>>> context = Context.begin(clients=3, seed=7)
>>> context.threads
(0, 1, 2, 'nemesis')
>>> context = context.dispatched(1, time_ns=5_000)
>>> context.free_threads, context.time_ns
((0, 2, 'nemesis'), 5000)
>>> context.completed(1, time_ns=9_000).with_next_process(1).process_of(1)
4
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from typing import Any, NoReturn, TypeAlias

import msgspec

from harness.errors import UsageError

Thread: TypeAlias = int | str
Process: TypeAlias = int | str

NEMESIS = "nemesis"

_MULTIPLIER = 0x94D049BB133111EB
_MASK_53 = (1 << 53) - 1
_SCALE = 2.0**-53

#: A decision has this many draws to itself: the lower half for `op`, the upper half for the events
#: until the next operation, each with 64 draws at a place that its time and thread decide.
_DRAWS_OF_A_DECISION = 1 << 24
_PLACES_OF_EVENTS = (1 << 17) - 1

#: Masks below this have their bits remembered; wider ones hardly ever come again.
_REMEMBERED = 1 << 12


class Draws(Random):
    """A `random.Random` whose numbers depend on (seed, decision, how many were drawn) alone.

    `position` is where in the sequence it stands; who asked a child in vain puts it back, so that
    the ask leaves no trace.
    """

    def __init__(self, seed: int) -> None:
        # The Mersenne twister underneath is never used, hence no call of the base.
        self._key = hash((seed,))
        self.position = 0

    def rewind(self, decision: int) -> None:
        """Start again for the decision number `decision`; the same one gives the same draws."""
        self.position = decision * _DRAWS_OF_A_DECISION

    def rewind_for_event(self, decision: int, time_ns: int, bit: int) -> None:
        """Start again for an event of thread `bit` before the decision is made."""
        place = hash((time_ns, bit)) & _PLACES_OF_EVENTS
        self.position = decision * _DRAWS_OF_A_DECISION + _DRAWS_OF_A_DECISION // 2 + place * 64

    def _bits_53(self) -> int:
        self.position = position = self.position + 1
        mixed = hash((self._key, position))
        return ((mixed ^ (mixed >> 29)) * _MULTIPLIER >> 24) & _MASK_53

    def random(self) -> float:
        """A number in [0, 1)."""
        # Written out, not by _bits_53: this is the hottest line of all generators.
        self.position = position = self.position + 1
        mixed = hash((self._key, position))
        return (((mixed ^ (mixed >> 29)) * _MULTIPLIER >> 24) & _MASK_53) * _SCALE

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """A normal draw; without the base's second number that leaks into the next decision."""
        return self.normalvariate(mu, sigma)

    def getrandbits(self, k: int, /) -> int:
        """`k` random bits; what `randrange`, `choice`, `shuffle` and `sample` rest upon."""
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        bits, have = 0, 0
        while have < k:
            bits = (bits << 53) | self._bits_53()
            have += 53
        return bits >> (have - k)

    def seed(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Refused: a generator that seeds anew would not be replayed by the seed of the run."""
        raise UsageError(
            "context.random cannot be seeded: the seed of the run decides its draws. For draws of "
            "your own, make a random.Random(...) from context.random.getrandbits(64)."
        )


class Roster:
    """The threads of a run, shared by all its contexts."""

    __slots__ = ("_bits", "_masks", "client_count", "client_mask", "index", "threads")

    def __init__(self, clients: int, nemesis: bool) -> None:
        if clients < 0 or not (clients or nemesis):
            raise UsageError(f"A run needs at least one thread, not {clients} clients.")
        self.client_count = clients
        self.client_mask = (1 << clients) - 1
        self.threads: tuple[Thread, ...] = (*range(clients), *([NEMESIS] if nemesis else []))
        self.index = {thread: bit for bit, thread in enumerate(self.threads)}
        self._masks: dict[Hashable, int] = {}
        self._bits: dict[int, list[int]] = {}

    def bit(self, thread: Thread) -> int:
        """The bit of `thread`. Raises UsageError if there is no such thread."""
        try:
            return self.index[thread]
        except (KeyError, TypeError):
            raise UsageError(
                f"There is no thread {thread!r}. The threads of this run: {self.describe()}."
            ) from None

    def mask(self, selector: frozenset[Thread] | Callable[[Thread], bool]) -> int:
        """The threads that `selector` (a set or a predicate) takes; computed once."""
        known = self._masks.get(selector)
        if known is None:
            if callable(selector):
                bits = [bit for bit, thread in enumerate(self.threads) if selector(thread)]
            else:
                bits = [self.bit(thread) for thread in selector]
            known = self._masks[selector] = sum(1 << bit for bit in bits)
        return known

    def bits(self, mask: int) -> list[int]:
        """The bits of a mask, lowest first. Not to be changed by the caller."""
        known = self._bits.get(mask)
        if known is None:
            known = bits_of(mask)
            if mask < _REMEMBERED:
                self._bits[mask] = known
        return known

    def describe(self) -> str:
        """The threads in words, for errors."""
        clients = f"0 to {self.client_count - 1}" if self.client_count else ""
        return ", ".join([*([clients] if clients else []), *map(repr, self.named)])

    @property
    def named(self) -> tuple[Thread, ...]:
        """The threads that are no clients."""
        return self.threads[self.client_count :]


class Context(msgspec.Struct, frozen=True, gc=False):
    """What a generator sees. `free` and `visible` are masks of threads, `free` within `visible`.

    `draw` counts the operations dispatched so far; it names the decision that draws are for.
    """

    roster: Roster
    time_ns: int
    free: int
    visible: int
    processes: tuple[Process, ...]
    draw: int
    random: Draws

    @classmethod
    def begin(
        cls, *, clients: int, seed: int = 0, nemesis: bool = True, time_ns: int = 0
    ) -> Context:
        """The context at the start of a run, with all threads free."""
        roster = Roster(clients, nemesis)
        everyone = (1 << len(roster.threads)) - 1
        return cls(roster, time_ns, everyone, everyone, roster.threads, 0, Draws(seed))

    # --- what generators ask -----------------------------------------------------------------

    @property
    def threads(self) -> tuple[Thread, ...]:
        """The threads that this generator may use, clients first."""
        return tuple(self.roster.threads[bit] for bit in bits_of(self.visible))

    @property
    def free_threads(self) -> tuple[Thread, ...]:
        """Those of `threads` that have nothing to do."""
        return tuple(self.roster.threads[bit] for bit in bits_of(self.free))

    def process_of(self, thread: Thread) -> Process:
        """Who `thread` acts as now."""
        return self.processes[self.roster.bit(thread)]

    def thread_of(self, process: Process) -> Thread:
        """The thread that acts, or once acted, as `process`."""
        return self.roster.threads[self.bit_of(process)]

    def bit_of(self, process: Process) -> int:
        """The bit of the thread of `process`: retiring adds the number of clients to it."""
        if isinstance(process, int) and self.roster.client_count and process >= 0:
            return process % self.roster.client_count
        return self.roster.bit(process)

    def random_free_bit(self) -> int:
        """The bit of a free thread, each as likely; there must be one."""
        free = self.free
        if free < _REMEMBERED:
            bits = self.roster.bits(free)
            return bits[int(self.random.random() * len(bits))]
        return nth_bit(free, int(self.random.random() * free.bit_count()))

    # --- what combinators and the interpreter derive -------------------------------------------

    def restricted(self, mask: int) -> Context:
        """The same moment, with only the threads of `mask` in sight."""
        return Context(
            self.roster,
            self.time_ns,
            self.free & mask,
            self.visible & mask,
            self.processes,
            self.draw,
            self.random,
        )

    def at(self, time_ns: int) -> Context:
        """The same threads at another time."""
        return Context(
            self.roster,
            time_ns,
            self.free,
            self.visible,
            self.processes,
            self.draw,
            self.random,
        )

    def dispatched(self, thread: Thread, time_ns: int) -> Context:
        """After an operation was given to `thread`: the thread is busy, the next draws new."""
        return Context(
            self.roster,
            time_ns,
            self.free & ~(1 << self.roster.bit(thread)),
            self.visible,
            self.processes,
            self.draw + 1,
            self.random,
        )

    def completed(self, thread: Thread, time_ns: int) -> Context:
        """After `thread` completed its operation: it is free."""
        return Context(
            self.roster,
            time_ns,
            self.free | (1 << self.roster.bit(thread)),
            self.visible,
            self.processes,
            self.draw,
            self.random,
        )

    def with_next_process(self, thread: Thread) -> Context:
        """After an `info`: client `thread` goes on as a new process. The nemesis never does."""
        bit = self.roster.bit(thread)
        process = self.processes[bit]
        if not isinstance(process, int):
            return self
        successor = process + self.roster.client_count
        processes = (*self.processes[:bit], successor, *self.processes[bit + 1 :])
        return msgspec.structs.replace(self, processes=processes)


def bits_of(mask: int) -> list[int]:
    """The positions of the set bits, lowest first.

    >>> bits_of(0b10110)
    [1, 2, 4]
    """
    positions = []
    while mask:
        lowest = mask & -mask
        positions.append(lowest.bit_length() - 1)
        mask ^= lowest
    return positions


def nth_bit(mask: int, n: int) -> int:
    """The position of the set bit number `n`, counted from 0 at the lowest.

    >>> nth_bit(0b10110, 2)
    4
    """
    offset = 0
    while n > 8:  # halve wide masks; walk the rest
        half = mask.bit_length() >> 1
        low = mask & ((1 << half) - 1)
        below = low.bit_count()
        if n < below:
            mask = low
        else:
            mask >>= half
            offset += half
            n -= below
    for _ in range(n):
        mask &= mask - 1
    return offset + (mask & -mask).bit_length() - 1
