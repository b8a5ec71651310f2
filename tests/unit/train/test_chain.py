"""The chain of tags against sums and maxima over all sequences."""

from itertools import pairwise, product

import pytest
import torch

from adsmu.train.chain import TagChain, allowed_steps


@pytest.fixture
def chain():
    torch.manual_seed(0)
    chain = TagChain(2)
    for value in chain.parameters():
        torch.nn.init.normal_(value)
    return chain


def valid(sequence):
    before = 0
    for tag in sequence:
        if tag in (2, 4) and before not in (tag, tag - 1):
            return False
        before = tag
    return True


def path_score(chain, scores, sequence):
    total = chain.start[sequence[0]] + chain.end[sequence[-1]]
    total = total + sum(scores[position, tag] for position, tag in enumerate(sequence))
    return total + sum(chain.steps[a, b] for a, b in pairwise(sequence))


def test_only_the_steps_that_bio_knows_are_allowed():
    allowed = allowed_steps(2)
    for before, after in product(range(5), repeat=2):
        assert bool(allowed[before, after]) == valid(
            [before - 1, before, after] if before in (2, 4) else [before, after]
        )


def test_probabilities_of_the_valid_sequences_sum_to_one(chain):
    scores = torch.randn(1, 4, 5)
    mask = torch.ones(1, 4, dtype=torch.bool)
    likelihoods = [
        chain.log_likelihood(scores, torch.tensor([sequence]), mask).exp()
        for sequence in product(range(5), repeat=4)
        if valid(sequence)
    ]
    assert sum(likelihoods).item() == pytest.approx(1, abs=1e-5)


def test_the_decoded_sequence_is_the_best_valid_one_at_every_length(chain):
    torch.manual_seed(1)
    scores = torch.randn(20, 4, 5) * 2
    lengths = torch.arange(20) % 4 + 1
    mask = torch.arange(4) < lengths[:, None]
    decoded = chain.decode(scores, mask)
    for row, length in enumerate(lengths.tolist()):
        sequences = [sequence for sequence in product(range(5), repeat=length) if valid(sequence)]
        best = max(sequences, key=lambda found: path_score(chain, scores[row], found).item())
        assert decoded[row, :length].tolist() == list(best)
        assert not decoded[row, length:].any()


def test_padding_changes_no_likelihood(chain):
    scores = torch.randn(1, 6, 5)
    tags = torch.tensor([[1, 2, 0, 3, 4, 4]])
    alone = chain.log_likelihood(scores[:, :3], tags[:, :3], torch.ones(1, 3, dtype=torch.bool))
    beside = chain.log_likelihood(scores, tags, torch.arange(6)[None] < 3)
    assert torch.equal(alone, beside)
