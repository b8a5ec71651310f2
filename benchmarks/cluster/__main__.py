"""`python -m benchmarks.cluster [rounds] [many] [strata] [utterances]`: what an update costs on a cluster.

KUBECONFIG, KFP_HOST, ADSMU_IMAGE and ADSMU_STORE are needed, as for `make test-cluster`. Seconds are those of
the machine that the cluster runs on; beside them stand counts, which are the same anywhere.
"""

import argparse
import json
import logging
import os
import statistics
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kfp import compiler, components, dsl
from kfp.dsl import Dataset

from adsmu.files import write_json
from adsmu.pipelines.update.pipeline import tied
from adsmu.submit.package import Package, package, read_package
from adsmu.submit.pods import Pod, read_pods
from benchmarks.cluster import inputs, watched

log = logging.getLogger(__name__)
RESULTS = Path(__file__).parent / "results.json"
ROUNDS, RUNS, STRATA, UTTERANCES = 3, 10, 1_000, 1_000_000
NEVER = {"settings": {"needed": 1_000_000}, "target": 0.99}
"""No model of these settings reaches the target, so all rounds are run."""


def rounds() -> dict[str, Any]:
    """What a round costs beyond its own work, and how few tasks and pods it has."""
    given = inputs.stored(_place(), shapes=3, user=12, test=12) | NEVER
    given |= {"max_rounds": ROUNDS, "evaluation_rows": 4, "rows_per_stratum": 2}
    seen = watched.run(watched.server(), package(tied().text()), [given])
    return {"states": seen.states, "seconds": seen.seconds, "rounds": each_round(seen.pods[0])}


def many() -> dict[str, Any]:
    """Ten updates of one round at once."""
    given = inputs.stored(_place(), shapes=3, user=12, test=12) | NEVER
    given |= {"max_rounds": 1, "evaluation_rows": 4, "rows_per_stratum": 2}
    seen = watched.run(watched.server(), package(tied().text()), [given | {"seed": n} for n in range(RUNS)])
    return _figures(seen) | {"runs": RUNS}


def strata() -> dict[str, Any]:
    """One update of one round over a thousand strata."""
    given = inputs.stored(_place(), shapes=STRATA, user=4) | NEVER
    given |= {"max_rounds": 1, "evaluation_rows": 4, "rows_per_stratum": 2, "max_strata": STRATA}
    return _figures(watched.run(watched.server(), package(tied().text()), [given])) | {"strata": STRATA}


def utterances() -> dict[str, Any]:
    """A million user utterances of a thousand shapes, stratified out of the object storage and into it."""
    given = inputs.stored(_place(), shapes=STRATA, user=UTTERANCES // STRATA)
    seen = watched.run(
        watched.server(), _stratify(), [{"user": given["user"], "test": given["test"], "max_strata": STRATA}]
    )
    return _figures(seen) | {"utterances": UTTERANCES, "strata": STRATA}


def _stratify() -> Package:
    """A pipeline of stratify alone."""
    file = Path(__file__).parents[2] / "components" / "stratify" / "component.yaml"
    stratify = components.load_component_from_file(str(file))

    @dsl.pipeline(name="stratify-alone")
    def alone(user: str, test: str, max_strata: int) -> None:
        tables = [
            dsl.importer(artifact_uri=uri, artifact_class=Dataset, reimport=False).output
            for uri in (user, test)
        ]
        task = stratify(user=tables[0], test=tables[1], max_strata=max_strata)
        task.set_container_image(os.environ["ADSMU_IMAGE"])

    path = Path(f"/tmp/stratify-alone-{uuid.uuid4().hex}.yaml")  # noqa: S108 - of this process alone
    try:
        compiler.Compiler().compile(alone, str(path))
        return read_package(path)
    finally:
        path.unlink(missing_ok=True)


def rounds_of(run: str) -> dict[str, Any]:
    """The rounds of a run that was started otherwise, such as by the tests.

    Args:
        run: Its id.
    """
    pods = read_pods(watched.server(), run)
    return {"run": run, "pods": len(pods), "rounds": each_round(pods)}


def each_round(pods: list[Pod]) -> list[dict[str, Any]]:
    """The rounds of a run: seconds from the first pod to the last, those of the steps' own pods, and pods.

    Args:
        pods: The run's pods.
    """
    found = []
    for number in range(1, max(pod.round for pod in pods) + 1):
        of = [pod for pod in pods if pod.round == number and pod.ended]
        steps = {pod.task: watched.lasted(pod) for pod in of if not pod.driver}
        begin, end = min(pod.began for pod in of), max(pod.ended for pod in of)
        whole = (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
        found.append(
            {
                "round": number,
                "seconds": whole,
                "steps": steps,
                "beyond_the_steps": whole - sum(steps.values()),
                "pods": len(of),
                "drivers": sum(pod.driver for pod in of),
            }
        )
    return found


def _figures(seen: watched.Watched) -> dict[str, Any]:
    steps: dict[str, list[float]] = {}
    for pod in (pod for pods in seen.pods for pod in pods):
        if not pod.driver and pod.ended and not pod.task.startswith("importer"):
            steps.setdefault(pod.task, []).append(watched.lasted(pod))
    return {
        "states": Counter(seen.states),
        "seconds": seen.seconds,
        "pods": sum(map(len, seen.pods)),
        "most_pods_at_once": seen.most_pods,
        "largest_workflow_bytes": max(seen.workflow_bytes, default=0),
        "step_seconds_median": {task: statistics.median(values) for task, values in sorted(steps.items())},
        "step_memory_bytes": dict(sorted(seen.memory.items())),
    }


def _place() -> str:
    return f"{os.environ['ADSMU_STORE']}/benchmark-{uuid.uuid4().hex[:8]}"


BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    each.__name__: each for each in (rounds, many, strata, utterances)
}


def main() -> None:
    """Runs what is asked for, and puts it beside what was measured before."""
    logging.basicConfig(level=logging.WARNING)
    log.setLevel(logging.INFO)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("which", nargs="*", choices=[*BENCHMARKS, []], help="all, if none is named")
    parser.add_argument("--run", default="", help="take the rounds of this run, which has ended")
    options = parser.parse_args()
    for name in ["rounds"] if options.run else options.which or BENCHMARKS:
        held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        held[name] = {
            "what": " ".join((BENCHMARKS[name].__doc__ or "").split()),
            "command": f"python -m benchmarks.cluster {'--run RUN' if options.run else name}",
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "cores": os.cpu_count(),
            "load_before": os.getloadavg()[0],
            "figures": rounds_of(options.run) if options.run else BENCHMARKS[name](),
        }
        log.info("%s: %s", name, json.dumps(held[name]["figures"], default=str))
        write_json(held, RESULTS)


if __name__ == "__main__":
    main()
