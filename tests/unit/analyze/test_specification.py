import numpy as np
import pyarrow as pa
import pytest

from adsmu.analyze.specification import check_window, specification, write_window
from adsmu.errors import BadInput
from adsmu.profile.observations import read_observations
from adsmu.strategy import Strategy
from adsmu.strategy.schema import Cohort, Columns

from .tables import STRATEGY, reference, table, world


def test_a_specification_names_answer_features_and_cohorts():
    needs = specification(reference(), STRATEGY)
    assert needs["columns"] == {
        "prediction": {"kind": "text", "role": "answer"},
        "x": {"kind": "numbers", "role": "feature"},
        "y": {"kind": "numbers", "role": "feature"},
        "place": {"kind": "text", "role": "cohort"},
    }
    assert needs["strategy"] == STRATEGY.digest


def test_a_window_that_keeps_it_is_written(tmp_path):
    window = table(world(0))
    write_window(window, tmp_path / "window.parquet", specification(reference(), STRATEGY))
    assert len(read_observations(tmp_path / "window.parquet")) == len(window)


def replaced(name, values):
    window = table(world(0, 4))
    return window.set_column(window.column_names.index(name), name, pa.array(values))


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (table(world(0)).drop_columns(["x"]), "column x: the column is missing, which an analysis needs"),
        (replaced("x", ["1", "2", "3", "4"]), "column x: numbers are needed, not text"),
        (replaced("place", ["north", None, "west", "west"]), "row 2, column place: a value is missing"),
        (replaced("prediction", ["a", "b", None, "c"]), "row 3, column prediction: a value is missing"),
    ],
)
def test_a_window_that_breaks_it_is_refused_and_nothing_is_written(tmp_path, window, words):
    with pytest.raises(BadInput, match=words):
        write_window(window, tmp_path / "window.parquet", specification(reference(), STRATEGY))
    assert not list(tmp_path.iterdir())


def test_vectors_must_be_as_long_as_those_of_the_reference():
    def made(length):
        vector = pa.FixedSizeListArray.from_arrays(np.zeros(500 * length), length)
        return table(world(0), labelled=True).append_column("image", vector)

    strategy = Strategy("images", Columns(features=("image",)), cohorts={"place": Cohort("place")})
    needs = specification(made(4), strategy)
    assert needs["columns"]["image"] == {"kind": "vectors", "role": "feature", "length": 4}
    assert len(check_window(made(4), needs)) == 500
    with pytest.raises(BadInput, match="row 1, column image: a vector of 4 numbers is needed"):
        check_window(made(3), needs)


def test_only_what_the_strategy_watches_is_asked_of_a_window():
    window = table(world(0)).drop_columns(["y"])
    for watched, asked in ((None, {"x", "y"}), (("x",), {"x"}), ((), set())):
        strategy = Strategy("small", Columns(features=watched, ignore=("place",)))
        needs = specification(reference(), strategy)
        assert set(needs["columns"]) == {"prediction"} | asked
        if "y" not in asked:
            assert len(check_window(window, needs)) == len(window)
