"""A row cut into its spans, to be shown."""


def marked(tokens: list[str], tags: list[str]) -> list[tuple[str, str | None]]:
    """Cuts a row into spans, as conlleval reads its tags.

    Args:
        tokens: The row's tokens.
        tags: Its BIO tags.

    Returns:
        Text and slot of each piece; the slot is None outside spans.

    >>> marked(["play", "let", "it", "go"], ["O", "B-title", "I-title", "I-title"])
    [('play', None), ('let it go', 'title')]
    """
    pieces: list[tuple[str, str | None]] = []
    for token, tag in zip(tokens, tags, strict=True):
        slot = None if tag == "O" else tag[2:]
        if pieces and pieces[-1][1] == slot and not tag.startswith("B-"):
            pieces[-1] = (f"{pieces[-1][0]} {token}", slot)
        else:
            pieces.append((token, slot))
    return pieces
