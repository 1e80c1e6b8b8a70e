"""What a model is: one object in a few lines of Python, and how to write one of your own.

    init()                what the object starts as: a state
    step(state, call)     the states that the call may leave behind; none if its answer is
                          impossible in `state`
    partition(call)       calls with different results are on different objects (optional)
    describe(call)        a call in few words, for diagrams (optional)

A state is any hashable value: an int, a str, a tuple, a frozenset. `step` is pure: it never changes
the state it is given. Say what the calls are named and which of them only look, and misuse is
found, and reads cost nothing:

>>> class Highscore(Model):
...     '''submit takes points; top answers with the most points submitted so far.'''
...
...     functions = ("submit", "top")
...     reads = frozenset({"top"})
...
...     def init(self):
...         return 0
...
...     def step(self, best, call):
...         if call.f == "submit":
...             yield max(best, call.argument)
...         elif call.may_answer(best):
...             yield best
>>> from checkers.linearizability import Linearizability
>>> from harness.history import Recorder
>>> recorder = Recorder()
>>> for process, type, f, value in [
...     (0, "invoke", "submit", 70), (0, "ok", "submit", 70), (1, "invoke", "submit", 50),
...     (1, "ok", "submit", 50), (0, "invoke", "top", None), (0, "ok", "top", 50),
... ]:
...     _ = recorder.append(time_ns=len(recorder) * 10**6, process=process, type=type, f=f,
...                         value=value)
>>> verdict = Linearizability(model=Highscore()).check(recorder.history())
>>> verdict.outcome, verdict.witness["rows"]
('fail', [0, 1, 4, 5])
>>> print(verdict.reason)
Not linearizable: process 0 called top → 50 at 0.005 s, which no order of the 3 operations up to
then explains; the highscore could only be 70.

An answer that never came is UNKNOWN, and `may_answer` then agrees to everything. A model whose
object may choose yields several states. A call that failed surely did not happen, and is not asked
about, unless its name is in `refusals`: then `call.refused` is true and `step` says where the
object would refuse it.

Cost: such a model is searched by the reference engine, some 300,000 configurations in five
seconds, with `step` called a few times for each. That decides thousands of operations of a few
clients if most answers are known; many open calls at once, or objects that show late in what
order they were changed, such as queues, end in `unknown` much earlier.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from types import GeneratorType
from typing import Any, Final

from harness.errors import UsageError
from harness.interning import decode, encode


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


#: The answer of a call whose answer never came.
UNKNOWN: Final = _Unknown()


@dataclass(frozen=True, slots=True)
class Call:
    """One operation as a client saw it, for `Model.step`.

    `argument` is the value that it was invoked with, `answer` that of its completion; both are
    plain JSON data, not to be changed. `refused`: it failed, and its name is in `refusals`. `open`:
    it need not have happened. `process` is -1 unless the model `sees_processes`.
    """

    f: str
    argument: Any = None
    answer: Any = UNKNOWN
    refused: bool = False
    open: bool = False
    process: int = -1

    @property
    def given(self) -> Any:
        """The answer where there is one, else the argument: what a write wrote."""
        return self.argument if self.answer is UNKNOWN or self.answer is None else self.answer

    def may_answer(self, value: Any) -> bool:
        """Whether the call answered `value`, or nobody knows its answer."""
        return self.answer is UNKNOWN or exact(self.answer) == exact(value)


class Model:
    """The base of all models; override `init` and `step`.

    - `name`, `noun`: for messages: "fifo-queue", "queue".
    - `functions`: the names of its calls; empty: any, and a misspelt one is not noticed.
    - `reads`: those that never change the state, whatever they answer. They are taken the moment
      they are possible, and dropped if their answer never came.
    - `refusals`: those whose failure says something about the state, such as a compare-and-set.
    - `wholes`: those that are about all parts at once; where one is called, `partition` is not
      asked and the object stays whole.
    - `sees_processes`: `step` looks at `call.process`.
    """

    name: str = ""
    noun: str = ""
    functions: Collection[str] = ()
    reads: frozenset[str] = frozenset()
    refusals: frozenset[str] = frozenset()
    wholes: frozenset[str] = frozenset()
    sees_processes: bool = False

    def __init_subclass__(cls) -> None:
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
        cls.name = cls.__dict__.get("name", words)
        cls.noun = cls.__dict__.get("noun", words.replace("-", " "))

    @property
    def summary(self) -> str:
        """What it is in a sentence: the first one of its documentation."""
        return " ".join((type(self).__doc__ or "").split(".")[0].split())

    def init(self) -> Any:
        """The state that every object starts in."""
        raise NotImplementedError

    def step(self, state: Any, call: Call) -> Iterable[Any]:
        """The states that `call` may leave behind where it takes effect in `state`."""
        raise NotImplementedError

    def partition(self, call: Call) -> Hashable:
        """Which part of the object a call is about; parts are checked on their own."""
        return None

    def describe(self, call: Call) -> str:
        """The call in few words: `write 5`, `read -> 5`."""
        return described(call)

    def show(self, state: Any) -> str:
        """A state in few words."""
        return shown(state)

    def data(self, state: Any) -> Any:
        """A state as plain JSON data, for witnesses."""
        if type(state) is bytes:
            return plain(state)
        try:
            return decode(encode(state))
        except UsageError:
            return self.show(state)

    def start(self, initial: Any) -> Any:
        """The state to start in if the user asks for `initial`. Raises UsageError if it cannot."""
        raise UsageError(
            f"The {self.noun} cannot start as {initial!r}: the model {self.name!r} says itself "
            "what it starts as. Leave `initial` out."
        )


def exact(value: Any) -> Hashable:
    """Something hashable that is equal exactly if the values are the same JSON data.

    >>> len({exact(v) for v in (1, 1.0, True, "1", [1], None)}), exact(7), exact("x")
    (6, 7, 'x')
    """
    kind = type(value)
    if value is None or kind is int or kind is str:
        return value  # type: ignore[no-any-return]
    return encode(value)  # bytes equal no int and no str


def plain(value: Hashable) -> Any:
    """The value that `exact` was given."""
    return decode(value) if type(value) is bytes else value


def described(call: Call) -> str:
    """`f argument -> answer`, without what says nothing."""
    parts = [call.f]
    if call.argument is not None:
        parts.append(shown(call.argument))
    if not call.open and not call.refused:
        echo = exact(call.answer) == exact(call.argument)
        if not echo and call.answer is not None:
            parts.append(f"-> {shown(call.answer)}")
    return " ".join(parts)


_TEXT_SHOWN = 40
_ITEMS_SHOWN = 10


def shown(value: Any) -> str:
    """A value in few words: nil for None, long ones by both their ends.

    >>> shown(None), shown(7), shown("free"), shown([1, None]), shown("x" * 100)
    ('nil', '7', 'free', '[1, nil]', "'xxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxx' (100 characters)")
    """
    if value is None:
        return "nil"
    if value in ("free", "held"):
        return str(value)
    if isinstance(value, list | tuple):
        parts = list(map(shown, value))
        if len(parts) > _ITEMS_SHOWN:
            half = _ITEMS_SHOWN // 2
            parts = [*parts[:half], "...", *parts[-half:]]
        more = f" ({len(value)} items)" if len(value) > _ITEMS_SHOWN else ""
        return f"[{', '.join(parts)}]{more}"
    text = json.dumps(value) if isinstance(value, dict) else repr(value)
    if len(text) > _TEXT_SHOWN:
        half = _TEXT_SHOWN // 2
        size = f" ({len(value)} characters)" if isinstance(value, str) else ""
        return f"{text[:half]}...{text[-half:]}{size}"
    return text


# ---- models that users bring -----------------------------------------------------------------

Step = Callable[[Any, Call], Iterable[Any]]


class _Adapter(Model):
    """An object that has `init` and `step` but is no Model."""

    def __init__(self, thing: Any) -> None:
        self.name = str(getattr(thing, "name", type(thing).__name__))
        self.noun = str(getattr(thing, "noun", "object"))
        self.functions = getattr(thing, "functions", ())
        self.reads = frozenset(getattr(thing, "reads", ()))
        self.refusals = frozenset(getattr(thing, "refusals", ()))
        self.wholes = frozenset(getattr(thing, "wholes", ()))
        self.sees_processes = bool(getattr(thing, "sees_processes", False))
        self._thing = thing

    def init(self) -> Any:
        return self._thing.init()

    def step(self, state: Any, call: Call) -> Iterable[Any]:
        found: Iterable[Any] = self._thing.step(state, call)
        return found

    def partition(self, call: Call) -> Hashable:
        part: Hashable = self._thing.partition(call) if hasattr(self._thing, "partition") else None
        return part

    def describe(self, call: Call) -> str:
        own = getattr(self._thing, "describe", None)
        return described(call) if own is None else str(own(call))


def as_model(thing: Any) -> Model:
    """`thing` as a model: itself, an instance of a class, or an adapter around another object.

    Raises UsageError if it has no `init` and `step`.
    """
    if isinstance(thing, type):
        try:
            thing = thing()
        except TypeError as error:
            raise UsageError(
                f"The model class {thing.__name__} cannot be made without arguments: {error}.\n"
                "Give an instance, Linearizability(model=MyModel(...)), or defaults."
            ) from error
    if isinstance(thing, Model):
        return thing
    if not callable(getattr(thing, "init", None)) or not callable(getattr(thing, "step", None)):
        raise UsageError(
            f"{thing!r} is no model: a model has the methods init(), the state that the object "
            "starts in, and step(state, call), the states that a call may leave behind.\n"
            "Usually it is another attribute of its module that was meant; see "
            "checkers.linearizability.model for an example."
        )
    return _Adapter(thing)


def careful_step(model: Model) -> Step:
    """`model.step`, with the mistakes that models make turned into a UsageError that says so."""

    def step(state: Any, call: Call) -> Iterator[Any]:
        try:
            found = model.step(state, call)
            if not isinstance(found, list | GeneratorType):
                raise UsageError(
                    f"{model.name}.step returned {found!r} for {call}.\nIt must yield the states "
                    "that the call may leave behind (none if its answer is impossible), or return "
                    "them as a list. Usually a `yield` was written as `return`, or left out."
                )
            for after in found:
                hash(after)
                if call.f in model.reads and after != state:
                    raise UsageError(
                        f"{model.name}.step turns {state!r} into {after!r} for {call}, but "
                        f"{call.f!r} is one of its `reads`, which never change the state."
                    )
                yield after
        except UsageError:
            raise
        except TypeError as error:
            if "unhashable" not in str(error):
                raise _broken(model, state, call, error) from error
            raise UsageError(
                f"{model.name}.step yields a state that cannot be kept in a set: {error}.\nStates "
                "are values, such as tuples and frozensets, not lists, sets or dicts."
            ) from error
        except Exception as error:
            raise _broken(model, state, call, error) from error

    return step


def _broken(model: Model, state: Any, call: Call, error: Exception) -> UsageError:
    return UsageError(
        f"{model.name}.step fails in the state {state!r} for {call}: {type(error).__name__}: "
        f"{error}.\nUsually the history has calls or values that the model was not written for."
    )
