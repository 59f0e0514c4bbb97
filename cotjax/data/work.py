"""How much a step holds: what rates, padding and operations are counted from."""

import dataclasses

from cotjax.data.steps import Step, Steps


@dataclasses.dataclass(frozen=True)
class Work:
    """Sums over the segments of one or more steps, all hosts together; `+` adds steps.

    Lengths are tokens that are not padding. An encoder pass that several replies share counts once.
    """

    examples: int = 0  # targets
    supervised: int = 0  # decoder tokens with a loss
    encoder: int = 0  # tokens
    decoder: int = 0  # tokens; each goes through the head
    encoder_squares: int = 0  # token pairs of the encoder's attention
    decoder_squares: int = 0  # token pairs of the decoder's own attention
    products: int = 0  # token pairs of the attention from decoder to encoder
    encoder_positions: int = 0  # R * S
    decoder_positions: int = 0  # R * C * T

    @classmethod
    def of(cls, step: Step, steps: Steps) -> "Work":
        """Counts one step of `steps`."""
        encoder = step.read.ravel()[step.layout.unit_reply]
        said = step.tokens.sum(axis=-1)
        return cls(
            examples=len(step.targets),
            supervised=int(step.tokens[step.coefficients != 0].sum()),
            encoder=int(encoder.sum()),
            decoder=int(said.sum()),
            encoder_squares=int((encoder**2).sum()),
            decoder_squares=int((said**2).sum()),
            products=int((step.read * said).sum()),
            encoder_positions=step.num_rows * steps.shape.encoder,
            decoder_positions=step.num_rows * steps.shape.decoder_rows * steps.shape.decoder,
        )

    def __add__(self, other: "Work") -> "Work":
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Work(*(mine + its for mine, its in pairs))
