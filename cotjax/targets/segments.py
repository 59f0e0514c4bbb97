"""A target is a list of segments: what each token of it is for."""

import enum


class Kind(enum.IntEnum):
    """What a decoder token is for. Perturbations touch RATIONALE alone; 0 is padding everywhere."""

    PADDING = 0
    LABEL = 1
    CONNECTIVE = 2
    RATIONALE = 3
    PREFIX = 4  # forced at the head of the decoder, never a loss
    EOS = 5


NUM_KINDS = len(Kind)
