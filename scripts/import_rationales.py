r"""Turns a published release of rationales into a folder of records.

    python scripts/import_rationales.py --format=dss --task=commonsense_qa --split=train \
        --input=data/dss/cqa --output=records/cqa/train

Prints what it read, parsed, judged right and dropped. Nothing is written if anything is wrong.
"""

from pathlib import Path

from absl import flags

from cotjax import cli

FORMAT = flags.DEFINE_string("format", None, "form of the release: dss (Distilling Step-by-Step)")
TASK = flags.DEFINE_string("task", None, "task whose parser judges the teacher: commonsense_qa")
SPLIT = flags.DEFINE_string("split", None, "split to import: train or test")
INPUT = flags.DEFINE_string("input", None, "the release's folder of this data set")
OUTPUT = flags.DEFINE_string("output", None, "folder of records to make")
QUESTIONS = flags.DEFINE_string("questions", None, "file of questions, if not the release's own")


def main() -> None:
    """Imports one split."""
    from cotjax.teacher.importers import import_rationales

    import_rationales(
        format=FORMAT.value,
        task=TASK.value,
        split=SPLIT.value,
        source=Path(INPUT.value),
        output=Path(OUTPUT.value),
        questions=Path(QUESTIONS.value) if QUESTIONS.value else None,
    )


if __name__ == "__main__":
    cli.run(main, required=["format", "task", "split", "input", "output"])
