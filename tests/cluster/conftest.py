"""What the tests use of a real cluster: a namespace, object storage, Kubeflow Pipelines, inputs of runs.

`README.md` beside this says which variables name them. What is not there is skipped, with the reason.
"""

import base64
import importlib.util
import json
import os
import sys
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "unit" / "serve")]

from cluster_runs import NAMESPACE, core  # noqa: E402
from cluster_service import Entrance  # noqa: E402
from namespaces import made_namespace  # noqa: E402

from adsmu.store import open_store, upload  # noqa: E402

NEEDED = ("KUBECONFIG", "ADSMU_IMAGE", "ADSMU_STORE")
ENTRANCES = {
    "gateway": ("ADSMU_GATEWAY_URL", "ADSMU_GATEWAY"),
    "kserve": ("ADSMU_KSERVE_URL",),
    "knative": ("ADSMU_KNATIVE_URL",),
}
"""The variables that name where a backend's users come in, the URL first."""

RUNS_NEED = ("KFP_HOST", "ADSMU_IMAGE", "ADSMU_STORE", "KUBECONFIG")
PARAMETERS = {
    "rows_per_stratum": 4,
    "evaluation_rows": 40,
    "target": 0.6,
    "margin": 0.2,
    "allocation": "equal",
    "generator": "fill",
    "mode": "full",
    "early_mode": "full",
    "trainer": "template_trainer:TemplateTrainer",
    "max_rounds": 3,
    "cpu": "100m",
    "memory": "256Mi",
}


def credentials():
    """What the environment says of the object storage, as a Secret holds it."""
    given = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    return {key: base64.b64encode(value.encode()).decode() for key, value in given.items()}


def _of_the_pipelines_tests():
    path = HERE.parent / "pipelines" / "conftest.py"
    spec = importlib.util.spec_from_file_location("inputs_of_updates", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


inputs = _of_the_pipelines_tests().inputs


@pytest.fixture(scope="session")
def where():
    """What the environment says of the cluster."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no cluster: {', '.join(missing)} not set")
    return {name: os.environ[name] for name in NEEDED}


@pytest.fixture
def namespace(where):
    """A namespace with the credentials of the object storage: for pods, and as KServe wants them."""
    with made_namespace() as name:
        core().create_namespaced_secret(name, {"metadata": {"name": "storage"}, "data": credentials()})
        endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "https://s3.amazonaws.com"))
        annotations = {
            "serving.kserve.io/s3-endpoint": endpoint.netloc,
            "serving.kserve.io/s3-usehttps": str(int(endpoint.scheme == "https")),
            "serving.kserve.io/s3-region": os.environ.get("AWS_REGION", "us-east-1"),
        }
        for_kserve = {"metadata": {"name": "fetching", "annotations": annotations}, "data": credentials()}
        core().create_namespaced_secret(name, for_kserve)
        account = {"metadata": {"name": "predictors"}, "secrets": [{"name": "fetching"}]}
        core().create_namespaced_service_account(name, account)
        yield name


@pytest.fixture(params=ENTRANCES)
def entrance(request, where):
    """A traffic backend and where its users come in; a test runs once for each that is named."""
    variables = ENTRANCES[request.param]
    missing = [name for name in variables if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no entrance of backend {request.param}: {', '.join(missing)} not set")
    return Entrance(request.param, os.environ[variables[0]], *(os.environ[name] for name in variables[1:]))


@pytest.fixture(scope="session")
def server():
    """URL of a Kubeflow Pipelines server whose steps reach the object storage."""
    missing = [name for name in RUNS_NEED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no Kubeflow Pipelines server: {', '.join(missing)} not set")
    from kubernetes.client import ApiException

    secret = {"metadata": {"name": "adsmu-object-store"}, "data": credentials()}
    try:
        core().create_namespaced_secret(NAMESPACE, secret)
    except ApiException as error:
        if error.status != 409:
            raise
    return os.environ["KFP_HOST"]


@pytest.fixture(scope="session")
def place(server):
    """A place of its own in the object storage."""
    return f"{os.environ['ADSMU_STORE']}/{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def parameters(place, inputs, tmp_path_factory):
    """Writes the inputs to the object storage; gives a file of parameters for each change of them."""
    store = open_store(place)
    upload(inputs.corpus.existing.parent, store, "corpus")
    upload(inputs.champion, store, "champion")
    upload(inputs.knowing_champion, store, "knowing")
    at = place.replace("s3://", "minio://")
    corpus = {name: f"{at}/corpus/{name}.parquet" for name in ("existing", "user", "test")}
    given = PARAMETERS | corpus | {"catalog": f"{at}/corpus/catalog.json", "champion": f"{at}/champion"}
    folder = tmp_path_factory.mktemp("parameters")

    def written(**changes):
        file = folder / f"{uuid.uuid4().hex}.json"
        file.write_text(json.dumps(given | changes))
        return file

    written.knowing = f"{at}/knowing"
    return written
