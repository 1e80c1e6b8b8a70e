"""The objects that can be checked, and what their operations are called in a history.

Every model is one of two kinds, which is all that the search engines know:

    register   holds one value          read, write, compare-and-set
    text       holds a string           read, write, append

A mutex is a register in disguise: acquire is a compare-and-set from "free" to "held". Nothing
is lost, and every rule that makes registers fast makes locks fast.

Limits: one object a key; no operation may span keys.

>>> find_model("cas-register").functions["cas"] == UPDATE
True
>>> find_model("kv-apend")
Traceback (most recent call last):
    ...
harness.errors.UsageError: There is no model called 'kv-apend'. Did you mean 'kv-append'?
Available: cas-register, kv-append, mutex, register.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from harness.errors import unknown_name

#: What an operation does (the kernel's LIN_READ ...): update is compare-and-set, or append.
READ: Final = 0
WRITE: Final = 1
UPDATE: Final = 2

#: What is known of its outcome (the kernel's LIN_RETURNED ...): it returned; it returned and saw
#: that the state was not what it compared with; or no answer is known.
RETURNED: Final = 0
REJECTED: Final = 1
OPEN: Final = 2

Kind = Literal["register", "text"]


@dataclass(frozen=True, kw_only=True)
class Model:
    """One kind of object. `functions` maps the names in a history to what they do; `fixed` gives
    the (from, to) of compare-and-sets whose values are not in the history; `noun` names the object
    in sentences; `initial` is the state that every key starts in."""

    name: str
    kind: Kind
    noun: str
    functions: Mapping[str, int]
    fixed: Mapping[str, tuple[str, str]] | None = None
    initial: Any = None


MODELS: Final[Mapping[str, Model]] = {
    model.name: model
    for model in (
        Model(
            name="register",
            kind="register",
            noun="register",
            functions={"read": READ, "write": WRITE},
        ),
        Model(
            name="cas-register",
            kind="register",
            noun="register",
            functions={"read": READ, "write": WRITE, "cas": UPDATE},
        ),
        Model(
            name="kv-append",
            kind="text",
            noun="text",
            functions={"get": READ, "put": WRITE, "append": UPDATE},
            initial="",
        ),
        Model(
            name="mutex",
            kind="register",
            noun="lock",
            functions={"acquire": UPDATE, "release": UPDATE},
            fixed={"acquire": ("free", "held"), "release": ("held", "free")},
            initial="free",
        ),
    )
}


def find_model(name: str) -> Model:
    """The model called `name`. Raises UsageError if there is none."""
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    return MODELS[name]
