"""A recursion that has nothing to do with model updates: Newton's square root, and a log handed on."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from adsmu.pipelines import recursion


class Root(NamedTuple):
    root: float
    uri: str


WHEN = recursion.Guard("newton", "verdict", "far")


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def begin(log: Output[Dataset]):
    with open(log.path, "w") as file:
        file.write("begin")


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def newton(x: float, square: float, before: Input[Dataset], log: Output[Dataset]) -> NamedTuple(
    "Step", [("x", float), ("verdict", str)]
):
    x = (x + square / x) / 2
    with open(before.path) as old, open(log.path, "w") as new:
        new.write(old.read() + f" {x:.3f}")
    return x, "close" if abs(x * x - square) < 1e-9 else "far"


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def finish(x: float, log: Input[Dataset]) -> NamedTuple("Root", [("root", float), ("uri", str)]):
    return x, log.uri


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def show(log: Input[Dataset]) -> str:
    with open(log.path) as file:
        return file.read()


def approach(x: float, square: float, log: Input[Dataset]) -> Root:
    step = newton(x=x, square=square, before=log)
    again(x=step.outputs["x"], square=square, log=step.outputs["log"])
    end = finish(x=step.outputs["x"], log=step.outputs["log"]).set_caching_options(False)
    return Root(root=end.outputs["root"], uri=end.outputs["uri"])


again = recursion.stub(approach)
approach_pipeline = dsl.pipeline(approach)


@dsl.pipeline
def reopen(uri: str) -> str:
    log = dsl.importer(artifact_uri=uri, artifact_class=Dataset, reimport=False)
    return show(log=log.output).output


@dsl.pipeline
def square_root(square: float = 2.0) -> NamedTuple("Found", [("root", float), ("log", str)]):
    """Finds a square root.

    Args:
        square: The number.
    """
    found = approach_pipeline(x=1.0, square=square, log=begin().output)
    log = reopen(uri=found.outputs["uri"])
    return NamedTuple("Found", [("root", float), ("log", str)])(root=found.outputs["root"], log=log.output)
