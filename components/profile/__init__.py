"""The step `profile`: `component.py` is its Kubeflow interface, the modules beside it do the work."""

from typing import Any

__all__ = ["profile"]


def __getattr__(name: str) -> Any:
    if name != "profile":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import adsmu

    return adsmu.ProfileOp
