"""The options of a workload: which there are, and whether those that are given can be meant.

The command line and stored plans give an option as a word, a number, true or false. What a workload
takes is known from its defaults, so that `cas=no` is refused instead of being taken for true.

>>> from harness import catalog
>>> register = catalog.load("workload", "register")
>>> options_of(register)
{'keys': 5, 'values': 'unique', 'read_ratio': 0.5, 'cas': True}
>>> check_options("register", register, {"keys": 3, "read_ratio": 1})
>>> check_options("register", register, {"cas": "no"})
Traceback (most recent call last):
    ...
harness.errors.UsageError: The option 'cas' of the workload register is true or false, such as
cas=true; it was 'no'.

Limits: of an option without a default, or with None for it, any value is taken.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError, unknown_name

_WORDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
}


def options_of(workload: Any) -> dict[str, Any]:
    """The options of a workload class and their defaults, `inspect.Parameter.empty` for none."""
    parameters = inspect.signature(workload).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is not one.VAR_KEYWORD}


def check_options(name: str, workload: Any, given: Mapping[str, Any]) -> None:
    """Raises UsageError for an option that the workload called `name` has not, or of another type.

    A workload that takes any options by `**` is asked for none of them.
    """
    known = options_of(workload)
    any_name = len(known) < len(inspect.signature(workload).parameters)
    for option, value in given.items():
        if option not in known and not any_name:
            raise unknown_name(f"option of the workload {name}", option, known)
        wanted = type(known.get(option))
        fits = type(value) is wanted or (wanted is float and type(value) is int)
        if wanted in _WORDS and not fits:
            example = str(known[option]).lower() if wanted is bool else known[option]
            raise UsageError(
                f"The option {option!r} of the workload {name} is {_WORDS[wanted]}, such as "
                f"{option}={example}; it was {value!r}."
            )
    missing = [
        option
        for option, default in known.items()
        if default is inspect.Parameter.empty and option not in given
    ]
    if missing:
        raise UsageError(
            f"The workload {name} needs the option{'s' * (len(missing) > 1)} {', '.join(missing)}: "
            f"--option {missing[0]}=..., or options={{{missing[0]!r}: ...}} in an Experiment."
        )
