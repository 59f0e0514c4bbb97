r"""Content or structure: which damage to a rationale hurts, before the label and after it.

    python scripts/study.py --config=configs/studies/structure.py --workdir=runs/structure
    python scripts/study.py --config=configs/studies/structure.py:small \
        --workdir=runs/structure-small

Li et al. 2025 ("LLMs Can Easily Learn to Reason from Demonstrations. Structure, not content, is
what matters!") fine-tune Qwen2.5-32B on 17,000 long chains of thought that come before the answer.
Damage to content costs little: wrong final answers 3.2 points, 70 % of digits randomised 4.3,
reasoning keywords removed 3.3. Damage to structure costs 10 to 15: steps shuffled, deleted, or
inserted from other chains. Not known here: which share of the steps that was, what each damage
costs by itself, and all of the keywords. Wadhwa et al. 2024 found that after the label order does
not matter. Here steps and words are damaged in both places, in a task whose steps are a real
computation.

The full form fine-tunes Flan-T5-base on tracking shuffled objects with GPT-3.5's rationales: import
them as in configs/shuffled_objects.py; it has not been timed. The small form trains a student of
0.2 M parameters from scratch on made questions of last-letter concatenation with true rationales.
Its 75 runs took 87 s each (the median) on a CPU core that was shared (docs/results.md).
"""

from configs.default import get_config as default_config
from configs.shuffled_objects import get_config as shuffled_objects
from cotjax.study.axes import cross
from cotjax.study.grid import Study, Variant, is_small

PLACES = (
    Variant("rationale_first", "rationale first", {"data.order": "rationale_first"}),
    Variant("label_first", "label first", {"data.order": "label_first"}),
)


def _damage(name, title, perturbation, **settings):
    """Drawn once a run: or a student would see what was deleted in another epoch."""
    fields = {"name": perturbation, "redraw": "run"} | settings
    overrides = {f"data.perturbation.{field}": value for field, value in fields.items()}
    return Variant(name, title, overrides, against="intact")


INTACT = Variant("intact", "intact", {})
STRUCTURE = (
    _damage("shuffle_steps", "steps shuffled", "shuffle", unit="steps"),
    _damage("delete_steps", "half the steps deleted", "drop", unit="steps"),
    _damage("insert_steps", "steps of another inserted", "insert", unit="steps"),
    _damage("shuffle_words", "words shuffled", "shuffle"),
)
CONTENT = (
    _damage("mask", "half the words masked", "mask"),
    _damage("drop_words", "half the words dropped", "drop"),
    _damage("swap", "another question’s", "swap"),
)
SMALL_CONTENT = (CONTENT[0], CONTENT[2])


def get_config(form="full"):
    small = is_small(form)
    return Study(
        title="Content or structure, before the label or after it?",
        base=_small_base() if small else _full_base(),
        variants=(
            Variant("label_only", "label only", {"data.order": "label_only"}),
            *cross(PLACES, (INTACT, *STRUCTURE, *(SMALL_CONTENT if small else CONTENT))),
        ),
        seeds=(0, 1, 2, 3, 4),
        about=ABOUT,
        caveats=SMALL_CAVEATS if small else CAVEATS,
    )


def _full_base():
    base = shuffled_objects()
    base.model.pretrained = "google/flan-t5-base"
    base.data.selection.name = "one_per_epoch"
    base.checkpoint.every = base.schedule.total_steps
    return base


def _small_base():
    base = default_config()
    base.task.name = "last_letter"
    base.task.options = "words=2,train_questions=8000"
    base.data.target_length = 96
    base.model.vocab_size = 192  # pieces so short that a name's last letter can be copied
    base.model.dropout_rate = 0.0
    base.optimizer.learning_rate = 3e-3
    base.schedule.total_steps = 1000
    base.evaluation.every = base.schedule.total_steps
    base.checkpoint.every = base.schedule.total_steps
    base.evaluation.batch_size = 128
    return base


ABOUT = (
    "Steps of a rationale are shuffled, deleted or mixed with those of another question; words are "
    "shuffled, masked or dropped; or the whole is another question’s. Each is done where the "
    "student must write the rationale before it answers, and where it answers first.",
    "All variants read the same questions in the same order for the same number of steps.",
)
CONTENT_CAVEAT = (
    "These are not the paper’s damages to content. Wrong answers, other digits and no reasoning "
    "keywords say nothing to rationales that are all right and hold neither; masked, dropped and "
    "another question’s words stand in their place."
)
CAVEATS = (CONTENT_CAVEAT,)
SMALL_CAVEATS = (
    CONTENT_CAVEAT,
    "A made-up task with rationales of one wording and few steps: it tells how such damage acts on "
    "a computation that the student must learn, not how it acts on long chains of thought.",
)
