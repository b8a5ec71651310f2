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
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", file=path) from error
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise BadInput("not UTF-8 text", file=path, row=content.count(b"\n", 0, error.start) + 1) from error
