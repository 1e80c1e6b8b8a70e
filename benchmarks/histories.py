"""Histories to measure checkers with: a real object under concurrent clients, faults planted.

    client 0   ──[ write 7 ]──────[ read -> 7 ]──          each call takes effect at one moment
    client 1   ─────[ write 9 .......... ──────            between its ends, so the history is
                        ^ the write of 9 may take          linearizable unless a fault is planted
                          effect some time later, or never

Every history depends on its arguments alone. Times are in nanoseconds; a call takes 10 ms on
average, a client waits half a millisecond between calls.

>>> history = registers(operations=1000, seed=1)
>>> len(history), history == registers(operations=1000, seed=1)
(2000, True)
>>> from checkers.linearizability import Linearizability
>>> Linearizability("cas-register").check(history).outcome
'pass'
>>> Linearizability("cas-register").check(registers(operations=1000, seed=1, stale=True)).outcome
'fail'
>>> Linearizability("stack").check(items("stack", operations=1000, seed=1)).outcome
'pass'
>>> Linearizability("kv-append").check(texts(operations=500, seed=1, stale=True)).outcome
'fail'
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Literal

from harness.history import History, Recorder

_MS = 1_000_000
_CALL, _EFFECT, _RETURN = range(3)


@dataclass(slots=True)
class _Call:
    process: int
    f: str
    key: Any
    asked: Any
    answer: Any = None
    type: str = "ok"


#: Draws the next call: its function, key and argument.
Draw = Callable[[int], tuple[str, Any, Any]]
#: Lets a call take effect: sets its answer and its type.
Effect = Callable[[_Call], None]


def play(
    draw: Draw,
    effect: Effect,
    *,
    operations: int,
    rng: random.Random,
    clients: int,
    open_ratio: float = 0.0,
    on_return: Callable[[int, _Call], None] = lambda _number, _call: None,
) -> Recorder:
    """What is recorded of `clients` that call one after another; `open_ratio` of the calls get no
    answer, and then a new process goes on."""
    recorder = Recorder()
    # (time, tie, what, client, call)
    moments: list[tuple[int, int, int, int, _Call | None]] = sorted(
        (rng.randrange(_MS), client, _CALL, client, None) for client in range(clients)
    )
    processes = list(range(clients))
    tie = begun = done = 0
    while moments:
        now, _, what, client, call = heappop(moments)
        tie += 1
        if what == _CALL:
            if begun == operations:
                continue
            f, key, asked = draw(begun)
            call = _Call(processes[client], f, key, asked, asked)
            begun += 1
            recorder.append(
                time_ns=now, process=call.process, type="invoke", f=f, key=key, value=asked
            )
            takes = int(rng.expovariate(1) * 10 * _MS) + _MS // 100
            if rng.random() < open_ratio:
                processes[client] += clients
                heappush(moments, (now + 30 * _MS, clients + tie, _CALL, client, None))
                if rng.random() < 0.5:
                    later = now + rng.randrange(40 * _MS)
                    heappush(moments, (later, clients + tie, _EFFECT, -1, call))
            else:
                effect_at = now + int(rng.random() * takes)
                heappush(moments, (effect_at, clients + tie, _EFFECT, client, call))
                heappush(moments, (now + takes, clients + tie, _RETURN, client, call))
        elif what == _EFFECT:
            assert call is not None
            effect(call)
        else:
            assert call is not None
            on_return(done, call)
            done += 1
            recorder.append(
                time_ns=now,
                process=call.process,
                type=call.type,  # type: ignore[arg-type]
                f=call.f,
                key=call.key,
                value=call.answer,
            )
            wait = rng.randrange(_MS)
            heappush(moments, (now + wait, clients + tie, _CALL, client, None))
    return recorder


# ---- registers -------------------------------------------------------------------------------


def registers(**options: Any) -> History:
    """The history of `recorded_registers`, which says what there is to choose."""
    return recorded_registers(**options).history()


def recorded_registers(
    *,
    operations: int,
    seed: int,
    keys: int = 1,
    values: int = 0,
    clients: int = 8,
    open_ratio: float = 0.0,
    stale: bool = False,
) -> Recorder:
    """Registers with compare-and-set: half reads, two fifths writes, one tenth compare-and-sets.

    `values` is how many different ones are written, 0 for a new one each time. With `stale`, one
    read in the last quarter answers a value that was replaced long before, and that no call without
    an answer could have brought back; if all values are too frequent for that, one that nobody
    wrote.
    """
    rng = random.Random(seed)
    state: dict[Any, Any] = {}
    last_call: dict[Any, int] = {}  # of the calls that may write a value, the last one
    hidden: set[Any] = set()  # values that calls without an answer may write
    planted = not stale
    begun = 0

    def draw(number: int) -> tuple[str, Any, Any]:
        nonlocal begun
        begun = number
        key = f"k{rng.randrange(keys)}" if keys > 1 else None
        f = rng.random()
        if f < 0.5:
            return "read", key, None
        fresh = rng.randrange(values) if values else number
        last_call[fresh] = number
        if f < 0.9:
            return "write", key, fresh
        guess = state.get(key) if rng.random() < 0.6 else rng.randrange(values or number + 1)
        return "cas", key, [guess, fresh]

    def effect(call: _Call) -> None:
        if call.f == "read":
            call.answer = state.get(call.key)
        elif call.f == "write":
            state[call.key] = call.asked
        elif state.get(call.key) == call.asked[0]:
            state[call.key] = call.asked[1]
        else:
            call.type = "fail"

    def on_return(done: int, call: _Call) -> None:
        nonlocal planted
        if planted or call.f != "read" or done * 4 < operations * 3:
            return
        old = [v for v, n in last_call.items() if n < begun - 40 * clients and v not in hidden]
        held = set(state.values())
        call.answer = next((v for v in old if v not in held), -1)
        planted = True

    if open_ratio and stale:
        # a first run finds out which values are written by calls that never return
        draft = registers(
            operations=operations, seed=seed, keys=keys, values=values, clients=clients,
            open_ratio=open_ratio,
        )  # fmt: skip
        for operation in draft.select(draft.partner < 0):
            if operation.f != "read":
                hidden.add(operation.value[1] if operation.f == "cas" else operation.value)
    return play(
        draw,
        effect,
        operations=operations,
        rng=rng,
        clients=clients,
        open_ratio=open_ratio,
        on_return=on_return,
    )


# ---- queues and stacks -----------------------------------------------------------------------


def items(
    kind: Literal["fifo-queue", "stack"],
    *,
    operations: int,
    seed: int,
    clients: int = 8,
    open_ratio: float = 0.0,
    lost: bool = False,
) -> History:
    """A queue or a stack of distinct items, as many additions as removals. With `lost`, the object
    forgets one item in the middle of the history, and says in the end that it is empty."""
    rng = random.Random(seed)
    content: deque[int] = deque()
    add, remove = ("push", "pop") if kind == "stack" else ("enqueue", "dequeue")
    effects = 0

    def draw(number: int) -> tuple[str, Any, Any]:
        draining = number * 10 > operations * 9  # the rest is taken out at the end
        if rng.random() < (0.05 if draining else 0.52):
            return add, None, number
        return remove, None, None

    def effect(call: _Call) -> None:
        nonlocal effects
        effects += 1
        if lost and effects == operations // 2 and content:
            content.popleft() if kind == "stack" else content.pop()
        if call.f == add:
            content.append(call.asked)
        elif content:
            call.answer = content.pop() if kind == "stack" else content.popleft()
        else:
            call.answer = None

    return play(
        draw, effect, operations=operations, rng=rng, clients=clients, open_ratio=open_ratio
    ).history()


# ---- texts -----------------------------------------------------------------------------------


def texts(
    *, operations: int, seed: int, keys: int = 10, clients: int = 50, stale: bool = False
) -> History:
    """Keys with texts, like those of the kv-append histories that Porcupine comes with: half
    appends, a few puts, and gets, each argument another one. The larger of those have the default
    clients and keys, and 2,000 operations. With `stale`, one get in the last quarter answers what
    its key held 20 changes before."""
    rng = random.Random(seed)
    held: dict[Any, list[str]] = {}
    planted = not stale

    def draw(number: int) -> tuple[str, Any, Any]:
        key, f = str(rng.randrange(keys)), rng.random()
        if f < 0.44:
            return "get", key, None
        return ("put" if f < 0.5 else "append"), key, f"x {number % clients} {number // clients} y"

    def effect(call: _Call) -> None:
        texts_of_key = held.setdefault(call.key, [""])
        if call.f == "get":
            call.answer = texts_of_key[-1]
        else:
            texts_of_key.append(("" if call.f == "put" else texts_of_key[-1]) + call.asked)

    def on_return(done: int, call: _Call) -> None:
        nonlocal planted
        of_key = held.get(call.key, [""])
        if planted or call.f != "get" or done * 4 < operations * 3 or len(of_key) <= 20:
            return
        call.answer, planted = of_key[-20], True

    return play(
        draw, effect, operations=operations, rng=rng, clients=clients, on_return=on_return
    ).history()
