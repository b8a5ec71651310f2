"""What the readers of text formats share."""

from pathlib import Path

from adsmu.errors import BadInput

NO_DOMAIN = "all"  # the domain of every row of a format that has none


def read_text(path: str | Path) -> str:
    """Reads a UTF-8 text file.

    Args:
        path: The file.

    Returns:
        Its text, lines ended by a line feed, without a byte-order mark.

    Raises:
        BadInput: It is missing or not UTF-8; the line is named.
    """
    try:
        return decoded(Path(path).read_bytes(), path)
    except FileNotFoundError as error:
        raise BadInput("no such file", file=path) from error
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", file=path) from error


def decoded(content: bytes, path: str | Path) -> str:
    """Decodes UTF-8 text.

    Args:
        content: What the file holds.
        path: The file, for the error.

    Returns:
        Its text, lines ended by a line feed, without a byte-order mark.

    Raises:
        BadInput: It is not UTF-8; the line is named.
    """
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise BadInput("not UTF-8 text", file=path, row=content.count(b"\n", 0, error.start) + 1) from error
