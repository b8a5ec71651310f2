"""What `adsmu value` finds: sheets compared, freshness, and what each way of retraining would have cost."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adsmu.errors import BadInput
from adsmu.files import refuse_existing, write_json, written_whole
from adsmu.value.cadence import (
    Played,
    best_in_hindsight,
    best_period,
    cost_aware,
    every,
    never,
    play,
)
from adsmu.value.degradation import online
from adsmu.value.freshness import Age, freshness
from adsmu.value.losses import Losses, read_losses
from adsmu.value.report import render_value
from adsmu.value.sheet import Prices, Sheet, compare, read_sheet

FORMAT = 1
VARIANTS = ("threshold", "cumulative", "periodic")


@dataclass(frozen=True)
class Way:
    """A way of retraining, and what it would have cost.

    Attributes:
        name: What it is called.
        played: What came of it, in units of loss.
        cost: Its total in money.
        regret: By which share it costs more than the best in hindsight; None where that costs nothing.
    """

    name: str
    played: Played
    cost: float
    regret: float | None


def ways(losses: Losses, prices: Prices, history: int, memory: int, late: int = 0) -> list[Way]:
    """Plays each way of retraining on the windows after a history.

    Args:
        losses: The losses.
        prices: What things cost.
        history: How many windows are known beforehand; cost-aware rules learn from them.
        memory: How many windows a training learns from.
        late: For how many windows labels are waited for.

    Returns:
        The ways, the best in hindsight first.

    Raises:
        BadInput: The history is not one of two windows or more with some after it.
    """
    if not 2 <= history < len(losses):
        raise BadInput(f"must be from 2 to {len(losses) - 1} windows, not {history}", file="history")
    retraining = prices.retraining / prices.loss
    rules = {
        "never": never,
        "each window": every(1),
        "weekly": every(prices.weekly),
        **{
            f"cost-aware, {variant}": cost_aware(losses, retraining, history, variant) for variant in VARIANTS
        },
        "by degradation": online(memory),
    }
    if prices.weekly == 1:
        del rules["each window"]
    best = best_in_hindsight(losses, retraining, history)
    period, regular = best_period(losses, retraining, history)
    played = {"best in hindsight": best, f"best period, {period} windows": regular}
    played |= {name: play(losses, retraining, rule, history, late) for name, rule in rules.items()}
    found = []
    for name, each in played.items():
        found.append(
            Way(name, each, each.total * prices.loss, each.total / best.total - 1 if best.total else None)
        )
    return found


def value_files(
    sheet: str | Path,
    output: str | Path,
    *,
    losses: str | Path | None = None,
    history: int = 0,
    memory: int = 0,
    late: int = 0,
) -> dict[str, Any]:
    """Compares cadences and writes what was found, with a page.

    Args:
        sheet: A sheet of costs.
        output: The folder to make: `value.json` and `value.html`.
        losses: Losses of models in windows, for freshness and for when to retrain; None: only the sheet.
        history: See `ways`; 0: a fifth of the windows.
        memory: See `ways`; 0: all windows before.
        late: See `ways`.

    Returns:
        What `value.json` holds.

    Raises:
        BadInput: An input breaks a rule; nothing is written.
    """
    refuse_existing(output)
    read = read_sheet(sheet)
    found: dict[str, Any] = {"format": FORMAT, "currency": read.currency, **_compared(read)}
    found |= {"freshness": [], "ways": [], "windows": 0, "history": 0}
    if losses is not None:
        given = read_losses(losses)
        if read.prices is None:
            raise BadInput("must hold a study: what a retraining and a unit of loss cost", file=sheet)
        known = history or max(2, len(given) // 5)
        played = ways(given, read.prices, known, memory or len(given), late)
        found |= {
            "windows": len(given),
            "history": known,
            "freshness": [asdict(age) | {"finding": age.finding} for age in _ages(given)],
            "ways": [asdict(way) for way in played],
        }
    with written_whole(output) as temporary:
        temporary.mkdir()
        write_json(found, temporary / "value.json")
        (temporary / "value.html").write_text(render_value(found), encoding="utf-8")
    return found


def _ages(losses: Losses) -> list[Age]:
    """Ages that double, up to half of what there is: so there are as many todays."""
    ages = [1]
    while 2 * ages[-1] <= len(losses) // 2:
        ages.append(2 * ages[-1])
    return freshness(losses, ages) if len(losses) > 2 else []


def _compared(sheet: Sheet) -> dict[str, Any]:
    return {
        "cadences": [asdict(each) | {"week": each.week} for each in sheet.cadences],
        "changes": [
            {
                "name": each.cadence.name,
                **{key: getattr(each, key) for key in ("costs_more", "share", "points", "pays_from", "gain")},
                "words": each.words,
            }
            for each in (compare(sheet) if sheet.cadences else [])
        ],
        "point_week": sheet.point_week,
    }
