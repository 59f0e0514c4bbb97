r"""Which regularisation the small form of mysteries.py has: one for all, chosen on validation.

    python scripts/study.py --config=configs/studies/regularisation.py --workdir=runs/regularisation

Five targets that want different things: an answer alone, a rationale that fits before it and after
it, one that does not fit, and words of which half are hidden. Each tries dropout against weight
decay with a seed of its own; what mysteries.py takes is the choice with the best mean over the five
("the same settings for all" in the report). Nothing here sees a test question before the choice.
"""

import dataclasses

from configs.studies import mysteries
from cotjax.study.definition import Tuning

TRIED = ("label_only", "rationale_first", "label_first", "label_first-swap", "mask-0.5")


def get_config():
    small = mysteries.get_config("small")
    named = {variant.name: variant for variant in small.variants}
    return dataclasses.replace(
        small,
        title="One regularisation for all",
        about=(small.about[0], ABOUT),
        variants=tuple(dataclasses.replace(named[name], against=()) for name in TRIED),
        seeds=(101,),
        tuning=Tuning(
            grid={"model.dropout_rate": (0.0, 0.1), "optimizer.weight_decay": (0.1, 1.0)},
            seeds=(100,),
        ),
    )


ABOUT = (
    "Each target tries dropout against weight decay and is judged on validation questions. The "
    "study of these targets takes the pair with the best mean over all of them."
)
