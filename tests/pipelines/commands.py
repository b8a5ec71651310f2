"""`adsmu` as a user calls it, on the small corpus."""

import subprocess
import sys
from pathlib import Path


def command(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("adsmu")), *map(str, arguments)]


def adsmu(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, cwd=cwd)


def options(inputs, output: Path, *, needed: int, champion: Path | None = None) -> list[object]:
    return [
        "run", "--corpus", inputs.corpus.path, "--output", output, "--champion", champion or inputs.champion,
        "--rows-per-stratum", 4, "--evaluation-rows", 40, "--target", 0.6, "--margin", 0.2,
        "--allocation", "equal", "--generator", "fill", "--mode", "full", "--early-mode", "full",
        "--trainer", inputs.trainer, "--setting", f"needed={needed}", "--no-rollout",
    ]  # fmt: skip
