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

The full form fine-tunes T5 v1.1 base on SVAMP with PaLM 540B's rationales, which hold digits and,
one in four, a wrong answer: import them as in configs/svamp.py. It has the paper's damages to
content but for the keywords, which 7 of these 789 rationales hold, and those to structure at two
rates; it has not been timed on any hardware. The small form trains a student of 0.2 M parameters
from scratch on made questions of last-letter concatenation with true rationales. Its 75 runs took
87 s each (the median) on a CPU core that was shared (docs/results.md).
"""

from configs.default import get_config as default_config
from configs.svamp import get_config as svamp
from cotjax.study.axes import along, cross
from cotjax.study.grid import Study, Variant, is_small

PLACES = (
    Variant("rationale_first", "rationale first", {"data.order": "rationale_first"}),
    Variant("label_first", "label first", {"data.order": "label_first"}),
)


def _fields(perturbation, **settings):
    """Drawn once a run: or a student would see what was deleted in another epoch."""
    fields = {"name": perturbation, "redraw": "run"} | settings
    return {f"data.perturbation.{field}": value for field, value in fields.items()}


def _damage(name, title, perturbation, **settings):
    return Variant(name, title, _fields(perturbation, **settings), against="intact")


def _at_rates(name, title, perturbation):
    return along(
        "data.perturbation.fraction",
        (0.33, 0.67),
        name=name,
        title=title,
        axis="share of the steps",
        also=_fields(perturbation, unit="steps"),
        against="intact",
    )


INTACT = Variant("intact", "intact", {})
FULL_DAMAGES = (
    *_at_rates("shuffle_steps", "{:.0%} of the steps shuffled", "shuffle_some"),
    *_at_rates("delete_steps", "{:.0%} of the steps deleted", "drop"),
    *_at_rates("insert_steps", "{:.0%} steps of another inserted", "insert"),
    _damage("digits", "70 % of the digits changed", "digits", fraction=0.7),
    Variant("wrong", "wrong answers", {"data.selection.answers": "wrong"}, against="intact"),
    _damage("swap", "another question’s", "swap"),
)
SMALL_DAMAGES = (
    _damage("shuffle_steps", "steps shuffled", "shuffle", unit="steps"),
    _damage("delete_steps", "half the steps deleted", "drop", unit="steps"),
    _damage("insert_steps", "steps of another inserted", "insert", unit="steps"),
    _damage("shuffle_words", "words shuffled", "shuffle"),
    _damage("mask", "half the words masked", "mask"),
    _damage("swap", "another question’s", "swap"),
)


def get_config(form="full"):
    small = is_small(form)
    return Study(
        title="Content or structure, before the label or after it?",
        base=_small_base() if small else _full_base(),
        variants=(
            Variant("label_only", "label only", {"data.order": "label_only"}),
            *cross(PLACES, (INTACT, *(SMALL_DAMAGES if small else FULL_DAMAGES))),
        ),
        seeds=(0, 1, 2, 3, 4),
        about=(SMALL_ABOUT if small else ABOUT, SAME),
        caveats=SMALL_CAVEATS if small else CAVEATS,
    )


def _full_base():
    base = svamp()
    base.schedule.total_steps = 2000  # 64 of 720 questions each
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
    "Steps of a rationale are shuffled, deleted or mixed with those of another question; or its "
    "digits are changed, its answer is wrong, or the whole is another question’s. Each is done "
    "where the student must write the rationale before it answers, and where it answers first."
)
SMALL_ABOUT = (
    "Steps of a rationale are shuffled, deleted or mixed with those of another question; words are "
    "shuffled or masked; or the whole is another question’s. Each is done where the student must "
    "write the rationale before it answers, and where it answers first."
)
SAME = "All variants read the same questions in the same order for the same number of steps."
CAVEATS = (
    "Wrong answers are those of the quarter of questions that the teacher got wrong: these "
    "students read other questions than the rest, fewer and harder ones.",
    "PaLM’s rationales have two to six steps, not the hundreds of the paper’s chains.",
)
SMALL_CAVEATS = (
    "These are not the paper’s damages to content. Wrong answers, other digits and no reasoning "
    "keywords say nothing to rationales that are all right and hold neither; masked and another "
    "question’s words stand in their place.",
    "A made-up task with rationales of one wording and few steps: it tells how such damage acts on "
    "a computation that the student must learn, not how it acts on long chains of thought.",
)
