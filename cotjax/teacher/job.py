"""What the sampling script does: run a job, show its first prompt, or export its requests."""

from pathlib import Path

import jax
from ml_collections.config_dict import ConfigDict
from rich.console import Console
from rich.text import Text

from cotjax.models.teacher import load_tokenizer
from cotjax.teacher.asking import limits_of, method_of, prompter_of, prompts_of
from cotjax.teacher.questions import Questions, load_task_questions, read_questions
from cotjax.teacher.requests import Order, export_requests
from cotjax.teacher.sample import sample_questions
from cotjax.teacher.view import Live, refusals, show_summary


def load_questions(config: ConfigDict, file: Path | None) -> Questions:
    """Loads the questions of a file, or else of the config's task."""
    if file is not None:
        return read_questions(file, config.task.max_questions)
    return load_task_questions(config)


def run(config: ConfigDict, questions: Questions, folder: Path) -> None:
    """Samples into a folder of records, and shows how it goes and what it came to."""
    with Live(Console()) as live:
        summary = sample_questions(config, questions, folder, live)
    if jax.process_index() == 0:
        show_summary(summary, Console())


def print_prompt(config: ConfigDict, questions: Questions) -> None:
    """Shows the first question's prompt as the teacher reads it, and how many tokens it has."""
    prompter = prompter_of(config, load_tokenizer(config.teacher.model), questions.task)
    prompts = prompts_of(config, prompter, questions, context=None)
    first, console = prompts.prompts[0], Console()
    for prompt in filter(None, (first, first.contrast)):
        console.print(Text(prompt.text), soft_wrap=True)
        console.print(
            f"-- question {prompt.id}: {prompt.num_tokens:,} tokens, the first"
            f" {len(prompt.prefix_ids):,} of them shared by all prompts",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    if prompter.template.conclusion:
        console.print(
            f"-- a second prompt goes on from the reasoning with {prompter.template.conclusion!r}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    for line in refusals(prompts.refused):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def export(config: ConfigDict, questions: Questions, file: Path) -> None:
    """Writes every prompt as a batch request."""
    prompter = prompter_of(config, load_tokenizer(config.teacher.model), questions.task)
    prompts = prompts_of(config, prompter, questions, context=None)
    order = Order(
        model=config.teacher.model,
        method=method_of(config),
        limits=limits_of(config),
        samples=config.samples,
        max_tokens=config.sampling.max_tokens,
        stops=(*prompter.stops, *config.sampling.stop),
        seed=config.seed,
    )
    lines = export_requests(file, prompter, prompts.prompts, order)
    print(f"{lines:,} requests in {file}", *refusals(prompts.refused), sep="\n")
