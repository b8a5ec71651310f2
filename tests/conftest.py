"""What tests share: the corpora that may lie beside the project."""

from pathlib import Path

import pytest

CORPORA = Path(__file__).parents[2] / "shared" / "data"


def corpus(name: str) -> Path:
    """The path of a corpus; the test is skipped where it is absent."""
    path = CORPORA / name
    if not path.exists():
        pytest.skip(f"no corpus at {path.parent}")
    return path


@pytest.fixture(scope="session")
def snips() -> Path:
    """The SNIPS corpus, one JSON record a line."""
    return corpus("snips/snips.jsonl.gz")


@pytest.fixture(scope="session")
def hwu() -> Path:
    """The HWU corpus, one JSON record a line."""
    return corpus("hwu/hwu.jsonl.gz")


@pytest.fixture(scope="session")
def bike() -> Path:
    """Bicycles rented by the hour, two years."""
    return corpus("bike/bike_hour.csv.gz")


@pytest.fixture(scope="session")
def clinc150() -> Path:
    """The CLINC150 corpus: 150 intents and rows of none of them."""
    return corpus("clinc150/clinc_data_full.json.gz")


@pytest.fixture(scope="session")
def fashion_mnist() -> Path:
    """A part of Fashion-MNIST."""
    return corpus("fashion_mnist/fashion_mnist_3583.npz")
