r"""Five targets on real text: CommonsenseQA with PaLM's rationales, sized for two CPU cores.

    python scripts/study.py --config=configs/studies/commonsense.py:WEIGHTS \
        --workdir=runs/commonsense

WEIGHTS is a Hub id or a folder of a pretrained T5; without it, google/flan-t5-small. Import the
rationales of Distilling Step-by-Step first, as in configs/commonsense_qa.py.

The question is that of configs/studies/mysteries.py, whose full form is the one to run on
accelerators. Every student here reads 2,400 questions once, a quarter of the training set: enough
to rise above chance, far from convergence. The 15 runs took an hour on two CPU cores, 7.5
minutes each (the median) to train on one core, and one to five to answer (docs/results.md).
"""

from configs.commonsense_qa import get_config as commonsense_qa
from cotjax.study.grid import Study, Variant

LABEL_FIRST = {"data.order": "label_first"}
STEPS = 150


def get_config(weights="google/flan-t5-small"):
    return Study(
        title="Rationales of real text, before the label and after it",
        base=_base(weights),
        variants=(
            Variant("label_only", "label only", {"data.order": "label_only"}),
            Variant("rationale_first", "rationale first", {"data.order": "rationale_first"}),
            Variant("label_first", "label first", LABEL_FIRST, against="rationale_first"),
            Variant(
                "label_first-shuffle",
                "label first, words shuffled",
                LABEL_FIRST | {"data.perturbation.name": "shuffle"},
                against="label_first",
            ),
            Variant(
                "label_first-swap",
                "label first, another question’s",
                LABEL_FIRST | {"data.perturbation.name": "swap"},
                against="label_first",
            ),
        ),
        seeds=(0, 1, 2),
        about=(
            "A pretrained T5 student learns CommonsenseQA with the rationales that PaLM wrote for "
            "Distilling Step-by-Step: before the label, after it, and after it with its words "
            "shuffled or taken from another question.",
        ),
        caveats=(
            "Every student reads 2,400 questions once, far from convergence: what holds early in "
            "training need not hold at its end.",
            "Settings were not tuned, for any variant.",
        ),
    )


def _base(weights):
    base = commonsense_qa()
    base.model.pretrained = weights
    base.loss.normalise = "kinds"  # the label weighs the same with a rationale and without
    base.data.batch_size = 16
    base.optimizer.learning_rate = 5e-4
    base.schedule.total_steps = STEPS
    base.schedule.warmup_steps = 15
    base.checkpoint.every = STEPS
    base.evaluation.every = STEPS
    base.evaluation.max_questions = 100  # on the way
    base.evaluation.max_tokens = 96
    base.profile.log_every = 10
    return base
