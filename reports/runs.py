"""All runs of a store at a glance: what each was, how it ended, and where it is.

    store/ ─▶ every folder with a plan.json ─▶ RunSummary(name, experiment, seed, state, outcome)

Of a run only the head of its plan and its verdict are read, and again only when one of these files
has changed; so ten thousand runs are listed in about a second, and from then on in much less.

A run without a verdict is not passed over: it is "running", "interrupted", "crashed", or "cut
short" (its process vanished without a word); see `harness.claim`.

Limits: links are not followed, and runs more than `DEPTH_MAX` folders down are not found.

>>> from tempfile import TemporaryDirectory
>>> from harness.pipeline import carry_out
>>> from harness.experiment import seconds
>>> with TemporaryDirectory() as name:
...     _ = carry_out(Experiment(nodes=3, clients=2, time_limit_ns=seconds(1)), 7, store=Path(name))
...     [run] = Store(Path(name)).runs()
>>> run.name, run.seed, run.state, run.outcome
('raft-register-none/seed-7', 7, 'finished', 'pass')
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Literal

import msgspec

from harness.claim import broken_off, is_under_way
from harness.errors import UsageError, unknown_name
from harness.experiment import Experiment
from harness.verdict import Outcome
from reports.wording import visible

DEPTH_MAX = 4
#: The experiment and the seed stand at the very beginning of a plan.
PLAN_HEAD_BYTES = 1 << 12
REASON_CHARACTERS = 400

State = Literal["finished", "running", "interrupted", "crashed", "cut short", "unreadable"]
#: What a run is called that has no verdict, and what that means.
STATES: dict[State, str] = {
    "running": "still under way",
    "interrupted": "stopped by hand before it was judged",
    "crashed": "ended by an error before it was judged",
    "cut short": "neither judged nor under way: its process was killed",
    "unreadable": "its files cannot be read by this version",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSummary:
    """One run of a store. `name` is its folder below the store, with slashes.

    `outcome` is None unless `state` is "finished"; `reason` is then why it ended so. `experiment`
    and `seed` are None if the plan could not be read. `changed_ns` is when the verdict was written
    (or else the last file), in nanoseconds since 1970.
    """

    name: str
    state: State
    changed_ns: int
    experiment: Experiment | None = None
    seed: int | None = None
    outcome: Outcome | None = None
    reason: str = ""
    digest: str = ""

    @property
    def title(self) -> str:
        """The experiment in few words, or the folder's name if it is not known."""
        return self.name if self.experiment is None else self.experiment.title

    @property
    def result(self) -> str:
        """The verdict, or the state if there is none."""
        return self.outcome or self.state


class _VerdictHead(msgspec.Struct, frozen=True):
    outcome: Outcome
    reason: str
    digest: str = ""


_Stamp = tuple[int, int, int, int]  # times and sizes of plan and verdict


class Store:
    """The runs below a folder; `runs` looks again each time and reads only what is new."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = Lock()
        self._known: dict[str, tuple[_Stamp, RunSummary]] = {}

    def runs(self) -> list[RunSummary]:
        """All runs, in the order of their names."""
        with self._lock:
            self._known = dict(self._look())
            return [self._known[name][1] for name in sorted(self._known)]

    def run(self, name: str) -> RunSummary | None:
        """The run of that name, looked at anew; None if there is none.

        The name must be one that `runs` gave: no other path is touched.
        """
        with self._lock:
            if name not in self._known:
                self._known = dict(self._look())
            if name not in self._known:
                return None
            found = self._one(name, f"{self.root}/{name}")
            return None if found is None else found[1]

    def _look(self) -> Iterator[tuple[str, tuple[_Stamp, RunSummary]]]:
        folders = [("", str(self.root), 0)]
        while folders:
            name, path, depth = folders.pop()
            found = self._one(name or ".", path)
            if found is not None:
                yield name or ".", found
            elif depth < DEPTH_MAX:
                try:
                    with os.scandir(path) as entries:
                        inner = [e for e in entries if e.is_dir(follow_symlinks=False)]
                except OSError:  # vanished, or not ours to read
                    continue
                prefix = f"{name}/" if name else ""
                folders += [(prefix + entry.name, entry.path, depth + 1) for entry in inner]

    def _one(self, name: str, path: str) -> tuple[_Stamp, RunSummary] | None:
        plan = _stat(f"{path}/plan.json")  # paths as texts: this is done for every run
        if plan is None:
            return None
        verdict = _stat(f"{path}/verdict.json")
        stamp = (*plan, *(verdict or (0, 0)))
        known = self._known.get(name)
        if known is not None and known[0] == stamp and known[1].state == "finished":
            return known
        return stamp, summary_of(Path(path), name=name)


def summary_of(path: Path, *, name: str | None = None) -> RunSummary:
    """What the folder of a run says at a glance. It must have a plan.json."""
    name = path.name if name is None else name
    verdict = _stat(f"{path}/verdict.json")
    changed_ns = last_change_ns(path) if verdict is None else verdict[0]
    try:
        experiment, seed = _plan_head(f"{path}/plan.json")
    except (OSError, ValueError, UsageError) as error:
        return RunSummary(
            name=name, state="unreadable", changed_ns=changed_ns,
            reason=visible(error, REASON_CHARACTERS),
        )  # fmt: skip
    if verdict is None:
        state, reason = _state(path)
        return RunSummary(
            name=name, state=state, changed_ns=changed_ns, experiment=experiment, seed=seed,
            reason=reason,
        )  # fmt: skip
    try:
        head = msgspec.json.decode(read_own(f"{path}/verdict.json"), type=_VerdictHead)
    except (OSError, msgspec.DecodeError) as error:
        writing = is_under_way(path)  # half a file, a moment before it is whole
        return RunSummary(
            name=name, state="running" if writing else "unreadable", changed_ns=changed_ns,
            experiment=experiment, seed=seed,
            reason="" if writing else visible(f"verdict.json: {error}", REASON_CHARACTERS),
        )  # fmt: skip
    return RunSummary(
        name=name,
        state="finished",
        changed_ns=changed_ns,
        experiment=experiment,
        seed=seed,
        outcome=head.outcome,
        reason=visible(head.reason, REASON_CHARACTERS),
        digest=visible(head.digest, 40),
    )


def _state(path: Path) -> tuple[State, str]:
    """How a run without a verdict is, and what it said at its end."""
    if is_under_way(path):
        return "running", ""
    told = broken_off(path)
    if told is None:
        return "cut short", ""
    if told.interrupted:
        return "interrupted", ""
    return "crashed", visible(": ".join(filter(None, (told.error, told.text))), REASON_CHARACTERS)


def last_change_ns(path: Path) -> int:
    """When a run without a verdict last wrote something."""
    names = ("plan.json", "history.jsonl", "trace.jsonl")
    return max((found[0] for name in names if (found := _stat(f"{path}/{name}"))), default=0)


def _plan_head(path: str) -> tuple[Experiment, int]:
    """Experiment and seed, without reading all the operations that follow them.

    A plan is written with each of the two on a line of its own; any other JSON is read whole.
    """
    with open_own(path, PLAN_HEAD_BYTES) as file:
        head = file.read(PLAN_HEAD_BYTES)
        lines = head.split(b"\n", 3)
        start = b'"experiment": ', b'"seed": '
        if len(lines) == 4 and lines[1].startswith(start[0]) and lines[2].startswith(start[1]):
            experiment = lines[1].removeprefix(start[0]).removesuffix(b",")
            seed = lines[2].removeprefix(start[1]).removesuffix(b",")
            return (
                msgspec.json.decode(experiment, type=Experiment),
                msgspec.json.decode(seed, type=int),
            )
        whole = msgspec.json.decode(head + file.read(), type=_PlanHead)
    return whole.experiment, whole.seed


class _PlanHead(msgspec.Struct, frozen=True):
    experiment: Experiment
    seed: int


def _stat(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return None if stat.S_ISLNK(found.st_mode) else (found.st_mtime_ns, found.st_size)


def open_own(path: str | Path, buffer_bytes: int = -1) -> BinaryIO:
    """The file of a run, to be read. Raises OSError if it is a link: that leads elsewhere."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.fdopen(os.open(path, flags), "rb", buffer_bytes)


def read_own(path: str | Path) -> bytes:
    """All of a file of a run; see `open_own`."""
    with open_own(path) as file:
        return file.read()


def existing_folder(path: Path, what: str) -> Path:
    """`path`, if it is there. Raises UsageError with near names for one that is not.

    `what` says in a word or two what the folder should be, such as "store".
    """
    if path.exists():
        return path
    parent = path.parent
    if not parent.is_dir():
        raise UsageError(f"There is no {what} {str(path)!r}: there is not even {str(parent)!r}.")
    names = [entry.name for entry in parent.iterdir() if not entry.name.startswith(".")]
    raise unknown_name(f"{what} in {str(parent)!r}", path.name, names[:200])
