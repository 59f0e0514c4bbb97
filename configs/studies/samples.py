r"""How many of a teacher's samples to learn from, and which (SCoTD, Li et al. 2023).

    python scripts/study.py --config=configs/studies/samples.py --workdir=runs/samples
    python scripts/study.py --config=configs/studies/samples.py:small --workdir=runs/samples-small

Reported for OPT-1.3B on CommonsenseQA, all 30 samples kept: 53.0, 58.3, 59.1, 60.0 and 60.2 % at 1,
5, 10, 20 and 30 rationales a question, and 53.4, 63.0, 62.4, 64.1 and 64.7 % when 30 of the
student's own samples vote; with the wrong ones dropped voting does not help. Of ways to choose 5
(on average), random is strong, diversity slightly best, and none reaches all 30; of those there are
plots but no numbers. The student is a decoder, 20,000 steps of batch 32 at 2e-5; temperature 1.

The full form learns from 30 samples of a teacher of yours (README, "A teacher of your own") in
records/cqa_samples, with Flan-T5-base. The small form learns from the three samples a question of
Lee et al.'s last-letter release (see configs/last_letter.py) with Flan-T5-small; likelihood and
open-endedness need more samples than that and are left out. A run of the small form trains for 14
minutes on one CPU core (3.9 targets a second, of a run's first half); the full form has not been
timed. Here all samples are chosen from; the paper chooses among those with the right answer. Every
student that says a rationale first is also asked by vote: 30 samples at temperature 0.7 (10 in the
small form).
"""

from configs.commonsense_qa import get_config as commonsense_qa
from configs.last_letter import get_config as last_letter
from cotjax.study.axes import along
from cotjax.study.grid import Study, Variant, is_small

RATIONALE_FIRST = {"data.order": "rationale_first"}


def get_config(form="full"):
    small = is_small(form)
    counts, budget, samples = ((2,), 2, 3) if small else ((5, 10, 20), 5, 30)
    labels = "label only" if small else "label only, the teacher’s"
    filters = ("diverse",) if small else ("diverse", "likely", "open_ended")
    return Study(
        title="How many samples, and which?",
        base=_small_base() if small else _full_base(),
        variants=(
            Variant("label_only", labels, _chosen("first") | {"data.order": "label_only"}),
            Variant("first", "the first sample", _chosen("first"), {"samples": 1}),
            *_random(counts),
            Variant("all", "all samples", _chosen("all"), {"samples": samples}, against="first"),
            Variant(
                "one_per_epoch",
                "one, redrawn each epoch",
                _chosen("one_per_epoch"),
                against="all",
            ),
            *(_filter(name, budget) for name in filters),
            # All answers of the small form's teacher are right.
            *(() if small else map(_answers, ("right", "majority"))),
        ),
        seeds=(0, 1, 2, 3, 4),
        samples=10 if small else 30,
        about=ABOUT,
        caveats=CAVEATS,
    )


def _chosen(name):
    return RATIONALE_FIRST | {"data.selection.name": name}


def _random(counts):
    return along(
        "data.selection.k",
        counts,
        name="random",
        title="{} at random",
        axis="samples",
        also=_chosen("random"),
    )


def _filter(name, budget):
    title = f"{name.replace('_', ' ')}, {budget} on average"
    fields = _chosen(name) | {"data.selection.k": budget}
    return Variant(name, title, fields, against=f"random-{budget}")


def _answers(kept):
    title = f"all with the {kept} answer"
    fields = _chosen("all") | {"data.selection.answers": kept}
    return Variant(kept, title, fields, against="all")


def _full_base():
    config = commonsense_qa()
    config.task.source = "records:records/cqa_samples"
    config.model.pretrained = "google/flan-t5-base"
    config.data.label_source = "teacher"  # as in the paper's few-shot setting
    config.checkpoint.every = config.schedule.total_steps
    return config


def _small_base():
    """Four hundred steps of eight, which a CPU can take."""
    config = last_letter()
    config.model.pretrained = "google/flan-t5-small"
    config.schedule.total_steps = config.checkpoint.every = config.evaluation.every = 400
    return config


ABOUT = (
    "A teacher sampled several rationales of every question. A student learns, rationale first, "
    "from one of them, from some that are chosen in different ways, or from all.",
    "All variants take the same number of steps of as many targets: who learns from more "
    "rationales sees each of them less often.",
)
CAVEATS = (
    "Selections that keep less than all are of equal size on average, not question by question.",
)
