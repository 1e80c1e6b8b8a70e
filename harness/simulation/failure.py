"""A node that raises an exception: a bug of the node, and so the verdict of its run.

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
"""

from __future__ import annotations

import traceback
from pathlib import PurePath

from harness.errors import SplitbrainError
from harness.node import NodeId
from harness.verdict import Verdict

#: So many of the innermost calls are told.
_CALLS_TOLD = 6


class NodeFailure(SplitbrainError):
    """A node raised an exception; the text names the node, the event and the time."""

    def __init__(
        self, node: NodeId, time_ns: int, seed: int, under_way: str, error: Exception
    ) -> None:
        self.what = f"Node n{node} raised {type(error).__name__}: {error}"
        super().__init__(
            f"{self.what}\n  at {time_ns / 1e9:.6f} s of seed {seed}, while {under_way}.\n"
            "Usually this is a bug of the node itself; the same seed shows it again."
        )
        self.node = node
        self.time_ns = time_ns
        self.under_way = under_way
        #: The innermost calls, that which raised last; files by name alone, as on any machine.
        self.calls = [
            f"{PurePath(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}"
            for frame in traceback.extract_tb(error.__traceback__)[-_CALLS_TOLD:]
        ]

    def verdict(self) -> Verdict:
        """The failure as the verdict `survival`, with where the code was as its witness."""
        return Verdict(
            checker="survival",
            outcome="fail",
            reason=f"{self.what}, at {self.time_ns / 1e9:.6f} s, while {self.under_way}"
            + (f" ({self.calls[-1]})." if self.calls else "."),
            witness={
                "node": f"n{self.node}",
                "time_ns": self.time_ns,
                "under way": self.under_way,
                "sentences": [
                    {"text": call, "node": self.node, "time_ns": self.time_ns}
                    for call in self.calls
                ],
                "conclusion": f"{self.what}.",
            },
        )
