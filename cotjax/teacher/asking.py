"""What a teacher's config names: its prompts, how it is sampled, and the manifest that says so."""

import dataclasses
from typing import Any

import jax
from ml_collections.config_dict import ConfigDict

from cotjax.config import flatten
from cotjax.decoding.limits import Limits
from cotjax.decoding.sampling import METHODS, Method, get_method
from cotjax.errors import InputError
from cotjax.json_files import to_json
from cotjax.records import Manifest
from cotjax.tasks import Task
from cotjax.teacher.model import revision_of
from cotjax.teacher.prompt_tokens import PromptSet, make_prompts
from cotjax.teacher.prompts import Prompter, make_prompter
from cotjax.teacher.questions import NO_TASK, Questions
from cotjax.teacher.template import load_template

ANSWER_TOKENS = 16  # of a second stage, which asks for the answer alone
SEAM_TOKENS = 4  # that reasoning and conclusion may have more than each has alone
# Where and how fast a job runs, which does not change what it writes.
FREE_FIELDS = (
    "mesh.data",
    "mesh.fsdp",
    "mesh.tensor",
    "sampling.slots",
    "sampling.steps",
)
# A manifest has fields of its own for these.
NAMED_FIELDS = ("prompt.template", "seed", "task.name", "task.split", "teacher.model")


def prompter_of(config: ConfigDict, tokenizer: Any, task: Task | None) -> Prompter:
    """How a config puts questions."""
    names = config.prompt
    template = load_template(names.template, names.level, names.shots)
    return make_prompter(template, tokenizer, names.chat, names.exemplars, task, config.seed)


def prompts_of(
    config: ConfigDict, prompter: Prompter, questions: Questions, context: int | None
) -> PromptSet:
    """The prompts of all questions; those that leave no room for a sample are refused by id."""
    room = None if context is None else context - config.sampling.max_tokens
    if room is not None and prompter.template.conclusion:
        room -= conclusion_tokens(prompter) + ANSWER_TOKENS
    if room is not None and room < 1:
        raise InputError(
            f"config.sampling.max_tokens={config.sampling.max_tokens}: the teacher's context of"
            f" {context:,} tokens has no room for a prompt beside them"
        )
    contrast = method_of(config).contexts > 1
    return make_prompts(prompter, questions.records, room, contrast)


def conclusion_tokens(prompter: Prompter) -> int:
    """How many tokens a second prompt has at most beyond the first one and the reasoning."""
    encoded = prompter.tokenizer(prompter.template.conclusion, add_special_tokens=False)
    return len(encoded["input_ids"]) + SEAM_TOKENS


def method_of(config: ConfigDict) -> Method:
    """How tokens are chosen."""
    sampling = config.sampling
    fields = dataclasses.fields(METHODS[sampling.method])
    return get_method(sampling.method, **{field.name: sampling[field.name] for field in fields})


def limits_of(config: ConfigDict) -> Limits:
    """What may not be chosen."""
    fields = dataclasses.fields(Limits)
    return Limits(**{field.name: config.sampling[field.name] for field in fields})


def manifest_of(
    config: ConfigDict, prompter: Prompter, questions: Questions, dtype: str
) -> Manifest:
    """What tells a job from another.

    Beside the config's fields these are what they lead to: the numbers' type, the questions, and
    how many processes share these.
    """
    without = (*FREE_FIELDS, *NAMED_FIELDS, *_options_of_others(config.sampling.method))
    fields = {
        name: value
        for name, value in flatten(config).items()
        if name not in without
        and value is not None
        and (questions.task or not name.startswith("task."))
    }
    fields |= {
        "teacher.dtype": dtype,
        "questions_sha256": questions.sha256,
        "processes": jax.process_count(),
    }
    return Manifest(
        task=questions.task.name if questions.task else NO_TASK,
        split=questions.split,
        teacher=config.teacher.model,
        revision=revision_of(config.teacher.model),
        prompt=config.prompt.template,
        prompt_sha256=prompter.sha256,
        sampling=to_json(fields),
        seed=config.seed,
    )


def _options_of_others(method: str) -> set[str]:
    """Fields that only other methods have: what they hold by default was not used."""
    names = {name: {field.name for field in dataclasses.fields(of)} for name, of in METHODS.items()}
    return {f"sampling.{option}" for option in set().union(*names.values()) - names[method]}
