"""A release: a model and the stratifier of its requests, kept in object storage, never changed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """A model that can be served.

    Attributes:
        digest: Of the model folder, `sha256:` and 64 digits.
        uri: The release's folder: `model/` and `stratifier.json`; a path or a place in object storage.
    """

    digest: str
    uri: str

    @property
    def name(self) -> str:
        """A name for objects of this release: the same model has the same, another model another.

        >>> Release("sha256:" + "0123456789abcdef" * 4, "models/x").name
        'm-0123456789'
        """
        return f"m-{self.digest.removeprefix('sha256:')[:10]}"
