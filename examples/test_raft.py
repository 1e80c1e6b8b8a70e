"""The pytest example of the README: run it with `pytest examples`."""

import pytest

from harness import Experiment, seconds


@pytest.mark.splitbrain(seeds=3)
def test_raft_survives_partitions_and_crashes(splitbrain):
    splitbrain(Experiment(system="raft", nemesis="partition,kill", time_limit_ns=seconds(30)))


def test_a_leader_that_reads_without_asking_is_caught(splitbrain):
    splitbrain(Experiment(system="raft", flaw="stale-read", nemesis="partition"), expect="fail")
