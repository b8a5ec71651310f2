"""What tests share: the corpora that may lie beside the project."""

from pathlib import Path

import pytest

CORPORA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def snips() -> Path:
    """The SNIPS corpus, one JSON record a line."""
    path = CORPORA / "snips" / "snips.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no corpus at {path.parent}")
    return path


@pytest.fixture(scope="session")
def hwu() -> Path:
    """The HWU corpus, one JSON record a line."""
    path = CORPORA / "hwu" / "hwu.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no corpus at {path.parent}")
    return path
