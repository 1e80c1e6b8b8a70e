"""What a Rasputin client can do: get, set, cas, del, subscribe and watch.

    client.get("k")                ── read under the leader's lease, no round trip between nodes
    client.set / cas / delete      ── through the log, exactly once
    client.subscribe("k/", ...)    ── every mutation, in order, none twice, none left out
    client.watch("k")              ── the next mutation, at most once

The answers are Rasputin's: each says whether it succeeded and carries the value. A cas answers
with the value that is there *afterwards*, so that who lost the race knows what it lost to; a
delete with the value that was there. One of its faults is mended: a cas that expects None
succeeds if the key is absent.

Subscribers ask again and again from the last txid that they have seen, and the leader keeps such a
question until there is an answer. That the numbers are the same at every node is what carries a
subscription over a change of leaders; nothing is kept at the nodes.

Sources: Rasputin's README for the semantics, its plans (SubscribeReq, WatchReq) for the streams.
"""

from __future__ import annotations

from typing import Any

import msgspec

from harness.errors import SplitbrainError
from harness.system import Connection, Refused

#: So many mutations are asked for at once.
_LIMIT = 100


class MutationsForgotten(SplitbrainError):
    """The nodes no longer know all mutations since the last one that was seen."""


class Answer(msgspec.Struct, frozen=True):
    """What a command led to; `error` says why if it did not succeed."""

    success: bool
    value: Any = None
    error: str = ""


class Mutation(msgspec.Struct, frozen=True, array_like=True):
    """One change: `kind` is write, cas or delete; an absent value is None."""

    txid: int
    kind: str
    key: str
    value: Any
    old_value: Any


class Client:
    """Rasputin's commands over any connection to nodes that replicate an `ObservedKeyValue`.

    Every method raises `Refused` if it surely did nothing, `Unanswered` if nobody knows.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, key: str) -> Answer:
        """The value; no success if the key is absent."""
        value = await self._connection.execute(("read", key), read_only=True)
        if value is None:
            return Answer(False, error="key not found")
        return Answer(True, value)

    async def set(self, key: str, value: Any) -> Answer:
        """Put the value there, whatever was there before."""
        await self._connection.execute(("write", key, value))
        return Answer(True, value)

    async def cas(self, key: str, old_value: Any, new_value: Any) -> Answer:
        """Put the new value there if the old one is. None stands for an absent key in both."""
        command = ("exchange", key, old_value, new_value)
        success, value = await self._connection.execute(command)
        return Answer(success, value, "" if success else "compare failure")

    async def delete(self, key: str) -> Answer:
        """Remove the key, which succeeds even if it is absent; the answer has its last value."""
        return Answer(True, await self._connection.execute(("delete", key)))

    async def subscribe(
        self, key: str, *, recursive: bool = False, last_txid: int | None = None
    ) -> Subscription:
        """A stream of what happens to `key`, or with `recursive` to all keys that begin with it.

        It begins after `last_txid`, or if that is not given with what happens from now on.
        """
        if last_txid is None:
            last_txid = await self._connection.execute(("latest",), read_only=True)
        return Subscription(self._connection, key, recursive=recursive, last_txid=last_txid)

    async def watch(
        self, key: str, *, recursive: bool = False, last_txid: int | None = None
    ) -> Watch:
        """Waits for one mutation as a subscription would; armed once this has returned."""
        return Watch(await self.subscribe(key, recursive=recursive, last_txid=last_txid))


class Subscription:
    """In order, without a gap, without a duplicate. `last_txid` is how far it has come."""

    def __init__(
        self, connection: Connection, key: str, *, recursive: bool, last_txid: int
    ) -> None:
        self._connection = connection
        self._key = key
        self._recursive = recursive
        self.last_txid = last_txid

    async def poll(self, limit: int = _LIMIT) -> list[Mutation]:
        """What has happened since, perhaps nothing; nodes wait a moment for something to happen.

        Raises `Refused` if nobody can say, after which it can be asked again; and
        `MutationsForgotten` if that will never change.
        """
        command = ("mutations", self._key, self._recursive, self.last_txid, limit)
        found = await self._connection.execute(command, read_only=True)
        if found is None:
            raise MutationsForgotten(
                f"Some mutations of {self._key!r} after {self.last_txid} are forgotten. Usually a "
                "subscriber was away for too long. Read the values anew, and subscribe from now on."
            )
        up_to_txid, mutations = found
        self.last_txid = up_to_txid
        return msgspec.convert(mutations, list[Mutation])

    async def next(self) -> list[Mutation]:
        """Wait until something has happened; refusals are waited out."""
        while True:
            try:
                mutations = await self.poll()
            except Refused:
                continue  # the connection has waited and asked everybody
            if mutations:
                return mutations


class Watch:
    """Fires at most once, with the first mutation after `last_txid`."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.last_txid = subscription.last_txid
        self.fired: Mutation | None = None

    async def poll(self) -> Mutation | None:
        """The mutation that it fires with, if it does so now; never again after that."""
        if self.fired is None:
            mutations = await self._subscription.poll(limit=1)
            if mutations:
                self.fired = mutations[0]
                return self.fired
        return None
