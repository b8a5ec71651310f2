"""adsmu: automated model updates for Kubeflow, gated stratum by stratum.

The package root offers the five components under the names that Kubeflow users expect. Importing it is
cheap: kfp is loaded when a component is first asked for.

    from adsmu import StratifyOp, SynthesizeOp, TrainOp, StratifiedEvaluateOp, CanaryDeployOp
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_COMPONENTS = {
    "StratifyOp": "stratify",
    "SynthesizeOp": "synthesize",
    "TrainOp": "train",
    "StratifiedEvaluateOp": "stratified_evaluate",
    "CanaryDeployOp": "canary_deploy",
    "CanaryFinaliseOp": "canary_finalise",
}

__all__ = [
    "CanaryDeployOp",
    "CanaryFinaliseOp",
    "StratifiedEvaluateOp",
    "StratifyOp",
    "SynthesizeOp",
    "TrainOp",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _COMPONENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    step = _COMPONENTS[name]
    return getattr(import_module(f"{__name__}.{step}.component"), step)
