"""State machines that any of the consensus systems can replicate."""

from systems.machines.counter import Counter
from systems.machines.kv import KeyValue
from systems.machines.lists import AppendLists
from systems.machines.lock import Lock
from systems.machines.sessions import Sessions

__all__ = ["AppendLists", "Counter", "KeyValue", "Lock", "Sessions"]
