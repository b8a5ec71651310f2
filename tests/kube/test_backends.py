"""What every backend on a cluster does, whichever API it speaks."""

import pytest
from fake_api import Fault
from rigs import NEW, OLD, OTHER

from adsmu import cluster as cluster_module
from adsmu.errors import Refused


def test_there_is_nothing_before_the_first_model(backend):
    assert backend.traffic.obstacles() == []
    assert (backend.traffic.champion(), backend.traffic.candidate()) == (None, None)
    assert backend.traffic.share() == 0
    assert backend.traffic.sick() == ""


def test_a_first_model_is_a_candidate_until_it_is_promoted(backend):
    backend.traffic.deploy(OLD)
    assert (backend.traffic.champion(), backend.traffic.candidate()) == (None, OLD.digest)
    backend.traffic.set_share(1.0)
    assert backend.traffic.unready() == ""
    assert backend.traffic.share() == 1
    backend.traffic.promote()
    assert (backend.traffic.champion(), backend.traffic.candidate()) == (OLD.digest, None)
    assert backend.traffic.obstacles() == []


def test_a_first_model_that_is_withdrawn_takes_the_service_away(backend):
    before = backend.state()
    backend.traffic.deploy(OLD)
    backend.traffic.set_share(1.0)
    backend.traffic.withdraw()
    assert (backend.traffic.champion(), backend.traffic.candidate()) == (None, None)
    left = {place for place in backend.state() if place[1] != "revisions"}
    assert left == set(before)


def test_a_candidate_starts_without_requests(backend):
    backend.begin(OLD)
    backend.traffic.deploy(NEW)
    assert (backend.traffic.champion(), backend.traffic.candidate()) == (OLD.digest, NEW.digest)
    assert backend.traffic.unready() == ""
    assert backend.traffic.share() == 0
    found = backend.traffic.addresses()
    assert found.champion and found.candidate and found.champion != found.candidate


def test_a_ramp_is_read_back_and_ends_in_a_promotion(backend):
    backend.begin(OLD)
    backend.traffic.deploy(NEW)
    for share in (0.05, 0.29, 0.5, 0.25, 1.0):
        backend.traffic.set_share(share)
        assert backend.traffic.share() == share
        assert backend.traffic.unready() == ""
    assert backend.traffic.champion() == OLD.digest
    backend.traffic.promote()
    assert (backend.traffic.champion(), backend.traffic.candidate()) == (NEW.digest, None)
    assert backend.traffic.share() == 0
    assert backend.traffic.addresses().candidate == ""
    assert backend.traffic.obstacles() == []


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_a_rollback_leaves_the_champion_as_it_was(backend, share):
    backend.begin(OLD)
    backend.traffic.deploy(NEW)
    backend.traffic.set_share(share)
    backend.traffic.set_share(0.0)
    backend.traffic.withdraw()
    assert (backend.traffic.champion(), backend.traffic.candidate()) == (OLD.digest, None)
    assert backend.traffic.share() == 0
    assert backend.traffic.sick() == ""
    assert backend.traffic.obstacles() == []


def test_rollouts_follow_one_another(backend):
    backend.begin(OLD)
    backend.traffic.deploy(NEW)
    backend.traffic.withdraw()
    for following in (OTHER, NEW):
        backend.traffic.deploy(following)
        backend.traffic.set_share(1.0)
        backend.traffic.promote()
        assert backend.traffic.champion() == following.digest
    assert backend.traffic.obstacles() == []


def test_a_promotion_wants_all_requests(backend):
    backend.begin(OLD)
    backend.traffic.deploy(NEW)
    backend.traffic.set_share(0.5)
    with pytest.raises(Refused, match="50"):
        backend.traffic.promote()
    assert backend.traffic.champion() == OLD.digest


def test_a_withdrawal_wants_no_requests(backend):
    backend.begin(OLD)
    backend.traffic.deploy(NEW)
    backend.traffic.set_share(0.5)
    with pytest.raises(Refused, match="50"):
        backend.traffic.withdraw()
    assert backend.traffic.share() == 0.5


def test_one_candidate_at_a_time(backend):
    backend.begin(OLD)
    with pytest.raises(Refused, match="is the champion already"):
        backend.traffic.deploy(OLD)
    backend.traffic.deploy(NEW)
    with pytest.raises(Refused, match="another candidate is there"):
        backend.traffic.deploy(OTHER)


def test_without_a_candidate_there_is_nothing_to_give_requests_to(backend):
    with pytest.raises(Refused, match="no candidate"):
        backend.traffic.set_share(0.5)
    backend.begin(OLD)
    with pytest.raises(Refused, match="no candidate"):
        backend.traffic.set_share(0.5)
    assert backend.traffic.unready() == "there is no candidate"
    before = backend.state()
    backend.traffic.withdraw()
    assert backend.state() == before


@pytest.mark.parametrize("share", [0.12345, -0.1, 1.5])
def test_a_share_that_the_api_cannot_hold_is_refused(backend, share):
    backend.begin(OLD)
    backend.traffic.deploy(NEW)
    with pytest.raises(Refused, match="share"):
        backend.traffic.set_share(share)


ACTS = {
    "deploy": (lambda traffic: None, lambda traffic: traffic.deploy(NEW)),
    "set_share": (lambda traffic: traffic.deploy(NEW), lambda traffic: traffic.set_share(0.25)),
    "promote": (
        lambda traffic: (traffic.deploy(NEW), traffic.set_share(1.0)),
        lambda traffic: traffic.promote(),
    ),
    "withdraw": (lambda traffic: traffic.deploy(NEW), lambda traffic: traffic.withdraw()),
}


@pytest.fixture(params=list(ACTS))
def act(request, backend):
    """A backend just before an act, and the act."""
    before, act = ACTS[request.param]
    backend.begin(OLD)
    before(backend.traffic)
    return lambda: act(backend.traffic)


def test_an_act_done_twice_is_as_if_done_once(backend, act):
    act()
    once = backend.state()
    act()
    assert backend.state() == once


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("code", [500, 0], ids=["answered", "cut"])
def test_an_act_cut_short_at_any_write_is_finished_by_doing_it_again(backend, act, api, applied, code):
    objects, former = dict(api.objects), len(api.writes)
    act()
    aim, writes = backend.state(), len(api.writes) - former
    assert writes > 0
    for number in range(writes):
        api.objects = dict(objects)
        api.reconcile()
        api.faults = [Fault(code=code, applied=applied, skip=number)]
        with pytest.raises(Refused):
            act()
            raise AssertionError(f"{number} of {api.writes[former:]}")
        assert not api.faults
        assert backend.traffic.sick() == "" or backend.traffic.candidate() == NEW.digest
        act()
        assert backend.state() == aim, f"write {number}"


def test_an_act_survives_what_somebody_else_writes_meanwhile(backend, act, api):
    def touch():
        for place, each in list(api.objects.items()):
            if place[1] in ("httproutes", "inferenceservices"):
                labels = (each["metadata"].get("labels") or {}) | {"touched": str(len(api.meanwhile))}
                changed = each | {"metadata": each["metadata"] | {"labels": labels}}
                if place[1] == "httproutes":
                    api.put(place[0], place[1], changed)
                else:
                    api.put(place[0], place[1], each, status=each["status"] | {"url": labels["touched"]})

    api.meanwhile = [touch, touch]
    act()
    assert not api.meanwhile


def test_an_act_gives_up_when_others_never_stop(backend, api, monkeypatch):
    monkeypatch.setattr(cluster_module, "PAUSES", (0.0, 0.0))
    backend.begin(OLD)
    backend.traffic.deploy(NEW)
    plural = "httproutes" if backend.name == "gateway" else "inferenceservices"
    api.faults = [Fault("PATCH", plural, 409) for _ in range(2)]
    with pytest.raises(Refused, match="somebody else keeps changing it"):
        backend.traffic.set_share(0.5)


def test_a_silent_api_is_a_refusal_that_may_be_tried_again(backend, api, monkeypatch):
    monkeypatch.setattr(cluster_module, "SECONDS", 0.2)
    backend.begin(OLD)
    backend.traffic.deploy(NEW)
    api.faults = [Fault("GET", code=-1)]
    with pytest.raises(Refused, match="does not answer"):
        backend.traffic.share()
    assert backend.traffic.share() == 0


def test_missing_rights_are_named(backend, api):
    backend.begin(OLD)
    api.denied = {("patch", "httproutes"), ("create", "configmaps"), ("patch", "inferenceservices")}
    lines = backend.traffic.obstacles()
    assert lines and all(line.endswith("in namespace ml is missing") for line in lines)
    patched = (
        "httproutes.gateway.networking" if backend.name == "gateway" else "inferenceservices.serving.kserve"
    )
    assert [line.removesuffix(" in namespace ml is missing") for line in lines if "patch" in line] == [
        f"the right to patch {patched}.{'k8s.io' if backend.name == 'gateway' else 'io'}"
    ]
    assert "the right to create configmaps in namespace ml is missing" in lines


def test_a_right_that_is_taken_away_later_is_named_too(backend, api):
    backend.begin(OLD)
    backend.traffic.deploy(NEW)
    api.denied = {("patch", "httproutes"), ("patch", "inferenceservices")}
    with pytest.raises(Refused, match=r"not allowed to patch (httproutes|inferenceservices)"):
        backend.traffic.set_share(0.5)


def test_no_credentials_stand_in_a_command_line(backend, api):
    backend.begin(OLD)
    text = str([each for place, each in api.objects.items() if place[1] in ("deployments", "revisions")])
    assert "secretRef" in text and "AWS_SECRET" not in text
