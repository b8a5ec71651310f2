"""The old window that is most like the newest: what drifts with a period comes back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.errors import BadInput
from adsmu.profile.drift import drift
from adsmu.profile.observations import TIME, features
from adsmu.profile.profiles import Profile, profile

FEWEST = 30
"""Rows of a window below which its profile says too little to match by."""


@dataclass(frozen=True)
class Match:
    """An old window.

    Attributes:
        begin: Where it begins.
        end: Where it ends; not in it.
        distance: From the newest window, 0 to 1 for tables without embeddings.
        among: How many windows it was chosen among.
    """

    begin: datetime
    end: datetime
    distance: float
    among: int

    def as_json(self) -> dict[str, Any]:
        """As it stands in `dataset.json`."""
        return {
            "from": self.begin.isoformat(),
            "to": self.end.isoformat(),
            "distance": self.distance,
            "among": self.among,
        }


def matching_window(table: pa.Table, window: timedelta, until: datetime) -> Match:
    """Finds the old window whose profile is nearest to that of the newest.

    Windows of one length lie end to end before the newest. The distance is the mean over features and label
    of the total variation of their bins (half of L1); of an embedding, the square root of its MMD.

    Source: the nearest training batch of Mallick et al. 2022, "Matchmaker: data drift mitigation in machine
    learning for large-scale systems", told by profiles instead of decision trees.

    Args:
        table: Labelled observations before `until`.
        window: The length of a window.
        until: The end of the newest.

    Raises:
        BadInput: The newest window, or every old one, has too few rows.
    """
    times = table["time"].cast(TIME).to_numpy().astype("datetime64[us]").astype(np.int64)
    ends = int(until.timestamp() * 1_000_000)
    length = window // timedelta(microseconds=1)
    back = (ends - 1 - times) // length
    seen = table.select([*features(table), "label"])
    newest = seen.filter(pa.array(back == 0))
    if len(newest) < FEWEST:
        rule = f"the newest window has {len(newest)} labelled rows, {FEWEST} are needed to match by"
        raise BadInput(rule, file="observations")
    now = profile(newest)
    found = []
    for number in np.unique(back[back > 0]):
        rows = pc.filter(seen, pa.array(back == number))
        if len(rows) >= FEWEST:
            found.append((_distance(profile(rows, like=now), now), int(number)))
    if not found:
        raise BadInput(f"no window before the newest has {FEWEST} labelled rows", file="observations")
    distance, number = min(found)
    return Match(until - (number + 1) * window, until - number * window, distance, len(found))


def _distance(before: Profile, now: Profile) -> float:
    apart = [
        each.l1 / 2 if each.l1 is not None else max(each.mmd or 0.0, 0.0) ** 0.5
        for each in drift(before, now, minimum_rows=1)
    ]
    return float(np.mean(apart)) if apart else 0.0
