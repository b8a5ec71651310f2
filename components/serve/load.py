"""From a release to a model that is known to answer."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from adsmu.errors import BadInput
from adsmu.files import digest, read_json
from adsmu.store import download, open_store
from adsmu.stratify.assign import FILE, Stratifier
from adsmu.train.model import load_model
from adsmu.train.protocol import Predictor


@dataclass(frozen=True)
class Loaded:
    """What a predictor process serves.

    Attributes:
        predictor: The model.
        stratifier: Tells the stratum of a request.
    """

    predictor: Predictor
    stratifier: Stratifier


def load_release(uri: str, expected: str, trainer: str) -> Loaded:
    """Loads a release, and has it answer a golden request of every stratum.

    Args:
        uri: The release's folder: a path, or a place in object storage.
        expected: The digest that the model folder must have.
        trainer: Import path of the model's trainer.

    Returns:
        Model and stratifier.

    Raises:
        BadInput: The model is another one or was altered, a file is damaged, or a golden request fails.
        StoreUnavailable: The storage does not answer.
    """
    uri = uri.removeprefix("file://").rstrip("/")
    if "://" not in uri:
        if not Path(uri).is_dir():
            raise BadInput("no such folder", file=uri)
        return _load(Path(uri), uri, expected, trainer)
    parent, _, name = uri.rpartition("/")
    with tempfile.TemporaryDirectory() as place:
        return _load(download(open_store(parent), name, Path(place, "release")), uri, expected, trainer)


def _load(folder: Path, uri: str, expected: str, trainer: str) -> Loaded:
    found = digest(folder / "model")
    if found != expected:
        raise BadInput(f"the model is {found}, not {expected}: it was altered, or is another one", file=uri)
    stratifier = Stratifier.from_json(read_json(folder / FILE), f"{uri}/{FILE}")
    loaded = Loaded(load_model(folder / "model", trainer), stratifier)
    _answer_golden(loaded, uri)
    return loaded


def _answer_golden(loaded: Loaded, uri: str) -> None:
    for name, tokens in zip(loaded.stratifier.names, loaded.stratifier.golden, strict=True):
        if not tokens:
            continue
        try:
            predictions = loaded.predictor.predict([tokens])
            answered = len(predictions.tags[0]) == len(tokens) and predictions.intent[0]
        except Exception as error:
            raise BadInput(
                f"the model fails the golden request of stratum {name}: {type(error).__name__}: {error}",
                file=uri,
            ) from error
        if not answered:
            raise BadInput(f"the model does not answer the golden request of stratum {name}", file=uri)
