r"""What in a rationale helps, and where: order, shuffling, swapping, masking, key words.

    python scripts/study.py --config=configs/studies/mysteries.py --workdir=runs/mysteries
    python scripts/study.py --config=configs/studies/mysteries.py:small \
        --workdir=runs/mysteries-small

Wadhwa, Amir, Wallace 2024 ("Investigating Mysteries of CoT-Augmented Distillation"). From the
abstract: rationales after the label help more than before it; they need not be coherent, since
the gains survive permuting their tokens; a few key tokens do as well as the whole. One number is
known at second hand, for CommonsenseQA: 70.9 % with the rationale after the label, 69.6 % shuffled.
Their students are decoders (GPT-2, Phi-1.5, Gemma-2B). Not known here: learning rates, epochs, what
masked tokens became, how many key tokens, seeds, tests. So nothing here is held to their numbers.

The full form trains Flan-T5-base on CommonsenseQA with PaLM's rationales, 20 variants and five
seeds: import as in configs/commonsense_qa.py, score the words (README, "Key words") into
scores/cqa and by --method=label_overlap into scores/cqa-label_overlap, and give each of several
machines its --shard; it has not been timed. The small form is a made task: the facts that a label
needs stand in its rationale alone. Its 80 runs took 48 s each on a CPU core that was shared
(docs/results.md); regularisation.py chose its settings.
"""

from configs.commonsense_qa import get_config as commonsense_qa
from configs.recipes import comparison
from cotjax.study.axes import along
from cotjax.study.grid import Study, Variant, is_small

LABEL_FIRST = {"data.order": "label_first"}
RATIONALE_FIRST = {"data.order": "rationale_first"}
ONCE = {"data.perturbation.redraw": "run"}  # or a student sees every word in some epoch
SHUFFLE = {"data.perturbation.name": "shuffle"} | ONCE
SWAP = {"data.perturbation.name": "swap"} | ONCE
# Teachers often write the answer into the rationale: what key words have to beat.
LABEL_OVERLAP = Variant(
    "label_overlap-10",
    "label first, words of the label, k = 10",
    LABEL_FIRST
    | {
        "data.scores": "scores/cqa-label_overlap",
        "data.words.name": "key_words",
        "data.words.k": 10,
    },
    against="key_words-10",
)


def get_config(form="full"):
    small = is_small(form)
    return Study(
        title="What in a rationale helps, and where?",
        base=_small_base() if small else _full_base(),
        variants=(
            Variant("label_only", "label only", {"data.order": "label_only"}),
            Variant("rationale_first", "rationale first", RATIONALE_FIRST),
            Variant(
                "label_first",
                "label first",
                LABEL_FIRST,
                axes={"masked": 0.0},
                against="rationale_first",
            ),
            _damaged("rationale_first", "rationale first", "shuffled", SHUFFLE),
            _damaged("label_first", "label first", "shuffled", SHUFFLE),
            _damaged("label_first", "label first", "swapped", SWAP),
            *_masked((0.25, 0.5, 0.75, 1.0)),
            *_words((1, 2) if small else (5, 10, 20), scores=None if small else "scores/cqa"),
            *(() if small else (LABEL_OVERLAP,)),
        ),
        seeds=(0, 1, 2, 3, 4),
        about=SMALL_ABOUT if small else (ABOUT,),
        caveats=SMALL_CAVEATS if small else CAVEATS,
    )


def _damaged(order, title, done, perturbation):
    name = f"{order}-{perturbation['data.perturbation.name']}"
    return Variant(name, f"{title}, {done}", {"data.order": order} | perturbation, against=order)


def _masked(fractions):
    return along(
        "data.perturbation.fraction",
        fractions,
        name="mask",
        title="label first, {:.0%} masked",
        axis="masked",
        also=LABEL_FIRST | ONCE | {"data.perturbation.name": "mask"},
        against="label_first",
    )


def _words(counts, scores):
    """Key words, beside the whole rationale, and as many random and first ones, beside these."""
    ranked = {"data.scores": scores} if scores else {}
    return [
        variant
        for name, title, also, against in (
            ("key_words", "key words, k = {}", ranked, "label_first"),
            ("random_k", "random words, k = {}", {}, "key_words-{}"),
            ("first_k", "first words, k = {}", {}, "key_words-{}"),
        )
        for count in counts
        for variant in along(
            "data.words.k",
            (count,),
            name=name,
            title=f"label first, {title}",
            axis="words",
            also=LABEL_FIRST | also | {"data.words.name": name},
            against=against.format(count),
        )
    ]


def _full_base():
    base = commonsense_qa()
    base.model.pretrained = "google/flan-t5-base"
    base.checkpoint.every = base.schedule.total_steps
    return base


def _small_base():
    """Half the quick start's questions, and the regularisation that regularisation.py chose."""
    base = comparison()
    base.task.options = "train_questions=1000"
    base.loss.normalise = "kinds"  # or the label is one token in ten of the loss
    base.model.dropout_rate = 0.1
    base.optimizer.weight_decay = 1.0
    return base


ABOUT = (
    "Students learn CommonsenseQA with a teacher’s rationales: before the label, after it, and "
    "after it with its words shuffled, masked, cut to a few, or taken from another question. All "
    "read the same questions in the same order for the same number of steps."
)
CAVEATS = (
    "The students are T5s; the paper’s are decoders. Hyper-parameters of the paper are not known.",
)
SMALL_ABOUT = (
    "A small T5 student, trained from scratch, is asked which of two things is heavier. Each of "
    "200 entities has one of 10 sizes, which no question states: they stand in the rationales of "
    "the training questions alone. The test asks about pairs that were never compared in training.",
    "All variants read the same questions in the same order, for the same number of steps and with "
    "the same regularisation. They differ in what stands in the target, and where.",
)
SMALL_CAVEATS = (
    "A made-up task in which the rationale carries the very facts that the label needs. It shows "
    "what the machinery measures; it says nothing about commonsense question answering.",
    "Rationale first should do well by construction: the student writes both sizes, then compares. "
    "Shuffling the words of this rationale unbinds sizes from entities, which shuffling the words "
    "of a commonsense rationale does not.",
    "The key words are the two sizes; the first of them alone is half of what the label needs. The "
    "first word names an entity of the question and tells no size. A swapped rationale is of other "
    "entities, but states true sizes of theirs.",
    "What a rationale adds hangs on regularisation and on the number of questions: with a tenth of "
    "this weight decay, labels alone teach nothing about new pairs; with twice the questions they "
    "teach nearly all (docs/results.md).",
)
