"""How a client talks to a replicated state machine: retry, follow hints, never apply twice.

    execute ─▶ home node ─▶ refused, with a hint ─▶ the leader ─▶ answered
                        ╲▶ no answer in time ─▶ the next node, same session and serial

Every operation begins at the client's home node, as with Jepsen's clients, so that whatever a node
believes, some client asks it all the time.

A command that was refused by every node it was sent to has surely had no effect (`Refused`). As
soon as one attempt went unanswered it may take effect later, so that only an answer settles it
(`Unanswered`), unless it only reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.node import Command
from harness.system import Refused, Unanswered
from harness.units import MILLISECOND_NS
from harness.world import Port


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long a client waits for one answer, and between refusals; it begins no attempt after
    `deadline_ns` of waiting."""

    attempt_timeout_ns: int = 300 * MILLISECOND_NS
    deadline_ns: int = 1500 * MILLISECOND_NS
    pause_ns: int = 50 * MILLISECOND_NS


class SessionConnection:
    """Implements `harness.system.Connection` over a `Port`, with client sessions."""

    def __init__(
        self,
        port: Port,
        *,
        session: int,
        nodes: tuple[int, ...],
        home: int,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._port = port
        self._session = session
        self._serial = 0
        self._nodes = nodes
        self._home = home
        self._policy = policy or RetryPolicy()

    async def execute(self, command: Command, *, read_only: bool = False) -> Any:
        """The result of `command`, applied at most once. Raises `Refused` or `Unanswered`."""
        return await self._port.errand(self._attempts(command, read_only))

    async def _attempts(self, command: Command, read_only: bool) -> Any:
        policy = self._policy
        self._serial += 1
        remaining_ns = policy.deadline_ns
        target = self._home
        refusals = 0
        unanswered = False
        reason = "no node answered"
        while remaining_ns > 0:
            reply = await self._port.call(
                target,
                command,
                session=self._session,
                serial=self._serial,
                read_only=read_only,
                timeout_ns=policy.attempt_timeout_ns,
            )
            if reply is not None and reply.done:
                return reply.value
            if reply is None:
                unanswered = True
                remaining_ns -= policy.attempt_timeout_ns
                target = self._after(target)
                continue
            refusals += 1
            reason = reply.error
            target = reply.hint or self._after(target)
            if refusals > 1 or not reply.hint:  # the first hint is followed at once
                remaining_ns -= policy.pause_ns
                await self._port.sleep_ns(policy.pause_ns)
        if unanswered and not read_only:
            raise Unanswered("timed out")
        raise Refused("timed out" if unanswered else reason)

    def _after(self, node: int) -> int:
        """The next node, round robin."""
        return self._nodes[(self._nodes.index(node) + 1) % len(self._nodes)]
