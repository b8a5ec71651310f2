"""A server that is not Kubeflow Pipelines but speaks as it does, and a pipeline to submit to it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_kfp import FakeKfp

from adsmu.submit.package import package


@pytest.fixture(autouse=True)
def nothing_from_this_machine(monkeypatch, tmp_path):
    """No token, no address and no kfp configuration of the person who runs the tests."""
    for name in ("KF_PIPELINES_ENDPOINT", "KFP_ENDPOINT", "KFP_NAMESPACE", "KFP_EXISTING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("KF_PIPELINES_SA_TOKEN_PATH", "KF_PIPELINES_UI_ENDPOINT", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    import kfp

    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", str(tmp_path / "context.json"))


@pytest.fixture
def kfp_api():
    fake = FakeKfp()
    try:
        yield fake
    finally:
        fake.stop()


@pytest.fixture(scope="session")
def small():
    """A pipeline of one step that takes a parameter of each kind and imports one artifact."""
    from kfp import dsl

    from adsmu.pipelines.recursion import compiled

    @dsl.component
    def step(
        text: str,
        count: int,
        share: float,
        flag: bool,
        values: dict,
        names: list,
        data: dsl.Input[dsl.Dataset],
    ):
        pass

    @dsl.pipeline
    def small(
        text: str,
        data: str,
        count: int = 1,
        share: float = 0.5,
        flag: bool = True,
        values: dict = {},  # noqa: B006 - kfp reads the default, nothing writes it
        names: list = [],  # noqa: B006 - as above
    ):
        imported = dsl.importer(artifact_uri=data, artifact_class=dsl.Dataset)
        step(text=text, count=count, share=share, flag=flag, values=values, names=names, data=imported.output)

    return package(compiled(small).text())
