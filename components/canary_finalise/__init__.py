"""The step `canary_finalise`: `component.py` is its Kubeflow interface, canary_deploy does the work."""

from typing import Any

__all__ = ["canary_finalise"]


def __getattr__(name: str) -> Any:
    if name != "canary_finalise":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import adsmu

    return adsmu.CanaryFinaliseOp
