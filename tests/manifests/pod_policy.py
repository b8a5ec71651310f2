"""What every pod must keep to."""

from collections.abc import Iterator
from typing import Any


def pod_specs(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The specifications of the pods that an object brings forth."""
    spec = found.get("spec") or {}
    if found["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if found["kind"] in ("Deployment", "Job", "CronJob", "StatefulSet", "DaemonSet"):
        yield spec["template"]["spec"]
    if found["kind"] == "ClusterTrainingRuntime":
        for job in spec["template"]["spec"]["replicatedJobs"]:
            yield job["template"]["spec"]["template"]["spec"]
    if found["kind"] == "Pod":
        yield spec
    if found["kind"] == "InferenceService":
        yield spec["predictor"]


def breaches(pod: dict[str, Any]) -> list[str]:
    """The rules that a pod breaks."""
    wrong = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    wrong += ["hostPath" for volume in pod.get("volumes", ()) if "hostPath" in volume]
    whole = pod.get("securityContext") or {}
    for each in [*pod.get("initContainers", ()), *pod["containers"]]:
        own = each.get("securityContext") or {}
        tag = each["image"].rpartition("/")[2].partition("@")[0].partition(":")[2]
        limits = (each.get("resources") or {}).get("limits") or {}
        requests = (each.get("resources") or {}).get("requests") or {}
        profile = own.get("seccompProfile") or whole.get("seccompProfile") or {}
        kept = {
            "privileged": not own.get("privileged"),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities": (own.get("capabilities") or {}) == {"drop": ["ALL"]},
            "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
            "runAsNonRoot": own.get("runAsNonRoot", whole.get("runAsNonRoot")) is True,
            "runAsUser": own.get("runAsUser", whole.get("runAsUser")) != 0,
            "seccompProfile": profile.get("type") in ("RuntimeDefault", "Localhost"),
            "tag": "@sha256:" in each["image"] or tag not in ("", "latest"),
            "limits": {"cpu", "memory"} <= limits.keys(),
            "requests": {"cpu", "memory"} <= requests.keys(),
        }
        wrong += [f"{each['name']}: {name}" for name, is_kept in kept.items() if not is_kept]
    return wrong
