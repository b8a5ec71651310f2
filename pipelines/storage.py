"""How a step that reads or writes the object storage itself is let in.

The launcher brings artifacts to a step and takes them from it, but what a step opens by a URI it opens in its
own name. Credentials come out of a Secret of the run's namespace as environment variables; where there is no
such Secret, the pod's own identity (IRSA, Workload Identity) has to do.
"""

from kfp import dsl, kubernetes

SECRET = "adsmu-object-store"  # noqa: S105 - the name of a Secret, that of manifests/base
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION")


def opens_storage(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Gives a step the credentials of the object storage.

    Args:
        task: The step.

    Returns:
        The step.
    """
    return kubernetes.use_secret_as_env(task, SECRET, {key: key for key in KEYS}, optional=True)
