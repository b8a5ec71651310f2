"""The backend of `canaryTrafficPercent`, and what its revisions can be mistaken for."""

import pytest
from rigs import NEW, OLD, OTHER

from adsmu.errors import Refused

KSERVE, KNATIVE = "serving.kserve.io", "serving.knative.dev"


def isvc(api):
    return api.get(KSERVE, "inferenceservices", "nlu")


def predictor(api):
    return isvc(api)["spec"]["predictor"]


def status(api):
    return isvc(api)["status"]["components"]["predictor"]


def test_the_candidate_and_its_percentage_come_in_one_patch(knative, api):
    knative.begin(OLD)
    former = len(api.writes)
    knative.traffic.deploy(NEW)
    assert predictor(api)["canaryTrafficPercent"] == 0
    assert [plural for _, plural, _ in api.writes[former:]] == ["configmaps", "inferenceservices"]


def test_a_predictor_has_nothing_that_knative_refuses(knative, api):
    knative.begin(OLD)
    assert "terminationGracePeriodSeconds" not in predictor(api)
    assert "lifecycle" not in predictor(api)["containers"][0]


def test_a_share_counts_revisions_by_their_model(knative, api):
    knative.begin(OLD)
    knative.controllers["knative"].routing = False
    knative.traffic.deploy(NEW)
    # Knative still routes all to what is "latest ready", and that is the champion.
    assert knative.traffic.share() == 0
    with pytest.raises(Refused):
        knative.traffic.promote()
    knative.traffic.set_share(0.5)
    assert knative.traffic.share() == 0
    knative.controllers["knative"].routing = True
    api.reconcile()
    assert knative.traffic.share() == 0.5


def test_a_withdrawal_waits_for_the_route(knative, api):
    knative.begin(OLD)
    knative.traffic.deploy(NEW)
    knative.traffic.set_share(0.5)
    knative.controllers["knative"].routing = False
    knative.traffic.set_share(0.0)
    with pytest.raises(Refused, match="50%"):
        knative.traffic.withdraw()


def test_a_rollback_outlives_the_removal_of_the_percentage(knative, api):
    knative.begin(OLD)
    specified = predictor(api)
    knative.traffic.deploy(NEW)
    knative.traffic.set_share(0.0)
    knative.traffic.withdraw()
    assert predictor(api) == specified | {"canaryTrafficPercent": 0}
    found = isvc(api)
    del found["spec"]["predictor"]["canaryTrafficPercent"]
    api.put(KSERVE, "inferenceservices", found)
    api.reconcile()
    assert knative.traffic.champion() == OLD.digest
    targets = api.get(KNATIVE, "services", "nlu-predictor")["status"]["traffic"]
    for target in targets:
        words = api.get(KNATIVE, "revisions", target["revisionName"])["spec"]["containers"][0]["args"]
        assert OLD.digest in words


def test_an_operators_own_fields_are_restored_by_a_rollback(knative, api):
    knative.begin(OLD)
    found = isvc(api)
    found["spec"]["predictor"] |= {"nodeSelector": {"pool": "cpu"}, "minReplicas": 3}
    api.put(KSERVE, "inferenceservices", found)
    api.reconcile()
    knative.traffic.deploy(NEW)
    knative.traffic.withdraw()
    assert predictor(api)["nodeSelector"] == {"pool": "cpu"}
    assert predictor(api)["minReplicas"] == 3


def test_a_rollback_from_all_requests_goes_back_to_the_champion(knative, api):
    knative.begin(OTHER)
    knative.traffic.deploy(OLD)
    knative.traffic.set_share(1.0)
    knative.traffic.promote()
    knative.traffic.deploy(NEW)
    knative.traffic.set_share(1.0)
    assert (knative.traffic.champion(), knative.traffic.candidate()) == (OLD.digest, NEW.digest)
    knative.traffic.set_share(0.0)
    assert knative.traffic.share() == 0
    knative.traffic.withdraw()
    assert knative.traffic.champion() == OLD.digest


def test_a_promotion_takes_the_percentage_away(knative, api):
    knative.begin(OLD)
    knative.traffic.deploy(NEW)
    knative.traffic.set_share(1.0)
    revision = status(api)["latestCreatedRevision"]
    knative.traffic.promote()
    assert "canaryTrafficPercent" not in predictor(api)
    assert status(api)["latestCreatedRevision"] == revision  # no new pods
    assert status(api)["latestRolledoutRevision"] == revision
    assert api.get("", "configmaps", "canary-nlu.traffic") is None


def test_a_candidate_that_never_gets_ready_is_said_so(knative, api):
    knative.begin(OLD)
    knative.controllers["knative"].dead = {NEW.digest}
    knative.traffic.deploy(NEW)
    assert "nlu-predictor-00002 is not ready: ContainerMissing" in knative.traffic.unready()
    knative.traffic.set_share(0.5)
    assert knative.traffic.share() == 0
    knative.traffic.set_share(0.0)
    knative.traffic.withdraw()
    assert knative.traffic.champion() == OLD.digest


def test_a_change_that_has_not_settled_is_waited_for(knative, api):
    knative.begin(OLD)
    found = isvc(api)
    found["status"]["components"]["predictor"]["latestRolledoutRevision"] = ""
    api.after = []
    api.put(KSERVE, "inferenceservices", found)
    assert "for rolled out" in knative.traffic.obstacles()[0]
    with pytest.raises(Refused, match="for rolled out"):
        knative.traffic.deploy(NEW)
    found["status"]["components"]["predictor"]["latestReadyRevision"] = "nlu-predictor-00000"
    api.put(KSERVE, "inferenceservices", found)
    with pytest.raises(Refused, match="is not ready yet"):
        knative.traffic.deploy(NEW)


def test_a_champion_that_died_is_sick(knative, api):
    knative.begin(OLD)
    knative.traffic.deploy(NEW)
    knative.controllers["knative"].dead = {OLD.digest}
    api.reconcile()
    assert "is not ready: ContainerMissing" in knative.traffic.sick()


@pytest.mark.parametrize("mode", ["Standard", "RawDeployment"])
def test_standard_mode_is_an_obstacle(knative, api, mode):
    knative.begin(OLD)
    found = isvc(api)
    found["metadata"]["annotations"] = {"serving.kserve.io/deploymentMode": mode}
    api.put(KSERVE, "inferenceservices", found)
    assert "ignores canaryTrafficPercent without a word" in knative.traffic.obstacles()[0]


def test_a_service_that_does_not_run_on_knative_is_an_obstacle(knative, api):
    knative.begin(OLD)
    api.after = []
    api.remove(KNATIVE, "services", "nlu-predictor")
    assert "does not run on Knative" in knative.traffic.obstacles()[0]


def test_addresses_are_of_revisions_by_their_whole_names(knative):
    """Knative's activator, which stands before a revision, knows it by no shorter one and answers 404."""
    knative.begin(OLD)
    knative.traffic.deploy(NEW)
    assert knative.traffic.addresses().champion == "http://nlu-predictor-00001.ml.svc.cluster.local"
    assert knative.traffic.addresses().candidate == "http://nlu-predictor-00002.ml.svc.cluster.local"
    knative.traffic.set_share(1.0)
    assert knative.traffic.addresses().champion == "http://nlu-predictor-00001.ml.svc.cluster.local"


def test_an_older_model_that_came_back_is_said_so(knative, api):
    knative.begin(OTHER)
    knative.traffic.deploy(OLD)
    knative.traffic.set_share(1.0)
    knative.traffic.promote()
    knative.traffic.deploy(NEW)
    assert knative.traffic.sick() == ""
    found = api.get(KNATIVE, "services", "nlu-predictor")
    api.after = []
    traffic = [
        {"revisionName": "nlu-predictor-00001", "percent": 100},
        {"revisionName": "nlu-predictor-00003", "percent": 0},
    ]
    api.put(KNATIVE, "services", found, status={"traffic": traffic})
    assert f"requests go to {OTHER.digest}" in knative.traffic.sick()
