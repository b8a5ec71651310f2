"""The arms: how each of them comes from what all share to a model.

The published six are naive, naive_finetuned, submodular, submodular_finetuned, adsmu_paper and
adsmu_submodular. `adsmu` is the product's loop as shipped. All but `equal_twice`, `real`, `champion` and
`reseeded` learn from the same number of rows of the new use case.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adsmu.data.columns import flatten
from adsmu.stratified_evaluate.gate import next_round
from adsmu.synthesize.allocate import Allocation, equal, failing, find_allocation
from adsmu.synthesize.fill import Generator, fill
from adsmu.synthesize.greedy import lazy_greedy
from adsmu.synthesize.rows import find_generator
from adsmu.synthesize.select import Pool, Selection, find_selection, ngrams, random, submodular
from adsmu.train.settings import LEARNING_RATES
from benchmarks.table1.bench import PLAIN, SHIPPED, Arm, Bench, Judged
from benchmarks.table1.inputs import ask_at_random, ask_by_requests, bad_values, random_groups
from benchmarks.table1.robust import train_group_dro, train_twice

ASKED = 0.5  # of the last round's rows, where real ones are asked for
READ_BY_MODELER = 30  # wrong rows a round
STAGES = ((0.4, 0.004), (0.3, 0.003), (0.3, 0.002))  # shares of the epochs of one build, learning rates

Rows = Callable[[Bench], pa.Table]
Ask = Callable[[Bench, Judged, int], pa.Table]

SHIPPED_SELECTION = find_selection(SHIPPED.selection)
SHIPPED_GENERATOR = find_generator(SHIPPED.generator)


def natural(bench: Bench) -> Allocation:
    """Spreads rows as the real rows that are not of the test are spread over the strata."""
    frequency = bench.shared.natural

    def allocate(strata: pa.Table, evaluation: dict[str, Any] | None, budget: int) -> np.ndarray:
        counts = [frequency.get(stratum, 1) for stratum in strata["stratum_id"].to_pylist()]
        zeros = pa.array(np.zeros(len(counts), np.int32))
        table = pa.table({"stratum_id": strata["stratum_id"], "train": pa.array(counts), "dev": zeros})
        return find_allocation("natural")(table, evaluation, budget)

    return allocate


def coverage(pool: Pool, dice: np.random.Generator) -> np.ndarray:
    """Submodular selection over the whole pool, whatever the strata."""
    del dice
    wanted = min(int(pool.wanted.sum()), len(pool.rows))
    return np.sort(lazy_greedy(ngrams(flatten(pool.rows)), wanted))


def start(bench: Bench) -> pa.Table:
    """The user's rows, the test rows (so that no synthetic row repeats one) and the development rows."""
    return bench.development(bench.shared.rows)


def without_user(data: pa.Table) -> pa.Table:
    """Leaves out the user's training rows."""
    mine = pc.and_(pc.equal(data["source"], "user"), pc.equal(data["split"], "train"))
    return data.filter(pc.invert(mine))


def naive_rows(bench: Bench, selection: Selection = random) -> pa.Table:
    """The budget in synthetic rows of natural frequency; none of the user's own."""
    made = bench.synthesize(start(bench), bench.shared.budget, allocation=natural(bench), selection=selection)
    return without_user(made)


def submodular_rows(bench: Bench) -> pa.Table:
    """As naive, but the rows of the pool that together cover most words and word pairs."""
    return naive_rows(bench, coverage)


def seeded_rows(
    bench: Bench,
    allocation: Allocation = equal,
    selection: Selection = random,
    generator: Generator = fill,
    times: float = 1,
) -> pa.Table:
    """The user's rows, and the rest of the budget in synthetic rows.

    Args:
        bench: The arm.
        allocation: Spreads them over strata.
        selection: Takes them of the pool.
        generator: Makes the pool.
        times: How many budgets.
    """
    rows = round(times * bench.shared.budget) - len(bench.shared.user)
    return bench.synthesize(
        start(bench), rows, allocation=allocation, selection=selection, generator=generator
    )


def real_rows(bench: Bench) -> pa.Table:
    """All real rows that are not of the test, no synthetic one."""
    return pa.concat_tables([start(bench), bench.shared.kept])


def one_build(rows: Rows, mode: str = "full", **settings: Any) -> Arm:
    """An arm of one training.

    Args:
        rows: Makes the rows of the new use case.
        mode: As in `Bench.train`; the base is the champion.
        **settings: Of the trainer.
    """

    def arm(bench: Bench) -> None:
        data = rows(bench)
        base = bench.shared.cell.champion if mode != "full" else None
        model, _ = bench.train(data, mode, base, **settings)
        bench.note(model, data)

    return arm


def finetuned(rows: Rows) -> Arm:
    """An arm that trains the champion's heads only; development rows choose among learning rates."""

    def arm(bench: Bench) -> None:
        setting, data = bench.shared.cell.setting, rows(bench)
        epochs = round(setting.finetune_share * setting.epochs + 0.5)
        tried = {
            rate: bench.train(
                data, "finetune", bench.shared.cell.champion, **PLAIN, epochs=epochs, learning_rate=rate
            )
            for rate in setting.learning_rates
        }
        scores = {rate: figures["dev_frame"] for rate, (_, figures) in tried.items()}
        best = max(scores, key=scores.__getitem__)
        bench.notes |= {
            "learning_rate": best,
            "dev_frame_by_learning_rate": {str(r): s for r, s in scores.items()},
        }
        bench.note(tried[best][0], data)

    return arm


def _failing(bench: Bench) -> Allocation:
    del bench
    return failing


def _shipped(bench: Bench) -> Allocation:
    del bench
    return find_allocation(SHIPPED.allocation)


def loop(
    allocation: Callable[[Bench], Allocation] = _failing,
    selection: Selection = random,
    mode: str = "full",
    settings: dict[str, Any] | None = None,
    early: str | None = None,
    generator: Generator = fill,
    placebo: bool = False,
    ask: Ask | None = None,
    heed: bool = True,
) -> Arm:
    """An arm of rounds: rows for the strata, a training, a look at the development rows.

    It ends as the product's loop does, when the evaluation says so, and hands on the last model.

    Args:
        allocation: Gives the allocation, for a bench.
        selection: Takes rows of the pool.
        mode: Of each training; the base is the champion.
        settings: Of the trainer.
        early: The mode of rounds before the last; None: `mode`.
        generator: Makes the pool.
        placebo: Random groups take the place of the strata.
        ask: Chooses real rows that take the place of `ASKED` of the last round's.
        heed: Whether values that the evaluation suspects are drawn no more.
    """

    def arm(bench: Bench) -> None:
        setting, shared = bench.shared.cell.setting, bench.shared
        rows, strata = random_groups(bench) if placebo else (shared.rows, shared.strata)
        data = bench.development(rows, strata)
        judged: Judged = bench.judge(shared.cell.champion, data, strata, 0, None)
        left = shared.budget - len(shared.user)
        round = 1
        while judged.content["verdict"] == "refine":
            share = left // (setting.rounds + 1 - round)
            left -= share
            if ask and round == setting.rounds:
                real = ask(bench, judged, int(ASKED * share))
                data = pa.concat_tables([data, real])
                share -= len(real)
            if not heed:
                judged.content["suspects"] = []
            data = bench.synthesize(
                data,
                share,
                strata=strata,
                round=round,
                evaluation=judged.content,
                allocation=allocation(bench),
                selection=selection,
                generator=generator,
            )
            last = round == setting.rounds
            chosen = mode if last or not early else early
            base = shared.cell.champion if chosen != "full" else None
            model, _ = bench.train(data, chosen, base, **(settings or {}))
            judged = bench.judge(model, data, strata, round, judged)
            bench.note(model, data)
            round = next_round(judged.content)
        told = judged.content["rounds"][-1]
        bench.notes |= {"verdict": judged.content["verdict"], "suspects": judged.content["suspects"]}
        bench.notes |= {name: told[name] for name in ("passed", "failed", "undecided", "given_up")}

    return arm


def with_bad_values(heed: bool) -> Arm:
    """The product's loop with a catalog in which `BAD_VALUES` of each open slot's values are another slot's.

    Args:
        heed: As in `loop`.
    """

    def arm(bench: Bench) -> None:
        bad = bad_values(bench.shared.catalog, bench.shared.cell.seed)
        catalog = {
            slot: [*values[len(bad.get(slot, ())) :], *bad.get(slot, ())]
            for slot, values in bench.shared.catalog.items()
        }
        bench.shared = replace(bench.shared, catalog=catalog)
        shipped(heed=heed)(bench)
        planted = {(slot, value.casefold()) for slot, values in bad.items() for value in values}
        named = {(entry["slot"], entry["value"]) for entry in bench.notes.pop("suspects")}
        bench.notes |= {"planted": len(planted), "suspects": len(named), "found": len(planted & named)}

    return arm


def modeler(bench: Bench) -> Allocation:
    """The written-down policy that imitates a person who retrains by hand.

    The first rows go by natural frequency: a person writes what comes to mind. Then, each round, the person
    reads `READ_BY_MODELER` wrong development rows, met as often as real ones of their shape are, and writes
    rows for the shapes of these, each row that was read counting once.
    """
    frequency, seed = bench.shared.natural, bench.shared.cell.seed

    def allocate(strata: pa.Table, evaluation: dict[str, Any] | None, budget: int) -> np.ndarray:
        if not evaluation or evaluation["round"] == 0:
            return natural(bench)(strata, evaluation, budget)
        ids = strata["stratum_id"].to_pylist()
        rates = {entry["stratum_id"]: entry["dev"]["frame"] or 0.0 for entry in evaluation["strata"]}
        wrong = np.array([frequency.get(s, 1) * (1 - rates.get(s, 0.0)) for s in ids], dtype=float)
        if not wrong.any():
            return natural(bench)(strata, None, budget)
        dice = np.random.default_rng([seed, evaluation["round"]])
        read = dice.multinomial(READ_BY_MODELER, wrong / wrong.sum())
        table = pa.table({"stratum_id": ids, "train": read, "dev": np.zeros(len(ids), np.int64)})
        return find_allocation("natural")(table, None, budget)

    return allocate


def between_epochs(bench: Bench) -> None:
    """One build in stages: between them the failing strata get the rows that a loop would give them.

    Each stage goes on from the last one's weights, with new rows and a smaller learning rate; all stages
    together have the epochs of one build.
    """
    setting, shared = bench.shared.cell.setting, bench.shared
    data = start(bench)
    judged = bench.judge(shared.cell.champion, data, shared.strata, 0, None)
    model, left = None, shared.budget - len(shared.user)
    for stage, (share, rate) in enumerate(STAGES, 1):
        rows = left // (len(STAGES) + 1 - stage)
        left -= rows
        data = bench.synthesize(data, rows, round=stage, evaluation=judged.content, allocation=failing)
        epochs = max(1, round(share * setting.epochs))
        mode = "warm" if model else "full"
        model, _ = bench.train(data, mode, model, **PLAIN, epochs=epochs, learning_rate=rate)
        bench.note(model, data)
        if stage < len(STAGES):
            judged = bench.judge(model, data, shared.strata, stage, judged)


def champion(bench: Bench) -> None:
    """The old model, as it is."""
    bench.note(bench.shared.cell.champion, None)


def reseeded(bench: Bench) -> None:
    """The old model with another seed: its negative flips are the churn floor."""
    model, _ = bench.train(None, "full")
    bench.note(model, None)


def recipe(**off: Any) -> Arm:
    """The product's recipe in one build; `off` switches parts of it off, for the ablation."""
    selection = off.pop("selection", SHIPPED_SELECTION)
    generator = off.pop("generator", SHIPPED_GENERATOR)
    times = off.pop("times", 1)
    mode = off.pop("mode", SHIPPED.mode)
    return one_build(
        lambda bench: seeded_rows(bench, equal, selection, generator, times), mode, **(SHIPPED.settings | off)
    )


def shipped(**other: Any) -> Arm:
    """The product's loop; `other` is what differs."""
    return loop(
        **(
            {
                "allocation": _shipped,
                "selection": SHIPPED_SELECTION,
                "generator": SHIPPED_GENERATOR,
                "mode": SHIPPED.mode,
                "early": SHIPPED.early_mode,
                "settings": SHIPPED.settings,
            }
            | other
        )
    )


ARMS: dict[str, Arm] = {
    "champion": champion,
    "equal": one_build(seeded_rows, **PLAIN),
    "naive": one_build(naive_rows, **PLAIN),
    "adsmu": shipped(),
    "recipe": recipe(),
    "reseeded": reseeded,
    "placebo": loop(early="scout", settings=PLAIN, mode="full", placebo=True),
    "placebo_shipped": shipped(placebo=True),
    "seeds_natural": one_build(lambda bench: seeded_rows(bench, natural(bench)), **PLAIN),
    "adsmu_paper": loop(settings=PLAIN),
    "adsmu_submodular": loop(selection=submodular, settings=PLAIN),
    "naive_finetuned": finetuned(naive_rows),
    "submodular": one_build(submodular_rows, **PLAIN),
    "submodular_finetuned": finetuned(submodular_rows),
    "equal_twice": one_build(lambda bench: seeded_rows(bench, times=2), **PLAIN),
    "real": one_build(real_rows, **PLAIN),
    "group_dro": lambda bench: train_group_dro(bench, seeded_rows(bench)),
    "train_twice": lambda bench: train_twice(bench, seeded_rows(bench)),
    "between_epochs": between_epochs,
    "manual": loop(modeler, settings=PLAIN),
    "adsmu_without_scouts": shipped(early=None),
    "recipe_random_fill": recipe(selection=random),
    "recipe_known_shapes": recipe(generator=fill),
    "recipe_from_scratch": recipe(mode="full"),
    "recipe_fast": recipe(learning_rate=LEARNING_RATES["full"]),
    "recipe_unweighted": recipe(weight_user=1.0, weight_synthetic=1.0),
    "recipe_unaveraged": recipe(average_last=0.0),
    "recipe_interpolated": recipe(interpolate=0.15),
    "asked_by_requests": shipped(ask=ask_by_requests),
    "asked_at_random": shipped(ask=ask_at_random),
    "bad_values": with_bad_values(heed=True),
    "bad_values_kept": with_bad_values(heed=False),
    "recipe_half": recipe(times=0.5),
    "recipe_three_quarters": recipe(times=0.75),
}
