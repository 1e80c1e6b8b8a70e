"""`splitbrain check`: recorded histories, ours or Jepsen's, judged one after the other.

A file that cannot be judged (it is none, or malformed, or not about what the model knows) keeps
none of the others from being judged. The command ends with the worst that it has met:

    1  a history fails                     one that cannot be judged takes nothing from that
    255  a checker crashed                 of several files the others were judged all the same
    254  a file could not be judged        likewise
    2  a history is undecided              unknown or skipped
    0  all histories pass

Of a run of ours, with its plan.json beside it, the run's own checkers judge, unless a checker or a
model is named (`harness.stored_run`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
from harness.places import ADDRESS, calls
from harness.store import verdict_document
from harness.stored_run import StoredRun, stored_run
from harness.verdict import Checker, Outcome, Verdict, worst

EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "unknown": 2, "skipped": 2}
BAD_ARGUMENTS = 254
CRASH = 255

SIGNS: dict[Outcome, str] = {
    "pass": "[green]✓ pass[/]",
    "fail": "[red]✗ fail[/]",
    "unknown": "[yellow]? unknown[/]",
    "skipped": "[yellow]- skipped[/]",
}
#: The same with what becomes of a file that has no verdict.
_CODES: dict[str, int] = dict(EXIT_CODES.items(), error=BAD_ARGUMENTS, crash=CRASH)
_SIGNS: dict[str, str] = dict(SIGNS.items(), error="[red]! error[/]", crash="[red]! crash[/]")
#: Exit codes from the best to the worst.
_WORST = (0, 2, BAD_ARGUMENTS, CRASH, 1)
#: So many of the innermost calls of a checker that crashed are told.
_CALLS_TOLD = 6

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@click.command(name="check")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option(
    "-c", "--checker", "checkers", multiple=True,
    help="If unset, those of the run whose plan.json is there; else linearizability.",
)  # fmt: skip
@click.option(
    "-m", "--model", default=None,
    help="See splitbrain list; if unset, as the run was judged, else cas-register.",
)  # fmt: skip
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

    A FILE may be the folder of a run, such as store/latest, or - for standard input. The history of
    a run is judged as the run was, unless a checker or a model is named.

    A FILE that cannot be judged is named, and the others are judged all the same. Ends with 1 if a
    history fails, else with 255 if a checker crashed, else with 254 if a file could not be judged,
    else with 2 if one is undecided, and with 0 if all pass.
    """
    names = checker_names(checkers)
    if certify and "linearizability" not in (names or ("linearizability",)):
        raise UsageError(_NOTHING_TO_CERTIFY.format(", ".join(names)))
    options = {
        "initial": None if initial is None else _json_or_text(initial),
        "engine": engine,
        "budget": budget,
        "failed_cas": failed_cas,
        "certificate_operations": sys.maxsize if certify else None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    judges = make_checkers(names or ("linearizability",), model=model, **given)
    as_it_was = None if names or model is not None else given
    outcomes: list[str] = []  # the worst one of each file
    for path in files:
        try:
            found = _judged(path, judges, as_it_was, independent=independent, certify=certify)
            if not as_json:
                _show(path, found, alone=len(files) == 1, explain=explain, certify=certify)
        except (Exception, SystemExit) as error:  # a checker must not decide how we end
            outcomes.append("error" if isinstance(error, UsageError) else "crash")
            _complain_of(path, error, as_json=as_json, alone=len(files) == 1)
            continue
        verdict = worst(found.verdicts)
        outcomes.append(verdict.outcome)
        if as_json:
            document = verdict_document(found.verdicts, file=str(path))
            click.echo(msgspec.json.encode(document).decode())
        aside = errors if as_json else console
        for doubt in doubts(found.history, failed=verdict.outcome == "fail"):
            aside.print(f"{path}: {doubt}", style="yellow", markup=False)
        for one in found.run.besides if found.run else ():
            aside.print(
                f"{path}: The run itself failed, which its history does not show: {one.reason}",
                style="yellow",
                markup=False,
            )
    if not as_json and len(files) > 1:
        counts = [(sign, outcomes.count(outcome)) for outcome, sign in _SIGNS.items()]
        console.print("  ".join(f"{sign} {count}" for sign, count in counts if count))
    return max((_CODES[outcome] for outcome in outcomes), key=_WORST.index)


_NOTHING_TO_CERTIFY = (
    "--certify replays the order that linearizability has found, which is not asked for; asked is "
    "{}."
)


@dataclass(frozen=True)
class _Judged:
    """A history, who has judged it and what they say; `run` if it is that of a stored run."""

    history: History
    judges: Sequence[Checker]
    verdicts: Sequence[Verdict]
    run: StoredRun | None


def _judged(
    path: Path,
    judges: Sequence[Checker],
    as_it_was: Mapping[str, Any] | None,
    *,
    independent: bool,
    certify: bool,
) -> _Judged:
    """The history in a file, and what is said of it: by `judges`, or of a stored run by its own
    checkers, with the options `as_it_was` if that is not None.

    Raises UsageError, naming the file, and whatever a checker raises, with a note that names it.
    """
    from harness.formats import read_history

    file = path
    try:
        try:
            file = _file_of(path)
            history = read_history(file)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
        history = history.independent() if independent else history
        run = None if as_it_was is None else stored_run(file)
        if run is not None:
            if certify and not any(judge.name == "linearizability" for judge in run.checkers):
                asked = ", ".join(judge.name for judge in run.checkers)
                raise UsageError(_NOTHING_TO_CERTIFY.format(asked))
            run = run.with_options(as_it_was or {})
            return _Judged(history, run.checkers, run.judge(history), run)
        return _Judged(history, judges, [_asked(judge, history) for judge in judges], None)
    except UsageError as error:
        if str(path) not in str(error):
            error.add_note(f"The history is {path}.")
        with suppress(OSError):
            _name_the_history_beside(file, error)
        raise


def _name_the_history_beside(file: Path, error: UsageError) -> None:
    """Note where the history is, if `file` is another one of a run."""
    if file.name and not file.is_dir():
        beside = file.with_name("history.jsonl")
        if file != beside and file.with_name("plan.json").is_file() and beside.is_file():
            error.add_note(f"The history of that run is {beside}.")


def _file_of(path: Path) -> Path:
    """The file that is meant: of the folder of a run its history, and by - standard input."""
    if str(path) == "-":
        return Path("/dev/stdin")
    inside = path / "history.jsonl"
    return inside if inside.is_file() else path


def _asked(judge: Checker, history: History) -> Verdict:
    try:
        return verdict_of(judge, history)
    except (Exception, SystemExit) as error:
        if not isinstance(error, UsageError):
            error.add_note(f"It was raised by the checker {judge.name!r}, from the history.")
        raise


def _complain_of(path: Path, error: BaseException, *, as_json: bool, alone: bool) -> None:
    """Say why the history in a file has no verdict."""
    wrong = isinstance(error, UsageError)
    told = str(error)
    if not wrong:
        told = ADDRESS.sub("", f"{path}: {type(error).__name__}: {error}")
        told = "\n  ".join([told, *calls(error)[-_CALLS_TOLD:]])
    outcome = "error" if wrong else "crash"
    if as_json:
        reason = told if wrong else "\n".join([told, *getattr(error, "__notes__", ())])
        document = {"outcome": outcome, "reason": reason, "file": str(path), "checks": []}
        click.echo(msgspec.json.encode(document).decode())
    elif not alone:
        console.print(f"{_SIGNS[outcome]}  {escape(str(path))}")
    complain(f"[red]{outcome}:[/] ", error, told)


def _show(path: Path, found: _Judged, *, alone: bool, explain: bool, certify: bool) -> None:
    console.print(f"{SIGNS[worst(found.verdicts).outcome]}  {escape(str(path))}")
    if found.run is not None:
        console.print(found.run.told, markup=False, style="dim")
    for one in found.verdicts:
        if one.outcome != "pass" or alone:
            told = f"{one.checker}: {one.reason}" if len(found.verdicts) > 1 else one.reason
            console.print(told, markup=False, style="" if alone else "dim")
        if explain:
            tell(found.history, one)
        if certify and one.passed and one.checker == "linearizability":
            (judge,) = (judge for judge in found.judges if judge.name == one.checker)
            _certify(found.history, judge, one)


def _json_or_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        if text.lstrip()[:1] in ("[", "{", '"'):
            raise UsageError(f"--initial takes JSON, or a plain word; {text!r}: {error}.") from None
        return text


def complain(beginning: str, error: BaseException, told: str | None = None) -> None:
    """Say what is wrong (`told` instead of what `error` says), and what the notes of `error` add,
    such as where the history is."""
    errors.print(beginning, end="")
    text = str(error) if told is None else told
    errors.print("\n".join([text, *getattr(error, "__notes__", ())]), markup=False)


def tell(history: History, verdict: Verdict, *, short: bool = False) -> None:
    """Draws the operations that contradict each other, if the check found such."""
    width = max(60, min(console.width, 120)) if console.is_terminal else 100
    text = contradiction(history, verdict, width=width, short=short)
    if text:
        console.print(f"\n{text}\n", markup=False)


def contradiction(history: History, verdict: Verdict, *, width: int, short: bool) -> str:
    """The operations that contradict each other, drawn; nothing if the check found none."""
    from checkers.linearizability.story import tell as told_by

    if verdict.witness is None or "steps" not in verdict.witness:
        return ""
    return told_by(history, verdict.witness, width=width, short=short)


def _certify(history: History, judge: Any, verdict: Verdict) -> None:
    from checkers.linearizability.certificate import verify

    order = (verdict.witness or {}).get("linearization")
    if order is None:
        raise UsageError("This engine gives no order that could be replayed; leave --engine out.")
    count = verify(history, judge.model, order, initial=judge.initial, failed_cas=judge.failed_cas)
    console.print(f"Certified: the order of {count:,} that took effect was replayed step by step.")
