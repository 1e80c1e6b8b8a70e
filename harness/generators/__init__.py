"""What clients and nemeses do, and when: a pure algebra of generators under Jepsen's names.

    generator = clients(
        phases(
            time_limit(60 * SECOND_NS, stagger(10 * MILLISECOND_NS, mix([read, write, cas]))),
            each_thread(once(read)),
        )
    )

A generator is an immutable value. Asked, it answers with the soonest operation and with the
generator that remains; told of what began and ended, it says what it has become (`core`). Plain
values are generators too: a dict is one operation, a callable is called again and again, a list is
its elements in turn (`values`). All times are integer nanoseconds. Randomness comes with the
context, keyed by the seed of the run: the same seed gives the same operations, in any process,
however often the generator was asked (`context`).

| Jepsen                             | here                                        | module      |
|------------------------------------|---------------------------------------------|-------------|
| map, fn, seq, nil                  | dict, callable, list or tuple, None         | values      |
| lazy seq: (map f (range))          | for_each(range(10**9), f)                   | values      |
| any, shortest-any                  | any_of, shortest_any                        | combine     |
| mix, flip-flop                     | mix, flip_flop                              | combine     |
| concat, repeat, cycle              | concat, repeat, cycle                       | combine     |
| phases, synchronize, then          | phases, synchronize, then (first one first) | combine     |
| limit, once, time-limit            | limit, once, time_limit                     | limits      |
| process-limit, concurrency-limit   | process_limit, concurrency_limit            | limits      |
| until-ok                           | until_ok                                    | limits      |
| stagger, delay, sleep              | stagger, delay, sleep                       | pacing      |
| cycle-times                        | cycle_times                                 | pacing      |
| on-threads (on), clients, nemesis  | on_threads, clients, nemesis                | routing     |
| reserve, each-thread, each-process | reserve, each_thread, each_process          | routing     |
| map, f-map, filter                 | map_ops, f_map, filter_ops                  | transform   |
| on-update, trace                   | on_update, trace                            | transform   |
| validate, friendly-exceptions      | validate, friendly_errors; prepare has both | guard       |
| independent/sequential-generator   | sequential_generator                        | independent |
| independent/concurrent-generator   | concurrent_generator                        | independent |
| (none: there is no replay)         | replay                                      | replay      |
| test/simulate, quick, perfect, ... | simulate, quick, perfect, ...               | simulate    |

What differs from Jepsen, on purpose: a pending child does not stop `mix`, and `mix` and
`flip_flop` pass events on; `time_limit` lasts to its end; `reserve` and `concurrent_generator`
leave the nemesis out, and complain if they come out uneven; `then` takes its arguments in the order
in which they happen; `delay` catches up.

>>> read, write = {"f": "read"}, {"f": "write", "value": 1}
>>> for operation in perfect(phases(limit(2, repeat(write)), read), seed=1):
...     print(operation.time_ns, operation.process, operation.type, operation.f)
0 1 invoke write
0 0 invoke write
10 1 ok write
10 0 ok write
10 1 invoke read
20 1 ok read
"""

from harness.generators.combine import (
    any_of,
    concat,
    cycle,
    flip_flop,
    mix,
    phases,
    repeat,
    shortest_any,
    synchronize,
    then,
)
from harness.generators.context import NEMESIS, Context, Process, Thread
from harness.generators.core import (
    PENDING,
    Event,
    Generator,
    GeneratorLike,
    Invocation,
    Offer,
    Pending,
)
from harness.generators.guard import friendly_errors, prepare, validate
from harness.generators.independent import concurrent_generator, sequential_generator
from harness.generators.limits import (
    concurrency_limit,
    limit,
    once,
    process_limit,
    time_limit,
    until_ok,
)
from harness.generators.pacing import cycle_times, delay, sleep, stagger
from harness.generators.replay import replay
from harness.generators.routing import (
    clients,
    each_process,
    each_thread,
    nemesis,
    on_threads,
    reserve,
)
from harness.generators.simulate import (
    always_info,
    always_ok,
    imperfect,
    in_rotation,
    invocations_of,
    perfect,
    perfect_info,
    quick,
    simulate,
)
from harness.generators.transform import f_map, filter_ops, map_ops, on_update, trace
from harness.generators.values import for_each, to_generator

__all__ = [
    "NEMESIS",
    "PENDING",
    "Context",
    "Event",
    "Generator",
    "GeneratorLike",
    "Invocation",
    "Offer",
    "Pending",
    "Process",
    "Thread",
    "always_info",
    "always_ok",
    "any_of",
    "clients",
    "concat",
    "concurrency_limit",
    "concurrent_generator",
    "cycle",
    "cycle_times",
    "delay",
    "each_process",
    "each_thread",
    "f_map",
    "filter_ops",
    "flip_flop",
    "for_each",
    "friendly_errors",
    "imperfect",
    "in_rotation",
    "invocations_of",
    "limit",
    "map_ops",
    "mix",
    "nemesis",
    "on_threads",
    "on_update",
    "once",
    "perfect",
    "perfect_info",
    "phases",
    "prepare",
    "process_limit",
    "quick",
    "repeat",
    "replay",
    "reserve",
    "sequential_generator",
    "shortest_any",
    "simulate",
    "sleep",
    "stagger",
    "synchronize",
    "then",
    "time_limit",
    "to_generator",
    "trace",
    "until_ok",
    "validate",
]
