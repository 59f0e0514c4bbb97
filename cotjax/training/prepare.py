"""From a config to all that a run needs before any weights exist: data, tokenizer, sizes, steps."""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections.config_dict import ConfigDict

from cotjax.config_rules import SIZES
from cotjax.data.examples import Examples, training_examples
from cotjax.data.ragged import Ragged
from cotjax.data.rationales import refuse_too_many
from cotjax.data.steps import StepConfig, Steps
from cotjax.data.tokenizer import Tokenizer, load_tokenizer, train_tokenizer, with_ascii
from cotjax.data.tokens import (
    TokenTable,
    count_tokens,
    count_unmapped,
    cut_inputs,
    tokenize,
)
from cotjax.data.words import count_words, keep_words
from cotjax.errors import InputError
from cotjax.json_files import dump_json, replace_file
from cotjax.models.hf import (
    check_special_tokens,
    check_tokenizer,
    read_config,
    resolve,
    resolve_tokenizer,
)
from cotjax.models.t5_config import PRESETS, T5Config, computation
from cotjax.targets.donors import Perturbation
from cotjax.targets.orders import ORDERS, Order, make_order
from cotjax.targets.perturb import PERTURBATIONS
from cotjax.targets.transforms import DigitTokens
from cotjax.targets.words import WordChoice
from cotjax.tasks.base import Question, Task, configured_task
from cotjax.tasks.sources import load_splits
from cotjax.training.optimizer import OptimizerConfig, ScheduleConfig

SELECTED = ("kept", "dropped")  # what counts of the selection begin with
VOCABULARY_MULTIPLE = 64  # a new embedding's rows, so that a tensor axis divides them


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What a config resolves to.

    Attributes:
      task: Formats and judges.
      splits: Questions by split: train, validation, and test where the source has one.
      tokenizer: Of student and data.
      model: Sizes of the student.
      pretrained: Folder with its weights, or None for random ones.
      order: Of the targets.
      steps: What every step holds.
      counts: Targets, tokens, and all that was dropped, cut or unknown.
    """

    task: Task
    splits: dict[str, list[Question]]
    tokenizer: Tokenizer
    model: T5Config
    pretrained: Path | None
    order: Order
    steps: Steps
    counts: dict[str, int]

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of every token that is trained on, and of what the tokens mean."""
        state = hashlib.blake2b(self.tokenizer.content_hash().encode(), digest_size=8)
        for field in dataclasses.fields(TokenTable):
            value = getattr(self.steps.table, field.name)
            arrays = (value.values, value.offsets) if isinstance(value, Ragged) else (value,)
            for array in arrays:
                state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()


def selection_lines(counts: Mapping[str, int]) -> list[str]:
    """What was kept of questions and rationales, and what was dropped, a line each."""
    parted = ((*name.partition("/"), count) for name, count in counts.items())
    return [f"{done}: {count:,} {what}" for done, _, what, count in parted if done in SELECTED]


def prepare(config: ConfigDict, row_multiple: int) -> Experiment:
    """Loads, tokenises and lays out what a config names.

    Args:
      config: Validated.
      row_multiple: Rows that mesh and accumulation divide evenly.

    Raises:
      InputError: for data, tokenizer or sizes that don't fit the config or each other.
    """
    refuse_too_many(config)
    task = configured_task(config)
    splits = load_splits(task, config)
    examples = training_examples(task, config, splits["train"])
    pretrained = resolve(config.model.pretrained) if config.model.pretrained else None
    tokenizer = make_tokenizer(config, pretrained, task, splits["train"], examples)
    model = model_config(config, pretrained, tokenizer)
    order = make_order(config.data.order, config.data.connective)
    table = tokenize(examples, tokenizer, order, Path(config.data.cache).expanduser())
    whole, choice = table, words_of(config)
    table = keep_words(whole, choice)
    counts = count_tokens(table, tokenizer.unknown, order)
    counts |= count_unmapped(whole, examples, tokenizer, order)
    counts |= count_words(whole, table, choice)
    step_config = steps_of(config, order, tokenizer, row_multiple)
    table, counts["inputs/cut"], counts["inputs/tokens_cut"] = cut_inputs(
        table, _question_length(step_config), tokenizer.eos
    )
    counts["inputs/count"] = len(table.inputs.lengths)
    draw_weights = examples.draw_weights and np.array(examples.draw_weights)
    steps = Steps(table, step_config, draw_weights)
    counts["rationales/cut"], counts["rationales/tokens_cut"] = steps.count_cut()
    counts |= _count_perturbed(steps)
    counts |= {"questions": table.num_questions, "targets": table.num_targets}
    counts |= {f"kept/{name}": count for name, count in examples.kept.items()}
    counts |= {f"dropped/{reason}": count for reason, count in examples.dropped.items()}
    return Experiment(task, splits, tokenizer, model, pretrained, order, steps, counts)


def make_tokenizer(
    config: ConfigDict,
    pretrained: Path | None,
    task: Task,
    questions: list[Question],
    examples: Examples,
) -> Tokenizer:
    """Loads the tokenizer that a config names, or trains one on the task's own text.

    A new one knows the words of every order and of all training questions, so all orders and all
    values of data.fraction share one vocabulary.
    """
    if config.model.tokenizer:
        return _mapped(load_tokenizer(resolve_tokenizer(config.model.tokenizer)), config)
    if pretrained:
        return _mapped(load_tokenizer(pretrained), config)
    if config.data.fraction < 1:
        whole = config.copy_and_resolve_references()
        whole.data.fraction = 1.0
        examples = training_examples(task, whole, questions)
    texts = [*examples.inputs]
    texts += [text for target in examples.targets for text in (target.label, target.rationale)]
    texts += [label for question in questions for label in task.choice_labels(question)]
    texts += [text for order in ORDERS.values() for text in order.texts]
    texts.append(config.data.connective or "")
    return train_tokenizer(texts, config.model.vocab_size, config.data.characters)


def model_config(config: ConfigDict, pretrained: Path | None, tokenizer: Tokenizer) -> T5Config:
    """Sizes and choices of the student, with what depends on the platform decided."""
    section = config.model
    choices = computation(section, jax.default_backend())
    if pretrained:
        model = read_config(pretrained, **choices)
    elif section.preset:
        model = dataclasses.replace(PRESETS[section.preset], **choices)
    else:
        sizes = {name: section[name] for name in SIZES if name != "vocab_size"}
        rows = -(-tokenizer.size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
        model = T5Config(
            vocab_size=rows,
            scale_decoder_outputs=section.tied,
            **sizes,
            **choices,
        )
    check_tokenizer(tokenizer.size, model)
    if pretrained:
        check_special_tokens(tokenizer.eos, tokenizer.pad, model)
    return dataclasses.replace(model, eos_token_id=tokenizer.eos, pad_token_id=tokenizer.pad)


def steps_of(
    config: ConfigDict, order: Order, tokenizer: Tokenizer, row_multiple: int
) -> StepConfig:
    """The part of a config that decides what a step holds."""
    data = config.data
    return StepConfig(
        order=order,
        connective=tuple(tokenizer.encode([order.connective])[0]),
        perturbation=_perturbation(data.perturbation, tokenizer),
        redraw=data.perturbation.redraw == "epoch",
        seed=config.seed,
        one_per_epoch=data.selection.name in ("one_per_epoch", "mixture"),
        batch_size=data.batch_size,
        targets_per_question=data.targets_per_question,
        target_length=data.target_length,
        input_length=data.input_length,
        question_weight=data.question_weight,
        **_loss_weights(config),
        packing=data.packing,
        encoder_length=data.encoder_length,
        decoder_length=data.decoder_length,
        row_multiple=row_multiple,
        length_multiple=128 if jax.default_backend() == "tpu" else 8,
    )


def optimizer_of(config: ConfigDict) -> tuple[OptimizerConfig, ScheduleConfig]:
    """The optimizer and the schedule that a config names."""
    section = {name: value for name, value in config.optimizer.items() if name != "accumulation"}
    return OptimizerConfig(**section), ScheduleConfig(**config.schedule.to_dict())


def words_of(config: ConfigDict) -> WordChoice:
    """Which words of a rationale a config keeps."""
    return WordChoice(**config.data.words.to_dict(), seed=config.seed)


def save_run_files(experiment: Experiment, workdir: Path) -> None:
    """Writes what evaluation, prediction and export need beside a checkpoint."""
    experiment.tokenizer.save(workdir / "tokenizer")
    shape = experiment.steps.shape
    content = {
        "model": dataclasses.asdict(experiment.model),
        "tokenizer_hash": experiment.tokenizer.content_hash(),
        "row_shape": dataclasses.astuple(shape),
        "row_counts": experiment.steps.row_counts,
        "counts": experiment.counts,
    }
    replace_file(workdir / "model.json", dump_json(content, indent=1) + "\n")


def _mapped(tokenizer: Tokenizer, config: ConfigDict) -> Tokenizer:
    """The tokenizer with the map of characters that a config names."""
    return with_ascii(tokenizer) if config.data.characters == "ascii" else tokenizer


def _question_length(config: StepConfig) -> int:
    """Tokens of a question at most, EOS included: a rationale's connective has its place too."""
    length = config.input_length - len(config.connective) * config.order.reads_rationale
    if length < 2:
        raise InputError(
            f"config.data.input_length={config.input_length} leaves no room for a question: "
            f"the connective has {len(config.connective)} tokens"
        )
    return length


def _loss_weights(config: ConfigDict) -> dict[str, Any]:
    """The weights of label and rationale, and how each is normalised."""
    loss = config.loss
    if config.data.order == "multitask":
        weights = {"label_weight": loss.alpha, "rationale_weight": 1 - loss.alpha}
        return weights | {"normalise": "tasks"}
    return {name: loss[name] for name in ("label_weight", "rationale_weight", "normalise")}


def _count_perturbed(steps: Steps) -> dict[str, int]:
    """How many rationales a perturbation leaves as they are, and of how many it leaves nothing.

    Raises:
      InputError: if it changes none, though it is to change some.
    """
    perturbation, perturbed = steps.config.perturbation, steps.perturbed
    if perturbation.name == "none":
        return {}
    same = perturbed.count_same()
    if same == steps.table.num_targets and getattr(perturbation, "fraction", 1) > 0:
        raise InputError(
            f"config.data.perturbation.name={perturbation.name!r} changes none of the "
            f"{same} rationales"
        )
    counts = {
        "kept/rationales that the perturbation leaves as they are": same,
        "kept/rationales that the perturbation leaves nothing of": perturbed.count_emptied(),
    }
    return {name: count for name, count in counts.items() if count}


def _perturbation(section: ConfigDict, tokenizer: Tokenizer) -> Perturbation:
    kind = PERTURBATIONS[section.name]
    fields = {field.name for field in dataclasses.fields(kind) if field.init}
    options = {name: section[name] for name in ("unit", "fraction", "length") if name in fields}
    if "mask_token" in fields:
        token = tokenizer.token_id(section.mask_token, "data.perturbation.mask_token")
        options["mask_token"] = token
    if "digit_tokens" in fields:
        options["digit_tokens"] = DigitTokens.of(tokenizer.pieces(range(tokenizer.size)))
    return kind(**options)
