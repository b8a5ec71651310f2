"""adsmu: automated model updates for Kubeflow, gated stratum by stratum.

The package root offers the components under the names that Kubeflow users expect: those that update a
model, and those that watch one and decide when. Importing it is cheap: kfp is loaded when a component is
first asked for.

    from adsmu import StratifyOp, SynthesizeOp, TrainOp, StratifiedEvaluateOp, CanaryDeployOp
    from adsmu import ProfileOp, MonitorOp, AnalyzeOp, DecideOp, FormDatasetOp, CurateOp
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
    "ProfileOp": "profile",
    "MonitorOp": "monitor",
    "AnalyzeOp": "analyze",
    "DecideOp": "decide",
    "FormDatasetOp": "form_dataset",
    "CurateOp": "curate",
    "SignOffOp": "sign_off",
}

__all__ = [
    "AnalyzeOp",
    "CanaryDeployOp",
    "CanaryFinaliseOp",
    "CurateOp",
    "DecideOp",
    "FormDatasetOp",
    "MonitorOp",
    "ProfileOp",
    "SignOffOp",
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
