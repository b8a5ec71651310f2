"""The step `canary_deploy`: `component.py` is its Kubeflow interface, the modules beside it do the work."""

from typing import Any

__all__ = ["canary_deploy"]


def __getattr__(name: str) -> Any:
    if name != "canary_deploy":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import adsmu

    return adsmu.CanaryDeployOp
