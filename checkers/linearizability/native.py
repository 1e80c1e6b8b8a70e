"""The native engine: hands a problem's columns to the C kernel without copying them.

The kernel runs without the interpreter's lock, so other threads go on; what it does and why that is
sound stands in kernel/*.h. Importing this module fails with ImportError if it was not built.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np

from checkers.linearizability._kernel import ffi, lib
from checkers.linearizability.codes import Kind
from checkers.linearizability.engine import (
    Abort,
    Answer,
    EngineName,
    Frontier,
    Limits,
    Outcome,
    Reason,
)
from checkers.linearizability.problem import OPERATION, Problem

assert ffi.sizeof("lin_operation") == OPERATION.itemsize

#: The rules of the search by name, each a flag that `Limits.rules` may leave out.
RULES: Final[dict[str, int]] = {
    "fingerprint": lib.LIN_FINGERPRINT,
    "eager": lib.LIN_EAGER,
    "symmetry": lib.LIN_SYMMETRY,
    "blocked": lib.LIN_BLOCKED,
    "lookahead": lib.LIN_LOOKAHEAD,
    "deadline-first": lib.LIN_DEADLINE_FIRST,
    "lazy-open": lib.LIN_LAZY_OPEN,
    "dominance": lib.LIN_DOMINANCE,
    "relax": lib.LIN_RELAX,
    "unique": lib.LIN_UNIQUE,
}
_MODELS: Final[dict[Kind, int]] = {
    "register": lib.LIN_REGISTER,
    "text": lib.LIN_TEXT,
    "queue": lib.LIN_QUEUE,
    "stack": lib.LIN_STACK,
    "bag": lib.LIN_BAG,
    "priority-queue": lib.LIN_PRIORITY_QUEUE,
    "set": lib.LIN_SET,
    "counter": lib.LIN_COUNTER,
}
_ANSWERS: Final[dict[int, Answer]] = {
    lib.LIN_LEGAL: "legal",
    lib.LIN_ILLEGAL: "illegal",
    lib.LIN_UNKNOWN: "unknown",
}
_REASONS: Final[dict[int, Reason]] = {
    lib.LIN_DECIDED: "",
    lib.LIN_BUDGET: "budget",
    lib.LIN_ABORTED: "stopped",
    lib.LIN_NO_MEMORY: "memory",
}
_ALL_RULES: Final[int] = lib.LIN_ALL_RULES
_BY_UNIQUE: Final[int] = lib.LIN_BY_UNIQUE
# parsed once: most checks take less time than to parse these
_PROBLEM, _OPTIONS, _RESULT = map(ffi.typeof, ("lin_problem *", "lin_options *", "lin_result *"))
_OPERATIONS, _INTEGERS = map(ffi.typeof, ("lin_operation[]", "int32_t[]"))
_BYTES, _LONG_INTEGERS = map(ffi.typeof, ("uint8_t[]", "int64_t[]"))
_STATES_AT_MOST = 32
_RECIPE_AT_MOST = 1 << 16


class NativeEngine:
    """The C kernel; see `Engine`."""

    name: EngineName = "native"
    default_configurations = 20_000_000

    def check(
        self, problem: Problem, limits: Limits, abort: Abort, *, with_order: bool = False
    ) -> Outcome:
        result = ffi.new(_RESULT)
        order, target = None, ffi.NULL
        if with_order:
            order = np.empty(len(problem), dtype=np.int32)
            target = ffi.from_buffer(_INTEGERS, order)
        given, keep_given = _problem(problem)
        options, keep_options = _options(limits, abort)
        lib.lin_check(given, options, result, target)
        del keep_given, keep_options  # the kernel has read from them until now
        return Outcome(
            answer=_ANSWERS[result.verdict],
            reason=_reason(result.reason),
            key=result.key,
            operation=result.operation,
            legal_before=bool(result.legal_before),
            illegal_with=bool(result.illegal_with),
            method="unique" if result.method == _BY_UNIQUE else "search",
            witness=_witness(result),
            configurations=result.configurations,
            memory_bytes=result.bytes,
            order=() if order is None else tuple(order[order >= 0].tolist()),
        )

    def frontier(self, problem: Problem, operation: int, limits: Limits, abort: Abort) -> Frontier:
        result = ffi.new(_RESULT)
        recipes = ffi.new("int32_t[]", _RECIPE_AT_MOST)
        ends = ffi.new("int32_t[]", _STATES_AT_MOST)
        given, keep_given = _problem(problem)
        options, keep_options = _options(limits, abort)
        lib.lin_frontier(
            given, options, operation, result, recipes, _RECIPE_AT_MOST, ends, _STATES_AT_MOST
        )
        del keep_given, keep_options
        _reason(result.reason)
        bounds = [0, *ends[0 : result.state_count]]
        return Frontier(
            recipes=tuple(tuple(recipes[start:end]) for start, end in pairwise(bounds)),
            complete=result.verdict == lib.LIN_LEGAL,
        )


def _witness(result: Any) -> tuple[int, ...]:
    count = result.witness_count
    return tuple(sorted(result.witness[0:count])) if count else ()


def _reason(code: int) -> Reason:
    # only arrays that contradict each other get here, and `encode` makes none
    assert code != lib.LIN_MALFORMED, "the kernel was given arrays that contradict each other"
    return _REASONS[code]


def _problem(problem: Problem) -> tuple[Any, list[Any]]:
    """A `lin_problem`, and what must be kept alive while it is used."""
    operations = ffi.from_buffer(_OPERATIONS, np.ascontiguousarray(problem.operations))
    events = ffi.from_buffer(_INTEGERS, np.ascontiguousarray(problem.events, dtype=np.int32))
    given = ffi.new(_PROBLEM)
    given.model = _MODELS[problem.kind]
    given.initial = problem.initial
    given.operation_count = len(operations)
    given.event_count = len(events)
    given.key_count = len(problem.key_ids)
    given.value_count = len(problem.values)
    given.operations = operations
    given.events = events
    keep = [operations, events]
    if problem.kind == "text":
        blob, starts = problem.text
        given.text = text = ffi.from_buffer(_BYTES, blob)
        given.text_start = offsets = ffi.from_buffer(_LONG_INTEGERS, starts)
        keep += [text, offsets]
    if problem.kind in ("counter", "priority-queue"):
        assert len(problem.numbers) == len(problem.values)
        given.numbers = numbers = ffi.from_buffer(_LONG_INTEGERS, problem.numbers)
        keep.append(numbers)
    if problem.kind == "set":
        assert len(problem.item_start) == len(problem.values) + 1
        given.items = items = ffi.from_buffer(_INTEGERS, problem.items)
        given.item_start = bounds = ffi.from_buffer(_LONG_INTEGERS, problem.item_start)
        keep += [items, bounds]
    return given, keep


def _options(limits: Limits, abort: Abort) -> tuple[Any, Any]:
    options = ffi.new(_OPTIONS)
    options.rules = limits.rules & _ALL_RULES
    options.patience = limits.patience
    options.key_budget = options.total_budget = limits.configurations
    options.max_bytes = limits.memory_bytes
    options.abort = flag = ffi.from_buffer(_INTEGERS, abort)
    return options, flag
