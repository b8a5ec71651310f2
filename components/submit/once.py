"""The update that a decision opens: one run of the update pipeline, however often it is delivered."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from adsmu.canary_deploy.service import Service
from adsmu.data.schema import read_utterances, utterances, write_utterances
from adsmu.errors import BadInput, StepFailed
from adsmu.files import read_json
from adsmu.form_dataset.form import read_dataset
from adsmu.lineage.kept import keep_table, model_folder
from adsmu.lineage.learnt import learnt_tables, on_their_sides, with_learnt
from adsmu.lineage.start import next_start
from adsmu.pipelines.update.pipeline import load_tied, tied
from adsmu.pipelines.watch.window import dataset_place
from adsmu.store import AlreadyThere, Store, brought, open_store, upload
from adsmu.store.evidence import to_bytes
from adsmu.strategy import Strategy, read_strategy
from adsmu.submit.package import Package, package, read_parameters
from adsmu.submit.server import Server, connect, reaching
from adsmu.submit.start import find_experiment, start
from adsmu.submit.start import upload as upload_pipeline

LOCAL = "local"
"""In place of a server's URL: the update runs here, under `kfp.local`."""

UTTERANCES = "utterances.parquet"


def update_once(
    decision: str | Path,
    dataset: str | Path,
    strategy: str | Path,
    *,
    store: str,
    parameters: dict[str, Any],
    host: str,
    namespace: str = "",
) -> str:
    """Runs the update pipeline for a decision, once.

    The event's record in the store is what makes it once: who finds it starts nothing. A process that died
    between the start and the record finds the run by its name, which the event is part of. Two that are under
    way at the same moment could both start one: a schedule's concurrency of 1 keeps them apart.

    Args:
        decision: `decision.json`, to update.
        dataset: The folder that form-dataset made for it; its rows are the update's user data.
        strategy: `strategy.yaml`.
        store: Where records and datasets stand: a folder or a bucket that the update can read.
        parameters: Those of the update pipeline but `user`, `strategy` and `cause`. Once the service has a
            model that was promoted, that is the champion, and what it and its ancestors have learnt joins the
            `existing` rows; before it, champion and existing rows are those named here.
        host: URL of the Kubeflow Pipelines server, or `local`.
        namespace: The user's, on a server with users.

    Returns:
        The run's id; locally the folder of its steps.

    Raises:
        BadInput: An input breaks a rule, or the server refuses.
        StepFailed: The update ended with a fault, or the server or the storage does not answer.
    """
    entry, plan, at = read_json(decision), read_strategy(strategy), open_store(store)
    if not isinstance(entry, dict) or entry.get("action") != "update":
        raise BadInput("is not to update", file=decision, column="action")
    if entry["strategy"] != plan.digest:
        raise BadInput(f"is of strategy {entry['strategy']}, not of {plan.digest}", file=decision)
    record = f"updates/{plan.name}/{entry['event']}.json"
    if known := at.read(record):
        return str(json.loads(known)["run"])
    described, rows = read_dataset(dataset)
    cause = {
        "strategy": plan.digest,
        "dataset": described["id"],
        "decision": entry["event"],
        "reason": entry["reason"],
    }
    given = {"store": _uri(at), **parameters, "strategy": Path(strategy).read_text(encoding="utf-8")}
    user = as_utterances(rows, dataset)
    given, user = _going_on(given, plan, user)
    given |= {"user": _keep(at, dataset_place(plan, entry["window"]["to"]), dataset, user), "cause": cause}
    given = _whole(given, package(tied().text()))
    name = f"update {plan.name} {entry['event'][:16]}"
    run = _here(at, entry["event"], given) if host == LOCAL else _there(connect(host, namespace), name, given)
    try:
        at.create(record, to_bytes({"run": run, **cause}))
    except AlreadyThere:
        return str(json.loads(at.read(record) or b"{}")["run"])
    return run


def as_utterances(rows: pa.Table, file: str | Path) -> pa.Table:
    """Labelled observations as user data: the label is the intent.

    Args:
        rows: Observations with `tokens`; `tags` and `domain` are taken where they are, else no word carries a
            slot, and the intent is its own domain.
        file: Where they come from, for errors.

    Returns:
        The utterance table.

    Raises:
        BadInput: There are no tokens.
    """
    if "tokens" not in rows.column_names:
        raise BadInput("the column is missing: an update learns from utterances", file=file, column="tokens")
    return utterances(
        {
            "id": row["id"],
            "tokens": row["tokens"],
            "tags": row.get("tags") or ["O"] * len(row["tokens"]),
            "intent": row["label"],
            "domain": row.get("domain") or row["label"],
            "source": "user",
            "split": None,
            "stratum_id": None,
            "round": None,
            "weight": 1.0,
        }
        for row in rows.to_pylist()
    )


def _whole(parameters: dict[str, Any], pipeline: Package) -> dict[str, Any]:
    """Whole numbers as such: inside an object the engine hands on every number as a float."""
    whole = {name for name, each in pipeline.inputs.items() if each["parameterType"] == "NUMBER_INTEGER"}
    return {
        name: int(value) if name in whole and isinstance(value, float) and value.is_integer() else value
        for name, value in parameters.items()
    }


def _keep(store: Store, place: str, dataset: str | Path, user: pa.Table) -> str:
    """Stores the dataset and its utterances; gives the URI of these."""
    with tempfile.TemporaryDirectory() as folder:
        write_utterances(user, Path(folder) / UTTERANCES)
        upload(folder, store, place)
    upload(dataset, store, place)
    return f"{_uri(store)}/{place}/{UTTERANCES}"


def _uri(store: Store) -> str:
    """Where a store is, as steps that run elsewhere find it."""
    return store.uri.rstrip("/") if "://" in store.uri else str(Path(store.uri).absolute())


def _going_on(parameters: dict[str, Any], plan: Strategy, user: pa.Table) -> tuple[dict[str, Any], pa.Table]:
    """Parameters and user rows, once a model of the service was promoted: training goes on from that.

    Now and then, as the strategy says, it begins from scratch.
    """
    service, backend = str(parameters.get("service", "")), str(parameters.get("backend", ""))
    if not service:
        return parameters, user
    place = str(parameters["store"])
    if backend:
        place = Service(service, backend, place, {}, "").storage
    store = open_store(place)
    begins = next_start(store, Path(service).name, plan.calibrate_every)
    if begins.base is None:
        return parameters, user
    champion = f"{_uri(store)}/{model_folder(begins.base)}"
    more = {"champion": champion} | ({"mode": "full"} if begins.mode == "full" else {})
    learnt = learnt_tables(store, begins.base)
    if learnt:
        with tempfile.TemporaryDirectory() as folder:
            existing, test = (
                read_utterances(brought(parameters[name], folder)) for name in ("existing", "test")
            )
            user = on_their_sides(user, [existing, *learnt.values()])
            joined = Path(folder) / "joined.parquet"
            write_utterances(with_learnt(existing, learnt, [user, test]), joined)
            more["existing"] = f"{_uri(store)}/{keep_table(store, joined)}"
    return parameters | more, user


def _there(server: Server, name: str, parameters: dict[str, Any]) -> str:
    """Starts the run on a server, unless one of this name is there already."""
    wanted = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    with reaching(server.host):
        found = server.client.runs.run_service_list_runs(
            experiment_id=find_experiment(server), filter=json.dumps({"predicates": [wanted]})
        ).runs
    if found:
        return str(found[0].run_id)
    pipeline = package(tied().text())
    read_parameters(pipeline, [f"{name}={json.dumps(value)}" for name, value in parameters.items()], None)
    version, _ = upload_pipeline(server, pipeline)
    return start(server, version, parameters, name)


def _here(store: Store, event: str, parameters: dict[str, Any]) -> str:
    """Runs the update under `kfp.local`."""
    from kfp import local

    folder = Path(store.uri).absolute() / "runs" / event
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(folder / "steps"),
        enable_caching=True,
        cache_root=str(folder / "cache"),
    )
    try:
        load_tied()(**parameters)
    except RuntimeError as error:
        raise StepFailed(f"the update of decision {event[:16]} failed: {error}") from error
    return str(folder)


def main(
    decision: str, dataset: str, strategy: str, store: str, update: str, host: str, namespace: str
) -> None:
    """Does what `update_once` says, and prints the run as its last line.

    Args:
        decision: As there.
        dataset: As there.
        strategy: As there.
        store: As there.
        update: The parameters, as JSON.
        host: As there.
        namespace: As there.
    """
    parameters = json.loads(update)
    run = update_once(
        decision, dataset, strategy, store=store, parameters=parameters, host=host, namespace=namespace
    )
    sys.stdout.write(f"\n{run}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
