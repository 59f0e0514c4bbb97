r"""Five targets on comparison over memorised facts, two seeds each: the quick start.

    python scripts/study.py --config=configs/studies/quickstart.py --workdir=runs/quickstart

trains ten students of 0.2 M parameters from scratch and writes `report.html` and `results.json`
into the workdir, in seven to nine minutes on two busy CPU cores. The settings were chosen on the
validation split, with other seeds than these.
"""

from configs.recipes import comparison
from cotjax.study.grid import Study, Variant

LABEL_FIRST = {"data.order": "label_first"}


def get_config():
    base = comparison()
    base.loss.normalise = "kinds"  # or the label is one token in ten of the loss
    return Study(
        title="What must stand in a rationale, and where?",
        base=base,
        variants=(
            Variant("label_only", "label only", {"data.order": "label_only"}),
            Variant("rationale_first", "rationale first", {"data.order": "rationale_first"}),
            Variant("label_first", "label first", LABEL_FIRST),
            Variant(
                "key_words",
                "label first, 2 key words",
                LABEL_FIRST | {"data.words.name": "key_words", "data.words.k": 2},
            ),
            Variant(
                "swapped",
                "label first, swapped",
                LABEL_FIRST | {"data.perturbation.name": "swap"},
            ),
        ),
        seeds=(0, 1),
        about=ABOUT,
        caveats=CAVEATS,
    )


ABOUT = (
    "A small T5 student, trained from scratch, is asked which of two things is heavier. Each of "
    "200 entities has one of 10 sizes, which no question states: the student meets them only in "
    "its training targets. The test asks about pairs of entities that were never compared in "
    "training, though every entity was; so a student that memorised answers has to guess, and one "
    "that learned sizes does not.",
    "All students read the same questions, in the same order, for the same number of steps and "
    "with the same regularisation. They differ in what they are taught to say: the label alone, "
    "a rationale that states both sizes before or after the label, only the rationale’s two key "
    "words, or another question’s rationale, swapped in. A student that says the label first is "
    "not asked for the rationale at test time: it costs no tokens.",
    "A seed settles the initial weights, the order of the data, dropout and the draws of what is "
    "swapped in. The sizes of the entities and all questions are the same for both seeds.",
)

CAVEATS = (
    "This is a made-up task in which the rationale carries the very facts that the label needs. "
    "It shows that the machinery works and what it measures. It does not reproduce the order of "
    "methods that was published for commonsense question answering, and says nothing about it.",
    "A rationale before the label lets the student write the two sizes down and then compare them, "
    "so it should do well here by construction. The key words are the two sizes without their "
    "entities’ names; another question’s rationale tells of other entities.",
    "Training is short. A variant near chance has gained nothing in this budget, which is not to "
    "say that it gains nothing: it may need more steps or stronger regularisation. With ten times "
    "the weight decay, labels alone reach 98 % here (docs/results.md).",
    "Compare training with test accuracy before calling a student unable: one that is right on "
    "what it was trained on and at chance on new pairs has memorised.",
    "Two seeds give intervals over these seeds, which say hardly anything of other seeds.",
    "Not from this run: the order of the variants is not stable under other settings. In a trial "
    "with rationales of 20 tokens, 120 entities and a loss averaged over all tokens, label first "
    "fell behind label only; we suspect because the label was then one token in twenty of the "
    "loss. Here label and rationale are averaged apart. Shuffling the words of this rationale "
    "hurts, because it unbinds sizes from entities, unlike what was published for commonsense "
    "questions.",
)
