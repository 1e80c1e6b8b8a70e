"""What was found in PySyncObj; see `systems.findings`.

>>> [finding.version for finding in FINDINGS]
['0.3.14', '0.3.17', '0.3.17']
"""

from __future__ import annotations

from systems.findings import Finding

_SNAPSHOTS = "splitbrain run systems.pysyncobj:PySyncObjSnapshots --nodes 3 --nemesis partition"

FINDINGS = (
    Finding(
        name="pysyncobj-term-forgotten",
        system="PySyncObj",
        version="0.3.14",
        seen_in="seed 1, nemesis kill-all: three nodes with journals are killed at once and come "
        "back; each of the first ten seeds shows it",
        what="Two nodes lead the same term. The journal keeps the entries but neither the term "
        "nor the vote, so that after a restart of all nodes the terms begin again at 1, and a "
        "second leader is elected in a term that has had one.",
        command="splitbrain run pysyncobj-0.3.14 --nodes 3 --nemesis kill-all --seed 1",
        shows="election-safety: two leaders in one term",
        upstream="bakwc/PySyncObj issue 201, fixed by pull request 202 in 0.3.16. Since then both "
        "are stored before anything is sent; 0.3.17 passes 60 of 60 seeds of the same kind",
    ),
    Finding(
        name="pysyncobj-tail-committed",
        system="PySyncObj",
        version="0.3.17",
        seen_in="seed 13, nemesis partition, with a snapshot every 60 entries instead of every "
        "5000; in five steps as `an_old_leader_with_a_tail_gets_a_snapshot` in "
        "tests/systems/test_pysyncobj.py. 0.3.14 has the same lines",
        what="Two entries are decided at one index. A former leader comes back with a tail of "
        "entries that were never committed, and the new leader sends it a snapshot, in two parts "
        "or more. The handler of the first part ends by taking over the leader's commit index, "
        "which is meant for a log that agrees with the leader's; this one does not yet. If the "
        "node's thread ticks before the last part has come, it applies its own tail. The snapshot "
        "then puts the state right again.",
        command=f"{_SNAPSHOTS} --time-limit 20 --seed 13",
        shows="state-machine-safety: two entries are decided at one index",
        upstream=None,
    ),
    Finding(
        name="pysyncobj-tail-committed-as-clients-see-it",
        system="PySyncObj",
        version="0.3.17",
        seen_in="the same run, left to go on by --no-invariants",
        what="A read returns a value that was overwritten long before. It is one of the entries in "
        "the tail: its callback is called with SUCCESS, though no other node ever has it. In the "
        "scenario of five steps it is a write, which is acknowledged and lost.",
        command=f"{_SNAPSHOTS} --time-limit 20 --no-invariants --seed 13",
        shows="Not linearizable",
        upstream=None,
    ),
)
