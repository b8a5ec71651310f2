"""A linear-chain conditional random field over BIO tags (Lafferty et al. 2001), vectorised over the batch."""

import torch
from torch import Tensor, nn

IMPOSSIBLE = -1e4


def allowed_steps(slots: int) -> Tensor:
    """Which tag may follow which: I of a slot only stands after B or I of the same slot.

    Args:
        slots: Number of slots; tag 0 is O, slot i has B (1 + 2 i) and I (2 + 2 i).

    Returns:
        bool, tags x tags: from, to. What may follow O may also begin a row.

    >>> allowed_steps(1).int().tolist()
    [[1, 1, 0], [1, 1, 1], [1, 1, 1]]
    """
    tags = torch.arange(1 + 2 * slots)
    inside = (tags > 0) & (tags % 2 == 0)
    slot = (tags + 1) // 2
    return ~inside[None, :] | ((slot[:, None] == slot[None, :]) & (tags[:, None] > 0))


class TagChain(nn.Module):
    """Scores of neighbouring tags, and the best or the total score of the valid sequences.

    Attributes:
        steps: Score of each tag after each tag: tags x tags.
        start: Score of each tag at the beginning.
        end: Score of each tag at the end.
    """

    allowed: Tensor

    def __init__(self, slots: int) -> None:
        super().__init__()
        count = 1 + 2 * slots
        self.steps = nn.Parameter(torch.zeros(count, count))
        self.start = nn.Parameter(torch.zeros(count))
        self.end = nn.Parameter(torch.zeros(count))
        self.register_buffer("allowed", allowed_steps(slots), persistent=False)

    def _begin(self, scores: Tensor) -> Tensor:
        return (self.start + scores[:, 0]).masked_fill(~self.allowed[0], IMPOSSIBLE)

    def log_likelihood(self, scores: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Log-probability of each row's tags among all valid sequences.

        Args:
            scores: Rows x positions x tags.
            tags: Rows x positions; any tag where the mask is False.
            mask: Where rows have tokens; the first position always.

        Returns:
            One number a row.
        """
        # Sums over the previous tag are matrix products of exponentials, scaled by each row's greatest term.
        factors = self.steps.exp() * self.allowed
        total = self._begin(scores)
        for position in range(1, scores.shape[1]):
            greatest = total.amax(dim=1, keepdim=True)
            reached = ((total - greatest).exp() @ factors).clamp_min(1e-30).log() + greatest
            total = torch.where(mask[:, position, None], reached + scores[:, position], total)
        total = torch.logsumexp(total + self.end, dim=1)

        own = scores.gather(2, tags[:, :, None]).squeeze(2)
        between = self.steps[tags[:, :-1], tags[:, 1:]]
        last = tags.gather(1, mask.sum(dim=1, keepdim=True) - 1).squeeze(1)
        path = self.start[tags[:, 0]] + (own * mask).sum(dim=1) + (between * mask[:, 1:]).sum(dim=1)
        return path + self.end[last] - total

    @torch.no_grad()
    def decode(self, scores: Tensor, mask: Tensor) -> Tensor:
        """The valid sequence of greatest score of each row (Viterbi 1967).

        Args:
            scores: Rows x positions x tags.
            mask: Where rows have tokens.

        Returns:
            Tags, rows x positions; 0 where the mask is False.
        """
        steps = self.steps.masked_fill(~self.allowed, IMPOSSIBLE)
        best = self._begin(scores)
        came_from = []
        for position in range(1, scores.shape[1]):
            reached, source = (best[:, :, None] + steps).max(dim=1)
            inside = mask[:, position, None]
            best = torch.where(inside, reached + scores[:, position], best)
            # Past its end a row keeps each tag, so that the walk back starts from its true last tag.
            stay = torch.arange(best.shape[1], device=best.device).expand_as(source)
            came_from.append(torch.where(inside, source, stay))
        tag = (best + self.end).argmax(dim=1)
        path = [tag]
        for source in reversed(came_from):
            tag = source.gather(1, tag[:, None]).squeeze(1)
            path.append(tag)
        return torch.stack(path[::-1], dim=1) * mask
