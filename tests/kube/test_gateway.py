"""The backend of own Deployments, Services and one HTTPRoute."""

import pytest
from rigs import NEW, OLD, rig, serving

from adsmu.errors import Refused

GATEWAY = "gateway.networking.k8s.io"


def route(api):
    return api.get(GATEWAY, "httproutes", "nlu")


def backends(api):
    return {each["name"]: each["weight"] for each in route(api)["spec"]["rules"][0]["backendRefs"]}


def test_the_route_names_gateway_host_and_weights(gateway, api):
    gateway.begin(OLD)
    gateway.traffic.deploy(NEW)
    gateway.traffic.set_share(0.125)
    assert route(api)["spec"]["parentRefs"] == [{"namespace": "gateway", "name": "public"}]
    assert route(api)["spec"]["hostnames"] == ["nlu.example.com"]
    assert backends(api) == {"nlu-m-aaaaaaaaaa": 875, "nlu-m-bbbbbbbbbb": 125}


def test_a_candidate_has_capacity_of_its_own(api, cluster):
    three = rig("gateway", api, cluster, serving(replicas=3))
    three.begin(OLD)
    three.traffic.deploy(NEW)
    replicas = {each["metadata"]["name"]: each["spec"]["replicas"] for each in api.all("apps", "deployments")}
    assert replicas == {"nlu-m-aaaaaaaaaa": 3, "nlu-m-bbbbbbbbbb": 3}


def test_a_pod_drains_before_it_ends(gateway, api):
    gateway.begin(OLD)
    spec = api.get("apps", "deployments", "nlu-m-aaaaaaaaaa")["spec"]["template"]["spec"]
    assert "sleep(5)" in spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2]
    assert spec["terminationGracePeriodSeconds"] > 5
    assert spec["automountServiceAccountToken"] is False


def test_a_service_selects_pods_of_its_release_only(gateway, api):
    gateway.begin(OLD)
    gateway.traffic.deploy(NEW)
    for each in api.all("", "services"):
        template = api.get("apps", "deployments", each["metadata"]["name"])["spec"]["template"]
        assert each["spec"]["selector"] == template["metadata"]["labels"]


def test_the_champion_is_untouched_by_a_rollout_that_is_rolled_back(gateway, api):
    gateway.begin(OLD)
    before = api.get("apps", "deployments", "nlu-m-aaaaaaaaaa")
    gateway.traffic.deploy(NEW)
    gateway.traffic.set_share(0.5)
    gateway.traffic.set_share(0.0)
    gateway.traffic.withdraw()
    assert api.get("apps", "deployments", "nlu-m-aaaaaaaaaa") == before


def test_a_promotion_replaces_no_pod_of_the_candidate(gateway, api):
    gateway.begin(OLD)
    gateway.traffic.deploy(NEW)
    before = api.get("apps", "deployments", "nlu-m-bbbbbbbbbb")
    gateway.traffic.set_share(1.0)
    gateway.traffic.promote()
    assert api.get("apps", "deployments", "nlu-m-bbbbbbbbbb") == before
    assert [each["metadata"]["name"] for each in api.all("apps", "deployments")] == ["nlu-m-bbbbbbbbbb"]
    assert [each["metadata"]["name"] for each in api.all("", "services")] == ["nlu-m-bbbbbbbbbb"]


def test_requests_stop_before_anything_is_taken_away(gateway, api):
    gateway.begin(OLD)
    gateway.traffic.deploy(NEW)
    gateway.traffic.withdraw()
    kinds = [(method, plural) for method, plural, _ in api.writes]
    last = kinds[-4:]
    assert last == [
        ("PATCH", "httproutes"),
        ("DELETE", "services"),
        ("DELETE", "deployments"),
        ("PATCH", "httproutes"),
    ]


def test_what_a_rollout_did_not_make_is_left_alone(gateway, api):
    api.put(GATEWAY, "httproutes", {"metadata": {"name": "nlu"}, "spec": {"rules": []}})
    assert "was not made by a rollout" in gateway.traffic.obstacles()[0]
    with pytest.raises(Refused, match="was not made by a rollout"):
        gateway.traffic.deploy(OLD)
    gateway.traffic.withdraw()
    assert api.writes == []


def test_a_route_that_somebody_changed_is_an_obstacle(gateway, api):
    gateway.begin(OLD)
    found = route(api)
    found["spec"]["rules"][0]["backendRefs"].append({"name": "other", "port": 80, "weight": 1})
    api.put(GATEWAY, "httproutes", found)
    api.reconcile()
    lines = gateway.traffic.obstacles()
    assert "somebody changed it" in lines[0]
    assert "other" in lines[0]


def test_requests_that_go_elsewhere_count_against_the_share(gateway, api):
    gateway.begin(OLD)
    gateway.traffic.deploy(NEW)
    gateway.traffic.set_share(1.0)
    found = route(api)
    found["spec"]["rules"][0]["backendRefs"].append({"name": "other", "port": 80, "weight": 1000})
    api.put(GATEWAY, "httproutes", found)
    assert gateway.traffic.share() == 0.5
    with pytest.raises(Refused):
        gateway.traffic.promote()


def test_a_cluster_without_gateway_api_is_an_obstacle(gateway, api):
    api.unknown = {"httproutes"}
    assert "install Gateway API" in gateway.traffic.obstacles()[0]


def test_a_sick_champion_is_an_obstacle(gateway, api):
    gateway.begin(OLD)
    gateway.controllers["deployments"].dead = {OLD.digest}
    api.reconcile()
    assert (
        "the champion is not well: Deployment nlu-m-aaaaaaaaaa has 0 of 1" in gateway.traffic.obstacles()[0]
    )
    assert "0 of 1 pods" in gateway.traffic.sick()


def test_a_champion_whose_pods_are_gone_is_sick(gateway, api):
    gateway.begin(OLD)
    api.remove("apps", "deployments", "nlu-m-aaaaaaaaaa")
    assert gateway.traffic.sick() == "there is no Deployment nlu-m-aaaaaaaaaa"


def test_a_champion_of_which_one_pod_answers_is_not_sick(api, cluster):
    two = rig("gateway", api, cluster, serving(replicas=2))
    two.begin(OLD)
    two.controllers["deployments"].failing = {OLD.digest}
    api.reconcile()
    assert two.traffic.sick() == ""
    assert "1 of 2" in two.traffic.obstacles()[0]


def test_a_candidate_needs_all_pods_to_begin_and_one_to_go_on(api, cluster):
    two = rig("gateway", api, cluster, serving(replicas=2))
    two.begin(OLD)
    two.controllers["deployments"].failing = {NEW.digest}
    two.traffic.deploy(NEW)
    assert "1 of 2" in two.traffic.unready()
    two.controllers["deployments"].failing = set()
    two.traffic.set_share(0.1)
    assert two.traffic.unready() == ""
    two.controllers["deployments"].failing = {NEW.digest}
    api.reconcile()
    assert two.traffic.unready() == ""
    two.controllers["deployments"].dead = {NEW.digest}
    api.reconcile()
    assert "0 of 2" in two.traffic.unready()


def test_a_deployment_that_serves_another_model_is_not_believed(gateway, api):
    gateway.begin(OLD)
    found = api.get("apps", "deployments", "nlu-m-aaaaaaaaaa")
    words = found["spec"]["template"]["spec"]["containers"][0]["args"]
    words[words.index("--digest") + 1] = NEW.digest
    api.put("apps", "deployments", found)
    api.reconcile()
    assert f"serves {NEW.digest}, not {OLD.digest}" in gateway.traffic.sick()


def test_a_gateway_that_refuses_the_route_is_named(gateway, api):
    gateway.controllers["gateway"].refusing = True
    gateway.traffic.deploy(OLD)
    assert "does not take HTTPRoute nlu: NoListener" in gateway.traffic.unready()


def test_a_gateway_that_has_not_looked_yet_is_waited_for(gateway, api):
    gateway.controllers["gateway"].blind = True
    gateway.traffic.deploy(OLD)
    assert gateway.traffic.unready() == "no Gateway has taken HTTPRoute nlu up"
    gateway.controllers["gateway"].blind = False
    api.reconcile()
    assert gateway.traffic.unready() == ""
    gateway.controllers["gateway"].blind = True
    gateway.traffic.set_share(1.0)
    assert "has not seen the newest" in gateway.traffic.unready()


def test_a_service_that_is_missing_is_named(gateway, api):
    gateway.begin(OLD)
    gateway.traffic.deploy(NEW)
    api.remove("", "services", "nlu-m-bbbbbbbbbb")
    api.reconcile()
    assert "BackendNotFound" in gateway.traffic.unready()
