"""The step `stratified_evaluate`: `component.py` is the Kubeflow interface, the rest does the work."""

from typing import Any

__all__ = ["stratified_evaluate"]


def __getattr__(name: str) -> Any:
    if name != "stratified_evaluate":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import adsmu

    return adsmu.StratifiedEvaluateOp
