"""`splitbrain list`: what can be named, and of one thing everything there is to say."""

from __future__ import annotations

import inspect
from contextlib import suppress
from inspect import Parameter
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from harness import catalog
from harness.errors import UsageError, unknown_name
from harness.fitting import promise_of, systems_for, workloads_for
from harness.options import options_of

console = Console(highlight=False, soft_wrap=True)

_TITLES = {
    "system": "systems",
    "workload": "workloads",
    "nemesis": "nemeses",
    "checker": "checkers",
}


@click.command(name="list")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def list_command(names: tuple[str, ...]) -> int:
    """Show what can be named; with a NAME, its flaws or options as well."""
    if names:
        for name in names:
            _show_one(name)
        return 0
    for kind, title in _TITLES.items():
        promises = ["promises"] if kind == "system" else []
        table = _table(title, "name", *promises, "what it is")
        for name in catalog.names(kind):
            if not name.endswith("-slow"):
                thing = catalog.load(kind, name)
                table.add_row(name, *[promise_of(thing)] * len(promises), _summary(thing))
        console.print(table)
    from checkers.linearizability import MODELS

    table = _table("models for check", "name", "what it is", "functions")
    for name, model in MODELS.items():
        table.add_row(name, model.summary, ", ".join(model.functions))
    console.print(table)
    console.print(
        "Every scenario, P1 to P13, has a form NAME-slow: slow links instead of cut ones."
    )
    console.print("`splitbrain list NAME` shows a system's planted flaws, a workload's options.")
    return 0


def _show_one(name: str) -> None:
    from checkers.linearizability import MODELS

    kinds = [kind for kind in _TITLES if name in catalog.names(kind)] or _kinds_of(name)
    if not kinds and name not in MODELS:
        known = {known for kind in _TITLES for known in catalog.names(kind)} | {*MODELS}
        what = "system, workload, nemesis, checker or model"
        if ":" in name:
            catalog.by_reference(what, name, sorted(known))  # says why, if it cannot be loaded
        raise unknown_name(what, name, known)
    if name in MODELS:
        model = MODELS[name]
        console.print(f"[bold]model {name}[/]: ", end="")
        console.print(f"{model.summary}; {', '.join(model.functions)}", markup=False)
    for kind in kinds:
        thing = catalog.load(kind, name)
        console.print(f"[bold]{kind} {name}[/]: ", end="")
        console.print(_summary(thing), markup=False)
        if kind == "system":
            fitting = ", ".join(workloads_for(thing)) or "none"
            console.print(f"promises to be {promise_of(thing)}; workloads: {fitting}")
        if kind == "workload":
            console.print(f"systems: {', '.join(systems_for(thing)) or 'none'}")
        flaws = getattr(thing, "flaws", {})
        if flaws:
            table = _table("planted flaws, for --flaw", "name", "what is changed", "what it breaks")
            for flaw in flaws.values():
                table.add_row(flaw.name, flaw.change, flaw.breaks)
            console.print(table)
        options = options_of(thing) if kind == "workload" else {}
        if options:
            table = _table("options, for --option name=value", "name", "default")
            for option, default in options.items():
                table.add_row(option, "needed" if default is Parameter.empty else str(default))
            console.print(table)


def _kinds_of(name: str) -> list[str]:
    """What a reference or the release of a system can be taken for; nothing for other names."""
    kinds = []
    for kind in _TITLES:
        with suppress(UsageError):
            catalog.load(kind, name)
            kinds.append(kind)
    return kinds


def _summary(thing: Any) -> str:
    """Its own summary and how many flaws it has, or the first sentence of its documentation."""
    summary = getattr(thing, "summary", None)
    if summary is None:
        summary = (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ").split(". ")[0]
    flaws = len(getattr(thing, "flaws", {}))
    summary = summary.rstrip(".") + (f" ({flaws} planted flaws)" if flaws > 1 else "")
    reason = thing.unavailable() if hasattr(thing, "unavailable") else None
    return summary if reason is None else f"{summary}. Not available here: {reason}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, style="bold" if number == 0 else "", no_wrap=number == 0)
    return table
