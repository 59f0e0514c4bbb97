r"""Rationales as a second task: Distilling Step-by-Step (Hsieh et al. 2023).

    python scripts/study.py --config=configs/studies/step_by_step.py --workdir=runs/step-by-step
    python scripts/study.py --config=configs/studies/step_by_step.py:small \
        --workdir=runs/step-by-step-small

Reported for the 220 M T5 v1.1 with PaLM's rationales, read at second hand: CommonsenseQA 62.2 %
label only, 63.3 % multi-task, 61.4 % with the rationale before the label in one target; with 12.5 %
of e-SNLI multi-task beats label only with all of it. An independent reproduction of CommonsenseQA
at 25, 50, 75 and 100 % of the data: 51.8, 57.5, 60.4, 62.6 %. The weight of the rationale task is
not printed; alpha = 0.5 is the code's. Learning rate, batch and steps here are the code's as well.

The full form trains T5 v1.1 base: import as in configs/commonsense_qa.py; one run is 10,000 steps
of 64 targets, so 13 variants and five seeds are 65 runs to share out with --shard; it has not been
timed. The small form is the made comparison task of the quick start, from scratch: a multi-task run
takes 88 s on one CPU core.
"""

import dataclasses

from configs.recipes import comparison, distilling_step_by_step
from cotjax.study.axes import along, cross
from cotjax.study.grid import Study, Variant, is_small

LABEL_ONLY = Variant("label_only", "label only", {"data.order": "label_only"})
MULTITASK = Variant("multitask", "multi-task", {"data.order": "multitask"})
WHOLE = {"fraction": 1.0}  # of the questions


def get_config(form="full"):
    small = is_small(form)
    fractions = (0.25, 0.5) if small else (0.125, 0.25, 0.5)
    alphas = (0.25, 0.75) if small else (0.25, 0.75, 0.9)
    return Study(
        title="Rationales as a second task",
        base=_small_base() if small else _full_base(),
        variants=(
            dataclasses.replace(LABEL_ONLY, axes=WHOLE),
            dataclasses.replace(MULTITASK, axes=WHOLE | {"alpha": 0.5}, against="rationale_first"),
            _one_target("rationale_first", "one target, rationale first"),
            _one_target("label_first", "one target, label first", against="rationale_first"),
            *along(
                "loss.alpha",
                alphas,
                name="alpha",
                title="multi-task, alpha {}",
                also={"data.order": "multitask"},
                against="multitask",
            ),
            *cross(
                (LABEL_ONLY, dataclasses.replace(MULTITASK, against="label_only")),
                along("data.fraction", fractions, name="data", title="{:.1%} of the questions"),
            ),
        ),
        seeds=(0, 1, 2, 3, 4),
        about=ABOUT,
        caveats=SMALL_CAVEATS if small else CAVEATS,
    )


def _one_target(order, title, against=None):
    """Label and rationale weigh alike in it, as two tasks at alpha 0.5 do."""
    fields = {"data.order": order, "loss.normalise": "kinds"}
    return Variant(order, title, fields, against=against)


def _full_base():
    base = distilling_step_by_step()
    base.task.name = "commonsense_qa"
    base.task.source = "records:records/cqa"
    base.task.validation_split = ""
    base.task.label_format = "text"
    base.data.input_length = 128
    base.data.target_length = 128
    base.checkpoint.every = base.schedule.total_steps
    return base


def _small_base():
    base = comparison()
    base.data.order = "multitask"
    return base


ABOUT = (
    "A student learns to answer a question, and, asked with another prefix, to explain the answer. "
    "It is asked for the label alone at test time, so the rationale costs nothing there. Compared "
    "with labels alone, with label and rationale in one target, with other weights of the two "
    "tasks, and on a part of the questions.",
    "All variants take the same number of steps of as many targets. A multi-task target is two "
    "replies, so a step of it reads its questions twice.",
)
CAVEATS = (
    "The paper’s rationales are PaLM 540B’s, a quarter of which conclude wrongly; labels are gold.",
)
SMALL_CAVEATS = (
    "A made-up task in which the rationale carries the very facts that the label needs; its "
    "numbers say nothing about the paper’s data sets.",
)
