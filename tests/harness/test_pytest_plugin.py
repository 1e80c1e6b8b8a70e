"""The pytest plugin, as the tests of a project meet it; each test here runs pytest on a small one.

The inner pytest runs in this process (`pytester`) and takes verdicts as they are told to it, from
a workload whose check says what its option asks for.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# pytester forgets what its inner pytest has imported; what is here already is not imported again.
import harness.pipeline
import reports
import systems.raft
import workloads.register

pytest_plugins = ["pytester"]
#: With which stale-read is caught early.
STALE_SEED = 27
ALREADY_IMPORTED = (harness.pipeline, reports, systems.raft, workloads.register)

PROJECT = '''
import pytest
from harness import Experiment, seconds
from harness.verdict import Checker, Verdict
from workloads.register import Register


class Told(Checker):
    """Says what it was told to."""

    name = "told"

    def __init__(self, outcome):
        self.outcome = outcome

    def check(self, history):
        reason = f"it was told so after {len(history)} rows"
        return Verdict(checker=self.name, outcome=self.outcome, reason=reason)


class Decided(Register):
    name = "decided"
    summary = "the check says what the option asks for"

    def __init__(self, *, outcome):
        super().__init__()
        self.outcome = outcome

    def checkers(self):
        return [Told(self.outcome)]


def experiment(outcome):
    return Experiment(
        workload=f"{__name__}:Decided",
        nodes=1,
        clients=1,
        rate_per_s=5,
        time_limit_ns=seconds(1),
        recovery_ns=0,
        options={"outcome": outcome},
    )
'''


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose tests follow PROJECT; the other plug-ins of out here are not its own."""
    others = "-p no:xdist -p no:hypothesispytest -p no:cacheprovider"
    pytester.makeini(f"[pytest]\naddopts = {others} --strict-markers")
    return pytester


def folders(project: pytest.Pytester, store: str = "store") -> list[str]:
    """The folders of runs that were kept."""
    return sorted(path.parent.name for path in (project.path / store).glob("*/*/plan.json"))


def test_a_pass_passes_and_leaves_nothing_behind(project: pytest.Pytester) -> None:
    project.makepyfile(
        PROJECT + "def test_it(splitbrain):\n"
        "    result = splitbrain(experiment('pass'))\n"
        "    assert result.verdict.outcome == 'pass'\n"
        "    assert len(result.run.digest) == 16\n"
    )
    result = project.runpytest()
    result.assert_outcomes(passed=1)
    assert not (project.path / "store").exists()


@pytest.mark.parametrize("outcome", ["fail", "unknown", "skipped"])
def test_only_a_pass_passes(outcome: str, project: pytest.Pytester) -> None:
    project.makepyfile(PROJECT + f"def test_it(splitbrain): splitbrain(experiment({outcome!r}))\n")
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert re.search(r"it was told so after \d+ rows", text)
    assert re.search(r"^experiment  raft \w+:Decided none$", text, re.M)
    assert re.search(r"^seed        1$", text, re.M)
    told = re.search(r"^replay      splitbrain replay (.*)$", text, re.M)
    report = re.search(r"^report      (.*)$", text, re.M)
    assert told is not None
    assert report is not None
    assert Path(report[1]) == Path(told[1]) / "report.html"
    assert "it was told so" in Path(report[1]).read_text(encoding="utf-8")
    assert folders(project) == ["seed-1"]
    assert "def run(" not in text, "the failure shows the plugin's own code"


@pytest.mark.parametrize("outcome", ["pass", "fail", "unknown", "skipped"])
@pytest.mark.parametrize("expect", ["pass", "fail", "unknown"])
def test_what_was_expected_passes_and_nothing_else(
    outcome: str, expect: str, project: pytest.Pytester
) -> None:
    project.makepyfile(
        PROJECT + "def test_it(splitbrain):\n"
        f"    splitbrain(experiment({outcome!r}), expect={expect!r})\n"
    )
    result = project.runpytest()
    if outcome == expect:
        result.assert_outcomes(passed=1)
        return
    result.assert_outcomes(failed=1)
    if expect != "pass":
        result.stdout.fnmatch_lines([f"*Expected {expect}, but the verdict is {outcome}:*"])


def test_a_failing_experiment_is_kept_when_a_passing_one_is_forgotten(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        PROJECT + "def test_good(splitbrain): splitbrain(experiment('pass'))\n"
        "def test_bad(splitbrain): splitbrain(experiment('fail'), expect='fail')\n"
        "def test_good_again(splitbrain): splitbrain(experiment('pass'))\n"
    )
    project.runpytest().assert_outcomes(passed=3)
    assert folders(project) == ["seed-1"]
    (verdict,) = project.path.glob("store/*/seed-1/verdict.json")
    assert '"outcome": "fail"' in verdict.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "plain", "marked"),
    [
        ([], [1], [1, 2, 3]),
        (["--splitbrain-seeds=2"], [1, 2], [1, 2, 3, 4, 5, 6]),
        (["--splitbrain-first-seed=40"], [40], [40, 41, 42]),
        (["--splitbrain-first-seed=7", "--splitbrain-seeds=2"], [7, 8], [*range(7, 13)]),
    ],
)
def test_each_seed_is_a_test_of_its_own(
    arguments: list[str], plain: list[int], marked: list[int], project: pytest.Pytester
) -> None:
    project.makepyfile(
        PROJECT + "def test_plain(splitbrain): pass\n"
        "@pytest.mark.splitbrain(seeds=3)\n"
        "def test_marked(splitbrain): pass\n"
        "def test_other(): pass\n"
    )
    result = project.runpytest("--collect-only", "-q", *arguments)
    collected = re.findall(r"::(\S+)", result.stdout.str())
    expected = [f"test_plain[seed{seed}]" for seed in plain]
    expected += [f"test_marked[seed{seed}]" for seed in marked]
    assert collected == [*expected, "test_other"]


def test_the_seed_of_the_test_is_the_seed_of_the_run(project: pytest.Pytester) -> None:
    project.makepyfile(
        PROJECT + "@pytest.mark.splitbrain(seeds=2)\n"
        "def test_it(splitbrain, splitbrain_seed, record_property):\n"
        "    result = splitbrain(experiment('pass'))\n"
        "    assert result.run.plan.seed == splitbrain_seed\n"
    )
    result = project.runpytest("--junitxml=results.xml", "--splitbrain-first-seed=5")
    result.assert_outcomes(passed=2)
    results = (project.path / "results.xml").read_text(encoding="utf-8")
    assert re.findall(r'name="splitbrain_seed" value="(\d+)"', results) == ["5", "6"]
    digests = re.findall(r'name="splitbrain_digest" value="([0-9a-f]{16})"', results)
    assert len(set(digests)) == 2


def test_the_mark_of_a_class_counts_unless_the_test_has_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        PROJECT + "@pytest.mark.splitbrain(seeds=2)\n"
        "class TestAll:\n"
        "    def test_a(self, splitbrain): pass\n"
        "    @pytest.mark.splitbrain(seeds=1)\n"
        "    def test_b(self, splitbrain): pass\n"
    )
    project.runpytest().assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("mark", "arguments", "text"),
    [
        ("seeds=0", [], "asked for were 0 times 1"),
        ("seeds=1", ["--splitbrain-seeds=0"], "asked for were 1 times 0"),
        ("seed=3", [], "splitbrain(seeds=20), not (seed=3)"),
        ("seeds=3, first=2", [], "not (seeds=3, first=2)"),
        ("3", [], "not (3)"),
        ("seeds='many'", [], "not (seeds='many')"),
        ("seeds=True", [], "not (seeds=True)"),
        ("", [], "not ()"),
    ],
)
def test_a_number_of_seeds_that_makes_no_sense_is_refused(
    mark: str, arguments: list[str], text: str, project: pytest.Pytester
) -> None:
    project.makepyfile(
        PROJECT + f"@pytest.mark.splitbrain({mark})\ndef test_it(splitbrain): pass\n"
    )
    result = project.runpytest(*arguments)
    assert result.ret != pytest.ExitCode.OK
    output = result.stdout.str() + result.stderr.str()
    assert text in output
    assert "Traceback" not in output


def test_runs_are_kept_where_and_as_asked(project: pytest.Pytester) -> None:
    project.makepyfile(
        PROJECT + "def test_good(splitbrain): splitbrain(experiment('pass'))\n"
        "def test_bad(splitbrain): splitbrain(experiment('fail'))\n"
    )
    result = project.runpytest("--splitbrain-store=kept/here", "--splitbrain-keep")
    result.assert_outcomes(passed=1, failed=1)
    assert folders(project, "kept/here") == ["seed-1", "seed-1.2"]
    assert len(list((project.path / "kept" / "here").glob("*/*/report.html"))) == 2
    assert not (project.path / "store").exists()


def test_a_bad_name_fails_the_test_with_near_ones(project: pytest.Pytester) -> None:
    project.makepyfile(
        PROJECT + "def test_it(splitbrain): splitbrain(Experiment(nemesis='partion'))\n"
    )
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*There is no nemesis called 'partion'. Did you mean 'partition'*"]
    )
    assert not (project.path / "store").exists()


@pytest.mark.parametrize(
    ("test", "text"),
    [
        ("(splitbrain): splitbrain('raft')", "splitbrain() was given 'raft', and takes an exp"),
        ("(splitbrain): splitbrain(experiment('pass'), expect='fial')", "Did you mean 'fail'"),
        ("(splitbrain): splitbrain(Experiment(nodes='3'))", "nodes is '3'; a whole number"),
        ("(splitbrain): splitbrain(Experiment(nemesis='partion'))", "Did you mean 'partition'"),
        ("(request): request.getfixturevalue('splitbrain')", "def test_it(splitbrain)"),
    ],
)
def test_a_fixture_used_wrongly_says_how_it_is_used(
    test: str, text: str, project: pytest.Pytester
) -> None:
    project.makepyfile(PROJECT + f"def test_it{test}\n")
    result = project.runpytest()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)
    assert text in result.stdout.str()
    assert "harness/experiment.py" not in result.stdout.str(), "the mistake is in the test"
    assert "harness/pipeline.py" not in result.stdout.str()
    assert not (project.path / "store").exists(), "nothing is run before the mistake is found"


def test_a_test_that_runs_nothing_is_warned_about(project: pytest.Pytester) -> None:
    project.makepyfile(
        PROJECT + "def test_idle(splitbrain): experiment('pass')\n"
        "def test_busy(splitbrain): splitbrain(experiment('pass'))\n"
    )
    result = project.runpytest()
    result.assert_outcomes(passed=2)
    warned = re.findall(r"(\w+)\[seed1\] has the splitbrain fixture", result.stdout.str())
    assert warned == ["test_idle"]


@pytest.mark.parametrize(
    ("test", "outcome"),
    [
        ("(splitbrain): pytest.skip('not here')", "skipped"),
        ("(splitbrain): pytest.xfail('not yet')", "xfailed"),
        ("(splitbrain): Experiment(nodes='3')", "failed"),
        ("(splitbrain): splitbrain('raft')", "failed"),
        ("(splitbrain, broken): pass", "errors"),
    ],
)
def test_a_test_that_did_not_come_to_run_anything_is_not_warned_about(
    test: str, outcome: str, project: pytest.Pytester
) -> None:
    project.makepyfile(
        PROJECT + "@pytest.fixture\ndef broken(splitbrain): raise OSError('no')\n\n"
        f"def test_it{test}\n"
    )
    result = project.runpytest()
    result.assert_outcomes(**{outcome: 1})
    assert "ran no experiment" not in result.stdout.str()


def test_a_failure_shows_what_contradicts_and_how_to_run_it_again(
    project: pytest.Pytester,
) -> None:
    """The witness as `splitbrain run` prints it, and a command that needs no stored run."""
    project.makepyfile(
        "from harness import Experiment, seconds\n"
        "def test_it(splitbrain):\n"
        "    splitbrain(Experiment(flaw='stale-read', nemesis='partition,kill', nodes=3,\n"
        "        clients=4, time_limit_ns=seconds(8), recovery_ns=0))\n"
    )
    result = project.runpytest(f"--splitbrain-first-seed={STALE_SEED}")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert re.search(r"^\d of \d+ operations on key 'k\d' contradict each other:$", text, re.M)
    assert "├─ read → " in text
    shown = re.search(r"^run         (splitbrain run raft --seed \d+ --nemesis .*)$", text, re.M)
    assert shown is not None
    assert shown[1].endswith("--nodes 3 --clients 4 --time-limit 8 --recovery 0")


def test_the_seed_can_be_had_alone(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(splitbrain_seed): assert splitbrain_seed in (4, 5)\n")
    result = project.runpytest("--splitbrain-seeds=2", "--splitbrain-first-seed=4")
    result.assert_outcomes(passed=2)


def test_the_example_of_the_readme_is_collected_whole(project: pytest.Pytester) -> None:
    """The runs themselves take some seconds; `make demo` and CI do them."""
    example = Path(__file__).parents[2] / "examples" / "test_raft.py"
    project.makepyfile(test_raft=example.read_text(encoding="utf-8"))
    result = project.runpytest("--collect-only", "-q")
    assert len(re.findall(r"::test_raft_survives_partitions_and_crashes", result.stdout.str())) == 3
    assert result.ret == pytest.ExitCode.OK


def test_the_options_and_the_mark_are_in_the_help(project: pytest.Pytester) -> None:
    text = project.runpytest("--help").stdout.str()
    for option in ("seeds=N", "first-seed=S", "store=DIR", "keep"):
        assert f"--splitbrain-{option}" in text
    assert "@pytest.mark.splitbrain(seeds=1)" in project.runpytest("--markers").stdout.str()
