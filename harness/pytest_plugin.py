"""The pytest plugin: a fixture that runs an experiment and asserts its verdict.

    def test_raft_survives(splitbrain):
        splitbrain(Experiment(system="raft", nemesis="partition,kill"))

Each test runs once per seed. `@pytest.mark.splitbrain(seeds=20)` asks for more of them, and
`--splitbrain-seeds N` multiplies that; every seed is a test of its own, so pytest-xdist spreads
them. A failure says the verdict, the operations that contradict each other, the seed, the commands
that run and replay it, and where the report is.

The same stands in the properties of the test (`splitbrain_outcome`, `_verdict`, `_seed`, `_digest`,
`_replay`, `_report`), and so in `--junitxml`. With pytest-html the row of the test links to the
report and carries the witness and the log of events as text. Both work under pytest-xdist.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.experiment import Experiment
    from harness.pipeline import Result
    from harness.verdict import Outcome

#: The folders of the runs that a test has left behind.
_KEPT = pytest.StashKey[list[Path]]()
#: Whether the test itself, without what comes before and after it, has passed.
_PASSED = pytest.StashKey[bool]()

#: How wide a contradiction is drawn in a failure.
WITNESS_COLUMNS = 100


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("splitbrain", "fault injection and linearizability")
    group.addoption(
        "--splitbrain-seeds",
        type=int,
        default=1,
        metavar="N",
        help="run every splitbrain test with N times as many seeds",
    )
    group.addoption(
        "--splitbrain-first-seed",
        type=int,
        default=1,
        metavar="S",
        help="the first seed (default: 1)",
    )
    group.addoption(
        "--splitbrain-store",
        default="store",
        metavar="DIR",
        help="where failing runs are kept, relative to the root of the project (default: store)",
    )
    group.addoption(
        "--splitbrain-keep", action="store_true", help="keep passing runs and their reports as well"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "splitbrain(seeds=1): how many seeds a test with the splitbrain fixture runs"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "splitbrain_seed" not in metafunc.fixturenames:  # which `splitbrain` asks for
        return
    own = 1
    marker = metafunc.definition.get_closest_marker("splitbrain")
    if marker is not None:
        own = marker.kwargs.get("seeds", 0)
        if marker.args or set(marker.kwargs) != {"seeds"} or type(own) is not int:
            given = [*map(repr, marker.args), *(f"{k}={v!r}" for k, v in marker.kwargs.items())]
            raise pytest.UsageError(
                f"{metafunc.definition.nodeid}: the mark takes the number of seeds, as in "
                f"@pytest.mark.splitbrain(seeds=20), not ({', '.join(given)})."
            )
    times = metafunc.config.getoption("--splitbrain-seeds")
    if own < 1 or times < 1:
        raise pytest.UsageError(
            f"A splitbrain test needs at least one seed; asked for were {own} times {times}."
        )
    first = metafunc.config.getoption("--splitbrain-first-seed")
    seeds = range(first, first + own * times)
    metafunc.parametrize("splitbrain_seed", seeds, ids=[f"seed{seed}" for seed in seeds])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    page = item.config.getoption("htmlpath", None)  # of pytest-html, if it is there and asked
    if report.when == "call" and page:
        attached = [
            extra for folder in item.stash.get(_KEPT, []) for extra in _extras(folder, page)
        ]
        if attached:
            report.extras = [*getattr(report, "extras", []), *attached]  # type: ignore[attr-defined]
    return report


def _extras(folder: Path, page: str) -> list[dict[str, Any]]:
    """What pytest-html shows of a run: a link to its report, and its text within the page."""
    from pytest_html import extras

    from harness.errors import SplitbrainError
    from reports.frame import relative_address
    from reports.loading import load_run
    from reports.text import model_of, render_text

    beside = Path(os.path.expandvars(page)).expanduser().resolve().parent
    name = f"splitbrain {folder.name}"
    found = []
    if (folder / "report.html").is_file():
        found.append(extras.url(relative_address(folder / "report.html", beside), name=name))
    try:
        data = load_run(folder)
        told = render_text(model_of(data), data.recording)
    except SplitbrainError as error:  # an attachment must not take the test's own failure away
        told = str(error)
    return [*found, extras.text(told, name=f"{name} as text")]


@pytest.fixture
def splitbrain_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test; set by the plugin."""
    if not hasattr(request, "param"):
        raise pytest.UsageError(
            f"{request.node.nodeid} asks for the splitbrain fixture while it runs, when it is too "
            "late to give it seeds: seeds make tests, and these are counted before. Name it in the "
            "arguments of the test: def test_it(splitbrain)."
        )
    seed: int = request.param
    return seed


@pytest.fixture
def splitbrain(
    request: pytest.FixtureRequest,
    splitbrain_seed: int,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, Any], None],
) -> Iterator[Callable[..., Result]]:
    """Runs an `Experiment` and fails the test unless its verdict is a pass.

    `splitbrain(experiment)` returns the `harness.pipeline.Result`. With `expect="fail"` the
    verdict must be a failure, for systems that are known to be broken. `unknown` and `skipped`
    are no passes. A test that asks for the fixture, runs nothing and passes is warned about.
    """
    from harness.errors import UsageError, unknown_name
    from harness.experiment import Experiment
    from harness.pipeline import carry_out
    from harness.verdict import SEVERITY

    store = pytestconfig.rootpath / str(pytestconfig.getoption("--splitbrain-store"))
    keep = bool(pytestconfig.getoption("--splitbrain-keep"))
    used: list[Experiment] = []

    def run(experiment: Experiment, *, expect: Outcome = "pass") -> Result:
        __tracebackhide__ = True
        if not isinstance(experiment, Experiment):
            raise UsageError(
                f"splitbrain() was given {experiment!r}, and takes an experiment: "
                'splitbrain(Experiment(system="raft", ...)).'
            )
        if expect not in SEVERITY:
            raise unknown_name("verdict to expect", str(expect), SEVERITY)
        used.append(experiment)
        try:
            result = carry_out(experiment, splitbrain_seed, store=store, report_passes=keep)
        except UsageError as error:
            # it speaks for itself, and the mistake is in the line that calls
            raise error.with_traceback(None) from error.__cause__
        record_property("splitbrain_seed", splitbrain_seed)
        record_property("splitbrain_digest", result.run.digest)
        record_property("splitbrain_outcome", result.verdict.outcome)
        record_property("splitbrain_verdict", result.verdict.reason)
        if result.verdict.outcome == expect:
            if result.verdict.passed and not keep:
                _forget(result)
            else:
                _remember(request, result, record_property)
            return result
        _remember(request, result, record_property)
        pytest.fail(_message(result, expect), pytrace=False)

    yield run
    if not used and request.node.stash.get(_PASSED, False):
        warnings.warn(
            pytest.PytestWarning(
                f"{request.node.nodeid} has the splitbrain fixture and ran no experiment: "
                "splitbrain(Experiment(...)) does."
            ),
            stacklevel=2,
        )


def _remember(
    request: pytest.FixtureRequest, result: Result, record_property: Callable[[str, Any], None]
) -> None:
    """The run stays: say where, for whoever reads the results of the tests."""
    record_property("splitbrain_replay", result.replay_command)
    if result.folder is None:
        return
    if result.folder.report.exists():
        record_property("splitbrain_report", str(result.folder.report))
    request.node.stash.setdefault(_KEPT, []).append(result.folder.path)


def _forget(result: Result) -> None:
    """Passing runs can be had again from their seed: do not fill the disk with them."""
    if result.folder is not None:
        shutil.rmtree(result.folder.path, ignore_errors=True)
        for parent in (result.folder.path.parent, result.folder.path.parent.parent):
            _remove_if_empty(parent)


def _remove_if_empty(folder: Path) -> None:
    link = folder / "latest"
    if link.is_symlink() and not link.exists():
        link.unlink(missing_ok=True)
    with suppress(OSError):  # something else is in it
        folder.rmdir()


def _message(result: Result, expect: Outcome) -> str:
    from harness.check_command import contradiction
    from harness.command_line import run_command

    plan = result.run.plan
    lines = [result.verdict.reason]
    if expect != "pass":
        lines = [f"Expected {expect}, but the verdict is {result.verdict.outcome}:", *lines]
    witness = contradiction(result.run.history, result.verdict, width=WITNESS_COLUMNS, short=True)
    lines += ["", witness] if witness else []
    lines += [
        "",
        f"experiment  {plan.experiment.title}",
        f"seed        {plan.seed}",
        f"run         {run_command(plan.experiment, plan.seed)}",
        f"replay      {result.replay_command}",
    ]
    if result.folder is not None and result.folder.report.exists():
        lines.append(f"report      {result.folder.report}")
    return "\n".join(lines)
