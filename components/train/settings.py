"""The settings of the two-stage trainer, validated."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from adsmu.errors import BadInput

EPOCHS = {"full": 10, "warm": 10, "finetune": 5}
LEARNING_RATES = {"full": 0.004, "warm": 0.002, "finetune": 0.004, "scout": 0.004}


@dataclass(frozen=True)
class Settings:
    """What can be chosen about the network and its training.

    The defaults of learning rate, clipping, word dropout, averaging and row weights were found by experiment
    on simulated updates of a public corpus.

    Attributes:
        word_size: Numbers in a trained word embedding.
        char_size: Numbers in a character embedding.
        char_features: Filters of the character convolution; 0 leaves characters out.
        vector_size: Numbers that a static word-piece vector is projected to.
        hidden: LSTM cells a direction, of the tagger.
        layers: LSTM layers of the tagger.
        domain_hidden: LSTM cells a direction, of the domain classifier.
        dropout: Share of features set to 0 in training.
        vectors: Folder in the Hugging Face layout whose word-piece embeddings are used as static vectors.
            Read in mode full only; the other modes take what the base model has.
        encoder: Folder in the Hugging Face layout of a transformer of the BERT kind to use in place of words,
            letters and BiLSTMs. Read in mode full only, as `vectors`.
        epochs: Passes over the data; None: 10, 5 in mode finetune.
        scout_epochs: Passes over the data in mode scout.
        scout_existing: Share of the existing rows that mode scout learns from.
        batch_size: Rows in a step, over all processes.
        learning_rate: Adam's step size at the start; it falls linearly to 30 % of it. None: .004, and .002 in
            mode warm, so that what the base model knows is kept.
        encoder_learning_rate: The same for the weights of a transformer encoder.
        clip: Greatest norm of the gradient.
        word_dropout: Chance that a word is read as unknown in training.
        rare_word_dropout: The same for words that training saw at most twice.
        average_last: Share of the steps, at the end, whose weights are averaged (Izmailov et al. 2018).
        patience: Epochs without a better development score after which training stops.
        weight_existing: Loss weight of existing rows.
        weight_user: Loss weight of user rows.
        weight_synthetic: Loss weight of synthetic rows.
        class_weights: `balanced`: every intent weighs the same in sum.
        stratum_weights: `balanced`: every stratum weighs the same in sum.
        interpolate: Share of the base model's weights in the result, where both have them.
        processes: Training processes on each machine. None: one a GPU, and one where there is none.
        device: `auto` takes a GPU where there is one.
    """

    word_size: int = 100
    char_size: int = 25
    char_features: int = 50
    vector_size: int = 128
    hidden: int = 128
    layers: int = 1
    domain_hidden: int = 48
    dropout: float = 0.3
    vectors: str = ""
    encoder: str = ""
    epochs: int | None = None
    scout_epochs: int = 2
    scout_existing: float = 0.25
    batch_size: int = 64
    learning_rate: float | None = None
    encoder_learning_rate: float = 0.00005
    clip: float = 1.0
    word_dropout: float = 0.05
    rare_word_dropout: float = 0.15
    average_last: float = 0.35
    patience: int = 5
    weight_existing: float = 1.0
    weight_user: float = 2.5
    weight_synthetic: float = 2.5
    class_weights: Literal["none", "balanced"] = "none"
    stratum_weights: Literal["none", "balanced"] = "none"
    interpolate: float = 0.0
    processes: int | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"


NETWORK = ("word_size", "char_size", "char_features", "vector_size", "hidden", "layers", "domain_hidden")
SHARES = ("dropout", "word_dropout", "rare_word_dropout", "average_last", "interpolate", "scout_existing")
MAY_BE_ZERO = ("char_features", "weight_existing", "weight_user", "weight_synthetic", *SHARES)


def read_settings(given: dict[str, Any]) -> Settings:
    """Checks settings that differ from the defaults.

    Args:
        given: Values by name. A whole float stands for an integer: JSON of some engines knows no other.

    Returns:
        The settings, complete.

    Raises:
        BadInput: An unknown name, a value of another type or out of its range.

    >>> read_settings({"hidden": 64.0}).hidden
    64
    """
    kinds = get_type_hints(Settings)
    values = {}
    for name, value in given.items():
        if name not in kinds:
            raise BadInput(f"no such setting; known: {', '.join(kinds)}", file="settings", column=str(name))
        values[name] = _checked(name, value, kinds[name])
    return dataclasses.replace(Settings(), **values)


def _checked(name: str, value: Any, kind: Any) -> Any:
    def bad(rule: str) -> BadInput:
        return BadInput(f"{value!r} is not {rule}", file="settings", column=name)

    if kind is str:
        if not isinstance(value, str):
            raise bad("text")
        return value
    if str in map(type, get_args(kind)):
        if value not in get_args(kind):
            raise bad(f"one of {', '.join(get_args(kind))}")
        return value
    if value is None and type(None) in get_args(kind):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise bad("a number")
    whole = float not in (kind, *get_args(kind))
    if whole:
        if value != int(value):
            raise bad("a whole number")
        value = int(value)
    least = 0 if name in MAY_BE_ZERO else None
    if not (value > 0 or value == least) or value == float("inf"):
        raise bad("a number above 0" if least is None else "a number of at least 0")
    if name in SHARES and (value > 1 or (name.endswith("dropout") and value == 1)):
        raise bad("a share of at most 1" if not name.endswith("dropout") else "a share below 1")
    return value if whole else float(value)
