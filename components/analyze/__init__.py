"""The step `analyze`: `component.py` is the Kubeflow interface, the rest does the work."""

from typing import Any

__all__ = ["analyze"]


def __getattr__(name: str) -> Any:
    if name != "analyze":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import adsmu

    return adsmu.AnalyzeOp
