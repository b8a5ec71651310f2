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


@pytest.fixture(scope="session")
def bike() -> Path:
    """Bicycles rented by the hour, two years."""
    path = CORPORA / "bike" / "bike_hour.csv.gz"
    if not path.exists():
        pytest.skip(f"no corpus at {path.parent}")
    return path


@pytest.fixture(scope="session")
def clinc150() -> Path:
    """The CLINC150 corpus: 150 intents and rows of none of them."""
    path = CORPORA / "clinc150" / "clinc_data_full.json.gz"
    if not path.exists():
        pytest.skip(f"no corpus at {path.parent}")
    return path


@pytest.fixture(scope="session")
def fashion_mnist() -> Path:
    """A part of Fashion-MNIST."""
    path = CORPORA / "fashion_mnist" / "fashion_mnist_3583.npz"
    if not path.exists():
        pytest.skip(f"no corpus at {path.parent}")
    return path
