"""Random packed batches, small enough to train on in a test."""

import numpy as np

from cotjax.targets.segments import Kind

SUPERVISED = [Kind.LABEL, Kind.CONNECTIVE, Kind.RATIONALE, Kind.EOS]


def packed_batch(
    seed: int,
    *,
    rows: int = 16,
    encoder_length: int = 12,
    decoder_length: int = 10,
    max_segments: int = 3,
    vocab_size: int = 64,
) -> dict[str, np.ndarray]:
    """A global batch of ragged rows: unused space, shared encoder segments, and an empty last row.

    The loss weights are random and add up to 1.
    """
    rng = np.random.default_rng(seed)
    encoder_segments = np.zeros((rows, encoder_length), np.int32)
    decoder_segments = np.zeros((rows, decoder_length), np.int32)
    source = np.zeros((rows, max_segments), np.int32)
    for row in range(rows - 1):
        encoders = _fill(rng, encoder_segments[row], most=2)
        decoders = _fill(rng, decoder_segments[row], most=max_segments)
        source[row, :decoders] = rng.integers(1, encoders + 1, decoders)
    used = decoder_segments > 0
    weights = np.where(used, rng.uniform(size=used.shape), 0)
    tokens = {
        name: np.where(mask, rng.integers(2, vocab_size, mask.shape), 0).astype(np.int32)
        for name, mask in {
            "encoder_tokens": encoder_segments > 0,
            "decoder_inputs": used,
            "decoder_targets": used,
        }.items()
    }
    kinds = np.where(used, rng.choice(SUPERVISED, used.shape), Kind.PADDING)
    return tokens | {
        "encoder_segments": encoder_segments,
        "decoder_segments": decoder_segments,
        "decoder_kinds": kinds.astype(np.int32),
        "loss_weights": (weights / weights.sum()).astype(np.float32),
        "segment_source": source,
        "segment_target": np.where(source > 0, np.arange(rows)[:, None], -1).astype(np.int32),
    }


def _fill(rng: np.random.Generator, segments: np.ndarray, most: int) -> int:
    """Writes 1 to `most` contiguous segments from the left of a row; returns how many."""
    count = int(rng.integers(1, most + 1))
    ends = np.sort(rng.choice(np.arange(1, len(segments) + 1), count, replace=False))
    for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True), start=1):
        segments[start:end] = number
    return count
