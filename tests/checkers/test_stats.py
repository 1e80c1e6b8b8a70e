"""Stats: counts, and the sentence about what never worked."""

from __future__ import annotations

from checkers.notation import parse
from checkers.stats import Stats
from harness.history import History, Recorder


def failing_reads(*errors: object) -> History:
    recorder = Recorder()
    for error in errors:
        recorder.append(time_ns=0, process=1, type="invoke", f="read")
        recorder.append(time_ns=1, process=1, type="fail", f="read", error=error)
    recorder.append(time_ns=2, process="nemesis", type="info", f="start-kill")
    return recorder.history()


def test_everything_worked() -> None:
    verdict = Stats().check(parse("0w1. 1r=1 2r? 3w4"))
    assert verdict.outcome == "pass"
    assert verdict.reason == "Every function succeeded; 2 of 4 operations did."
    assert verdict.details["functions"] == {
        "read": {"ok": 1, "fail": 0, "info": 1, "open": 0},
        "write": {"ok": 1, "fail": 0, "info": 0, "open": 1},
    }


def test_the_commonest_error_is_named() -> None:
    verdict = Stats().check(failing_reads("timeout", "no leader", "timeout", None))
    assert verdict.outcome == "fail"
    assert verdict.reason == (
        "No read ever succeeded: 4 calls, 4 failed, 0 without an answer "
        "(commonest error: timeout, 2 times)."
    )
    assert verdict.witness == {"functions": ["read"], "rows": list(range(8))}


def test_errors_that_are_data_and_ties() -> None:
    verdict = Stats().check(failing_reads({"code": 7}, "zebra", "ant"))
    assert "commonest error: ant, 1 time)" in verdict.reason
    assert '{"code": 7}, 2 times' in Stats().check(failing_reads({"code": 7}, {"code": 7})).reason


def test_several_functions_that_never_worked() -> None:
    verdict = Stats().check(parse("0w1! 1r? 2c1,2."))
    assert verdict.reason.count("ever succeeded") == 2


def test_nothing_to_count_is_skipped_and_no_pass() -> None:
    assert Stats().check(parse("")).outcome == "skipped"
