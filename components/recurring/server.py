"""The API of Kubeflow Pipelines, as much of it as recurring runs need.

The client's own methods refuse a recurring run without a version, so its generated API is called: a run that
names its pipeline only takes the newest version at each firing.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from adsmu.errors import BadInput
from adsmu.recurring.declared import Recurring
from adsmu.recurring.difference import Found, Pipeline, Version
from adsmu.submit.server import Server as Connection
from adsmu.submit.server import reaching

SECONDS = 30
"""How long one request may take."""

ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
"""States that a run does not leave."""


class Server:
    """The recurring runs of a server, and what they name.

    Every method raises what `adsmu.submit.server.reaching` does: BadInput where the server refuses, Away
    where it does not answer.

    Args:
        connection: The server, and the namespace on one with profiles.
    """

    def __init__(self, connection: Connection) -> None:
        self._host, self._client = connection.host, connection.client
        self._namespace = {"namespace": connection.namespace} if connection.namespace else {}

    def pipelines(self, name: str) -> list[Pipeline]:
        """The pipelines of a name."""
        api = self._client._pipelines_api
        found = [
            each.pipeline_id
            for each in self._pages(api.pipeline_service_list_pipelines, "pipelines", **self._namespace)
            if name == (getattr(each, "name", None) or each.display_name)
        ]
        return [Pipeline(each, self._versions(each)) for each in found]

    def experiment(self, name: str) -> str | None:
        """The id of an experiment; None if there is none of this name.

        Raises:
            BadInput: It is archived: its recurring runs do not fire.
        """
        api = self._client._experiment_api
        for each in self._pages(api.experiment_service_list_experiments, "experiments", **self._namespace):
            if each.display_name == name:
                if each.storage_state == "ARCHIVED":
                    raise BadInput(f"the experiment {name!r} is archived: restore it, or name another one")
                return str(each.experiment_id)
        return None

    def make_experiment(self, name: str) -> str:
        """Makes an experiment; somebody else may be making the same one."""
        import kfp_server_api

        body = kfp_server_api.V2beta1Experiment(display_name=name, **self._namespace)
        api = self._client._experiment_api
        try:
            made = self._ask(api.experiment_service_create_experiment, body)
        except BadInput:  # there is one by now
            found = self.experiment(name)
            if found is None:
                raise
            return found
        return str(made.experiment_id)

    def recurring_runs(self) -> list[Found]:
        """All recurring runs, of every experiment of the namespace."""
        api = self._client._recurring_run_api
        pages = self._pages(
            api.recurring_run_service_list_recurring_runs, "recurring_runs", **self._namespace
        )
        return [_found(each) for each in pages]

    def create(self, recurring: Recurring, description: str, pipeline: str, experiment: str) -> Found:
        """Makes a recurring run.

        Args:
            recurring: What it is to do.
            description: Its description.
            pipeline: The pipeline's id.
            experiment: The experiment's id.

        Returns:
            What the server holds now.
        """
        import kfp_server_api as api

        trigger = (
            api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=recurring.cron))
            if recurring.cron
            else api.V2beta1Trigger(
                periodic_schedule=api.V2beta1PeriodicSchedule(interval_second=str(recurring.period))
            )
        )
        body = api.V2beta1RecurringRun(
            display_name=recurring.name,
            description=description,
            pipeline_version_reference=api.V2beta1PipelineVersionReference(pipeline_id=pipeline),
            runtime_config=api.V2beta1RuntimeConfig(parameters=recurring.parameters),
            max_concurrency=str(recurring.concurrency),
            no_catchup=not recurring.catch_up,
            trigger=trigger,
            mode="ENABLE" if recurring.enabled else "DISABLE",  # left out it would mean DISABLE
            experiment_id=experiment,
            **self._namespace,
        )
        runs = self._client._recurring_run_api
        made = self._ask(runs.recurring_run_service_create_recurring_run, body)
        return _found(self._ask(runs.recurring_run_service_get_recurring_run, made.recurring_run_id))

    def enable(self, id: str) -> None:
        """Lets a recurring run fire."""
        self._ask(self._client._recurring_run_api.recurring_run_service_enable_recurring_run, id)

    def disable(self, id: str) -> None:
        """Keeps a recurring run from firing; its runs under way go on."""
        self._ask(self._client._recurring_run_api.recurring_run_service_disable_recurring_run, id)

    def delete(self, id: str) -> None:
        """Deletes a recurring run; the server kills its runs under way, so there must be none."""
        self._ask(self._client._recurring_run_api.recurring_run_service_delete_recurring_run, id)

    def under_way(self, found: Found) -> list[str]:
        """The ids of its runs that have not ended."""
        return [each.run_id for each in self._runs(found) if each.state not in ENDED]

    def last(self, found: Found) -> tuple[str, datetime] | None:
        """State and begin of its newest run; None before the first."""
        run = next(self._runs(found), None)
        return None if run is None else (run.state or "PENDING", _utc(run.created_at))

    def _runs(self, found: Found) -> Iterator[Any]:
        """Its runs, newest first."""
        predicate = {"key": "recurring_run_id", "operation": "EQUALS", "string_value": found.id}
        runs = self._pages(
            self._client._run_api.run_service_list_runs,
            "runs",
            experiment_id=found.experiment,
            sort_by="created_at desc",
            filter=json.dumps({"predicates": [predicate]}),
        )
        return (each for each in runs if each.recurring_run_id == found.id)

    def _versions(self, pipeline: str) -> tuple[Version, ...]:
        api = self._client._pipelines_api
        pages = self._pages(api.pipeline_service_list_pipeline_versions, "pipeline_versions", pipeline)
        found = [Version(e.display_name, _utc(e.created_at), _inputs(e.pipeline_spec)) for e in pages]
        return tuple(sorted(found, key=lambda version: version.created, reverse=True))

    def _pages(self, call: Callable[..., Any], items: str, *path: str, **query: Any) -> Iterator[Any]:
        token = ""
        while True:
            page = self._ask(call, *path, page_token=token, page_size=100, **query)
            yield from getattr(page, items) or ()
            token = page.next_page_token
            if not token:
                return

    def _ask(self, call: Callable[..., Any], *given: Any, **more: Any) -> Any:
        with reaching(self._host):
            return call(*given, _request_timeout=SECONDS, **more)


def _found(each: Any) -> Found:
    """What an answer says; it leaves out what is false, empty or zero, and writes whole numbers as text."""
    trigger, reference = each.trigger, each.pipeline_version_reference
    cron = trigger.cron_schedule if trigger else None
    period = trigger.periodic_schedule if trigger else None
    held = Recurring(
        name=each.display_name or "",
        pipeline=(reference.pipeline_id if reference else None) or "",
        cron=(cron.cron if cron else None) or "",
        period=int((period.interval_second if period else None) or 0),
        parameters=(each.runtime_config.parameters if each.runtime_config else None) or {},
        concurrency=int(each.max_concurrency or 1),
        catch_up=not each.no_catchup,
        enabled=each.status == "ENABLED" or (each.status is None and each.mode == "ENABLE"),
    )
    pinned = (reference.pipeline_version_id if reference else None) or each.pipeline_version_id or ""
    return Found(
        each.recurring_run_id,
        each.experiment_id or "",
        held,
        each.description or "",
        pinned or ("its own copy" if each.pipeline_spec and not held.pipeline else ""),
    )


def _inputs(spec: Any) -> dict[str, Any]:
    """The input parameters of a compiled pipeline, with the platform's part beside it or without."""
    spec = spec or {}
    root = (spec.get("pipeline_spec") or spec).get("root") or {}
    return dict((root.get("inputDefinitions") or {}).get("parameters") or {})


def _utc(when: Any) -> datetime:
    if when is None:
        return datetime.fromtimestamp(0, UTC)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
