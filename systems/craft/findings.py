"""What was found in libraft 0.15.0, as Debian packages it, and how to see it again.

>>> [finding.name for finding in FINDINGS][:2]
['craft-commit-by-counting', 'craft-commit-by-counting-as-clients-see-it']

Every one of them was followed event by event to the call of the library that is wrong, with the
entries, acknowledgements and syncs of all nodes at that moment.
"""

from __future__ import annotations

from collections.abc import Sequence

from systems.findings import Finding

VERSION = "0.15.0"

#: The directed nemesis against three nodes, with few clients, so that terms stay apart.
_FIGURE_8 = "--nemesis figure-8 --nodes 3 --clients 2"

_COUNTING = "canonical/raft issue 220, fixed by pull request 336 in 0.17.1"

FINDINGS: Sequence[Finding] = (
    Finding(
        name="craft-commit-by-counting",
        system="craft",
        version=VERSION,
        seen_in="seed 2 of the nemesis figure-8, three nodes and two clients",
        what=(
            "A leader takes entries of an earlier term for decided as soon as a majority has "
            "stored them. Another node, whose last entry is of a later term, is elected after it "
            "and puts its own entry in their place: two entries are decided at one index."
        ),
        command=f"splitbrain run craft {_FIGURE_8} --rate 10 --seed 2",
        shows="state-machine-safety",
        upstream=_COUNTING,
    ),
    Finding(
        name="craft-commit-by-counting-as-clients-see-it",
        system="craft",
        version=VERSION,
        seen_in=(
            "seed 20 of the nemesis figure-8 without invariants, three nodes and two clients, "
            "reads as dqlite asks for them; step by step in the scenario commit-by-counting of "
            "systems/craft/scenarios.py"
        ),
        what=(
            "The same seen by clients: one reads what was decided so, and a later one reads what "
            "was before it. Whoever reads behind a barrier in any case does not see it, for the "
            "barrier is an entry of the leader's own term."
        ),
        command=f"splitbrain run systems.craft:CraftAsInDqlite {_FIGURE_8} --rate 40 "
        "--no-invariants --seed 20",
        shows="Not linearizable",
        upstream=_COUNTING,
    ),
    Finding(
        name="craft-false-acknowledgement",
        system="craft",
        version=VERSION,
        seen_in="seed 4 of the nemesis figure-8, three nodes and two clients",
        what=(
            "A follower answers a heartbeat with the index of the last entry that it has stored, "
            "also where its entries behind the point that the heartbeat names are not the "
            "leader's. The leader counts it, and takes an entry for decided that it has alone."
        ),
        command=f"splitbrain run systems.craft:CraftStrict {_FIGURE_8} --rate 40 --seed 4",
        shows="ack-soundness",
    ),
    Finding(
        name="craft-acknowledged-write-lost",
        system="craft",
        version=VERSION,
        seen_in="a scripted scenario: three nodes, two crashes, one message that comes late",
        what=(
            "The same seen by a client: its write is acknowledged on the strength of an answer to "
            "an earlier heartbeat, while the leader alone has it, and is lost with that leader."
        ),
        command="python -m systems.craft.scenarios false-acknowledgement",
        shows="Not linearizable",
    ),
    Finding(
        name="craft-acknowledged-write-lost-by-chance",
        system="craft",
        version=VERSION,
        seen_in="seed 76 of the nemesis figure-8 without invariants, three nodes and two clients",
        what="The same in a random run: a client reads nothing where a write was acknowledged.",
        command=f"splitbrain run craft {_FIGURE_8} --rate 40 --no-invariants --seed 76",
        shows="Not linearizable",
    ),
    Finding(
        name="craft-two-leaders",
        system="craft",
        version=VERSION,
        seen_in="a scripted scenario: two voters, of whom the leader makes itself a standby",
        what=(
            "The link breaks when the other node has stored the new members and the leader does "
            "not know it yet. The leader leads on, since it counts itself as a majority of the one "
            "voter; the other node, now the only voter, makes itself leader of the same term."
        ),
        command="python -m systems.craft.scenarios two-leaders",
        shows="two leaders in one term",
        upstream="canonical/raft issue 227, closed as no problem",
    ),
    Finding(
        name="craft-compacted-configuration",
        system="craft",
        version=VERSION,
        seen_in="seed 27 of partition, kill and membership, five nodes, snapshots every 20 entries",
        what=(
            "A follower drops entries with a new configuration and looks for the last committed "
            "one in its log, where a snapshot has taken its place: it reads through a null pointer."
        ),
        command=(
            "splitbrain run systems.craft:CraftCompact --nemesis partition,kill,membership "
            "--clients 5 --rate 30 --time-limit 30 --seed 27"
        ),
        shows="SIGSEGV",
        upstream="canonical/raft issues 250 and 323, fixed in 0.17.1",
    ),
)
