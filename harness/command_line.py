"""An experiment and a seed as the command line that carries them out: what a reader types.

>>> run_command(Experiment(system="raft", nemesis="kill", options={"keys": 3}), seed=7)
'splitbrain run raft --seed 7 --nemesis kill --option keys=3'
"""

from __future__ import annotations

import shlex

import msgspec

from harness.experiment import Experiment
from harness.units import SECOND_NS


def run_command(experiment: Experiment, seed: int) -> str:
    """The command line that carries out the experiment with that seed; defaults are left out."""
    words = ["splitbrain", "run", experiment.system, "--seed", str(seed)]
    default = Experiment()
    for name in Experiment.__struct_fields__:
        value = getattr(experiment, name)
        if name in ("system", "options") or value == getattr(default, name):
            continue
        if name.endswith("_ns"):
            words += [f"--{name.removesuffix('_ns').replace('_', '-')}", _exact_seconds(value)]
        elif isinstance(value, bool):
            flag = name.replace("_", "-")
            words += [f"--{flag}" if value else f"--no-{flag}"]
        elif name == "checkers":
            words += ["--checker", ",".join(value)]
        else:
            option = {"rate_per_s": "rate", "loss_ratio": "loss", "duplicate_ratio": "duplicate"}
            words += [f"--{option.get(name, name).replace('_', '-')}", str(value)]
    for name, value in sorted(experiment.options.items()):
        words += ["--option", f"{name}={_option_text(value)}"]
    return shlex.join(words)


def _exact_seconds(duration_ns: int) -> str:
    """In seconds, to the nanosecond: a rounded time limit would be another run."""
    return f"{duration_ns // SECOND_NS}.{duration_ns % SECOND_NS:09d}".rstrip("0").rstrip(".")


def _option_text(value: str | int | float | bool) -> str:
    """What the command line reads as `value`; a text that looks like a number stands in quotes."""
    if isinstance(value, str):
        try:
            msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return msgspec.json.encode(value).decode()
