"""W1 and L-infinity of every column by nannyml, one chunk; fitting to the reference is told apart."""

import sys
from pathlib import Path

import nannyml
import pandas as pd
from measure import tell, timed


def main(folder: Path) -> None:
    """Reads both frames (not timed), fits, and calculates."""
    reference, current = (pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "current"))
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=list(current.columns),
        chunk_size=len(current),
        continuous_methods=["wasserstein"],
        categorical_methods=["l_infinity"],
    )
    fit, _ = timed(lambda: calculator.fit(reference))
    time, result = timed(lambda: calculator.calculate(current))
    frame = result.filter(period="analysis").to_df()
    columns = [name for name in frame.columns if name[-1] == "value"]
    tell({**time, "fit": fit, "values": {name[0]: float(frame[name].iloc[0]) for name in columns}})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
