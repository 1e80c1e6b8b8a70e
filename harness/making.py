"""Makes what an experiment names: its system, its workload and its nemesis.

>>> from harness.experiment import Experiment
>>> experiment = Experiment(system="raft", flaw="stale-read", nemesis="partition,kill")
>>> make_system(experiment).flaw, make_nemesis(experiment.nemesis).faults
('stale-read', ('partition', 'kill'))
>>> make_workload(experiment).name
'register'
"""

from __future__ import annotations

import inspect

from harness import catalog
from harness.errors import UsageError, unknown_name
from harness.experiment import Experiment
from harness.fitting import check_fit, promise_of
from harness.nemesis import Composed, Nemesis
from harness.options import check_options
from harness.system import System
from harness.workload import Setting, Workload


def make_system(experiment: Experiment) -> System:
    """The system under test, with its flaw if one is planted.

    Raises UsageError for a system that cannot run here, with the cure.
    """
    system_class = catalog.load("system", experiment.system)
    reason = system_class.unavailable()
    if reason is not None:
        raise UsageError(f"The system {experiment.system!r} cannot run here: {reason}")
    try:
        inspect.signature(system_class).bind(flaw=experiment.flaw)
    except TypeError as error:
        raise UsageError(
            f"The system {experiment.system!r} cannot be made with flaw=...: {error}.\n"
            "Usually its __init__ replaces that of harness.system.System. It must take what that "
            "takes, and have defaults for all else: def __init__(self, *, flaw=None, ...)."
        ) from error
    made: System = system_class(flaw=experiment.flaw)
    return made


def make_workload(experiment: Experiment) -> Workload:
    """The workload with its options, for the system of the experiment.

    Raises UsageError if that has no language in common with it, and for options that it has not.
    """
    check_fit(experiment.workload, experiment.system)
    workload_class = catalog.load("workload", experiment.workload)
    check_options(experiment.workload, workload_class, experiment.options)
    made: Workload = workload_class(**experiment.options)
    made.setting = Setting(
        promise=promise_of(catalog.load("system", experiment.system)),
        nodes=experiment.nodes,
        clients=experiment.clients,
    )
    return made


def make_nemesis(names: str) -> Nemesis:
    """The nemesis that a comma-separated list of names means. Raises UsageError for others."""
    parts: list[Nemesis] = []
    for name in names.split(","):
        if not name.strip():
            raise unknown_name("nemesis", name, catalog.names("nemesis"))
        parts.append(catalog.load("nemesis", name.strip())())
    return parts[0] if len(parts) == 1 else Composed(parts)
