"""The step `synthesize`: `component.py` is its Kubeflow interface, the modules beside it do the work."""

from typing import Any

__all__ = ["synthesize"]


def __getattr__(name: str) -> Any:
    if name != "synthesize":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import adsmu

    return adsmu.SynthesizeOp
