"""What a Harpoon node keeps on disk, against a list that forgets nothing."""

from __future__ import annotations

from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.simulation.disk import SimulatedDisk
from systems.harpoon.messages import Snapshot
from systems.harpoon.storage import Storage
from systems.raft.messages import Entry

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4)),
        st.tuples(st.just("truncate"), st.integers(0, 3)),
        st.tuples(st.just("compact"), st.integers(0, 3)),
        st.tuples(st.just("install"), st.integers(1, 6)),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.sampled_from(["clean", "prefix", "torn"]), st.integers(0, 99)),
    ),
    max_size=40,
)


class Twin:
    """A storage beside a plain list of terms: index i has the term `terms[i - 1]`.

    `agreed` is the prefix that is never truncated again; snapshots stand for parts of it only.
    """

    def __init__(self) -> None:
        self.disk = SimulatedDisk(schedule_flush=lambda: None)
        self.storage = Storage(self.disk, lambda term: None)
        self.terms: list[int] = []
        self.term = 1
        self.agreed = 0
        # every (index, term) that there ever was
        self.ever = {(0, 0)}

    def step(self, kind: str, number: int) -> None:
        storage, log = self.storage, self.storage.log
        if kind == "append":
            for _ in range(number):
                self.terms.append(self.term)
                storage.append(Entry(self.term, 1, len(self.terms), None))
        elif kind == "truncate":
            last_index = max(self.agreed, len(self.terms) - number)
            del self.terms[last_index:]
            storage.truncate(last_index)
            self.term += 1
        elif kind == "compact":
            index = len(self.terms) - number
            if index > max(log.base_index, storage.snapshot.index if storage.snapshot else 0):
                self.agreed = max(self.agreed, index)
                storage.compact(self.snapshot(index), keep=1)
        elif kind == "install":
            del self.terms[self.agreed :]
            self.term += 1
            self.terms += [self.term] * number
            storage.install(self.snapshot(len(self.terms)), self.agreed)
            self.agreed = len(self.terms)
        elif kind == "flush":
            storage.flush()
            while not storage.is_durable:
                for token in self.disk.flushed():
                    token()  # type: ignore[operator]
            assert storage.durable == len(self.terms)
        else:
            self.crash(kind, number)
        self.check()

    def snapshot(self, index: int) -> Snapshot:
        return Snapshot(index, self.terms[index - 1], b"%d" % index)

    def crash(self, mode: str, number: int) -> None:
        durable = self.storage.durable
        before = list(self.terms)
        self.disk.crash(mode, Random(number))  # type: ignore[arg-type]
        self.storage = Storage(self.disk, lambda term: None)
        self.storage.recover(self.disk.recover())
        log = self.storage.log
        assert log.last_index >= durable, "what was durable is there"
        for index in range(max(1, log.base_index), min(durable, log.last_index) + 1):
            assert log.term_at(index) == before[index - 1]
        # what lay beyond may be there or not, or be what was there before it was truncated
        assert {(i, log.term_at(i)) for i in range(log.base_index, log.last_index + 1)} <= self.ever
        known = before[: log.base_index] if log.base_index <= len(before) else []
        self.terms = known + [log.term_at(i) for i in range(len(known) + 1, log.last_index + 1)]
        self.agreed = log.base_index

    def check(self) -> None:
        log, snapshot = self.storage.log, self.storage.snapshot
        assert log.last_index == len(self.terms)
        self.ever.update(enumerate(self.terms, 1))
        for index in range(max(1, log.base_index), log.last_index + 1):
            assert log.term_at(index) == self.terms[index - 1]
        assert log.last_term == (self.terms[-1] if self.terms else 0)
        assert self.storage.durable <= log.last_index
        if snapshot is None:
            assert log.base_index == 0
        else:
            assert log.base_index <= snapshot.index <= log.last_index
            assert snapshot.state == b"%d" % snapshot.index
            assert snapshot.term == self.terms[snapshot.index - 1]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(STEPS)
# the crash keeps the snapshot, and not that the records before it were dropped
@example([("append", 4), ("flush", 0), ("compact", 0), ("prefix", 0)])
def test_storage_is_a_list_that_forgets_what_was_not_durable(
    steps: list[tuple[str, int]],
) -> None:
    twin = Twin()
    for kind, number in steps:
        twin.step(kind, number)
