"""The backend of `spec.canary`, and each trap that KServe sets."""

import pytest
from fake_schemas import OLD_INFERENCE_SERVICE
from rigs import NEW, OLD, rig, serving

from adsmu.errors import Refused

KSERVE, GATEWAY = "serving.kserve.io", "gateway.networking.k8s.io"
OLD_PODS, NEW_PODS = "nlu-m-aaaaaaaaaa-predictor", "nlu-m-bbbbbbbbbb-predictor"


def isvc(api):
    return api.get(KSERVE, "inferenceservices", "nlu")


def replicas(api):
    return {each["metadata"]["name"]: each["spec"]["replicas"] for each in api.all("apps", "deployments")}


def test_a_dark_launch_has_pods_at_no_percent(kserve, api):
    kserve.begin(OLD)
    kserve.traffic.deploy(NEW)
    entry = isvc(api)["spec"]["canary"][0]
    assert entry["trafficPercent"] == 0
    assert entry["predictor"]["minReplicas"] == 1  # unset it would be 0 pods, never ready
    assert replicas(api) == {OLD_PODS: 1, NEW_PODS: 1}


@pytest.mark.parametrize("count", [2, 3])
def test_the_champion_keeps_its_pods_beside_a_candidate(api, cluster, count):
    many = rig("kserve", api, cluster, serving(replicas=count))
    many.begin(OLD)
    many.traffic.deploy(NEW)
    for share in (0.0, 0.5, 1.0, 0.0):
        many.traffic.set_share(share)
        assert replicas(api) == {OLD_PODS: count, NEW_PODS: count}
    many.traffic.withdraw()
    assert replicas(api) == {OLD_PODS: count}
    assert isvc(api)["spec"]["predictor"]["minReplicas"] == count


def test_the_promoted_keeps_its_pods(api, cluster):
    two = rig("kserve", api, cluster, serving(replicas=2))
    two.begin(OLD)
    two.traffic.deploy(NEW)
    two.traffic.set_share(1.0)
    before = api.get("apps", "deployments", NEW_PODS)
    two.traffic.promote()
    after = api.get("apps", "deployments", NEW_PODS)
    assert after["spec"] == before["spec"] and after["metadata"]["uid"] == before["metadata"]["uid"]
    assert all(len(templates) == 1 for templates in two.controllers["kserve"].pods.values())
    assert replicas(api) == {NEW_PODS: 2}


def test_no_act_replaces_a_pod(kserve, api):
    kserve.begin(OLD)
    before = isvc(api)["metadata"]
    for back in (True, False):
        kserve.traffic.deploy(NEW)
        for share in (0.1, 0.5):
            kserve.traffic.set_share(share)
        kserve.traffic.set_share(0.0 if back else 1.0)
        (kserve.traffic.withdraw if back else kserve.traffic.promote)()
    templates = kserve.controllers["kserve"].pods
    assert {name: len(each) for name, each in templates.items()} == {OLD_PODS: 1, NEW_PODS: 1}
    for key in ("annotations", "labels"):
        assert isvc(api)["metadata"].get(key) == before.get(key)


def test_an_operators_own_fields_outlive_a_promotion(kserve, api):
    kserve.begin(OLD)
    found = isvc(api)
    found["spec"]["predictor"]["nodeSelector"] = {"pool": "cpu"}
    api.put(KSERVE, "inferenceservices", found)
    api.reconcile()
    kserve.traffic.deploy(NEW)
    kserve.traffic.set_share(1.0)
    kserve.traffic.promote()
    assert isvc(api)["spec"]["predictor"]["nodeSelector"] == {"pool": "cpu"}
    assert len(kserve.controllers["kserve"].pods[NEW_PODS]) == 1


def test_a_candidates_resources_are_whole(kserve, api):
    kserve.begin(OLD)
    kserve.traffic.deploy(NEW)
    resources = isvc(api)["spec"]["canary"][0]["predictor"]["containers"][0]["resources"]
    assert resources == {
        "requests": {"cpu": "1", "memory": "2Gi"},
        "limits": {"cpu": "1", "memory": "2Gi"},
    }


def test_a_share_is_what_the_route_says_and_not_the_status(kserve, api):
    kserve.controllers["kserve"].weights = False  # as in 0.20.0
    kserve.begin(OLD)
    kserve.traffic.deploy(NEW)
    assert kserve.traffic.unready() == ""
    kserve.traffic.set_share(0.5)
    assert isvc(api)["status"]["canaryStatuses"][0]["trafficPercent"] == 50
    assert kserve.traffic.share() == 0
    assert "0.20.0" in kserve.traffic.unready()
    assert "0.20.0" in kserve.traffic.obstacles()[0]


def test_a_kserve_without_spec_canary_is_refused_where_it_would_be_dropped_in_silence(kserve, api):
    api.schemas["inferenceservices"] = OLD_INFERENCE_SERVICE
    api.dropping = {"inferenceservices"}
    assert "older than 0.20" in kserve.traffic.obstacles()[0]
    kserve.begin(OLD)
    assert "older than 0.20" in kserve.traffic.obstacles()[0]
    before = kserve.state()
    with pytest.raises(Refused, match=r"older than 0\.20"):
        kserve.traffic.deploy(NEW)
    assert kserve.state() == before


def test_a_cluster_without_kserve_is_an_obstacle(kserve, api):
    api.unknown = {"inferenceservices"}
    assert "install KServe" in kserve.traffic.obstacles()[0]


def test_a_cluster_without_routes_is_an_obstacle(kserve, api):
    kserve.controllers["kserve"].routing = False
    kserve.traffic.deploy(OLD)
    assert "enableGatewayApi" in kserve.traffic.unready()
    assert kserve.traffic.share() == 0


@pytest.mark.parametrize("mode", ["Knative", None])
def test_another_mode_is_an_obstacle(kserve, api, mode):
    kserve.begin(OLD)
    found = isvc(api)
    found["metadata"]["annotations"] = {} if mode is None else {"serving.kserve.io/deploymentMode": mode}
    api.put(KSERVE, "inferenceservices", found)
    assert "works in Standard only" in kserve.traffic.obstacles()[0]


def test_a_percentage_that_would_be_ignored_is_an_obstacle(kserve, api):
    kserve.begin(OLD)
    found = isvc(api)
    found["spec"]["predictor"]["canaryTrafficPercent"] = 10
    api.put(KSERVE, "inferenceservices", found)
    assert "ignores without a word" in kserve.traffic.obstacles()[0]


@pytest.mark.parametrize("part", ["transformer", "explainer"])
def test_what_the_split_may_be_gone_around_by_is_an_obstacle(kserve, api, part):
    kserve.begin(OLD)
    found = isvc(api)
    found["spec"][part] = {}
    api.put(KSERVE, "inferenceservices", found)
    assert f"has a {part}" in kserve.traffic.obstacles()[0]


def test_a_service_that_somebody_else_made_is_refused(kserve, api):
    kserve.begin(OLD)
    found = isvc(api)
    found["spec"]["predictor"]["containers"][0]["args"] = []
    api.put(KSERVE, "inferenceservices", found)
    assert "names no model" in kserve.traffic.obstacles()[0]
    with pytest.raises(Refused, match="names no model"):
        kserve.traffic.champion()
    with pytest.raises(Refused, match="names no model"):
        kserve.traffic.deploy(NEW)


def test_somebody_elses_candidates_are_refused(kserve, api):
    kserve.begin(OLD)
    kserve.traffic.deploy(NEW)
    found = isvc(api)
    foreign = {
        "trafficPercent": 5,
        "predictor": {"name": "theirs", "containers": [{"name": "c", "image": "i"}]},
    }
    found["spec"]["canary"].append(foreign)
    api.put(KSERVE, "inferenceservices", found)
    assert "no rollout of this kind put there" in kserve.traffic.obstacles()[0]
    with pytest.raises(Refused, match="several candidates"):
        kserve.traffic.candidate()
    found["spec"]["canary"].pop(0)
    api.put(KSERVE, "inferenceservices", found)
    with pytest.raises(Refused, match="another candidate"):
        kserve.traffic.deploy(NEW)


def test_a_candidate_that_never_gets_ready_is_said_so(kserve, api):
    kserve.begin(OLD)
    kserve.controllers["deployments"].dead = {NEW.digest}
    kserve.traffic.deploy(NEW)
    conditions = {each["type"]: each["status"] for each in isvc(api)["status"]["conditions"]}
    assert conditions["Ready"] == "True"  # which therefore says nothing
    assert "0 of 1 pods available" in kserve.traffic.unready()
    kserve.traffic.set_share(0.5)
    assert kserve.traffic.share() == 0
    kserve.traffic.set_share(0.0)
    kserve.traffic.withdraw()
    assert kserve.traffic.champion() == OLD.digest


def test_a_dead_champion_freezes_the_route_and_that_is_said(kserve, api):
    kserve.begin(OLD)
    kserve.traffic.deploy(NEW)
    kserve.traffic.set_share(0.25)
    kserve.controllers["deployments"].dead = {OLD.digest}
    api.reconcile()
    assert "KServe leaves the HTTPRoutes as they are" in kserve.traffic.sick()
    assert kserve.traffic.unready() == ""  # the candidate is not to blame
    for share in (1.0, 0.0):
        with pytest.raises(Refused, match="by hand"):
            kserve.traffic.set_share(share)
        assert kserve.traffic.share() == 0.25
    with pytest.raises(Refused):
        kserve.traffic.withdraw()
    assert "by hand" in kserve.traffic.obstacles()[0]
    kserve.controllers["deployments"].dead = set()
    api.reconcile()
    assert kserve.traffic.share() == 0  # the last that was asked for
    assert kserve.traffic.sick() == ""


def test_a_controller_that_is_down_is_said_so(kserve, api):
    kserve.begin(OLD)
    kserve.traffic.deploy(NEW)
    kserve.traffic.set_share(0.5)
    kserve.controllers["kserve"].running = False
    with pytest.raises(Refused, match="its controller is down"):
        kserve.traffic.set_share(0.0)
    assert "its controller is down" in kserve.traffic.obstacles()[0]


def test_a_removal_waits_for_both_routes(kserve, api):
    kserve.begin(OLD)
    kserve.traffic.deploy(NEW)
    kserve.traffic.set_share(0.5)
    stale = api.get(GATEWAY, "httproutes", "nlu-predictor")
    kserve.traffic.set_share(0.0)
    api.put(GATEWAY, "httproutes", stale)
    with pytest.raises(Refused, match="50%"):
        kserve.traffic.withdraw()
    api.reconcile()
    kserve.traffic.withdraw()


def test_a_promotion_waits_for_both_routes(kserve, api):
    kserve.begin(OLD)
    kserve.traffic.deploy(NEW)
    kserve.traffic.set_share(0.5)
    stale = api.get(GATEWAY, "httproutes", "nlu-predictor")
    kserve.traffic.set_share(1.0)
    api.put(GATEWAY, "httproutes", stale)
    with pytest.raises(Refused, match="50%"):
        kserve.traffic.promote()
    api.reconcile()
    kserve.traffic.promote()
    assert kserve.traffic.champion() == NEW.digest


def test_a_first_model_has_all_requests_or_none_of_a_service(kserve):
    kserve.traffic.deploy(OLD)
    with pytest.raises(Refused, match="a first model has all requests"):
        kserve.traffic.set_share(0.5)
    with pytest.raises(Refused, match="another candidate"):
        kserve.traffic.deploy(NEW)
    kserve.traffic.withdraw()
    assert kserve.traffic.candidate() is None


def test_addresses_go_past_the_split(kserve):
    kserve.traffic.deploy(OLD)
    assert kserve.traffic.addresses().champion == ""
    assert kserve.traffic.addresses().candidate == f"http://{OLD_PODS}.ml.svc"
    kserve.traffic.set_share(1.0)
    kserve.traffic.promote()
    kserve.traffic.deploy(NEW)
    assert kserve.traffic.addresses().champion == f"http://{OLD_PODS}.ml.svc"
    assert kserve.traffic.addresses().candidate == f"http://{NEW_PODS}.ml.svc"


def test_nothing_is_left_of_asking_what_would_be_taken(kserve, api):
    assert kserve.traffic.obstacles() == []
    assert api.objects == {} and api.writes == []
