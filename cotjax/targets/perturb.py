"""All perturbations of a rationale by name: pure functions of counter-based random keys.

Another question's rationale is chosen, and edits that change a rationale's length are made, in
numpy when a step is laid out, so every length is exact before packing; transforms that keep the
length run batched in the tf.data graph.
"""

from cotjax.targets.donors import Perturbation, Swap, SwapSameLabel
from cotjax.targets.edits import Drop, Duplicate, FillRandom, FillRepeat, Insert, Shorten
from cotjax.targets.transforms import Digits, Mask, Reverse, Shuffle, ShuffleSome

PERTURBATIONS: dict[str, type[Perturbation]] = {
    kind.name: kind
    for kind in (
        Perturbation,
        Shuffle,
        ShuffleSome,
        Reverse,
        Mask,
        Drop,
        Duplicate,
        Insert,
        Digits,
        Swap,
        SwapSameLabel,
        FillRandom,
        FillRepeat,
        Shorten,
    )
}
