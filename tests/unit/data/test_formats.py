import gzip
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adsmu.data.conll import write_conll
from adsmu.data.formats import read_corpus
from adsmu.data.jsonl import write_jsonl
from adsmu.data.rasa import write_rasa
from adsmu.data.schema import utterances, write_utterances
from adsmu.data.three_files import write_three_files
from adsmu.errors import BadInput

visible = {"exclude_categories": ["C", "Z"]}
any_word = st.text(st.characters(**visible), min_size=1, max_size=6)
plain_word = st.text(st.characters(**visible, exclude_characters="[]"), min_size=1, max_size=6)
one_line = st.lists(any_word, min_size=1, max_size=2).map(" ".join)
slot = st.text(string.ascii_letters + string.digits + "_.", min_size=1, max_size=6)


@st.composite
def corpora(draw, word=any_word, splits=(None, "train", "dev", "test")):
    records = []
    for number in range(draw(st.integers(1, 4))):
        tokens, tags = [], []
        for name, said in draw(
            st.lists(
                st.tuples(st.none() | slot, st.lists(word, min_size=1, max_size=3)), min_size=1, max_size=3
            )
        ):
            tokens += said
            tags += [f"B-{name}", *[f"I-{name}"] * (len(said) - 1)] if name else ["O"] * len(said)
        records.append(
            {
                "id": f"{draw(one_line)}{number}",
                "tokens": tokens,
                "tags": tags,
                "intent": draw(one_line),
                "domain": draw(one_line),
                "source": draw(st.sampled_from(["existing", "user", "synthetic"])),
                "split": draw(st.sampled_from(splits)),
            }
        )
    return utterances(records)


def content(table, *columns):
    return sorted(map(str, table.select(columns).to_pylist()))


round_trip = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@round_trip
@given(corpora(), st.sampled_from(["c.jsonl", "c.jsonl.gz"]))
def test_jsonl_carries_every_column(tmp_path, table, name):
    write_jsonl(table, tmp_path / name)
    assert read_corpus(tmp_path / name).equals(table)


@round_trip
@given(corpora())
def test_conll_carries_all_but_the_loops_own_columns(tmp_path, table):
    write_conll(table, tmp_path / "c.conll")
    assert read_corpus(tmp_path / "c.conll").equals(table)


@round_trip
@given(corpora())
def test_three_files_carry_tokens_tags_intent_and_split(tmp_path, table):
    write_three_files(table, tmp_path / "c")
    carried = "tokens", "tags", "intent", "split"
    assert content(read_corpus(tmp_path / "c"), *carried) == content(table, *carried)


@round_trip
@given(corpora(word=plain_word))
def test_rasa_carries_tokens_tags_and_intent(tmp_path, table):
    write_rasa(table, tmp_path / "c.yml")
    carried = "tokens", "tags", "intent"
    assert content(read_corpus(tmp_path / "c.yml"), *carried) == content(table, *carried)


def written(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def fault(path):
    with pytest.raises(BadInput) as caught:
        read_corpus(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(str(path)), line
    return line.removeprefix(str(path))


LINE = '{"id": "1", "domain": "d", "intent": "i", "tokens": ["a"], "tags": ["O"]}\n'


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", ": holds no utterances"),
        (LINE + "\n" + LINE, ", row 3, column id: '1' stands twice"),
        (LINE + "{nonsense}\n", ", row 2: not JSON: "),
        (LINE + '{"id": "2"', ", row 2: not JSON: "),
        (LINE + "[1]\n", ", row 2: not a JSON object"),
        (LINE.encode() + b'{"id": "\xff"}\n', ", row 2: not UTF-8 text"),
        (LINE + LINE.replace('"1"', "2"), ", row 2, column id: 2 is not text"),
        (LINE + LINE.replace('["a"]', '"a"'), ', row 2, column tokens: "a" is not a list of texts'),
        (LINE + LINE.replace('["O"]', "[0]"), ", row 2, column tags: [0] is not a list of texts"),
        (LINE.replace('"domain": "d", ', ""), ", row 1, column domain: a value is needed"),
        (LINE.replace('"tags": ["O"]', '"tags": ["NoLabel"]'), ", row 1, column tags: 'NoLabel': a tag is"),
        (LINE.replace('"1"', '"1", "weight": "heavy"'), ', row 1, column weight: "heavy" is not a number'),
    ],
)
def test_a_bad_line_of_jsonl_is_named(tmp_path, text, rule):
    assert fault(written(tmp_path, "c.jsonl", text)).startswith(rule)


def test_a_truncated_archive_is_named(tmp_path):
    packed = gzip.compress(LINE.encode())
    assert fault(written(tmp_path, "c.jsonl.gz", packed[:-9])).startswith(": cannot be read: ")
    assert fault(written(tmp_path, "d.jsonl.gz", b"plain")).startswith(": cannot be read: ")


def test_jsonl_needs_no_columns_but_the_five_and_ignores_unknown_keys(tmp_path):
    table = read_corpus(written(tmp_path, "c.jsonl", LINE.replace('"1"', '"1", "fold": 3')))
    assert (
        table.to_pylist()
        == utterances(
            [{"id": "1", "domain": "d", "intent": "i", "tokens": ["a"], "tags": ["O"], "source": "existing"}]
        ).to_pylist()
    )


def test_conll_takes_tabs_blanks_comments_and_windows_line_ends(tmp_path):
    text = "# made by hand\n\n# intent: Play\n# text: play red moon\nplay\tO\nred B-song\nmoon   I-song\n\n\n"
    text += "# intent = Stop\n# domain = audio\nstop O"
    table = read_corpus(written(tmp_path, "c.bio", text.replace("\n", "\r\n")))
    assert table["tokens"].to_pylist() == [["play", "red", "moon"], ["stop"]]
    assert table["tags"].to_pylist() == [["O", "B-song", "I-song"], ["O"]]
    assert table["intent"].to_pylist() == ["Play", "Stop"]
    assert table["domain"].to_pylist() == ["all", "audio"]
    assert table["id"].to_pylist() == ["5", "12"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("\n", ": holds no utterances"),
        ("play O\n", ", row 1, column intent: a line '# intent: name' is needed"),
        ("# intent: i\nplay\n", ", row 2: a token and its tag are needed, not 1 fields"),
        ("# intent: i\nplay VB O\n", ", row 2: a token and its tag are needed, not 3 fields"),
        ("# intent: i\na O\n# intent: j\nb O\n", ", row 3: a comment stands before its utterance"),
        ("# intent: i\na O\n\n# intent: i\nb I-x\n", ", row 5, column tags: 'I-x': an I- tag continues"),
        ("# intent: \na O\n", ", row 2, column intent: '': a name is"),
        (b"# intent: i\na O\n\n\xff O\n", ", row 4: not UTF-8 text"),
    ],
)
def test_a_bad_line_of_conll_is_named(tmp_path, text, rule):
    assert fault(written(tmp_path, "c.conll", text)).startswith(rule)


def three_files(tmp_path, tokens="a b\nc\n", tags="O B-x\nO\n", label="i\nj\n"):
    for name, text in {"seq.in": tokens, "seq.out": tags, "label": label}.items():
        if text is not None:
            written(tmp_path, f"c/train/{name}", text)
    return tmp_path / "c"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"tags": "O B-x\n"}, "/train/seq.out, row 2: 1 lines where seq.in has 2"),
        ({"label": "i\nj\nk\n"}, "/train/label, row 3: 3 lines where seq.in has 2"),
        ({"label": None}, "/train/label: no such file"),
        ({"tags": "O\nO\n"}, "/train/seq.out, row 1, column tags: 1 tags for 2 tokens"),
        ({"tokens": "a b\n\n"}, "/train/seq.in, row 2, column tokens: []: a token is needed"),
        ({"label": "i\n\n"}, "/train/label, row 2, column intent: '': a name is"),
    ],
)
def test_a_bad_line_of_three_files_is_named(tmp_path, change, rule):
    assert fault(three_files(tmp_path, **change)).startswith(rule)


def test_the_valid_folder_of_a_release_is_its_dev_split(tmp_path):
    folder = three_files(tmp_path)
    (folder / "train").rename(folder / "valid")
    assert read_corpus(folder)["split"].to_pylist() == ["dev", "dev"]
    assert read_corpus(folder)["id"].to_pylist() == ["dev-1", "dev-2"]


RASA = """version: "3.1"
nlu:
- synonym: red
  examples: |
    - scarlet
- intent: play
  examples: |
    - play [red moon](song) by [alva]{"entity": "name", "role": "artist"}!

    - play ([moana](song:film)), please [x
- intent: stop
  examples:
  - text: |
      - stop
  - text: be quiet
"""


def test_the_forms_of_rasa_are_read(tmp_path):
    table = read_corpus(written(tmp_path, "c.yml", RASA))
    assert table.select(["id", "intent", "tokens", "tags"]).to_pylist() == [
        {
            "id": "8",
            "intent": "play",
            "tokens": ["play", "red", "moon", "by", "alva", "!"],
            "tags": ["O", "B-song", "I-song", "O", "B-name.artist", "O"],
        },
        {
            "id": "10",
            "intent": "play",
            "tokens": ["play", "(", "moana", "),", "please", "[x"],
            "tags": ["O", "O", "B-song", "O", "O", "O"],
        },
        {"id": "13", "intent": "stop", "tokens": ["stop"], "tags": ["O"]},
        {"id": "15", "intent": "stop", "tokens": ["be", "quiet"], "tags": ["O", "O"]},
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", ": a key nlu with a list of intents is needed"),
        ("nlu: 3", ": a key nlu with a list of intents is needed"),
        ("nlu:\n- intent: [a\n", ", row 3: not YAML: "),
        ("nlu: []", ": holds no utterances"),
        ("nlu:\n- intent: a\n", ", row 2, column examples: examples are a block"),
        (
            "nlu:\n- intent: a\n  examples: |\n    - x\n    y\n",
            ", row 5, column examples: an example starts with",
        ),
        ("nlu:\n- intent: a\n  examples:\n  - b\n", ", row 4, column examples: an example has a text"),
        (
            'nlu:\n- intent: a\n  examples: |\n    - [x]{"role": "r"}\n',
            ', row 4, column examples: {"role": "r"} has no',
        ),
        ("nlu:\n- intent: a\n  examples: |\n    - [x]{y}\n", ", row 4, column examples: {y} is not JSON"),
        ("nlu:\n- intent: a\n  examples: |\n    - [x](a b)\n", ", row 4, column tags: 'B-a b': a tag is"),
        ("nlu:\n- intent: ''\n  examples: |\n    - x\n", ", row 4, column intent: '': a name is"),
        ("nlu:\n- intent: {a: b}\n  examples: |\n    - x\n", ", row 2, column intent: an intent is a text"),
        ("[a]: b\nnlu: 1", ": a key nlu with a list"),
    ],
)
def test_a_bad_line_of_rasa_is_named(tmp_path, text, rule):
    assert fault(written(tmp_path, "c.yaml", text)).startswith(rule)


@pytest.mark.parametrize(
    ("tokens", "tags", "rule"),
    [
        (["[x]"], ["O"], "row 1, column tokens: '[x]': the form cannot carry this token"),
        (["\x07"], ["O"], "row 1, column tokens: '\\x07': the form cannot carry this token"),
        (["x"], ["B-a(b)"], "row 1, column tags: 'B-a(b)': the form cannot carry this slot"),
    ],
)
def test_what_rasa_cannot_carry_is_refused_and_nothing_written(tmp_path, tokens, tags, rule):
    row = {"id": "1", "tokens": tokens, "tags": tags, "intent": "i", "domain": "d", "source": "user"}
    with pytest.raises(BadInput) as caught:
        write_rasa(utterances([row]), tmp_path / "c.yml")
    assert str(caught.value) == rule
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_nothing_reads_is_named(tmp_path):
    assert fault(written(tmp_path, "c.csv", "a,b")).startswith(": unknown format")
    (tmp_path / "empty").mkdir()
    assert fault(tmp_path / "empty").startswith(": unknown format")
    assert fault(tmp_path / "none.jsonl") == ": no such file"


def test_tokens_are_lower_cased_on_demand_only(tmp_path):
    path = written(tmp_path, "c.jsonl", LINE.replace('"a"', '"Éa"'))
    assert read_corpus(path)["tokens"].to_pylist() == [["Éa"]]
    assert read_corpus(path, lower=True)["tokens"].to_pylist() == [["éa"]]


def test_the_utterance_table_itself_is_a_format(tmp_path):
    table = read_corpus(written(tmp_path, "c.jsonl", LINE))
    write_utterances(table, tmp_path / "c.parquet")
    assert read_corpus(tmp_path / "c.parquet").equals(table)


def test_snips_survives_every_format(tmp_path, snips):
    table = read_corpus(snips)
    assert len(table) == 14_484
    write_conll(table, tmp_path / "s.conll")
    assert read_corpus(tmp_path / "s.conll").equals(table)
    write_three_files(table, tmp_path / "s")
    write_rasa(table, tmp_path / "s.yml")
    for path in (tmp_path / "s", tmp_path / "s.yml"):
        assert content(read_corpus(path), "tokens", "tags", "intent") == content(
            table, "tokens", "tags", "intent"
        )
