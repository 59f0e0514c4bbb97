"""Importance by similarity: how near a word is to the words of the label or the question.

Words are compared by the cosine of the student's input embeddings; a word's is the mean of its
sub-words'.
"""

import numpy as np

from cotjax.data.tokenizer import Tokenizer


class WordVectors:
    """Unit vectors of words, as a student's input embeddings have them."""

    def __init__(self, tokenizer: Tokenizer, embedding: np.ndarray):
        """Takes the input embeddings, [vocab, d_model]."""
        self._tokenizer, self._embedding = tokenizer, embedding.astype(np.float32)

    def similarity(self, text: str, other: str) -> list[float]:
        """The cosine of each word of a text and the nearest word of another."""
        return (self._of(text) @ self._of(other).T).max(axis=1, initial=-1).tolist()

    def _of(self, text: str) -> np.ndarray:
        """float32 [words, d_model]; their lengths are 1."""
        ((ids, words),) = self._tokenizer.encode_words([text])
        summed = np.zeros((len(text.split()), self._embedding.shape[1]), np.float32)
        np.add.at(summed, words, self._embedding[ids])
        norms = np.linalg.norm(summed, axis=1, keepdims=True)
        return summed / np.maximum(norms, np.finfo(np.float32).tiny)
