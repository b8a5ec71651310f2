"""MMD² with permutations by alibi-detect, its torch backend on two threads."""

import sys
from pathlib import Path

import numpy as np
import torch
from alibi_detect.cd import MMDDrift
from measure import tell, timed


def main(file: Path, permutations: int) -> None:
    """Reads both samples (not timed) and tests once."""
    torch.set_num_threads(2)
    with np.load(file, allow_pickle=False) as held:
        reference, current = held["reference"], held["current"]
    setup, detector = timed(
        lambda: MMDDrift(reference, backend="pytorch", n_permutations=permutations, device="cpu")
    )
    time, found = timed(lambda: detector.predict(current, return_p_val=True, return_distance=True))
    sigma = float(detector._detector.kernel.sigma.detach().cpu().numpy().ravel()[0])
    data = found["data"]
    tell(
        {
            **time,
            "setup": setup,
            "value": float(data["distance"]),
            "p": float(data["p_val"]),
            "bandwidth": sigma,
        }
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
