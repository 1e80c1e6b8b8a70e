"""The simulated world, as scenarios: a small node is driven by hand and its story is read back."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from harness.errors import UsageError
from harness.node import ClientReply, ClientRequest, Context, Message, NodeStatus, Recovered
from harness.simulation import Deadlock, LinkModel, SimulatedWorld, simulate
from harness.simulation.clock import NodeClock
from harness.simulation.disk import SimulatedDisk
from harness.simulation.driver import Signal
from harness.simulation.failure import NodeFailure
from harness.simulation.wire import Wire

MS = 1_000_000
SECOND = 1_000 * MS


class Note(Message, frozen=True, gc=False, array_like=True, tag=True):
    text: str


class Diary:
    """A node that writes down all that happens to it, into `stories` by node."""

    stories: dict[int, list[Any]]

    def __init__(self, context: Context) -> None:
        self.context = context
        self.story = self.stories.setdefault(context.id, [])

    def on_start(self, recovered: Recovered) -> None:
        self.story.append(("start", tuple(recovered.records), recovered.meta))

    def on_message(self, source: int, message: Note) -> None:
        self.story.append(("message", source, message.text))

    def on_timer(self, name: str) -> None:
        self.story.append(("timer", name, self.context.clock.monotonic_ns()))

    def on_durable(self, token: Any) -> None:
        self.story.append(("durable", token))

    def on_request(self, request: ClientRequest) -> None:
        if request.command == "silence":
            return
        self.context.reply(request, ClientReply(request.id, True, request.command))

    def status(self) -> NodeStatus:
        return NodeStatus(role="diarist")


def make_world(
    *, nodes: int = 2, clients: int = 1, node: type[Any] = Diary, **options: Any
) -> SimulatedWorld:
    node.stories = {}
    options.setdefault("link", LinkModel(minimum_ns=MS, mean_extra_ns=0, slow_ratio=0))
    options.setdefault("drift_ppm", 0)
    return SimulatedWorld(seed=1, nodes=nodes, clients=clients, factory=node, **options)


def context_of(world: SimulatedWorld, node: int) -> Context:
    diary = world.node_object(node)
    assert isinstance(diary, Diary)
    return diary.context


def told(node: int, kind: str) -> list[Any]:
    return [entry[1:] for entry in Diary.stories[node] if entry[0] == kind]


def pass_time(world: SimulatedWorld, duration_ns: int) -> None:
    end_ns = world.now_ns + duration_ns
    world.run(end_ns)
    world.advance(end_ns)


class TestNetwork:
    def test_a_message_arrives_after_its_latency(self) -> None:
        world = make_world()
        context_of(world, 1).send(2, Note("hello"))
        pass_time(world, MS - 1)
        assert told(2, "message") == []
        pass_time(world, 1)
        assert told(2, "message") == [(1, "hello")]

    def test_a_cut_is_one_way_and_cuts_stack(self) -> None:
        world = make_world()
        world.act(["cut", 1, 2])
        world.act(["cut", 1, 2])
        world.act(["mend", 1, 2])
        context_of(world, 1).send(2, Note("lost"))
        context_of(world, 2).send(1, Note("arrives"))
        pass_time(world, SECOND)
        assert told(2, "message") == []
        assert told(1, "message") == [(2, "arrives")]
        world.act(["mend", 1, 2])
        context_of(world, 1).send(2, Note("healed"))
        pass_time(world, SECOND)
        assert told(2, "message") == [(1, "healed")]

    def test_a_cut_also_stops_what_is_under_way(self) -> None:
        world = make_world()
        context_of(world, 1).send(2, Note("under way"))
        world.act(["cut", 1, 2])
        pass_time(world, SECOND)
        assert told(2, "message") == []
        assert world.dropped == 1

    def test_a_clogged_link_holds_messages_and_loses_none(self) -> None:
        world = make_world()
        world.act(["clog", 1, 2, 50 * MS])
        context_of(world, 1).send(2, Note("held"))
        pass_time(world, 49 * MS)
        assert told(2, "message") == []
        pass_time(world, MS)
        assert told(2, "message") == [(1, "held")]

    def test_a_clogged_link_holds_duplicates_too(self) -> None:
        certainly = LinkModel(minimum_ns=MS, mean_extra_ns=0, slow_ratio=0, duplicate_ratio=1.0)
        world = make_world(link=certainly)
        world.act(["clog", 1, 2, 50 * MS])
        context_of(world, 1).send(2, Note("held"))
        pass_time(world, 49 * MS)
        assert told(2, "message") == []
        pass_time(world, MS)
        assert told(2, "message") == [(1, "held")] * 2

    def test_slow_links_add_delay_and_recover(self) -> None:
        world = make_world()
        world.act(["slow", 1, 2, 100 * MS, 0.0])
        context_of(world, 1).send(2, Note("slow"))
        world.act(["fast", 1, 2])
        context_of(world, 1).send(2, Note("fast"))
        pass_time(world, SECOND)
        assert told(2, "message") == [(1, "fast"), (1, "slow")]

    @pytest.mark.parametrize(("loss", "duplicate"), [(0.3, 0.0), (0.0, 0.3), (0.1, 0.2)])
    def test_loss_and_duplication_happen_as_often_as_asked(
        self, loss: float, duplicate: float
    ) -> None:
        link = LinkModel(loss_ratio=loss, duplicate_ratio=duplicate)
        world = make_world(link=link)
        sent = 4000
        for _ in range(sent):
            context_of(world, 1).send(2, Note("x"))
            pass_time(world, 10_000)
        pass_time(world, SECOND)
        arrived = len(told(2, "message"))
        assert world.dropped == pytest.approx(sent * loss, abs=120)
        assert arrived == pytest.approx(sent * (1 - loss + duplicate), abs=180)

    def test_latencies_follow_the_model(self) -> None:
        link = LinkModel(minimum_ns=MS, mean_extra_ns=2 * MS, slow_ratio=0)
        world = make_world(link=link)
        latencies = []
        for _ in range(3000):
            before_ns = world.now_ns
            context_of(world, 1).send(2, Note("x"))
            world.run(before_ns + SECOND)
            latencies.append(world.now_ns - before_ns)
        mean = sum(latencies) / len(latencies)
        assert min(latencies) >= MS
        assert mean == pytest.approx(3 * MS, rel=0.1)

    def test_the_fate_of_a_message_depends_on_link_and_time_only(self) -> None:
        """One message more on another link does not change when this one arrives."""
        arrivals = []
        for extra in (False, True):
            world = make_world(nodes=3, link=LinkModel())
            if extra:
                context_of(world, 3).send(1, Note("noise"))
            context_of(world, 1).send(2, Note("signal"))
            while not told(2, "message"):
                world.run(world.now_ns + 1000)
                world.advance(world.now_ns + 1000)
            arrivals.append(world.now_ns)
        assert arrivals[0] == arrivals[1]

    def test_bad_numbers_are_refused_with_the_name_of_the_option(self) -> None:
        with pytest.raises(UsageError, match=r"loss_ratio is 1\.5"):
            LinkModel(loss_ratio=1.5)
        with pytest.raises(UsageError, match="no endpoint 9"):
            make_world().act(["cut", 1, 9])
        with pytest.raises(UsageError, match="no action called 'crush'.*'crash'"):
            make_world().act(["crush", 1])


class TestTimers:
    def test_a_timer_rings_once_and_the_last_setting_counts(self) -> None:
        world = make_world()
        context = context_of(world, 1)
        context.set_timer("a", 10 * MS)
        context.set_timer("a", 30 * MS)  # later: the entry on the heap re-arms itself
        context.set_timer("b", 30 * MS)
        context.set_timer("b", 10 * MS)  # earlier: a second entry
        context.set_timer("c", 10 * MS)
        context.cancel_timer("c")
        pass_time(world, SECOND)
        assert told(1, "timer") == [("b", 10 * MS), ("a", 30 * MS)]

    def test_a_cancelled_timer_can_be_set_again(self) -> None:
        world = make_world()
        context = context_of(world, 1)
        context.set_timer("a", 10 * MS)
        context.cancel_timer("a")
        context.set_timer("a", 5 * MS)
        pass_time(world, SECOND)
        assert told(1, "timer") == [("a", 5 * MS)]

    def test_delays_run_on_the_clock_of_the_node(self) -> None:
        world = make_world()
        world.act(["skew", 1, 0, 100_000])  # ten percent fast
        context_of(world, 1).set_timer("a", 110 * MS)
        world.run(100 * MS)
        assert world.now_ns == 100 * MS
        assert told(1, "timer") == [("a", 110 * MS)]

    def test_a_clock_never_runs_backwards_when_its_rate_changes(self) -> None:
        true = SimpleNamespace(now_ns=0)
        clock = NodeClock(true, rate_ppm=50_000)
        seen = []
        for rate in (50_000, -50_000, 0, 10_000):
            clock.skew(rate_ppm=rate)
            for _ in range(10):
                true.now_ns += 7 * MS
                seen.append(clock.monotonic_ns())
        assert seen == sorted(seen)

    def test_the_wall_clock_may_step_while_the_monotonic_one_does_not(self) -> None:
        clock = NodeClock(SimpleNamespace(now_ns=SECOND))
        clock.skew(offset_ns=-2 * SECOND)
        assert (clock.monotonic_ns(), clock.wall_ns()) == (SECOND, -SECOND)


class TestCrashAndPause:
    def test_a_crashed_node_hears_nothing_and_its_timers_are_gone(self) -> None:
        world = make_world()
        context_of(world, 2).set_timer("old", 10 * MS)
        context_of(world, 1).send(2, Note("too late"))
        world.act(["crash", 2, "clean"])
        pass_time(world, SECOND)
        world.act(["restart", 2])
        pass_time(world, SECOND)
        assert told(2, "message") == []
        assert told(2, "timer") == []
        assert len(told(2, "start")) == 2

    def test_only_what_was_synced_survives_a_clean_crash(self) -> None:
        world = make_world()
        disk = context_of(world, 1).disk
        disk.append(b"synced")
        disk.put_meta(b"meta")
        disk.sync("first")
        pass_time(world, SECOND)
        disk.append(b"lost")
        disk.put_meta(b"lost too")
        world.act(["crash", 1, "clean"])
        world.act(["restart", 1])
        assert told(1, "durable") == [("first",)]
        assert told(1, "start")[-1] == ((b"synced",), b"meta")

    def test_a_flush_that_was_under_way_promises_nothing(self) -> None:
        world = make_world()
        context_of(world, 1).disk.append(b"x")
        context_of(world, 1).disk.sync("never")
        world.act(["crash", 1, "clean"])
        world.act(["restart", 1])
        pass_time(world, SECOND)
        assert told(1, "durable") == []

    def test_a_paused_node_loses_nothing_and_goes_on_late(self) -> None:
        world = make_world()
        context = context_of(world, 2)
        context.set_timer("late", 10 * MS)
        context.disk.sync("disk")
        context_of(world, 1).send(2, Note("waits"))
        world.act(["pause", 2])
        pass_time(world, SECOND)
        assert Diary.stories[2][1:] == []
        assert world.running == (1,)
        world.act(["resume", 2])
        pass_time(world, MS)
        assert told(2, "message") == [(1, "waits")]
        assert told(2, "durable") == [("disk",)]
        assert told(2, "timer") == [("late", SECOND)]

    def test_doing_twice_what_can_be_done_once_is_harmless(self) -> None:
        world = make_world()
        for action in (["restart", 1], ["resume", 1], ["crash", 1, "clean"], ["crash", 1, "clean"]):
            world.act(action)
        world.act(["pause", 1])
        world.act(["restart", 1])
        assert world.running == (1, 2)
        assert len(told(1, "start")) == 2

    def test_torn_and_prefix_crashes_keep_a_prefix_of_what_was_written(self) -> None:
        kept = {"clean": set(), "prefix": set(), "torn": set()}  # type: dict[str, set[int]]
        torn_records = 0
        for mode in ("clean", "prefix", "torn"):
            for seed in range(100):
                disk = SimulatedDisk(schedule_flush=lambda: None)
                written = [str(i).encode() for i in range(4)]
                for record in written:
                    disk.append(record)
                disk.crash(mode, Random(seed))  # type: ignore[arg-type]
                recovered = disk.recover()
                assert list(recovered.records) == written[: len(recovered.records)]
                kept[mode].add(len(recovered.records))
                if recovered.corrupt_from is not None:
                    torn_records += 1
                    assert recovered.corrupt_from == len(recovered.records)
        assert kept["clean"] == {0}
        assert kept["prefix"] == {0, 1, 2, 3, 4}
        assert torn_records > 10

    def test_truncation_becomes_durable_in_its_place(self) -> None:
        disk = SimulatedDisk(schedule_flush=lambda: None)
        for record in (b"a", b"b", b"c"):
            disk.append(record)
        disk.sync(1)
        disk.flushed()
        disk.truncate(1)
        disk.append(b"d")
        disk.crash("clean", Random(0))
        assert list(disk.recover().records) == [b"a", b"b", b"c"]
        disk.truncate(1)
        assert disk.append(b"d") == 1
        disk.sync(2)
        disk.flushed()
        assert list(disk.recover().records) == [b"a", b"d"]

    def test_a_dropped_prefix_stays_dropped_and_numbers_go_on(self) -> None:
        disk = SimulatedDisk(schedule_flush=lambda: None)
        for record in (b"a", b"b", b"c"):
            disk.append(record)
        disk.put_snapshot(b"a and b")
        disk.drop_prefix(2)
        assert disk.append(b"d") == 3
        disk.sync(1)
        disk.flushed()
        recovered = disk.recover()
        assert (list(recovered.records), recovered.first_record) == ([b"c", b"d"], 2)
        assert recovered.snapshot == b"a and b"
        disk.truncate(3)
        assert disk.append(b"e") == 3

    def test_a_crash_never_drops_records_before_the_snapshot_is_there(self) -> None:
        for seed in range(50):
            disk = SimulatedDisk(schedule_flush=lambda: None)
            disk.append(b"a")
            disk.sync(1)
            disk.flushed()
            disk.put_snapshot(b"state")
            disk.drop_prefix(1)
            disk.crash("prefix", Random(seed))
            recovered = disk.recover()
            assert recovered.records or recovered.snapshot == b"state"


class TestTasks:
    def test_a_reply_reaches_its_caller_and_silence_times_out(self) -> None:
        world = make_world()
        replies = []

        async def client() -> None:
            for command in ("echo", "silence"):
                replies.append(
                    await world.port(0).call(
                        1, command, session=1, serial=1, read_only=False, timeout_ns=SECOND
                    )
                )

        simulate(world, client)
        assert replies[0] is not None
        assert replies[0].value == "echo"
        assert replies[1] is None
        assert world.now_ns == SECOND + 2 * MS

    def test_a_deadlock_names_who_waits_for_what(self) -> None:
        world = make_world()

        async def stuck() -> None:
            await Signal(world.tasks, "a signal that nobody gives").wait()

        async def main() -> None:
            world.tasks.spawn(stuck, name="client c0")

        with pytest.raises(Deadlock, match="client c0 waits for a signal that nobody gives"):
            simulate(world, main)

    def test_native_timeouts_of_trio_work_in_virtual_time(self) -> None:
        world = make_world()
        events = []

        async def main() -> None:
            with trio.move_on_after(2.5):
                await world.tasks.sleep_ns(10 * SECOND)
            events.append(world.now_ns)
            await trio.sleep(1.25)
            events.append(world.now_ns)

        simulate(world, main)
        assert events == [2_500 * MS, 3_750 * MS]

    def test_an_exception_of_a_task_comes_out_as_itself(self) -> None:
        world = make_world()

        async def boom() -> None:
            await world.tasks.sleep_ns(SECOND)
            raise KeyError("mine")

        async def main() -> None:
            world.tasks.spawn(boom)
            await world.tasks.sleep_ns(10 * SECOND)

        with pytest.raises(KeyError, match="mine"):
            simulate(world, main)

    def test_equal_times_wake_in_the_order_of_asking_and_never_two_at_once(self) -> None:
        world = make_world()
        order: list[int] = []
        runnable: list[int] = []

        class CountRunnable(trio.abc.Instrument):
            def before_io_wait(self, timeout: float) -> None:
                if order:  # all have begun; their beginnings only park
                    runnable.append(trio.lowlevel.current_statistics().tasks_runnable)

        async def napper(number: int) -> None:
            for _ in range(3):
                await world.tasks.sleep_ns(SECOND)
                order.append(number)

        async def main() -> None:
            trio.lowlevel.add_instrument(CountRunnable())
            for number in range(8):
                world.tasks.spawn(napper, number)

        simulate(world, main)
        assert order == list(range(8)) * 3
        assert set(runnable) == {0, 1}

    def test_cancellation_is_delivered_in_the_order_of_starting(self) -> None:
        for _ in range(5):
            world = make_world()
            order: list[int] = []
            scopes: list[trio.CancelScope] = []

            async def sleeper(
                number: int, order: list[int] = order, scopes: list[trio.CancelScope] = scopes
            ) -> None:
                with trio.CancelScope() as scope:
                    scopes.append(scope)
                    await asleep()
                order.append(number)

            async def asleep(world: SimulatedWorld = world) -> None:
                await world.tasks.sleep_ns(100 * SECOND)

            async def main(
                world: SimulatedWorld = world, scopes: list[trio.CancelScope] = scopes
            ) -> None:
                for number in range(8):
                    world.tasks.spawn(sleeper, number)
                await world.tasks.sleep_ns(SECOND)
                for scope in reversed(scopes):
                    scope.cancel()

            simulate(world, main)
            assert order == list(range(8))

    def test_trio_asks_for_a_sleep_time_only_when_nothing_is_runnable(self) -> None:
        """The one habit of trio that the driver leans on without its being documented."""
        asked: list[int] = []

        class Clock(trio.abc.Clock):
            def start_clock(self) -> None:
                pass

            def current_time(self) -> float:
                return 0.0

            def deadline_to_sleep_time(self, deadline: float) -> float:
                asked.append(trio.lowlevel.current_statistics().tasks_runnable)
                return 0.0

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(trio.lowlevel.checkpoint)
                await trio.lowlevel.checkpoint()

        trio.run(main, clock=Clock())
        assert set(asked) <= {0}


class Clockwatcher(Diary):
    def on_timer(self, name: str) -> None:
        import time

        time.monotonic()


class Gambler(Diary):
    def on_timer(self, name: str) -> None:
        import random

        random.random()


class Clumsy(Diary):
    def on_timer(self, name: str) -> None:
        raise ZeroDivisionError("oops")


class TestGuard:
    @pytest.mark.parametrize(
        ("node", "message"),
        [(Clockwatcher, r"time\.monotonic\(\).*clock"), (Gambler, r"random\.random\(\).*rng")],
    )
    def test_wall_clock_and_entropy_raise_inside_nodes(
        self, node: type[Diary], message: str
    ) -> None:
        world = make_world(node=node)
        context_of(world, 1).set_timer("now", MS)

        async def main() -> None:
            await world.tasks.sleep_ns(SECOND)

        with pytest.raises(NodeFailure, match=message):
            simulate(world, main)

    def test_the_harness_itself_may_look_at_the_clock(self) -> None:
        import time

        world = make_world()

        async def main() -> None:
            assert time.monotonic() > 0

        simulate(world, main)

    def test_a_failing_node_is_named_with_event_and_time(self) -> None:
        world = make_world(node=Clumsy)
        context_of(world, 2).set_timer("tick", MS)

        async def main() -> None:
            await world.tasks.sleep_ns(SECOND)

        with pytest.raises(NodeFailure, match=r"n2 raised ZeroDivisionError: oops\s+at 0\.001"):
            simulate(world, main)


class Wrong(Message, frozen=True, gc=False, array_like=True, tag=True):
    number: int


class TestWire:
    def test_messages_are_copies_and_their_content_enters_the_digest(self) -> None:
        digests = []
        for text in ("one", "one", "two"):
            world = make_world(wire=Wire([Note]))
            note = Note(text)
            context_of(world, 1).send(2, note)
            pass_time(world, SECOND)
            assert told(2, "message") == [(1, text)]
            assert world.trace[-1][4] is not note
            digests.append(world.digest)
        assert digests[0] == digests[1] != digests[2]

    def test_a_message_that_lies_about_its_types_is_found(self) -> None:
        wire = Wire([Wrong])
        with pytest.raises(UsageError, match="does not survive the wire"):
            wire.decode(wire.encode(Wrong("text")))  # type: ignore[arg-type]
