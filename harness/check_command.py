"""`splitbrain check`: recorded histories, ours or Jepsen's, judged one after the other.

A file that cannot be judged (it is none, or malformed, or not about what the model knows) keeps
none of the others from being judged. The command ends with the worst that it has met:

    1  a history fails                     one that cannot be judged takes nothing from that
    254  a file could not be judged        of several the others were; of one this is all
    2  a history is undecided              unknown or skipped
    0  all histories pass
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from harness.checks import checker_names, make_checkers, verdict_of
from harness.doubts import doubts
from harness.errors import UsageError
from harness.history import History
from harness.store import verdict_document
from harness.verdict import Checker, Outcome, Verdict, worst

EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "unknown": 2, "skipped": 2}
BAD_ARGUMENTS = 254

SIGNS: dict[Outcome, str] = {
    "pass": "[green]✓ pass[/]",
    "fail": "[red]✗ fail[/]",
    "unknown": "[yellow]? unknown[/]",
    "skipped": "[yellow]- skipped[/]",
}
_NOT_JUDGED = (None, "[red]! error[/]")
#: Exit codes from the best to the worst.
_WORST = (0, 2, BAD_ARGUMENTS, 1)

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@click.command(name="check")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("-c", "--checker", "checkers", multiple=True, help="linearizability if unset.")
@click.option("-m", "--model", default=None, help="See splitbrain list; cas-register if unset.")
@click.option("--initial", default=None, help="What the object starts as, as JSON.")
@click.option("--independent", is_flag=True, help="Values are [key, value] pairs, as in Jepsen.")
@click.option("--engine", default=None, help="native, reference or porcupine; ours if unset.")
@click.option("--budget", type=int, default=None, help="Configurations to explore at most.")
@click.option(
    "--failed-cas", default=None,
    help="What a failed cas says: mismatch-unless-error (if unset), mismatch or no-effect.",
)  # fmt: skip
@click.option("--explain", is_flag=True, help="Show which operations contradict each other.")
@click.option("--certify", is_flag=True, help="Replay the order that a pass was found by.")
@click.option("--json", "as_json", is_flag=True, help="Verdicts as JSON, one line a file.")
def check_command(
    files: tuple[Path, ...],
    checkers: tuple[str, ...],
    model: str | None,
    initial: str | None,
    independent: bool,
    engine: Any,
    budget: int | None,
    failed_cas: Any,
    explain: bool,
    certify: bool,
    as_json: bool,
) -> int:
    """Check recorded histories: JSON Lines, history.edn, history.txt or jepsen logs.

    A FILE that cannot be judged is named, and the others are judged all the same. Ends with 1 if a
    history fails, else with 254 if a file could not be judged, else with 2 if one is undecided, and
    with 0 if all pass.
    """
    start = None if initial is None else _json_or_text(initial)
    names = checker_names(checkers) or ("linearizability",)
    if certify and "linearizability" not in names:
        raise UsageError(
            "--certify replays the order that linearizability has found, which is not asked for; "
            f"asked is {', '.join(names)}."
        )
    judges = make_checkers(
        names,
        model=model,
        initial=start,
        engine=engine,
        budget=budget,
        failed_cas=failed_cas,
        certificate_operations=sys.maxsize if certify else None,
    )
    outcomes: list[Outcome | None] = []  # the worst one of each file; None: it was not judged
    for path in files:
        try:
            history, found = _judged(path, judges, independent=independent)
        except UsageError as error:
            outcomes.append(None)
            if as_json:
                document = {"outcome": "error", "reason": str(error), "file": str(path)}
                click.echo(msgspec.json.encode({**document, "checks": []}).decode())
            elif len(files) > 1:
                console.print(f"{_NOT_JUDGED[1]}  {escape(str(path))}")
            complain("[red]error:[/] ", error)
            continue
        verdict = worst(found)
        outcomes.append(verdict.outcome)
        if as_json:
            document = verdict_document(found, file=str(path))
            click.echo(msgspec.json.encode(document).decode())
        else:
            console.print(f"{SIGNS[verdict.outcome]}  {escape(str(path))}")
            for one in found:
                if one.outcome != "pass" or len(files) == 1:
                    told = f"{one.checker}: {one.reason}" if len(found) > 1 else one.reason
                    console.print(told, markup=False, style="dim" if len(files) > 1 else "")
                if explain:
                    tell(history, one)
                if certify and one.passed and one.checker == "linearizability":
                    kept = {"initial": start}
                    if failed_cas is not None:
                        kept["failed_cas"] = failed_cas
                    _certify(history, model or "cas-register", one, **kept)
        for doubt in doubts(history, failed=verdict.outcome == "fail"):
            (errors if as_json else console).print(f"{path}: {doubt}", style="yellow", markup=False)
    if not as_json and len(files) > 1:
        signs = (*SIGNS.items(), _NOT_JUDGED)
        counts = [(sign, outcomes.count(outcome)) for outcome, sign in signs]
        console.print("  ".join(f"{sign} {count}" for sign, count in counts if count))
    return max(
        (BAD_ARGUMENTS if outcome is None else EXIT_CODES[outcome] for outcome in outcomes),
        key=_WORST.index,
    )


def _judged(
    path: Path, judges: Sequence[Checker], *, independent: bool
) -> tuple[History, list[Verdict]]:
    """The history in a file, and what the checkers say. Raises UsageError, naming the file."""
    from harness.formats import read_history

    try:
        history = read_history(path)
        history = history.independent() if independent else history
        return history, [verdict_of(judge, history) for judge in judges]
    except UsageError as error:
        if str(path) not in str(error):
            error.add_note(f"The history is {path}.")
        beside = path.with_name("history.jsonl")
        if path != beside and path.with_name("plan.json").is_file() and beside.is_file():
            error.add_note(f"The history of that run is {beside}.")
        raise


def _json_or_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        if text.lstrip()[:1] in ("[", "{", '"'):
            raise UsageError(f"--initial takes JSON, or a plain word; {text!r}: {error}.") from None
        return text


def complain(beginning: str, error: BaseException) -> None:
    """Say what is wrong, and what the notes of `error` add, such as where the history is."""
    errors.print(beginning, end="")
    errors.print("\n".join([str(error), *getattr(error, "__notes__", ())]), markup=False)


def tell(history: History, verdict: Verdict, *, short: bool = False) -> None:
    """Draws the operations that contradict each other, if the check found such."""
    from checkers.linearizability.story import tell as told_by

    if verdict.witness is not None and "steps" in verdict.witness:
        width = max(60, min(console.width, 120)) if console.is_terminal else 100
        text = told_by(history, verdict.witness, width=width, short=short)
        console.print(f"\n{text}\n", markup=False)


def _certify(history: History, model: str, verdict: Verdict, **kept: Any) -> None:
    from checkers.linearizability.certificate import verify

    order = (verdict.witness or {}).get("linearization")
    if order is None:
        raise UsageError("This engine gives no order that could be replayed; leave --engine out.")
    count = verify(history, model, order, **kept)
    console.print(f"Certified: the order of {count:,} that took effect was replayed step by step.")
