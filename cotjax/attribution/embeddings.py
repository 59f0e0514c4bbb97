"""Importance by similarity: how near a word is to the words of the label or the question.

Words are compared by the cosine of the student's input embeddings; a word's is the mean of its
sub-words'.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cotjax.attribution.explainer import Explainer, batches
from cotjax.attribution.items import Item
from cotjax.attribution.scores import WordScores
from cotjax.data.tokenizer import Tokenizer
from cotjax.evaluation.batching import to_host
from cotjax.tasks.base import one_line

METHODS = ("label_similarity", "question_similarity")


class WordVectors:
    """Unit vectors of words, as a student's input embeddings have them."""

    def __init__(self, tokenizer: Tokenizer, embedding: np.ndarray):
        """Takes the input embeddings, [vocab, d_model]."""
        self._tokenizer, self._embedding = tokenizer, embedding.astype(np.float32)

    def similarities(self, texts: Sequence[str], others: Sequence[str]) -> Iterator[list[float]]:
        """For each text, the cosine of each word and the nearest word of another text."""
        for one, other in zip(self._of(texts), self._of(others), strict=True):
            yield (one @ other.T).max(axis=1, initial=-1).tolist()

    def _of(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """float32 [words, d_model] of each text; their lengths are 1."""
        for text, (ids, words) in zip(texts, self._tokenizer.encode_words(texts), strict=True):
            summed = np.zeros((len(text.split()), self._embedding.shape[1]), np.float32)
            np.add.at(summed, words, self._embedding[ids])
            norms = np.linalg.norm(summed, axis=1, keepdims=True)
            yield summed / np.maximum(norms, np.finfo(np.float32).tiny)


class Similarity(Explainer):
    """Scores words by their likeness to the label's or the question's; any student will do."""

    def __init__(self, workdir: Path, checkpoint: str, method: str):
        """Takes one of METHODS."""
        super().__init__(workdir, checkpoint)
        self._to_label = method == "label_similarity"
        embedding = to_host(self.student.params["shared"]["embedding"])
        self._vectors = WordVectors(self.student.tokenizer, embedding)

    def counts(self, items: Sequence[Item]) -> dict[str, int]:
        """See `items.Scorer`."""
        return {}

    def score(
        self, items: Sequence[Item], wanted: Callable[[Item], bool], advance: Callable[[int], None]
    ) -> Iterator[WordScores]:
        """See `items.Scorer`; the label is compared as text, whatever its format."""
        for some in batches(list(filter(wanted, items))):
            texts = [one_line(item.rationale.text) for item in some]
            others = [
                self.answer(item) if self._to_label else item.record.question for item in some
            ]
            found = self._vectors.similarities(texts, others)
            for item, scores in zip(some, found, strict=True):
                yield item.scored(scores)
            advance(len(some))
