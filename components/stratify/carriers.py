"""Carriers: what stands around the slots of an utterance, and which texts fit it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Carrier:
    """A carrier, taken apart at its slots.

    Attributes:
        runs: Words that stand side by side, each with the number of slots before it.
        tail: The number of slots behind the last run.
        strata: Where it was seen.
    """

    runs: tuple[tuple[int, tuple[str, ...]], ...]
    tail: int
    strata: tuple[int, ...]

    @property
    def words(self) -> list[str]:
        """Its words, in order."""
        return [word for _, run in self.runs for word in run]

    def fits(self, text: list[str]) -> bool:
        """Whether the runs stand in the text in order, with a word or more for every slot.

        The leftmost place of each run is as good as any: what is behind it has the most room.

        Args:
            text: Its words.
        """
        at = 0
        for number, (slots, run) in enumerate(self.runs):
            first = at + slots
            last = len(text) - len(run)
            if number == len(self.runs) - 1 and not self.tail:
                first = max(first, last) if slots else first
                at = first + len(run)
                return first == last and tuple(text[first:]) == run
            places = range(first, last + 1) if slots else range(first, min(first, last) + 1)
            found = next((place for place in places if tuple(text[place : place + len(run)]) == run), None)
            if found is None:
                return False
            at = found + len(run)
        left = len(text) - at
        return left >= self.tail if self.tail else not left


def taken_apart(words: list[str | None], strata: tuple[int, ...]) -> Carrier:
    """Takes a carrier apart at its slots.

    Args:
        words: Its words; None is a slot.
        strata: Where it was seen.

    Returns:
        The carrier.

    >>> carrier = taken_apart(["add", None, "to", "my", None], (0,))
    >>> [carrier.fits(text.split()) for text in ("add let it go to my gym", "add to my gym")]
    [True, False]
    """
    runs: list[tuple[int, list[str]]] = []
    slots = 0
    for word in words:
        if word is None:
            slots += 1
        elif slots or not runs:
            runs.append((slots, [word]))
            slots = 0
        else:
            runs[-1][1].append(word)
    return Carrier(tuple((before, tuple(run)) for before, run in runs), slots, strata)
