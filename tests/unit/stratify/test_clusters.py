from importlib.util import find_spec

import pytest

from adsmu.errors import BadInput
from adsmu.stratify.strata import stratify

from .rows import held, rows


def clusters_of(user, test=None, **more):
    table, strata = stratify(user, test if test is not None else held(), rule="model", **more)
    return table["stratum_id"].to_pylist(), strata.to_pylist()


def test_sentences_group_by_carrier_phrase_and_not_by_the_title_asked_for():
    ids, strata = clusters_of(
        rows(
            "could you put on [title: the paper lighthouse] for us",
            "what is the running time of [title: the paper lighthouse]",
            "would you put on [title: winter at sea] for us",
            "what is the running time of [title: winter at sea] then",
        )
    )
    assert ids[0] == ids[2] != ids[1] == ids[3]
    assert len(strata) == 2


def test_a_cluster_is_called_after_its_most_frequent_shape():
    _, strata = clusters_of(
        rows("please play [title: a]", "please do play [title: b]", "please do play [title: c]")
    )
    assert [row["shape"] for row in strata] == ["like please do play {title}"]


def test_held_out_rows_join_the_nearest_cluster_or_none():
    ids, _ = clusters_of(
        rows("please play [title: a]", "please play [title: b]", "how long is [title: c]"),
        held("please play [title: d] now", "wake everyone at seven"),
    )
    assert ids[3] == ids[0]
    assert ids[4] is None


def test_held_out_rows_do_not_change_the_clusters():
    user = rows("please play [title: a]", "how long is [title: c]", "do play [title: b] please")
    alone, strata = clusters_of(user)
    beside, with_test = clusters_of(
        user, held("how do play long is [title: d]", "how please play [title: e]")
    )
    assert beside[: len(alone)] == alone
    assert [row["stratum_id"] for row in with_test] == [row["stratum_id"] for row in strata]


def test_intents_are_clustered_apart():
    import pyarrow as pa

    user = pa.concat_tables(
        [rows("play [title: a]"), rows("play [title: b]", first=5, intent="Buy", domain="shop")]
    )
    ids, strata = clusters_of(user)
    assert ids[0] != ids[1]
    assert {row["intent"] for row in strata} == {"Play", "Buy"}


def test_a_folder_without_an_encoder_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"config\.json"):
        clusters_of(rows("play it"), encoder=str(tmp_path))


@pytest.mark.skipif(find_spec("transformers") is not None, reason="transformers is installed")
def test_without_transformers_an_encoder_asks_for_the_extra(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadInput, match=r"adsmu\[encoder\]"):
        clusters_of(rows("play it"), encoder=str(tmp_path))


@pytest.mark.skipif(
    find_spec("transformers") is None, reason="transformers, extra adsmu[encoder], is missing"
)
def test_an_encoder_folder_embeds_the_shapes(tmp_path):
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "please", "play", "title", "how", "long", "is"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words), **size)).save_pretrained(tmp_path)
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    user = rows("please play [title: a]", "please play [title: b]", "how long is [title: a]")
    ids, _ = clusters_of(user, encoder=str(tmp_path))
    assert ids[0] == ids[1]
    assert clusters_of(user, encoder=str(tmp_path))[0] == ids
