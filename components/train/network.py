"""The two-stage network: a domain classifier, then intent and slots among those of the domain."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from adsmu.train.batches import Batch, Rows
from adsmu.train.chain import IMPOSSIBLE, TagChain
from adsmu.train.settings import Settings
from adsmu.train.transformer import Encoder, TransformerFeatures
from adsmu.train.vocabulary import Vocabulary

RARE = 2


class WordFeatures(nn.Module):
    """What is known of a word by itself: a trained embedding, its letters, a projected static vector.

    Args:
        vocabulary: Words and characters.
        settings: Sizes.
        vector_width: Numbers in a static vector, 0 without any.
    """

    rare: Tensor

    def __init__(self, vocabulary: Vocabulary, settings: Settings, vector_width: int) -> None:
        super().__init__()
        self.settings = settings
        words = len(vocabulary.words) + 1
        self.words = nn.Embedding(words, settings.word_size)
        nn.init.normal_(self.words.weight, std=0.1)
        self.width = settings.word_size
        if settings.char_features:
            self.characters = nn.Embedding(len(vocabulary.characters) + 2, settings.char_size, padding_idx=0)
            self.filters = nn.Conv1d(settings.char_size, settings.char_features, kernel_size=3, padding=1)
            self.width += settings.char_features
        if vector_width:
            self.project = nn.Linear(vector_width, settings.vector_size)
            self.width += settings.vector_size
        self.dropout = nn.Dropout(settings.dropout)
        self.register_buffer("rare", torch.zeros(words, dtype=torch.bool), persistent=False)

    def mark_rare(self, rows: Rows) -> None:
        """Takes note of the words that these rows hold at most twice, for word dropout."""
        counts = np.bincount(rows.words[rows.tokens], minlength=len(self.rare))
        self.rare.copy_(torch.from_numpy(counts <= RARE))

    def forward(self, batch: Batch) -> Tensor:
        """Features of each position: rows x longest x width."""
        words = batch.words
        if self.training:
            chance = torch.where(
                self.rare[words], self.settings.rare_word_dropout, self.settings.word_dropout
            )
            words = words.masked_fill(torch.rand_like(chance) < chance, 0)
        parts = [self.words(words)]
        # Letters and vectors are worked out once for each distinct word of the batch.
        if self.settings.char_features:
            letters = self.filters(self.characters(batch.characters).transpose(1, 2))
            letters = letters.masked_fill((batch.characters == 0)[:, None, :], IMPOSSIBLE)
            parts.append(letters.amax(dim=2).relu()[batch.distinct])
        if batch.vectors.shape[1]:
            parts.append(self.project(batch.vectors)[batch.distinct])
        return self.dropout(torch.cat(parts, dim=2))


class Recurrent(nn.Module):
    """A BiLSTM over packed rows: what it says of a row does not depend on the rows beside it."""

    def __init__(self, width: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            width,
            hidden,
            layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.width = 2 * hidden

    def forward(self, features: Tensor, batch: Batch) -> Tensor:
        """States of each position, 0 past a row's end."""
        packed = pack_padded_sequence(features, batch.lengths, batch_first=True)
        return self.dropout(pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0])


class Kept(nn.Module):
    """The states of a transformer as they are: it has read the whole row already."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.width = width

    def forward(self, features: Tensor, batch: Batch) -> Tensor:
        """States of each position."""
        del batch
        states: Tensor = self.dropout(features)
        return states


class TwoStage(nn.Module):
    """The whole network.

    Args:
        vocabulary: Names and the labels of each domain.
        settings: Sizes.
        vector_width: Numbers in a static vector, 0 without any.
        encoder: A transformer that takes the place of word features and BiLSTMs, or None.
    """

    intent_mask: Tensor
    tag_mask: Tensor
    features: WordFeatures | TransformerFeatures
    encoder: "Recurrent | Kept"
    domain_encoder: "Recurrent | Kept"

    def __init__(
        self,
        vocabulary: Vocabulary,
        settings: Settings,
        vector_width: int = 0,
        encoder: Encoder | None = None,
    ) -> None:
        super().__init__()
        if encoder:
            self.features = TransformerFeatures(encoder)
            self.domain_encoder = Kept(self.features.width, settings.dropout)
            self.encoder = Kept(self.features.width, settings.dropout)
        else:
            self.features = WordFeatures(vocabulary, settings, vector_width)
            width = self.features.width
            self.domain_encoder = Recurrent(width, settings.domain_hidden, 1, settings.dropout)
            self.encoder = Recurrent(width, settings.hidden, settings.layers, settings.dropout)
        self.domain = nn.Linear(self.domain_encoder.width, len(vocabulary.domains))
        self.intent = nn.Linear(self.encoder.width + self.domain_encoder.width, len(vocabulary.intents))
        self.tags = nn.Linear(2 * self.encoder.width, len(vocabulary.tags))
        self.chain = TagChain(len(vocabulary.slots))
        self.register_buffer("intent_mask", torch.from_numpy(vocabulary.intent_mask()), persistent=False)
        self.register_buffer("tag_mask", torch.from_numpy(vocabulary.tag_mask()), persistent=False)

    def encoder_parameters(self) -> list[nn.Parameter]:
        """What a fine-tuning leaves as it is: all but the heads."""
        parts = (self.features, self.domain_encoder, self.encoder)
        return [parameter for part in parts for parameter in part.parameters()]

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Scores before any mask: of domains and of intents a row, of tags a position."""
        features = self.features(batch)
        mask = batch.mask()[:, :, None]
        rough = _greatest(self.domain_encoder(features, batch), mask)
        states = self.encoder(features, batch)
        whole = _greatest(states, mask)
        # The joint stage: the intent reads what both encoders make of the row, and the tagger has the summary
        # of the row at each position.
        intent = self.intent(torch.cat([whole, rough], dim=1))
        wide = torch.cat([states, whole[:, None, :].expand_as(states)], dim=2)
        return self.domain(rough), intent, self.tags(wide)

    def _of_domain(self, intent: Tensor, tags: Tensor, domain: Tensor) -> tuple[Tensor, Tensor]:
        return (
            intent.float().masked_fill(~self.intent_mask[domain], IMPOSSIBLE),
            tags.float().masked_fill(~self.tag_mask[domain][:, None, :], IMPOSSIBLE),
        )

    def loss(self, batch: Batch, domain: Tensor, intent: Tensor, tags: Tensor) -> Tensor:
        """Negative log-likelihood of each row's labels; intent and tags among those of its own domain.

        Args:
            batch: The rows.
            domain: Domain of each row.
            intent: Intent of each row.
            tags: Tags, rows x longest; any where a row has ended.

        Returns:
            One number a row.
        """
        domain_scores, intent_scores, tag_scores = self(batch)
        intent_scores, tag_scores = self._of_domain(intent_scores, tag_scores, domain)
        return (
            nn.functional.cross_entropy(domain_scores.float(), domain, reduction="none")
            + nn.functional.cross_entropy(intent_scores, intent, reduction="none")
            - self.chain.log_likelihood(tag_scores, tags, batch.mask())
        )

    @torch.no_grad()
    def predict(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The best domain, then the best intent and valid tags of that domain."""
        domain_scores, intent_scores, tag_scores = self(batch)
        domain = domain_scores.argmax(dim=1)
        intent_scores, tag_scores = self._of_domain(intent_scores, tag_scores, domain)
        return domain, intent_scores.argmax(dim=1), self.chain.decode(tag_scores, batch.mask())


def _greatest(states: Tensor, mask: Tensor) -> Tensor:
    return states.masked_fill(~mask, IMPOSSIBLE).amax(dim=1)
