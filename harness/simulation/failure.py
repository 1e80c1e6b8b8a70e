"""A node that raises an exception, or does what no node may: a bug of it, and so a verdict.

>>> try:
...     raise ZeroDivisionError("oops")
... except ZeroDivisionError as error:
...     failure = NodeFailure(2, 1_000_000, 7, "it handled its timer 'tick'", error)
>>> print(failure)
Node n2 raised ZeroDivisionError: oops
  at 0.001000 s of seed 7, while it handled its timer 'tick'.
Usually this is a bug of the node itself; the same seed shows it again.
>>> failure.verdict().outcome, failure.verdict().checker
('fail', 'survival')
>>> print(NodeFailure(2, 0, 7, "it started", Misuse("That is not allowed.")))
That is not allowed.
  It was n2, at 0.000000 s of seed 7, while it started.
"""

from __future__ import annotations

from harness.errors import SplitbrainError
from harness.node import NodeId
from harness.places import ADDRESS, calls
from harness.verdict import Verdict

#: So many of the innermost calls are told.
_CALLS_TOLD = 6


class Misuse(SplitbrainError):
    """A node did what no node may; the text says what, what it usually means, and the cure."""


class Endless(BaseException):
    """A node does not come back. No `Exception`, for it is raised in the node, not to be caught."""


class NodeFailure(SplitbrainError):
    """A node raised an exception; the text names the node, the event and the time."""

    def __init__(
        self, node: NodeId, time_ns: int, seed: int, under_way: str, error: BaseException
    ) -> None:
        #: Whether the error says itself what it means.
        self._explained = isinstance(error, SplitbrainError | Endless)
        under_way = ADDRESS.sub("", under_way)
        told = ADDRESS.sub("", str(error))
        when = f"at {time_ns / 1e9:.6f} s of seed {seed}, while {under_way}."
        if self._explained:
            self.what = told
            super().__init__(f"{self.what}\n  It was n{node}, {when}")
        else:
            self.what = f"Node n{node} raised {type(error).__name__}: {told}"
            super().__init__(
                f"{self.what}\n  {when}\n"
                "Usually this is a bug of the node itself; the same seed shows it again."
            )
        self.node = node
        self.time_ns = time_ns
        self.under_way = under_way
        #: The innermost calls of the node, that which raised last.
        self.calls = calls(error, to_the_end=not self._explained)[-_CALLS_TOLD:]

    def verdict(self) -> Verdict:
        """The failure as the verdict `survival`, with where the code was as its witness."""
        link = f" It was n{self.node}," if self._explained else ","
        return Verdict(
            checker="survival",
            outcome="fail",
            reason=f"{self.what}{link} at {self.time_ns / 1e9:.6f} s, while {self.under_way}"
            + (f" ({self.calls[-1]})." if self.calls else "."),
            witness={
                "node": f"n{self.node}",
                "time_ns": self.time_ns,
                "under way": self.under_way,
                "sentences": [
                    {"text": call, "node": self.node, "time_ns": self.time_ns}
                    for call in self.calls
                ],
                "conclusion": self.what if self._explained else f"{self.what}.",
            },
        )
