"""The report: one page that needs neither a network nor JavaScript."""

from pathlib import Path
from typing import Any

from adsmu.pages import environment, sorting_script
from adsmu.stratified_evaluate.gate import conditions
from adsmu.stratified_evaluate.requests import requests
from adsmu.stratified_evaluate.spans import marked

VERDICT_WORDS = {"fail": "fails", "give_up": "given up", "undecided": "undecided", "pass": "passes"}
HEADLINES = {
    "pass": "Pass: the model may replace the champion",
    "refine": "Refine: not good enough yet",
    "exhausted": "Exhausted: not good enough, and no round is left",
}
CURVE_WIDTH, CURVE_HEIGHT = 480, 230
FOLDER = Path(__file__).parent


def render_report(evaluation: dict[str, Any]) -> str:
    """Writes the report of an evaluation.

    Args:
        evaluation: The content of an `evaluation.json`.

    Returns:
        HTML. Everything that comes from data is escaped.
    """
    templates = environment(FOLDER, {"rate": rate, "change": change})
    strata = sorted(evaluation["strata"], key=_worst_first)
    script, script_hash = sorting_script()
    champion_passes = evaluation["round"] == 0 and evaluation["verdict"] == "pass"
    return templates.get_template("report.html.j2").render(
        e=evaluation,
        headline="Pass: the champion needs no update"
        if champion_passes
        else HEADLINES[evaluation["verdict"]],
        conditions=conditions(evaluation),
        requests=requests(evaluation),
        suspects=evaluation.get("suspects", []),
        strata=strata,
        shown=[stratum for stratum in strata if stratum["examples"]],
        intents=sorted(
            evaluation["existing"]["intents"], key=lambda i: (not i["harmed"], i["frame"], i["intent"])
        ),
        words=VERDICT_WORDS,
        counts={verdict: sum(s["verdict"] == verdict for s in strata) for verdict in VERDICT_WORDS},
        curve=curve(evaluation["rounds"], evaluation["gate"]),
        marked=marked,
        script=script,
        script_hash=script_hash,
    )


def _worst_first(stratum: dict[str, Any]) -> tuple[int, float, str]:
    frame = stratum["dev"]["frame"]
    return list(VERDICT_WORDS).index(stratum["verdict"]), -1.0 if frame is None else frame, stratum["shape"]


def rate(value: float | None) -> str:
    """A rate in percent with one decimal; a dash where there is none.

    >>> rate(0.9548)
    '95.5'
    """
    return "\N{EN DASH}" if value is None else f"{100 * value:.1f}"


def change(value: float | None) -> str:
    """A difference in percent with its sign; a dash where there is none.

    >>> change(0.5)
    '+50.0'
    """
    return "\N{EN DASH}" if value is None else f"{100 * value:+.1f}".replace("-", "\N{MINUS SIGN}")


def curve(rounds: list[dict[str, Any]], gate: dict[str, Any]) -> dict[str, Any]:
    """Places the rounds on a drawing of `CURVE_WIDTH` by `CURVE_HEIGHT`.

    Args:
        rounds: The rounds of an evaluation.
        gate: Its gate.

    Returns:
        Width and height; x and label of each round; y of grid lines and of the target; points of each line
        and of the band between the bounds of the mean.
    """
    left, right, top, bottom = 40, CURVE_WIDTH - 40, 10, CURVE_HEIGHT - 34
    step = (right - left) / max(len(rounds) - 1, 1)
    across = [left + step * index for index in range(len(rounds))]

    def down(value: float) -> float:
        return round(bottom - value * (bottom - top), 1)

    def points(name: str, reverse: bool = False) -> list[tuple[float, float]]:
        placed = [
            (round(x, 1), down(r[name])) for x, r in zip(across, rounds, strict=True) if r[name] is not None
        ]
        return placed[::-1] if reverse else placed

    return {
        "width": CURVE_WIDTH,
        "height": CURVE_HEIGHT,
        "left": left,
        "right": right,
        "bottom": bottom,
        "ticks": [(value, down(value)) for value in (0, 0.25, 0.5, 0.75, 1)],
        "target": down(gate["target"]),
        "rounds": [(x, r["round"]) for x, r in zip(across, rounds, strict=True)],
        "mean": points("mean"),
        "band": points("mean_low") + points("mean_high", reverse=True),
        "dev": points("dev_mean") if gate["measured_on"] == "test" else [],
        "existing": points("existing"),
    }
