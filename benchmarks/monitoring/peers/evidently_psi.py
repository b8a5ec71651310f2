"""PSI of every column by evidently, from two data frames: the least that it offers of what is compared."""

import sys
from pathlib import Path

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
from measure import tell, timed


def main(folder: Path) -> None:
    """Reads both frames (not timed) and runs one report."""
    reference, current = (pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "current"))
    report = Report([DataDriftPreset(method="psi")])
    time, snapshot = timed(lambda: report.run(current, reference).dict())
    psi = {}
    for metric in snapshot["metrics"]:
        column = metric.get("config", {}).get("column")
        if column and isinstance(metric["value"], int | float):
            psi[column] = float(metric["value"])
    tell({**time, "psi": psi})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
