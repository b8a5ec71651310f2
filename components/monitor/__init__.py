"""The step `monitor`: `component.py` is the Kubeflow interface, the rest does the work.

`monitor_files` in `run.py` finds what changed in production and how much it matters; `drill_down` in
`findings.py` gives the rows behind a finding.
"""

from typing import Any

__all__ = ["monitor"]


def __getattr__(name: str) -> Any:
    if name != "monitor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import adsmu

    return adsmu.MonitorOp
