"""Makes a model again, from its root on, out of what the store keeps."""

import shutil
import tempfile
from pathlib import Path

from adsmu.errors import BadInput
from adsmu.files import digest, refuse_existing, written_whole
from adsmu.lineage.chain import lineage
from adsmu.lineage.kept import model_folder, stored_table
from adsmu.store import Store, download
from adsmu.train.run import train_files


def rebuild(model: str | Path, store: Store, output: str | Path, trainers: tuple[str, ...]) -> list[str]:
    """Trains a model and all it comes from again, and compares digests.

    Training on one processor is reproducible to the bit with the same versions of the libraries, so each
    generation must have the digest it had. The next one is trained from the one that was made here.

    Args:
        model: A model folder, or the digest of a model in the store.
        store: Where its ancestors and the tables stand.
        output: The model folder to make.
        trainers: Import paths that may be imported; a path that only a model names is not.

    Returns:
        The digests, the root's first.

    Raises:
        BadInput: Something is missing, a trainer is not among those allowed, or a model came out otherwise.
        StoreUnavailable: The storage does not answer.
    """
    refuse_existing(output)
    links = lineage(model, store)[::-1]
    for link in links:
        if link.missing:
            raise BadInput(f"{link.missing[0]} is not in the store", file=store.uri, column=link.digest)
        if (trainer := link.model["trainer"]) not in trainers:
            raise BadInput(f"the trainer {trainer!r} is not allowed here: name it", file="trainer")
    with tempfile.TemporaryDirectory() as folder:
        base = None
        for number, link in enumerate(links):
            made = Path(folder) / f"model-{number}"
            tables = {
                name: stored_table(store, wanted, Path(folder)) for name, wanted in link.model["data"].items()
            }
            train_files(
                tables["existing"],
                tables.get("data"),
                base,
                made,
                mode=link.model["mode"],
                trainer=link.model["trainer"],
                settings=link.model["settings"],
                seed=link.model["seed"],
            )
            if (found := digest(made)) != link.digest:
                rule = f"generation {number} came out as {found}: other libraries or another processor?"
                raise BadInput(rule, file=store.uri, column=link.digest)
            base = made
        with written_whole(output) as temporary:
            shutil.copytree(made, temporary)
    return [link.digest for link in links]


def fetch(model: str, store: Store, output: str | Path) -> Path:
    """Brings a model out of the store and checks that it is the one that was asked for.

    Args:
        model: Its digest.
        store: The store.
        output: The model folder to make.

    Raises:
        BadInput: It is not there, or was damaged.
        StoreUnavailable: The storage does not answer.
    """
    refuse_existing(output)
    with written_whole(output) as temporary:
        download(store, model_folder(model), temporary)
        if (found := digest(temporary)) != model:
            raise BadInput(f"what stands there is {found}", file=f"{store.uri}/{model_folder(model)}")
    return Path(output)
