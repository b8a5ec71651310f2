"""What canary-deploy does, from files to files: admit, roll out, report."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from adsmu.canary_deploy.deploy import deploy, finalise, unfinished, write_outcome
from adsmu.canary_deploy.lease import LeaseLost
from adsmu.canary_deploy.observe import ROWS, labelled_requests
from adsmu.canary_deploy.preflight import card_faults, refusals
from adsmu.canary_deploy.report.page import write_report
from adsmu.canary_deploy.rollout import Request
from adsmu.canary_deploy.schedule import read_plan
from adsmu.canary_deploy.service import Service, cluster_ports, left_behind, opened
from adsmu.data.evaluation import read_evaluation
from adsmu.data.schema import read_utterances
from adsmu.errors import BadInput, StepFailed
from adsmu.files import digest
from adsmu.lineage.kept import keep_origin
from adsmu.sign_off.card import CARD
from adsmu.sign_off.records import read_signed
from adsmu.store import open_store
from adsmu.store.evidence import EvidenceLog, Overtaken
from adsmu.stratify.assign import build_stratifier

LOGGED = 5000
"""Logged requests with labels that are taken beside the held-out rows: for shadow pairs, for how common a
stratum is."""


def roll_out_files(
    model: str | Path,
    evaluation: str | Path,
    data: str | Path | None,
    existing: str | Path | None,
    champion: str | Path | None,
    outcome: str | Path,
    report: str | Path,
    *,
    verdict: str,
    service: str,
    backend: str,
    store: str,
    plan: dict[str, Any],
    serving: dict[str, Any],
    trainer: str,
    override: str = "",
    card: str | Path | None = None,
    cause: dict[str, Any] | None = None,
) -> str:
    """Admits a model and rolls it out; called again after a kill, it goes on where it was.

    What the model comes from is kept before it is rolled out, so that whichever process promotes it in the
    end, it can be made again.

    Args:
        model: Model folder.
        evaluation: evaluation.json of this very model.
        data: Utterance table of the new use case, with stratum_id.
        existing: Utterance table of the existing data.
        champion: Model folder that a local service without a model begins with; the model's parent.
        outcome: outcome.json to write.
        report: Page to write.
        verdict: What the pipeline came to.
        service: The service's name; for a local one its folder.
        backend: local, gateway, kserve or knative; empty: nowhere.
        store: Object storage of releases, event logs and evidence.
        plan: See `adsmu.canary_deploy.schedule.read_plan`.
        serving: Settings of the backend.
        trainer: Import path of the models' trainer.
        override: Who admits a model that its evaluation does not, and why. A report card that the plan
            demands must be signed all the same.
        card: The folder of the model's report card, or None.
        cause: What opened the update, by name; kept with the model.

    Returns:
        promoted, rolled_back, inconclusive or skipped.

    Raises:
        BadInput: An input breaks a rule.
        StepFailed: Something stands in the way of any rollout, or another process carries this one on.
    """
    _, schedule = read_plan(plan)
    reasons = refusals(model, evaluation, verdict)
    storage = Service(service, backend, store, serving, trainer).storage if backend else store
    tables = {"data": data, "existing": existing}
    unsigned = card_faults(schedule, storage, Path(service).name, model, evaluation, tables, card)
    of_model, of_evaluation = digest(model), digest(evaluation)
    admitted = (not reasons or bool(override)) and not unsigned
    result: dict[str, Any] = {"outcome": "skipped", "reasons": reasons + unsigned}
    if admitted and not backend:
        result["reasons"] = ["the model is admitted, but no serving backend was named"]
    elif admitted:
        if data is None or existing is None:
            raise BadInput("a rollout groups requests by the rows of data and existing", file="data")
        measured = read_evaluation(evaluation)
        shapes = {each["stratum_id"]: each["shape"] for each in measured["strata"]}
        new, old = read_utterances(data), read_utterances(existing)
        where = Service(service, backend, store, serving, trainer)
        held_out = _held_out(new, old)
        logged = labelled_requests(open_store(where.storage), where.plain_name, LOGGED)
        rows = pa.concat_tables([held_out, logged.cast(held_out.schema)])
        request = Request(
            service=where.plain_name,
            model=Path(model),
            digest=of_model,
            evaluation=of_evaluation,
            plan=plan,
            accuracy=float((measured["splits"]["test"] or measured["splits"]["dev"])["low"]),
            stratifier=build_stratifier(new, old, shapes),
            rows=rows,
            override=override if reasons else "",
        )
        why = {**(cause or {}), "evaluation": of_evaluation, "rollout": request.rollout}
        keep_origin(
            open_store(where.storage),
            model,
            champion,
            [data, existing],
            why | ({"card": digest(Path(card) / CARD)} if card else {}),
            read_signed(card).as_json() if card else None,
        )
        try:
            with opened(where, Path(champion) if champion else None, request.stratifier, held_out) as ports:
                result = deploy(request, ports)
        except (LeaseLost, Overtaken) as error:
            raise StepFailed(f"another process carries the rollout on: {error}") from error
    write_outcome(outcome, result, of_model, of_evaluation, admitted, override if reasons else "")
    entries = EvidenceLog(open_store(result["evidence"])).read() if "evidence" in result else []
    write_report(entries, report)
    return str(result["outcome"])


def finalise_service(service: str, backend: str, store: str, serving: dict[str, Any], trainer: str) -> str:
    """Brings to its end a rollout whose process is gone.

    Args:
        service: As for `roll_out_files`; likewise the others.
        backend: Empty: there is nothing to do.
        store: Object storage.
        serving: Settings of the backend.
        trainer: Import path of the models' trainer.

    Returns:
        promoted, rolled_back, inconclusive; skipped when nothing was left unfinished.
    """
    if not backend:
        return "skipped"
    where = Service(service, backend, store, serving, trainer)
    if backend != "local":
        return str(finalise(service, cluster_ports(where))["outcome"])
    ports, traffic = left_behind(where)
    if not unfinished(ports):
        return "skipped"
    try:
        with ports.lease.held(), ports.lease.renewed():
            traffic.start()
            outcome = str(finalise(where.plain_name, ports)["outcome"])
            traffic.stop()
            return outcome
    except LeaseLost:  # its process is at work
        return "skipped"


def _held_out(new: pa.Table, old: pa.Table) -> pa.Table:
    """Labelled rows that no model has learnt from: real ones of the new use case, and of the existing."""
    rows = [table.filter(pc.equal(table["split"], "test")).select(ROWS.names) for table in (new, old)]
    both = pa.concat_tables(rows)
    if not len(both):
        raise BadInput("has no held-out rows: a rollout needs some", file="data", column="split")
    return both.combine_chunks()
