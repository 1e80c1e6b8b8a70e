"""splitbrain's spine: experiments, the simulated world, histories, replay, the command line.

>>> from harness import Experiment, carry_out, seconds
>>> result = carry_out(Experiment(nodes=3, time_limit_ns=seconds(5), nemesis="partition"), seed=1)
>>> result.verdict.outcome
'pass'

Most users need no more than these names. Systems, workloads, nemeses and checkers of your own
subclass `harness.system.System`, `harness.workload.Workload`, `harness.nemesis.Nemesis` and
`harness.verdict.Checker`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.experiment import Experiment, seconds

if TYPE_CHECKING:
    from harness.pipeline import Result, carry_out

__all__ = ["Experiment", "Result", "carry_out", "seconds"]


def __getattr__(name: str) -> Any:
    # `pipeline` stands on top of everything, so the floors below must not import it on the way.
    if name in ("Result", "carry_out"):
        from harness import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
