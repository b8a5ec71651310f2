"""The streams stand beside these tests, and are imported from there."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices on more threads than there are cores take many times as long."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def rented(bike: Path) -> pa.Table:
    """Bicycles rented by the hour, as observations."""
    from monitored import rentals

    return rentals(bike)


@pytest.fixture(scope="session")
def healthy_months(rented: pa.Table) -> list:
    """All 24 months, looked at in order against the month before."""
    from monitored import month, plan, replay

    return list(replay(rented, plan(), [month(number) for number in range(24)]))
