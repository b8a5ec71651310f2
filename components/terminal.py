"""What commands share that print what others wrote."""


def printable(text: str) -> str:
    r"""Text without what a terminal would act on.

    >>> printable("rolled\x1b[2Jback")
    'rolled\ufffd[2Jback'
    """
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
