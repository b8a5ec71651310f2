"""How far a table has drifted from a reference, told from their two profiles alone.

Each figure is an effect, not a p-value: with enough rows every p-value falls, however small the change.
Beside each stands its noise floor: what it stays below without any change, given the numbers of rows, in
all but a share `alpha` / `family` of comparisons. A column has drifted only where a figure is above its
floor and the effect, less what noise adds on average, is as large as a threshold that somebody cares about;
so false alarms are bounded at few rows and trifles are passed over at many.

The floors follow from the limit of the differences of shares, sqrt(1/n + 1/m) times a Gaussian process with
the covariance of one draw (a Brownian bridge for numbers):

- PSI tends to a sum of squares: (1/n + 1/m) χ² with B - 1 degrees of freedom for B bins (Yurdakul and
  Naranjo 2020, "Statistical properties of the population stability index"), with mean (B - 1)(1/n + 1/m).
- L1, L∞ and W1 are seminorms of it. By the Gaussian isoperimetric inequality (Borell 1975, "The
  Brunn-Minkowski inequality in Gauss space"; Sudakov and Tsirelson 1974) a seminorm exceeds its median by
  sz with a chance of at most 1 - Φ(z), where s² is the largest variance of a linear functional below it;
  and its median is at most its mean (Kwapień 1994, "A remark on the median and the expectation of convex
  functions of Gaussian vectors").
  - W1 = ∫|B(F(x))| dx: mean sqrt(2/π) ∫ sqrt(F(1 - F)) dx, and s is the standard deviation of a row, since
    the covariance of a bridge is nowhere negative.
  - L1: mean sqrt(2/π) Σ sqrt(p(1 - p)), and s is at most 1.
  - L∞: by a union over the bins, each with s² = p(1 - p).

At few rows the limit is approached from above. So PSI's floor counts B rows less on either side, and that
of L∞ adds the term of a binomial's skewness and half a row ((z² - 1) / 6n + 1 / 2n; Cornish and Fisher
1938, "Moments and cumulants in the specification of distributions"). W1 of a column with heavy tails has no
such limit at any practical number of rows, so it counts only together with PSI. `python -m
benchmarks.monitoring false_alarms` measures all of it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from adsmu.profile.columns import Categorical, Column, Embedding, Numeric
from adsmu.profile.mmd import profile_mmd
from adsmu.profile.profiles import Profile

BINS = 10
"""Into how many quantiles of the reference numbers are put for PSI, L1 and L∞; the industry's custom."""
MINIMUM_ROWS = 100
"""With fewer effective rows on either side no figure is given."""
ROWS_OF_BIN = 10
"""The fewest rows that a quantile is to hold; with fewer than 100 rows there are fewer bins."""
RARE = 8.0
"""Bins with fewer expected rows on either side are taken together."""
ALPHA = 0.04  # the floor of PSI is asymptotic: it lets up to a tenth more through than this
SIGNALS = {"prediction": "prediction", "score": "prediction", "label": "label"}
"""The signal that drift of a reserved column is; every other is drift of a feature, an embedding or a
projection."""


@dataclass(frozen=True)
class Drift:
    """How far one column has drifted.

    All figures but the rows are None where `refused` says why; for an embedding there is `mmd` and no
    other, for categories there is no `w1`.

    Attributes:
        column: Its name.
        signal: prediction, label, feature or embedding.
        rows: Effective rows of the window, n.
        reference_rows: Effective rows of the reference, m.
        bins: B, after rare categories were taken together.
        psi: The population stability index, Σ (q - p) ln(q / p), half a row added to each bin.
        psi_null: Its mean without any change, (B - 1)(1/n + 1/m).
        psi_excess: `psi` less `psi_null`.
        psi_floor: Its noise floor.
        w1: The Wasserstein distance, in standard deviations of the reference; None if that is 0.
        w1_raw: The same in the column's own unit.
        w1_floor: Of `w1`.
        l_infinity: The largest difference of a bin's share, from 0 to 1.
        l_infinity_floor: Its noise floor.
        l1: The sum of differences of shares, from 0 to 2.
        l1_floor: Its noise floor.
        mmd: The maximum mean discrepancy of an embedding, unbiased and squared, by random features.
        mmd_floor: Its noise floor.
        refused: Why there are no figures, or None.
    """

    column: str
    signal: str
    rows: float
    reference_rows: float
    bins: int | None = None
    psi: float | None = None
    psi_null: float | None = None
    psi_excess: float | None = None
    psi_floor: float | None = None
    w1: float | None = None
    w1_raw: float | None = None
    w1_floor: float | None = None
    l_infinity: float | None = None
    l_infinity_floor: float | None = None
    l1: float | None = None
    l1_floor: float | None = None
    mmd: float | None = None
    mmd_floor: float | None = None
    refused: str | None = None

    def exceeds(self, measure: str, threshold: float) -> bool:
        """Whether the column has drifted by a measure: above its noise floor, and by as much as matters.

        W1 counts only where PSI is above its floor too: heavy tails alone move it far.

        Args:
            measure: psi, w1, l_infinity, l1 or mmd.
            threshold: The smallest effect that matters. For PSI, of `psi_excess`.

        Returns:
            False also where the measure was refused or is not of this kind of column.
        """
        value, floor = getattr(self, measure), getattr(self, f"{measure}_floor")
        if value is None or floor is None or value <= floor:
            return False
        if measure == "w1":
            return bool(value >= threshold and (self.psi or 0.0) > (self.psi_floor or 0.0))
        return bool(value - (self.psi_null or 0.0 if measure == "psi" else 0.0) >= threshold)


def drift(
    reference: Profile,
    current: Profile,
    *,
    minimum_rows: int = MINIMUM_ROWS,
    alpha: float = ALPHA,
    family: int | None = None,
) -> list[Drift]:
    """Compares the columns that both profiles have.

    Args:
        reference: The profile of a healthy time.
        current: The profile of a window.
        minimum_rows: With fewer effective rows on either side no figure is given.
        alpha: The chance that any of `family` comparisons is above its noise floor without a change.
        family: How many comparisons share `alpha`; None: the columns. With several windows: columns times
            windows.

    Returns:
        One a column, in the order of the reference. Columns whose kinds differ or that are only counted are
        left
        out: that is a matter of the schema.

    >>> import pyarrow as pa
    >>> from adsmu.profile.profiles import profile
    >>> random = np.random.default_rng(0)
    >>> before, after = (profile(pa.table({"x": random.normal(mean, 1, 20_000)})) for mean in (0, 0.5))
    >>> found = drift(before, after)[0]
    >>> round(found.psi_excess, 1), round(found.w1, 1), found.exceeds("psi", 0.2)
    (0.2, 0.5, True)
    """
    pairs = [
        (name, column, current.columns[name])
        for name, column in reference.columns.items()
        if name in current.columns and type(column) is type(current.columns[name]) is not Column
    ]
    chance = alpha / max(family or len(pairs), 1)
    return [_drift(name, before, now, minimum_rows, chance) for name, before, now in pairs]


def signal_of(name: str, column: Column) -> str:
    """The signal that drift of a column is: prediction, label, embedding or feature."""
    return SIGNALS.get(name) or ("embedding" if isinstance(column, Embedding) else "feature")


def wasserstein(before: Numeric, now: Numeric) -> float:
    """The first Wasserstein distance, ∫|F - G| dx, in the column's own unit.

    Source: Vallender 1974, "Calculation of the Wasserstein distance between probability distributions on the
    line". Between two neighbouring knots both functions are straight, so each piece is summed exactly.
    """
    a, b = before.distribution, now.distribution
    knots = np.union1d(a.values, b.values)
    begin = a.up_to(knots[:-1]) / a.weight - b.up_to(knots[:-1]) / b.weight
    end = a.under(knots[1:]) / a.weight - b.under(knots[1:]) / b.weight
    total = np.abs(begin) + np.abs(end)
    crossing = begin * end < 0
    area = (
        np.where(crossing, np.divide(begin**2 + end**2, total, out=total.copy(), where=crossing), total) / 2
    )
    return float(area @ np.diff(knots))


def population_stability_index(before: np.ndarray, now: np.ndarray) -> float:
    """Σ (q - p) ln(q / p) over bins, half a row added to each so that an empty one stays finite.

    Source: Kullback and Leibler 1951, "On information and sufficiency" (their divergence J); half a row is
    Jeffreys' prior.

    Args:
        before: Rows of the reference in each bin.
        now: Rows of the window in each.

    >>> round(population_stability_index(np.array([50, 50]), np.array([30, 70])), 3)
    0.166
    """
    p, q = (before + 0.5) / (before + 0.5).sum(), (now + 0.5) / (now + 0.5).sum()
    return float(((q - p) * np.log(q / p)).sum())


def _drift(name: str, before: Column, now: Column, minimum_rows: int, chance: float) -> Drift:
    n, m = now.effective_rows, before.effective_rows
    found: dict[str, Any] = {
        "column": name,
        "signal": signal_of(name, before),
        "rows": n,
        "reference_rows": m,
    }
    if min(n, m) < minimum_rows:
        few = "the window" if n < minimum_rows else "the reference"
        return Drift(**found, refused=f"{few} has {min(n, m):.0f} effective rows, {minimum_rows} are needed")
    noise, z = 1 / n + 1 / m, float(special.ndtri(1 - chance))
    if isinstance(before, Embedding) and isinstance(now, Embedding):
        mmd, floor = profile_mmd(before, now, chance)
        return Drift(**found, mmd=mmd, mmd_floor=floor)
    if isinstance(before, Numeric) and isinstance(now, Numeric):
        shares = _quantile_bins(before, now)
        found |= _wasserstein(before, now, noise, z)
    elif isinstance(before, Categorical) and isinstance(now, Categorical):
        shares = _category_bins(before, now)
    p, q = _without_rare(shares, m, n)
    return Drift(**found, **_of_bins(p * m, q * n, noise, chance, z))


def _wasserstein(before: Numeric, now: Numeric, noise: float, z: float) -> dict[str, float]:
    distance, sd = wasserstein(before, now), before.sd
    if not sd:
        return {"w1_raw": distance}
    found = before.distribution
    share = np.minimum(found.up_to(found.values) / found.weight, 1)  # sums may round to a hair above
    left = np.minimum(found.under(found.values) / found.weight, 1)
    root = (np.sqrt(share * (1 - share))[:-1] + np.sqrt(left * (1 - left))[1:]) / 2
    mean = np.sqrt(2 / np.pi) * float(root @ np.diff(found.values))
    return {"w1": distance / sd, "w1_raw": distance, "w1_floor": np.sqrt(noise) * (mean / sd + z)}


def _of_bins(before: np.ndarray, now: np.ndarray, noise: float, chance: float, z: float) -> dict[str, Any]:
    bins = len(before)
    p, q = before / before.sum(), now / now.sum()
    pooled = (before + now) / (before + now).sum()
    deviation = np.sqrt(pooled * (1 - pooled))
    psi, null = population_stability_index(before, now), (bins - 1) * noise
    few = 1 / (before.sum() - bins) + 1 / (now.sum() - bins)
    z_of_bin = float(special.ndtri(1 - chance / (2 * bins)))
    skew = (z_of_bin**2 + 2) / (6 * min(before.sum(), now.sum()))
    return {
        "bins": bins,
        "psi": psi,
        "psi_null": null,
        "psi_excess": psi - null,
        "psi_floor": few * float(special.chdtri(max(bins - 1, 1), chance)),
        "l_infinity": float(np.abs(q - p).max()),
        "l_infinity_floor": np.sqrt(noise) * z_of_bin * float(deviation.max()) + skew,
        "l1": float(np.abs(q - p).sum()),
        "l1_floor": np.sqrt(noise) * (np.sqrt(2 / np.pi) * float(deviation.sum()) + z),
    }


def _quantile_bins(before: Numeric, now: Numeric) -> list[np.ndarray]:
    """Shares between quantiles of the reference.

    A value that alone has more than a bin's share is a bin of its own, so that what moves off it is seen.
    """
    found, rows = before.distribution, min(before.effective_rows, now.effective_rows)
    bins = int(np.clip(rows / ROWS_OF_BIN, 2, BINS))
    edges = np.unique(found.quantiles(np.linspace(0, 1, bins + 1)[1:-1]))
    alone = edges[found.up_to(edges) - found.under(edges) > found.weight / bins]
    shares = []
    for each in (found, now.distribution):
        cuts = np.sort(np.concatenate([each.up_to(edges), each.under(alone)])) / each.weight
        shares.append(np.diff(np.concatenate([[0.0], cuts, [1.0]])))
    return shares


def _category_bins(before: Categorical, now: Categorical) -> list[np.ndarray]:
    """Shares of categories; those that are not held by name are one bin."""
    names = sorted({*before.categories.names, *now.categories.names})
    place = {name: number for number, name in enumerate(names)}
    shares = []
    for found in (before.categories, now.categories):
        share = np.zeros(len(names) + 1)
        share[[place[name] for name in found.names]] = found.weights
        share[-1] = found.other
        shares.append(share / found.weight)
    return shares


def _without_rare(shares: list[np.ndarray], m: float, n: float) -> list[np.ndarray]:
    """Takes bins together in which few rows are expected, and leaves out what is empty on both sides."""
    expected = (shares[0] * m + shares[1] * n) / (n + m) * min(n, m)
    rare = expected < RARE
    binned = [np.append(share[~rare], share[rare].sum()) for share in shares]
    some = (binned[0] > 0) | (binned[1] > 0)
    return [share[some] for share in binned]
