"""What the backends of KServe write, held against KServe's own schema on a real API server.

No controller of KServe need run: its part, the HTTPRoutes, is written by the test.
"""

import pytest

from adsmu.canary_deploy.release import Release
from adsmu.canary_deploy.traffic.inference import INFERENCE_SERVICE, InferenceService
from adsmu.canary_deploy.traffic.knative import KnativeTraffic
from adsmu.canary_deploy.traffic.kserve import KServeTraffic
from adsmu.canary_deploy.traffic.serving import Serving
from adsmu.cluster import HTTP_ROUTE, NotThere, connect
from adsmu.errors import Conflict, Refused

OLD, NEW = (Release(f"sha256:{letter * 64}", f"s3://models/{letter * 64}") for letter in "ab")


@pytest.fixture
def settings(namespace):
    cluster = connect(namespace)
    try:
        cluster.find(INFERENCE_SERVICE)
    except NotThere:
        pytest.skip("the cluster knows no InferenceService")
    return Serving(
        service="nlu",
        namespace=namespace,
        image="registry.example/adsmu:1",
        events="s3://events",
        replicas=2,
        secret="storage",
        service_account="predictors",
    )


def routed(cluster, weights):
    """The HTTPRoutes that KServe would write."""
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
    for name in ("nlu", "nlu-predictor"):
        body = HTTP_ROUTE.head | {"metadata": {"name": name}, "spec": {"rules": [{"backendRefs": refs}]}}
        try:
            cluster.create(HTTP_ROUTE, body)
        except Conflict:
            cluster.patch(HTTP_ROUTE, name, body)


def test_a_rollout_in_standard_mode_fits_the_schema(settings):
    cluster = connect(settings.namespace)
    traffic, at = KServeTraffic(cluster, settings), lambda: cluster.read(INFERENCE_SERVICE, "nlu")
    old, new = f"nlu-{OLD.name}-predictor", f"nlu-{NEW.name}-predictor"
    assert traffic.obstacles() == []
    traffic.deploy(OLD)
    assert (traffic.champion(), traffic.candidate()) == (None, OLD.digest)
    traffic.promote()
    assert traffic.champion() == OLD.digest
    stable = at()["spec"]["predictor"]
    for last in ("withdraw", "promote"):
        traffic.deploy(NEW)
        entry = at()["spec"]["canary"][0]
        assert entry["trafficPercent"] == 0 and at()["spec"]["predictor"]["minReplicas"] == 4
        traffic.set_share(0.25)
        assert at()["spec"]["canary"] == [entry | {"trafficPercent": 25}]
        routed(cluster, {old: 75, new: 25})
        assert traffic.share() == 0.25
        with pytest.raises(Refused):
            getattr(traffic, last)()
        share = 0.0 if last == "withdraw" else 1.0
        traffic.set_share(share)
        routed(cluster, {old: 100 - round(100 * share), new: round(100 * share)})
        getattr(traffic, last)()
        if last == "withdraw":
            assert at()["spec"] == {"predictor": stable}
    assert at()["spec"] == {"predictor": stable | entry["predictor"]}
    assert traffic.champion() == NEW.digest


def test_a_predictor_of_knative_mode_fits_the_schema(settings):
    cluster = connect(settings.namespace)
    traffic = KnativeTraffic(cluster, settings)
    assert traffic.obstacles() == []
    traffic.deploy(OLD)
    traffic.promote()
    assert traffic.champion() == OLD.digest
    assert traffic.obstacles()[0].startswith("there is no Knative Service nlu-predictor")
    isvc = InferenceService(cluster, settings)
    isvc.note(OLD.digest, OLD.digest, None)
    isvc.change(isvc.read(), {"predictor": {"canaryTrafficPercent": 0}})
    traffic.set_share(0.05)
    assert isvc.read()["spec"]["predictor"]["canaryTrafficPercent"] == 5


def test_a_change_of_an_older_version_is_refused(settings):
    cluster = connect(settings.namespace)
    isvc = InferenceService(cluster, settings)
    KServeTraffic(cluster, settings).deploy(OLD)
    found = isvc.read()
    isvc.change(found, {"predictor": {"minReplicas": 3}})
    with pytest.raises(Conflict):
        isvc.change(found, {"predictor": {"minReplicas": 4}})


def test_a_field_that_the_schema_has_not_is_refused_and_not_dropped(settings):
    cluster = connect(settings.namespace)
    isvc = InferenceService(cluster, settings)
    KServeTraffic(cluster, settings).deploy(OLD)
    with pytest.raises(Refused, match="unknown field"):
        isvc.change(isvc.read(), {"canaries": []})
