"""What a student reads and says when its rationale is looked at word by word."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from cotjax.evaluation.batching import Rows
from cotjax.targets.orders import Order


@dataclasses.dataclass(frozen=True)
class Layout:
    """One rationale as a student was taught to read it, or to say it before the label.

    Attributes:
      encoder: Tokens that the encoder reads, EOS included.
      decoder: Tokens that the decoder is to say, EOS included; it reads the ones before.
      label: Where among these the label begins.
      words: At each token of the side that the rationale stands on (the encoder's, or those that
        the decoder reads), 1 + the position of its word in the rationale; 0 for other tokens.
      num_words: Of the whole rationale.
      cut: Tokens of the rationale that did not fit.
    """

    encoder: Sequence[int]
    decoder: Sequence[int]
    label: int
    words: Sequence[int]
    num_words: int
    cut: int

    @property
    def lengths(self) -> tuple[int, int, int]:
        """Of decoder and encoder, and the number of words: what batches are grouped by."""
        return len(self.decoder), len(self.encoder), self.num_words


def lay_out(
    order: Order,
    question: Sequence[int],
    rationale: Sequence[int],
    words: Sequence[int],
    connective: Sequence[int],
    label: Sequence[int],
    *,
    num_words: int,
    eos: int,
    input_length: int,
    target_length: int,
) -> Layout:
    """Lays out one rationale as training does; what does not fit is cut off its end.

    Args:
      order: `rationale_input` or `rationale_first`.
      question: Its tokens, without EOS.
      rationale, words: Its tokens, and the position of each one's word.
      connective, label: Their tokens.
      num_words: Of the rationale; a word that no token ends in has none.
      eos: Ends what is read and what is said.
      input_length, target_length: Tokens at most, EOS included.
    """
    encoder = order.answer.read(question, connective, rationale, input_length, eos)
    if order.reads_rationale:
        before = min(len(question), input_length - 1 - len(connective)) + len(connective)
        fits = len(encoder) - 1 - before
        decoder, start = [*label, eos], 0
    else:
        before = 1  # the token that the decoder starts with
        room = max(target_length - len(connective) - len(label) - 1, 0)
        fits = min(len(rationale), room)
        said = [*rationale[:fits], *connective]
        decoder, start = [*said, *label, eos], len(said)
    marked = [0] * before + [1 + word for word in words[:fits]]
    return Layout(encoder, decoder, start, marked, num_words, len(rationale) - fits)


def fill(
    rows: Rows,
    layouts: Sequence[Layout],
    order: Order,
    start: int,
    donors: Sequence[Sequence[Sequence[int]]] = (),
    path: tuple[float, float] = (0.0, 1.0),
) -> dict[str, np.ndarray]:
    """A batch of one rationale a row, int32 unless said; rows beyond them stay empty.

    Args:
      rows: Which stand together, and the batch's shape.
      layouts: Of each.
      order: Of each.
      start: What the decoder reads first.
      donors: Of each, for as many other rationales: tokens in the places of `Layout.words`.
      path: Where to begin and end on the way from a baseline, 0, to the rationale, 1.

    Returns:
      The Batch's encoder and decoder (see DESIGN), and beside them `says_label` [rows, T], 1 at the
      label and what closes it, `words` [rows, S or T] (see `Layout.words`), `path` [rows, 2]
      float32, and `donors` [rows, donors, S or T] where there are some.
    """
    decoder = {
        "decoder_inputs": [[start, *layout.decoder[:-1]] for layout in layouts],
        "decoder_targets": [layout.decoder for layout in layouts],
        "decoder_segments": [[1] * len(layout.decoder) for layout in layouts],
        "says_label": [
            [0] * layout.label + [1] * (len(layout.decoder) - layout.label) for layout in layouts
        ],
    }
    encoder = {
        "encoder_tokens": [layout.encoder for layout in layouts],
        "encoder_segments": [[1] * len(layout.encoder) for layout in layouts],
    }
    side = 1 if order.reads_rationale else 0
    words = [layout.words for layout in layouts]
    baselines = [rows.fill(tokens, side) for tokens in zip(*donors, strict=True)]
    return (
        {name: rows.fill(values, axis=0) for name, values in decoder.items()}
        | {name: rows.fill(values, axis=1) for name, values in encoder.items()}
        | {
            "words": rows.fill(words, side),
            "segment_source": np.ones((rows.count, 1), np.int32),
            "path": np.tile(np.float32(path), (rows.count, 1)),
        }
        | ({"donors": np.stack(baselines, axis=1)} if baselines else {})
    )
