"""What the sign-off step measures on when it is given no evaluation set."""

import pyarrow as pa

from adsmu.data.schema import read_utterances, utterances, write_utterances
from adsmu.sign_off.versions import held_out


def rows(source: str, splits: dict[str, str]) -> pa.Table:
    given = {"tokens": ["stop"], "tags": ["O"], "intent": "Stop", "domain": "home", "source": source}
    given |= {"stratum_id": None, "round": None, "weight": 1.0}
    return utterances([{"id": name, "split": split, **given} for name, split in splits.items()])


def test_held_out_rows_of_both_tables_make_one_table_and_no_id_stands_twice(tmp_path):
    write_utterances(rows("user", {"a": "test", "b": "train"}), tmp_path / "data.parquet")
    write_utterances(rows("existing", {"a": "test", "c": "test", "d": "dev"}), tmp_path / "existing.parquet")
    both = held_out(tmp_path / "data.parquet", tmp_path / "existing.parquet")
    assert both["id"].to_pylist() == ["a", "existing a", "c"]
    assert both["source"].to_pylist() == ["user", "existing", "existing"]
    write_utterances(both, tmp_path / "both.parquet")
    assert read_utterances(tmp_path / "both.parquet").num_rows == 3
