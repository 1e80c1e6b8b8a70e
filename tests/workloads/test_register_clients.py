"""Clients of others under the register workload: what they say of a cas that failed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from harness import Experiment, carry_out
from harness.experiment import seconds
from harness.system import Connection, Refused
from harness.world import Port
from systems.raft import Raft

NAME = "clients_of_others"


class Moody(Raft):
    """Its clients refuse every second cas without a word, whatever the register holds."""

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        inner = super().connect(port, process=process, nodes=nodes, home=home)
        asked = 0

        class Refuses:
            async def execute(self, command: Any, *, read_only: bool = False) -> Any:
                nonlocal asked
                asked += command[0] == "cas"
                if command[0] == "cas" and asked % 2:
                    raise Refused
                return await inner.execute(command, read_only=read_only)

        return Refuses()


class Denying(Raft):
    """Its clients say of every cas that the register held something else, and do not look."""

    def connect(self, port: Port, *, process: int, nodes: tuple[int, ...], home: int) -> Connection:
        inner = super().connect(port, process=process, nodes=nodes, home=home)

        class Denies:
            async def execute(self, command: Any, *, read_only: bool = False) -> Any:
                if command[0] == "cas":
                    return False
                return await inner.execute(command, read_only=read_only)

        return Denies()


@pytest.fixture(autouse=True)
def module() -> Iterator[None]:
    sys.modules[NAME] = sys.modules[__name__]
    yield
    del sys.modules[NAME]


@pytest.mark.parametrize("stop_early", [False, True])
def test_a_cas_that_is_refused_without_a_reason_blames_nobody(stop_early: bool) -> None:
    experiment = Experiment(
        system=f"{NAME}:Moody", nodes=3, clients=3, time_limit_ns=seconds(3), stop_early=stop_early
    )
    result = carry_out(experiment, 1)
    failed = [row for row in result.run.history if (row.type, row.f) == ("fail", "cas")]
    assert len(failed) > 20
    assert "" in {row.error for row in failed}
    assert result.verdict.passed, result.verdict.reason


@pytest.mark.parametrize("stop_early", [False, True])
def test_a_mismatch_where_there_was_none_is_caught(stop_early: bool) -> None:
    experiment = Experiment(
        system=f"{NAME}:Denying",
        nodes=3,
        clients=3,
        time_limit_ns=seconds(3),
        stop_early=stop_early,
    )
    result = carry_out(experiment, 1)
    failed = [row for row in result.run.history if (row.type, row.f) == ("fail", "cas")]
    assert {row.error for row in failed} == {None}
    assert result.verdict.outcome == "fail"
    assert result.verdict.checker == "linearizability"
    assert "found no " in result.verdict.reason
