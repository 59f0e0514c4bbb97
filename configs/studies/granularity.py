r"""How fine a rationale should be, and in which format (Chen et al. 2025).

    python scripts/study.py --config=configs/studies/granularity.py --workdir=runs/granularity
    python scripts/study.py --config=configs/studies/granularity.py:small \
        --workdir=runs/granularity-small

"Unveiling the Key Factors for Distilling Chain-of-Thought Reasoning", with GPT-4o on GSM8K, read
at second hand: Gemma 2B 49.7, 53.4 and 53.4 % at levels 1, 3 and 5; BLOOM 3B 18.2, 23.8 and 22.5 %.
Level 1 with filler up to the length of level 5 stays at 46.6 % (47.6 % without), where level 5 has
52.9 %. Claimed: no level is best for every student, formats matter little for small ones, and
length alone does not help. Their students are decoders, trained for 3 epochs of batch 64 at 5e-5,
in which a T5 learns next to nothing here: these take 20 at 3e-4. The prompts are unpublished.

Both forms read SVAMP's rationales in the release's 700 + 300 split: import GPT-4o's, and for the
full form Gemini's and Llama's of level 3, as in configs/openbookqa.py, with --task=svamp, into
records/svamp_granularity. The full form trains Flan-T5-base and has not been timed; the small one
trains Flan-T5-small on three levels, at level 3 in five minutes a run on one CPU core (4.4 targets
a second, of a run's first half). With 300 test questions a few points are within the noise.
"""

from configs.recipes import granularity
from cotjax.study.grid import Study, Variant, is_small

FORMATS = ("rephrase", "subquestion", "symbolic")
TEACHERS = {"gemini": "Gemini 1.5 Flash", "llama3": "Llama 3 70B"}  # beside GPT-4o


def get_config(form="full"):
    small = is_small(form)
    levels = (1, 3, 5) if small else (1, 2, 3, 4, 5, 6)
    return Study(
        title="How fine should a rationale be?",
        base=_small_base() if small else _base("google/flan-t5-base"),
        variants=(
            Variant("label_only", "label only", _tags(1) | {"data.order": "label_only"}),
            *(_level(level) for level in levels),
            Variant(
                "level1-filled", "level 1, filled up to level 5", _filled(1, 5), against="level5"
            ),
            *(() if small else (*map(_format, FORMATS), *map(_teacher, TEACHERS))),
        ),
        seeds=(0, 1, 2, 3, 4),
        about=ABOUT,
        caveats=CAVEATS,
    )


def _level(level):
    return Variant(f"level{level}", f"level {level}", _tags(level), {"level": level})


def _format(name):
    return Variant(name, f"level 3, {name}", _tags(3, name), against="level3")


def _teacher(name):
    title = f"level 3, {TEACHERS[name]}"
    return Variant(f"level3-{name}", title, _tags(3, teacher=name), against="level3")


def _tags(level, name="plain", teacher="gpt4o"):
    """Of one rationale a question: also for labels alone, or a question has nine targets."""
    return {"data.selection.tags": f"teacher={teacher},level={level},format={name}"}


def _filled(level, reference):
    """A short rationale and its words once more, as long as a finer one of the same question."""
    return _tags(level) | {
        "data.perturbation.name": "fill_repeat",
        "data.perturbation.reference": f"level={reference},format=plain",
    }


def _base(model):
    config = granularity(questions=700)
    config.optimizer.learning_rate = 3e-4
    config.schedule.total_steps = 20 * 700 // 64
    config.task.name = "svamp"
    config.task.source = "records:records/svamp_granularity"
    config.task.validation_split = ""
    config.task.label_format = "number"
    config.model.pretrained = model
    config.data.characters = "ascii"  # ÷ and × among others are unknown to T5
    config.data.input_length = 128
    config.data.target_length = 256
    config.checkpoint.every = config.schedule.total_steps
    return config


def _small_base():
    """Two epochs of small steps, which a CPU can take."""
    config = _base("google/flan-t5-small")
    config.data.batch_size = 16
    config.schedule.total_steps = config.checkpoint.every = config.evaluation.every = 2 * 700 // 16
    return config


ABOUT = (
    "One teacher explains the same answers in several levels of detail, and in other formats. A "
    "student learns one of them, rationale first, and must write it before it answers.",
    "The filled variant takes the short rationale to the length of a finer one with its own words: "
    "if length alone helped, it would do as well.",
)
CAVEATS = (
    "All variants see the same questions for the same number of steps; a finer level is more "
    "tokens to learn from in each of them.",
    "The teacher was shown the gold answer, except where the release says otherwise.",
)
