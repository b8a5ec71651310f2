"""Object storage: created once, never changed; a folder and a bucket behave alike."""

import os
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsmu.errors import BadInput, StoreUnavailable
from adsmu.store import AlreadyThere, download, open_store, upload


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    """A new place in either kind of storage; the bucket is one that ADSMU_STORE names."""
    if request.param == "folder":
        return open_store(tmp_path / "store")
    if not os.environ.get("ADSMU_STORE"):
        pytest.skip("no bucket: ADSMU_STORE and AWS_ENDPOINT_URL name one")
    return open_store(os.environ["ADSMU_STORE"]).below(f"tests/{uuid.uuid4().hex}")


def test_what_is_there_is_never_replaced(store):
    store.create("looks/1.json", b"first")
    with pytest.raises(AlreadyThere, match=r"looks/1\.json"):
        store.create("looks/1.json", b"second")
    assert store.read("looks/1.json") == b"first"


def test_a_refused_write_does_not_spoil_the_next_ones(store):
    store.create("taken", b"first")
    for number in range(60):  # a server was seen to close every few connections behind a refusal
        with pytest.raises(AlreadyThere):
            store.create("taken", b"second")
        store.create(f"free/{number}", b"")


def test_what_is_not_there_reads_as_nothing(store):
    assert store.read("looks/1.json") is None
    assert store.names() == store.names("looks") == store.folders("looks") == []


def test_names_are_sorted_and_can_begin_behind_one(store):
    for name in ("b/2", "a/1", "b/10", "b/1", "bb/1"):
        store.create(name, b"")
    assert store.names() == ["a/1", "b/1", "b/10", "b/2", "bb/1"]
    assert store.names("b") == ["b/1", "b/10", "b/2"]
    assert store.names("b", "b/1") == ["b/10", "b/2"]


def test_folders_are_those_directly_below(store):
    for name in ("events/nlu/one/1", "events/nlu/two/1", "events/other/one/1"):
        store.create(name, b"")
    assert store.folders("events/nlu") == ["events/nlu/one", "events/nlu/two"]


def test_a_folder_goes_up_and_comes_down_unchanged(store, tmp_path):
    source = tmp_path / "model"
    (source / "deep").mkdir(parents=True)
    (source / "model.json").write_bytes(b"{}")
    (source / "deep" / "weights").write_bytes(bytes(range(256)))
    upload(source, store, "models/x")
    (source / "model.json").write_bytes(b"changed")
    upload(source, store, "models/x")  # what is there is left
    found = download(store, "models/x", tmp_path / "down")
    assert (found / "model.json").read_bytes() == b"{}"
    assert (found / "deep" / "weights").read_bytes() == bytes(range(256))
    with pytest.raises(BadInput, match="there is nothing"):
        download(store, "models/y", tmp_path / "other")


def test_a_storage_that_does_not_answer_is_told_from_one_that_has_nothing(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    away = open_store("s3://bucket/prefix")
    for act in (lambda: away.read("x"), lambda: away.create("x", b""), away.names, lambda: away.folders("x")):
        with pytest.raises(StoreUnavailable, match="s3://bucket/prefix: the storage does not answer"):
            act()


@pytest.mark.parametrize("uri", ["ftp://bucket/x", "s3://", "http://host/x"])
def test_a_place_of_another_kind_is_refused(uri):
    with pytest.raises(BadInput, match="must be a folder or s3://bucket, minio://bucket, gs://bucket"):
        open_store(uri)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True), st.binary(max_size=64), max_size=5
    )
)
def test_everything_created_is_there(tmp_path_factory, objects):
    store = open_store(tmp_path_factory.mktemp("store"))
    kept = {}
    for name, content in objects.items():
        if any(other.startswith(f"{name}/") or name.startswith(f"{other}/") for other in kept):
            continue  # a folder cannot stand where a file does
        store.create(name, content)
        kept[name] = content
    assert {name: store.read(name) for name in store.names()} == kept
