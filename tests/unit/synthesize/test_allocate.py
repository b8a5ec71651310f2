"""A budget over strata."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsmu.errors import BadInput
from adsmu.synthesize.allocate import ALLOCATIONS, find_allocation

VERDICTS = ("pass", "fail", "undecided", "give_up")
STRATUM = st.tuples(st.integers(0, 50), st.integers(0, 50), st.sampled_from(VERDICTS), st.floats(0, 1))


def tables(drawn):
    ids = [f"s{n}" for n in range(len(drawn))]
    strata = pa.table({"stratum_id": ids, "train": [d[0] for d in drawn], "dev": [d[1] for d in drawn]})
    judged = zip(ids, drawn, strict=True)
    entries = [{"stratum_id": i, "verdict": d[2], "dev": {"low": d[3]}} for i, d in judged]
    return strata, {"strata": entries}


@pytest.mark.parametrize("name", ALLOCATIONS)
@given(drawn=st.lists(STRATUM, min_size=1, max_size=20), budget=st.integers(0, 10_000), data=st.data())
def test_a_budget_is_spent_to_the_row_and_the_order_of_strata_does_not_matter(name, drawn, budget, data):
    strata, evaluation = tables(drawn)
    shares = ALLOCATIONS[name](strata, evaluation, budget)
    given_up = np.array([d[2] == "give_up" for d in drawn])
    assert shares.dtype == np.int64
    assert (shares >= 0).all()
    assert shares[given_up].sum() == 0
    assert shares.sum() == (0 if given_up.all() else budget)
    order = data.draw(st.permutations(range(len(drawn))))
    assert (ALLOCATIONS[name](strata.take(order), evaluation, budget) == shares[order]).all()


def test_failing_gives_most_to_failed_strata_some_to_undecided_ones_and_nothing_to_others():
    strata, evaluation = tables([(1, 0, verdict, 0.5) for verdict in VERDICTS])
    assert ALLOCATIONS["failing"](strata, evaluation, 10).tolist() == [0, 8, 2, 0]


def test_without_an_evaluation_failing_is_equal():
    strata, _ = tables([(1, 0, "pass", 0.5)] * 3)
    assert ALLOCATIONS["failing"](strata, None, 9).tolist() == [3, 3, 3]


def test_failure_rate_keeps_a_floor_for_strata_that_pass():
    strata, evaluation = tables([(1, 0, "pass", 1.0), (1, 0, "fail", 0.05)])
    assert ALLOCATIONS["failure_rate"](strata, evaluation, 100).tolist() == [5, 95]


def test_a_negative_budget_is_refused():
    with pytest.raises(BadInput, match="-1 is below 0"):
        ALLOCATIONS["equal"](tables([(1, 0, "pass", 1.0)])[0], None, -1)


def test_an_imported_allocation_is_used_and_checked(monkeypatch, tmp_path):
    (tmp_path / "own_allocation.py").write_text(
        "import numpy as np\n"
        "def first(strata, evaluation, budget):\n    return np.array([budget] + [0] * (len(strata) - 1))\n"
        "def too_much(strata, evaluation, budget):\n    return np.full(len(strata), budget + 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    strata, _ = tables([(1, 0, "pass", 1.0)] * 2)
    assert find_allocation("own_allocation:first")(strata, None, 7).tolist() == [7, 0]
    with pytest.raises(BadInput, match="sum to 7"):
        find_allocation("own_allocation:too_much")(strata, None, 7)
