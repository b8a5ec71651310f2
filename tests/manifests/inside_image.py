"""Runs inside the image: each component by the command of its own file, as a launcher runs it.

Reads {step: component.yaml as JSON} from standard input; prints what came of the steps as one JSON object. It
writes below /tmp and needs nothing but what the image holds.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

WORK = Path("/tmp/steps")
TRAINER = {"epochs": 1}


def run(step, component, artifacts, **parameters):
    """Runs a component; its outputs, artifacts as paths and parameters as values."""
    root, executor = component["root"], next(iter(component["deploymentSpec"]["executors"].values()))
    inputs, outputs = root.get("inputDefinitions", {}), root.get("outputDefinitions", {})
    defaults = {  # the engine writes whole numbers as such
        name: int(each["defaultValue"]) if each["parameterType"] == "NUMBER_INTEGER" else each["defaultValue"]
        for name, each in inputs.get("parameters", {}).items()
        if "defaultValue" in each
    }
    folder = WORK / step
    folder.mkdir(parents=True)

    def artifact(name, declared, path):
        return {"artifacts": [{"name": name, "type": declared["artifactType"], "uri": str(path)}]}

    given = {
        "inputs": {
            "parameterValues": defaults | parameters,
            "artifacts": {
                name: artifact(name, each, artifacts[name])
                for name, each in inputs.get("artifacts", {}).items()
                if name in artifacts
            },
        },
        "outputs": {
            "parameters": {
                name: {"outputFile": str(folder / f"{name}.txt")} for name in outputs.get("parameters", {})
            },
            "artifacts": {
                name: artifact(name, each, folder / name)
                for name, each in outputs.get("artifacts", {}).items()
            },
            "outputFile": str(folder / "outputs.json"),
        },
    }
    container = executor["container"]
    words = [json.dumps(given) if word == "{{$}}" else word for word in container["args"]]
    ended = subprocess.run(
        [*container["command"], *words], capture_output=True, text=True, check=False, cwd="/tmp"
    )
    if ended.returncode:
        sys.exit(f"{step} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
    paths = {name: folder / name for name in outputs.get("artifacts", {})}
    said = folder / "outputs.json"
    return paths, json.loads(said.read_text()).get("parameterValues", {}) if said.exists() else {}


def main():
    """All steps, on the demo corpus."""
    components = json.load(sys.stdin)
    corpus = WORK / "corpus"
    subprocess.run(["adsmu", "demo", "--output", str(corpus), "--quiet"], check=True)
    existing = {"existing": corpus / "existing.parquet"}
    strata, _ = run(
        "stratify",
        components["stratify"],
        {"user": corpus / "user.parquet", "test": corpus / "test.parquet"},
    )
    rows, _ = run(
        "synthesize",
        components["synthesize"],
        strata | existing | {"catalog": corpus / "catalog.json"},
        round=0,
        rows_per_stratum=8,
    )
    trained, _ = run("train", components["train"], rows | existing, mode="full", settings=TRAINER)
    measured, said = run(
        "stratified_evaluate", components["stratified_evaluate"], strata | rows | trained | existing, round=0
    )
    _, deployed = run(
        "canary_deploy",
        components["canary_deploy"],
        trained | measured | rows | existing,
        verdict=said["verdict"],
        override="a test of the image",
    )
    _, finalised = run("canary_finalise", components["canary_finalise"], {})
    facts = {"verdict": said["verdict"], "deployed": deployed["outcome"], "finalised": finalised["outcome"]}
    sys.stdout.write(json.dumps(facts | {"user": os.getuid()}) + "\n")


if __name__ == "__main__":
    main()
