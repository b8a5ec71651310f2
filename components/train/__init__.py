"""The step `train`: `component.py` is its Kubeflow interface, the modules beside it do the work."""

import os
from typing import Any

__all__ = ["train"]

# Read when torch is loaded. Threads that wait for one another spin by default, and on a machine that has
# other work to do as well a training is then slower by a factor of ten and more.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> Any:
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import adsmu

    return adsmu.TrainOp
