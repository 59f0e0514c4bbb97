r"""Turns published or generated rationales into a folder of records.

    python scripts/import_rationales.py --format=dss --task=commonsense_qa --split=train \
        --input=data/dss/cqa --output=records/cqa/train

Prints what it read, parsed, judged right and dropped. Nothing is written if anything is wrong; with
--skip_bad_records rows that can't be read are counted, and left in `skipped.jsonl`.
Formats:
    dss           Distilling Step-by-Step: a data set's folder
    instruction   instruction/output lists, as of rationales of several levels: a folder or file
    multi_sample  a list with a row a sample, as in Mentor-KD's release: a folder or file
    completions   JSON lines of id or question and completion(s): needs --questions, --teacher
    openai_batch  output of a batch interface (OpenAI, vLLM): needs --questions
    cos_e         people's explanations of CommonsenseQA: a file; needs --questions
    records       a folder of records: with --skip_bad_records, what is whole of a damaged one
"""

from pathlib import Path

from absl import flags

from cotjax import cli

FORMAT = flags.DEFINE_string("format", None, "form of the files, from the list above")
TASK = flags.DEFINE_string("task", None, "task whose parser judges the teacher")
SPLIT = flags.DEFINE_string("split", None, "split to import: train or test")
INPUT = flags.DEFINE_string("input", None, "the release's folder of this data set, or a file")
OUTPUT = flags.DEFINE_string("output", None, "folder of records to make")
QUESTIONS = flags.DEFINE_string(
    "questions", None, "questions that the files lack: hub, file:PATH, records:DIR or a path"
)
SKIP = flags.DEFINE_bool("skip_bad_records", False, "go on without the rows that can't be read")
TEACHER = flags.DEFINE_string("teacher", None, "who wrote the rationales, if the files don't tell")


def main() -> None:
    """Imports one split."""
    from cotjax.teacher.importers import Request, import_rationales
    from cotjax.teacher.importers.bad_rows import BadRows

    request = Request(
        task=TASK.value,
        split=SPLIT.value,
        source=Path(INPUT.value),
        questions=QUESTIONS.value,
        teacher=TEACHER.value,
        bad_rows=BadRows(SKIP.value),
    )
    import_rationales(FORMAT.value, request, Path(OUTPUT.value))


if __name__ == "__main__":
    cli.run(main, required=["format", "task", "split", "input", "output"])
