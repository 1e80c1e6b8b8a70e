"""State machines that any of the consensus systems can replicate."""

from systems.machines.kv import KeyValue
from systems.machines.sessions import Sessions

__all__ = ["KeyValue", "Sessions"]
