"""Which workload can be run on which system, and what to say where it cannot.

>>> from harness.errors import UsageError
>>> check_fit("register", "raft")
>>> check_fit("register", "gossip")
Traceback (most recent call last):
    ...
harness.errors.UsageError: The workload 'register' cannot be run on the system 'gossip': its clients
talk to a replicated state machine of any kind or registers, and gossip is a store with consistency
levels and CRDTs.
Usually that is because one is made for consensus and the other for eventual consistency.
Workloads for gossip: ...crdt-set...; systems for register: ...raft...
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import catalog
from harness.errors import UsageError
from harness.system import LANGUAGES, Promise, System


def spoken_by(thing: Any) -> Sequence[str]:
    """The languages of a system or workload; of one that does not say, those of `System`."""
    spoken: Sequence[str] = getattr(thing, "speaks", System.speaks)
    return spoken


def promise_of(system: Any) -> Promise:
    """What a system promises; of one that does not say, what `System` does."""
    promise: Promise = getattr(system, "promise", System.promise)
    return promise


def fits(workload: Any, system: Any) -> bool:
    """Whether they have a language in common."""
    return any(language in spoken_by(system) for language in spoken_by(workload))


def workloads_for(system: Any) -> list[str]:
    """The registered workloads that fit a system."""
    known = [(name, catalog.load("workload", name)) for name in catalog.names("workload")]
    return [name for name, workload in known if fits(workload, system)]


def systems_for(workload: Any) -> list[str]:
    """The registered systems that a workload fits."""
    known = [(name, catalog.load("system", name)) for name in catalog.names("system")]
    return [name for name, system in known if fits(workload, system)]


def _words(thing: Any) -> str:
    return " or ".join(LANGUAGES.get(language, language) for language in spoken_by(thing))


def check_fit(workload: str, system: str) -> None:
    """Raises UsageError if the workload and the system of these names cannot talk."""
    of_workload, of_system = catalog.load("workload", workload), catalog.load("system", system)
    if fits(of_workload, of_system):
        return
    raise UsageError(
        f"The workload {workload!r} cannot be run on the system {system!r}: its clients talk to "
        f"{_words(of_workload)}, and {system} is {_words(of_system)}.\n"
        "Usually that is because one is made for consensus and the other for eventual "
        "consistency.\n"
        f"Workloads for {system}: {', '.join(workloads_for(of_system)) or 'none'}; "
        f"systems for {workload}: {', '.join(systems_for(of_workload)) or 'none'}."
    )
