r"""Asks a teacher for rationales and writes them as records.

    python scripts/sample_teacher.py --config=configs/teachers/smollm2.py --output=records/smollm2 \
        --config.teacher.model=Qwen/Qwen2.5-1.5B-Instruct --config.samples=8

The same command goes on where it was stopped. `--questions=FILE` asks a file of questions instead
of a task's; `--print_prompt` shows the first prompt and ends; `--export_requests=FILE` writes the
prompts as batch requests for a server elsewhere, whose answers
`scripts/import_rationales.py --format=openai_batch` reads.
"""

from pathlib import Path

from absl import flags

from cotjax import cli

OUTPUT = flags.DEFINE_string("output", None, "folder of records to write or to go on with")
QUESTIONS = flags.DEFINE_string(
    "questions", None, "JSON lines of id, question, and choices and label if any"
)
PRINT = flags.DEFINE_bool("print_prompt", False, "show the first prompt and its tokens, and end")
EXPORT = flags.DEFINE_string("export_requests", None, "file of batch requests to write, and end")


def main(config) -> None:
    """Samples, or shows or exports what would be asked."""
    if sum(map(bool, (OUTPUT.value, PRINT.value, EXPORT.value))) != 1:
        cli.fail("give one of --output=DIR, --print_prompt and --export_requests=FILE")
    from cotjax.teacher import job

    questions = job.load_questions(config, Path(QUESTIONS.value) if QUESTIONS.value else None)
    if PRINT.value:
        job.print_prompt(config, questions)
    elif EXPORT.value:
        job.export(config, questions, Path(EXPORT.value))
    else:
        job.run(config, questions, Path(OUTPUT.value))


if __name__ == "__main__":
    cli.run(main, takes_config="teacher", many_hosts=True)
