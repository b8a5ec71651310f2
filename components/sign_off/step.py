"""What the step sign-off does: chooses what both models answer, makes the card, and signs it by policy."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from adsmu.errors import BadInput
from adsmu.files import written_whole
from adsmu.lineage.repeat import repeat_files
from adsmu.sign_off.run import PAGE, SCORER, TRAINER, card_files, sign_files
from adsmu.sign_off.signature import key_file
from adsmu.sign_off.versions import held_out, next_version
from adsmu.strategy import read_strategy


def sign_off_files(
    model: str | Path,
    champion: str | Path,
    output: str | Path,
    report: str | Path,
    *,
    evaluation_set: str | Path | None = None,
    data: str | Path | None = None,
    existing: str | Path | None = None,
    evaluation: str | Path | None = None,
    strategy: str = "",
    store: str = "",
    margin: float = 0.02,
    scorer: str = SCORER,
    trainer: str = TRAINER,
) -> str:
    """Makes the card and, where it may and has a key, signs it by policy.

    Args:
        model: The candidate's folder.
        champion: The folder of the model in production.
        output: The folder of the card to make.
        report: Where its page is written as well.
        evaluation_set: The folder of an evaluation set; None: the held-out rows of `data` and `existing`,
            and with them what `adsmu.sign_off.versions.next_version` takes out of the store.
        data: The utterances that the candidate learnt, with held-out rows.
        existing: Those of before: likewise.
        evaluation: `evaluation.json` of this candidate, or None.
        strategy: The text of a `strategy.yaml`; empty: there is none.
        store: Where the signed card is published, and evaluation sets stand; empty: nowhere.
        margin: See `Limits`.
        scorer: Import path of what knows how to ask such models.
        trainer: Import path of the models' trainer.

    Returns:
        approve, refuse or unsigned.

    Raises:
        BadInput: An input breaks a rule; nothing is written.
        StoreUnavailable: The storage does not answer.
    """
    with _written(strategy) as (folder, plan_file):
        plan = read_strategy(plan_file) if plan_file else None
        if evaluation_set is None:
            if data is None or existing is None:
                raise BadInput("is missing, and so are the tables to make one of", file="evaluation_set")
            evaluation_set = next_version(
                held_out(data, existing), champion, plan, store, folder / "versions"
            )
        repeated = None
        if plan and plan.promotion.repeats:
            if data is None or existing is None:
                raise BadInput("are needed to train again with other seeds", file="data, existing")
            repeated = folder / "repeated.json"
            repeat_files(
                model,
                existing,
                data,
                champion,
                data,
                repeated,
                seeds=plan.promotion.repeats,
                limit=plan.promotion.spread,
                trainer=trainer,
                scratch=folder,
            )
        card = card_files(
            model,
            champion,
            evaluation_set,
            output,
            strategy=plan_file,
            evaluation=evaluation,
            retraining=repeated,
            margin=margin,
            scorer=scorer,
            trainer=trainer,
        )
    decision = "unsigned"
    if card["sign_off"] != "person" and key_file():
        decision = str(sign_files(output, store=store)["decision"])
    with written_whole(report) as temporary:
        shutil.copyfile(Path(output) / PAGE, temporary)
    return decision


@contextlib.contextmanager
def _written(strategy: str) -> Iterator[tuple[Path, Path | None]]:
    """A folder that is gone afterwards, and in it the strategy as a file, if there is one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not strategy:
            yield folder, None
            return
        (folder / "strategy.yaml").write_text(strategy, encoding="utf-8")
        yield folder, folder / "strategy.yaml"
