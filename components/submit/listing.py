"""The runs of an experiment, newest first, with what became of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adsmu.errors import BadInput, StepFailed
from adsmu.submit.pods import read_pods
from adsmu.submit.results import last_evaluation
from adsmu.submit.server import Server, reaching
from adsmu.submit.start import find_experiment


@dataclass(frozen=True)
class Row:
    """A run.

    Attributes:
        run: Its id.
        name: What it is called.
        began: When it was created.
        state: The server's word for where it stands.
        verdict: That of its last evaluation; None when there is none to be read.
        rounds: How many rounds it had, not counting the champion's; None as above.
        mean: The mean over strata, 0 to 1; None as above.
    """

    run: str
    name: str
    began: datetime
    state: str
    verdict: str | None
    rounds: int | None
    mean: float | None


def rows(server: Server, count: int) -> list[Row]:
    """The newest runs of the experiment.

    Args:
        server: Where they run.
        count: How many at most.

    Raises:
        BadInput: The server refuses.
        Away: It does not answer.
    """
    with reaching(server.host):
        experiment = find_experiment(server)
        if experiment is None:
            return []
        found = server.client.runs.run_service_list_runs(
            experiment_id=experiment, page_size=count, sort_by="created_at desc"
        ).runs
    return [_row(server, run) for run in found or ()]


def _row(server: Server, run: Any) -> Row:
    try:
        last = last_evaluation(read_pods(server, run.run_id))
    except (
        BadInput,
        StepFailed,
    ):  # cleared away, or the storage is out of reach: the other columns still hold
        last = None
    evaluation = last[1] if last else None
    return Row(
        run.run_id,
        run.display_name,
        run.created_at,
        str(run.state),
        evaluation["verdict"] if evaluation else None,
        evaluation["round"] if evaluation else None,
        evaluation["rounds"][-1]["mean"] if evaluation else None,
    )
