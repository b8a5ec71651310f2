"""Makes the environments that the peers need: none can be installed beside this project, or beside another.

    python -m benchmarks.monitoring.peers.environments FOLDER

evidently needs pandas below 3 (it fails at import without); nannyml needs statsmodels, which it does not
declare; alibi-detect needs numpy below 2, and torch, which is taken from the environment that runs this.
"""

import subprocess
import sys
from pathlib import Path

import torch

PACKAGES = {
    "evidently": ("evidently==0.7.23", "pandas<3", "pyarrow"),
    "nannyml": ("nannyml==0.13.1", "statsmodels", "pandas<3", "pyarrow"),
    "alibi": ("alibi-detect==0.13.0", "numpy<2"),
}


def make(folder: Path) -> None:
    """Makes them all; one that is there is left.

    Args:
        folder: Where; each is a virtual environment below it.
    """
    for name, packages in PACKAGES.items():
        place = folder / name
        if (place / "made").exists():
            continue
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-compile"]
        subprocess.run([*pip, *packages], check=True)
        if name == "alibi":
            site = next((place / "lib").glob("python*/site-packages"))
            (site / "torch.pth").write_text(f"{Path(torch.__file__).parents[1]}\n", encoding="utf-8")
        (place / "made").touch()


if __name__ == "__main__":
    make(Path(sys.argv[1]).absolute())
