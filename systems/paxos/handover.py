"""From one configuration to the next: stop-signs, and state for those who were not there.

    leader: stop-sign decided ─▶ all who have it begin the next configuration, with what is decided
    others: a message of a later configuration ─▶ StateRequest   ◀─ State (a snapshot), begin there
    late:   a message of an earlier one ─▶ Hello: that is over
    gone:   who has begun a configuration that it is no member of says Hello to the members, until
            each has said something that shows that it is there too

A configuration ends with the decided stop-sign in its log, and nothing can be decided behind it:
whoever knows that it is decided may therefore begin the next one, alone if need be, and what is
decided in there comes after everything here. Promises and rounds begin anew; messages of another
configuration are never taken for those of one's own, though the ballots be equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.node import ClientRequest, Message
from systems.paxos.messages import STOP_SIGN, Entry, Hello, State, StateRequest

if TYPE_CHECKING:
    from systems.paxos.node import OmniPaxosNode


def asks_to_reconfigure(request: ClientRequest) -> tuple[int, ...] | None:
    """The members that a command `("reconfigure", members)` asks for; None for other commands."""
    command = request.command
    if isinstance(command, list | tuple) and len(command) == 2 and command[0] == "reconfigure":
        return tuple(sorted(command[1]))
    return None


class Handover:
    """What one node does between configurations."""

    def __init__(self, node: OmniPaxosNode) -> None:
        self._node = node
        self._asked_ns = -node.options.round_ns
        self._absent: list[int] = []  # members that may not know that they are

    def begin(self) -> None:
        """This node has begun a configuration, perhaps as the only one, and others' business."""
        node = self._node
        self._absent = [] if node.is_member or node.configuration == 1 else [*node.log.members]
        if self._absent:
            self.tick()

    def tick(self) -> None:
        """Call the members who have not shown up."""
        node = self._node
        for member in self._absent:
            node.context.send(member, Hello(node.configuration))
        if self._absent:
            node.context.set_timer("handover", node.options.round_ns)

    def request(self, request: ClientRequest, members: tuple[int, ...]) -> None:
        """A client wants other members; the answer says which configuration has them."""
        node = self._node
        known = (node.context.id, *node.context.peers)
        if not members or any(member not in known for member in members):
            node.refuse(request, "no such members")
        elif node.leadership is None:
            node.refuse(request)
        elif node.log.members == members:
            node.answer(request, node.configuration)
        else:
            node.leadership.reconfigure(request, members)

    def stop(self, entry: Entry, index: int) -> None:
        """The stop-sign at `index` is decided: begin the next configuration."""
        node = self._node
        if node.leadership is not None:
            node.leadership.farewell()
        asked = node.waiting.pop((STOP_SIGN, entry.serial), None)
        if asked is not None:
            node.answer(asked, entry.serial)
        node.log.configure(entry.serial, tuple(entry.command), index)
        node.context.probe("configuration-begun", configuration=entry.serial)
        node.begin_configuration()

    def on_message(self, source: int, message: Message) -> None:
        """A message of another configuration, or about them."""
        node = self._node
        theirs: int = message.configuration  # type: ignore[attr-defined]
        if theirs > node.configuration:
            if isinstance(message, State):
                self._adopt(message)
            else:
                self._ask(source)
        elif theirs == node.configuration:
            if source in self._absent:
                self._absent.remove(source)
            elif node.is_member and source not in node.log.members:
                node.context.send(source, Hello(theirs))
        elif not isinstance(message, Hello | State):
            if isinstance(message, StateRequest):
                self._tell(source)
            else:
                node.context.send(source, Hello(node.configuration))

    def _ask(self, source: int) -> None:
        """Ask for the state, but not for every message that comes."""
        now_ns = self._node.context.clock.monotonic_ns()
        if now_ns - self._asked_ns >= self._node.options.round_ns:
            self._asked_ns = now_ns
            self._node.context.send(source, StateRequest(self._node.configuration))

    def _tell(self, source: int) -> None:
        node, log = self._node, self._node.log
        state = node.sessions.snapshot()
        message = State(log.configuration, log.members, log.origin, node.applied, state)
        node.context.send(source, message)

    def _adopt(self, message: State) -> None:
        """Begin a later configuration with all that was decided so far, there and before."""
        node = self._node
        node.log.move(
            members=message.members,
            configuration=message.configuration,
            origin=message.origin,
        )
        node.install(message.index, message.snapshot)
        node.context.probe("state-adopted", configuration=message.configuration)
        node.flush()
        node.begin_configuration()
