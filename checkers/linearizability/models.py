"""The objects that can be checked by name, and what their operations are called in a history.

An operation is invoked with a value and, if it is ok, completes with one. "-" is no value (nil);
"same" may also be nil. Names are Jepsen's where Jepsen has one.

    model            f              invoked with    completes with
    register         read           -               the value; nil if never written
                     write          the value       same
    cas-register     read, write    as above
                     cas            [old, new]      same; fail: it held something else
    kv               get            -               the value; nil if absent
                     put            the value       same
                     del            -               -
                     cas            [old, new]      same; old nil: only if absent
    kv-append        get            -               the text; "" or nil if never written
                     put, append    the text        same
    mutex            acquire        -               -
                     release        -               -
    owner-mutex      acquire        owner or -      same; without an owner the process is it
                     release        owner or -      same; only the owner can, and once
    counter          add            the summand     same
                     add-and-get    the summand     the sum then
                     read           -               the sum
    set              add            the element     same; or true: it was new, false: it was not
                     remove         the element     same; or true: it was there, false: it was not
                     contains       the element     true or false
                     read           -               all elements, in any order
    fifo-queue       enqueue        the item        same
                     dequeue        -               the first item; nil: it was empty
    unordered-queue  enqueue        the item        same
                     dequeue        -               any item; nil: it was empty
    priority-queue   enqueue        the item        same
                     dequeue        -               the least item; nil: it was empty
    stack            push           the item        same
                     pop            -               the item pushed last; nil: it was empty
    list             append         the element     same
                     read           -               all elements, first to last

A completion `fail` says that the operation did not happen, and nothing else; only a cas that fails
without giving an error has looked, and seen another value than `old`. A client that fails a cas for
any other reason must give an error, or be checked with "no-effect" (`encoding.FailedCas`). The key
column names objects, so every model is checked key by key. Any other object: write a `Model` and
name it `package.module:ClassName`.

>>> find_model("fifo-queue").functions
('enqueue', 'dequeue')
>>> find_model("kv-apend")
Traceback (most recent call last):
    ...
harness.errors.UsageError: There is no model called 'kv-apend'. Did you mean 'kv-append'?...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from checkers.linearizability.codes import OPEN, READ, REJECTED, RETURNED, UPDATE, WRITE, Kind
from checkers.linearizability.containers import (
    Counter,
    FifoQueue,
    GrowingList,
    PriorityQueue,
    SetOfElements,
    Stack,
    UnorderedQueue,
)
from checkers.linearizability.model import Call, Model, as_model, exact, plain, shown
from harness import catalog
from harness.errors import UsageError, unknown_name

__all__ = [
    "MODELS", "OPEN", "READ", "REJECTED", "RETURNED", "UPDATE", "WRITE", "Call", "Kind", "Model",
    "find_model", "resolve",
]  # fmt: skip


class Register(Model):
    """Holds one value, nil at first."""

    name = "register"
    functions: tuple[str, ...] = ("read", "write")
    reads = frozenset({"read", "get"})
    initial: Any = None

    def init(self) -> Any:
        return exact(self.initial)

    def start(self, initial: Any) -> Any:
        return exact(initial)

    def step(self, state: Any, call: Call) -> Iterable[Any]:
        match call.f:
            case "write" | "put":
                return [exact(call.given)]
            case "del":
                return [None]
            case "cas":
                old, new = map(exact, call.given)
                return [state if call.refused else new] if (state == old) != call.refused else []
        return [state] if call.may_answer(plain(state)) else []

    def show(self, state: Any) -> str:
        return shown(plain(state))


class CasRegister(Register):
    """A register with compare-and-set."""

    name = "cas-register"
    noun = "register"
    functions = ("read", "write", "cas")
    refusals = frozenset({"cas"})


class KeyValue(Register):
    """One key of a store; absent keys hold nil."""

    name = "kv"
    noun = "entry"
    functions = ("get", "put", "del", "cas")
    refusals = frozenset({"cas"})


class Text(Model):
    """One key of a store whose values are texts that can be appended to."""

    name = "kv-append"
    noun = "text"
    functions = ("get", "put", "append")
    reads = frozenset({"get"})
    initial = ""

    def init(self) -> str:
        return ""

    def start(self, initial: Any) -> Any:
        if type(initial) is not str:
            raise _cannot_start(self, initial, "a string")
        return initial

    def step(self, state: str, call: Call) -> Iterable[str]:
        if call.f == "put":
            return [call.given]
        if call.f == "append":
            return [state + call.given]
        return [state] if call.may_answer(state) or (state == "" and call.answer is None) else []


class Mutex(Model):
    """A lock that anybody may release."""

    name = "mutex"
    noun = "lock"
    functions = ("acquire", "release")
    initial = "free"

    def init(self) -> str:
        return "free"

    def start(self, initial: Any) -> Any:
        if initial not in ("free", "held"):
            raise _cannot_start(self, initial, "'free' or 'held'")
        return initial

    def step(self, state: str, call: Call) -> Iterable[str]:
        wanted, after = ("free", "held") if call.f == "acquire" else ("held", "free")
        return [after] if state == wanted else []


class OwnerMutex(Model):
    """A lock that only its owner releases, and that the owner cannot acquire again."""

    name = "owner-mutex"
    noun = "lock"
    functions = ("acquire", "release")
    sees_processes = True

    def init(self) -> Any:
        return None

    def step(self, state: Any, call: Call) -> Iterable[Any]:
        owner = call.process if call.given is None else exact(call.given)
        wanted, after = (None, owner) if call.f == "acquire" else (owner, None)
        return [after] if state == wanted else []

    def show(self, state: Any) -> str:
        return "free" if state is None else f"held by {shown(plain(state))}"


def _cannot_start(model: Model, initial: Any, wanted: str) -> UsageError:
    return UsageError(
        f"A {model.noun} cannot start as {initial!r}: `initial` of the model {model.name!r} is "
        f"{wanted}."
    )


_BUILT_IN: tuple[Model, ...] = (
    Register(),
    CasRegister(),
    KeyValue(),
    Text(),
    Mutex(),
    OwnerMutex(),
    Counter(),
    SetOfElements(),
    FifoQueue(),
    UnorderedQueue(),
    PriorityQueue(),
    Stack(),
    GrowingList(),
)
MODELS: Final[Mapping[str, Model]] = {model.name: model for model in _BUILT_IN}


def find_model(name: str) -> Model:
    """The model called `name`, or the one at `package.module:ClassName`.

    Raises UsageError if there is none. A module in the current folder is found.
    """
    if name in MODELS:
        return MODELS[name]
    if ":" in name:
        return as_model(catalog.by_reference("model", name, sorted(MODELS)))
    raise unknown_name("model", name, MODELS)


def resolve(model: Any) -> Model:
    """The model meant by a name, by a `Model`, or by another object with init and step."""
    return find_model(model) if isinstance(model, str) else as_model(model)


def fitting(functions: Iterable[str]) -> Iterator[str]:
    """The names of the models that know all `functions`, in the order of the table above."""
    names = set(functions)
    return (model.name for model in _BUILT_IN if names <= set(model.functions))
