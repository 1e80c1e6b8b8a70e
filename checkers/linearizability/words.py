"""What a call did, in the words that its object suggests: "wrote 5", "found the queue empty".

>>> from checkers.linearizability.models import find_model
>>> queue = find_model("fifo-queue")
>>> did(queue, Call("enqueue", 5, 5)), did(queue, Call("dequeue", None, None))
('enqueued 5', 'found the queue empty')
>>> did(find_model("cas-register"), Call("cas", [1, 2], refused=True))
'found no 1 to set to 2'
>>> label(find_model("register"), Call("read", None, 5))
'read → 5'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from checkers.linearizability.model import UNKNOWN, Call, Model, shown
from checkers.linearizability.models import MODELS

_PAST: Final[Mapping[str, str]] = {
    "read": "read",
    "write": "wrote",
    "get": "got",
    "put": "put",
    "append": "appended",
    "add": "added",
    "remove": "removed",
    "enqueue": "enqueued",
    "dequeue": "dequeued",
    "push": "pushed",
    "pop": "popped",
}
_LENGTH: Final = re.compile(r" \(\d+ characters\)")
_BUILT_IN: Final = frozenset(type(model) for model in MODELS.values())


def is_built_in(model: Model) -> bool:
    """Whether the words below know what the model's functions do."""
    return type(model) in _BUILT_IN


def label(model: Model, call: Call) -> str:
    """A call in as few words as fit into a bar of a diagram."""
    return _LENGTH.sub("", model.describe(call).replace("->", "→"))


def did(model: Model, call: Call) -> str:
    """What a call did, after the name of who did it. Open ones: what they may have done."""
    if not is_built_in(model):
        return f"called {label(model, call)}"
    answer: Any = None if call.answer is UNKNOWN else call.answer
    match call.f:
        case "cas":
            old, new = map(shown, call.given)
            return f"found no {old} to set to {new}" if call.refused else f"set {old} to {new}"
        case "del":
            return "deleted the entry"
        case "acquire" | "release":
            owner = "" if call.given is None else f" for {shown(call.given)}"
            return f"{call.f}d the {model.noun}{owner}"
        case "add-and-get":
            return f"added {shown(call.argument)} and got {shown(answer)}"
        case "contains":
            return f"found {'' if answer else 'no '}{shown(call.argument)} in the set"
        case "add" | "remove" if model.name == "set":
            return _changed(call, answer)
        case "dequeue" | "pop":
            if call.open and answer is None:
                return f"{_PAST[call.f]} something"
            if answer is None:
                return f"found the {model.noun} empty"
    if call.f in model.reads:
        return f"{_PAST[call.f]} {shown(_read(model, answer))}"
    return f"{_PAST.get(call.f, call.f)} {shown(call.given)}"


def _changed(call: Call, answer: Any) -> str:
    element = shown(call.argument)
    if answer is False:
        return f"found {element} there already" if call.f == "add" else f"found no {element}"
    how = " as new" if answer is True and call.f == "add" else ""
    return f"{_PAST[call.f]} {element}{how}"


def _read(model: Model, answer: Any) -> Any:
    empty = {"kv-append": "", "list": []}
    return empty.get(model.name) if answer is None else answer


def possibilities(model: Model, states: tuple[str, ...], complete: bool, most: int = 5) -> str:
    """Which states an object could be in: "could hold 9 or 11"."""
    shown_ones = list(states[:most])
    verb = "hold" if model.name in ("register", "cas-register", "kv", "kv-append") else "be"
    if not complete:
        listed = ", ".join(shown_ones)
        return f"could {verb} {listed} or more" if listed else "has too many states to tell"
    if not states:  # others that ended before needed what the last one changed
        return "has no state that fits"
    more = len(states) - len(shown_ones)
    if more:
        shown_ones.append(f"{more} other{'s' * (more > 1)}")
    if len(shown_ones) == 1:
        return f"could only {verb} {shown_ones[0]}"
    return f"could {verb} {', '.join(shown_ones[:-1])} or {shown_ones[-1]}"
