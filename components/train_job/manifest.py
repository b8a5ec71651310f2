"""A TrainJob as an object: what is submitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adsmu.cluster import Kind, Manifest
from adsmu.store import Store
from adsmu.train_job.pool import Pool

TRAIN_JOB = Kind("trainer.kubeflow.org", "v1alpha1", "trainjobs", "TrainJob")

RUNTIME = "adsmu-train"
"""The ClusterTrainingRuntime of these TrainJobs; its one replicated job is called node."""

JOB_LABEL = "jobset.sigs.k8s.io/jobset-name"
"""The label of a TrainJob's pods that names it."""


@dataclass(frozen=True)
class Step:
    """The pod that submits: its nodes run the same image, and end when it is deleted.

    Attributes:
        name: The pod's name.
        uid: Its UID.
        image: The image of its main container.
    """

    name: str
    uid: str
    image: str


def train_job(
    name: str, places: Sequence[Store], pool: Pool, step: Step | None, cpu: str, memory: str
) -> Manifest:
    """A TrainJob of one pod a node, no two of them on the same node.

    Args:
        name: Its name.
        places: What `adsmu.train.node` is given: the places of task, state and model.
        pool: How many nodes, and which.
        step: The pod that submits it; None: outside a cluster, where the runtime's image is taken.
        cpu: What each node asks for, and its limit; empty: what the runtime says.
        memory: The same.
    """
    resources = {"cpu": cpu, "memory": memory, pool.accelerator: pool.gpus}
    resources = {resource: amount for resource, amount in resources.items() if amount}
    trainer: dict[str, Any] = {
        # Without it Trainer sets none of the variables that torchrun meets by.
        "numNodes": pool.nodes,
        "command": ["python3", "-m", "adsmu.train.node", *(each.uri for each in places)],
    }
    if resources:
        trainer["resourcesPerNode"] = {"requests": resources, "limits": resources}
    if step:
        trainer["image"] = step.image
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {JOB_LABEL: name}}}
    pod = {
        "nodeSelector": pool.selector,
        "tolerations": pool.tolerations,
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
    }
    job = {"name": "node", "template": {"spec": {"template": {"spec": pod}}}}
    patch = {
        "manager": "adsmu.io/train",
        "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [job]}}},
    }
    owner = {"apiVersion": "v1", "kind": "Pod", "name": step.name, "uid": step.uid} if step else None
    return TRAIN_JOB.head | {
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": "adsmu"},
            "ownerReferences": [owner] if owner else [],
        },
        "spec": {
            "runtimeRef": {"apiGroup": TRAIN_JOB.group, "kind": "ClusterTrainingRuntime", "name": RUNTIME},
            "trainer": trainer,
            "runtimePatches": [patch],
        },
    }
