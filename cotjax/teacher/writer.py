"""Writes a teacher's samples: in one stage, or in two where a second prompt asks for the answer."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping

from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict

from cotjax.decoding import memory
from cotjax.decoding.board import Prompt as Wanted
from cotjax.decoding.engine import Rules, Sizes
from cotjax.decoding.limits import Limits
from cotjax.decoding.sampling import Greedy, Method
from cotjax.decoding.scheduler import Sample, Scheduler, Work
from cotjax.errors import InputError
from cotjax.teacher.asking import ANSWER_TOKENS, conclusion_tokens, limits_of, method_of
from cotjax.teacher.journal import Entry
from cotjax.teacher.model import Model
from cotjax.teacher.prompt_tokens import Prompt, PromptSet, conclude
from cotjax.teacher.prompts import Prompter

PATIENCE = 16  # the host looks when one slot in so many has ended


@dataclasses.dataclass(frozen=True)
class Asked:
    """Whom a job asks what.

    Attributes:
      config: Of the job.
      model: The teacher.
      mesh: Where it lies.
      prompter: How it is asked.
      prompts: What it is asked.
    """

    config: ConfigDict
    model: Model
    mesh: Mesh
    prompter: Prompter
    prompts: PromptSet

    @property
    def stages(self) -> int:
        """How many prompts lead to one sample."""
        return 2 if self.prompter.template.conclusion else 1


class Writer:
    """Writes the samples that are missing.

    Sizes are those of the whole job, whatever is missing: numbers are rounded as the shapes of
    arrays have it, and a job that goes on must write what it would have written.
    """

    def __init__(self, asked: Asked, missing: Mapping[str, tuple[int, ...]]):
        """Takes numbers of samples by the id of their question."""
        self._asked, self._missing = asked, missing
        self._prompts = {prompt.id: prompt for prompt in asked.prompts.prompts}
        self._longest = max(
            len(ids) for prompt in self._prompts.values() for ids in self._of(prompt)
        )
        self._schedulers: list[Scheduler] = []

    @property
    def work(self) -> Work:
        """What was done so far, in all stages."""
        return sum((scheduler.work for scheduler in self._schedulers), Work())

    def entries(self) -> Iterator[Entry]:
        """Yields every sample when it has ended."""
        config, prompter = self._asked.config, self._asked.prompter
        max_tokens = config.sampling.max_tokens
        first = self._scheduler(
            method_of(config), limits_of(config), max_tokens, self._longest, config.samples,
            stops=(*prompter.stops, *config.sampling.stop),
        )  # fmt: skip
        samples = first.run(
            self._wanted(self._prompts[id_], id_, numbers) for id_, numbers in self._missing.items()
        )
        if self._asked.stages == 1:
            yield from map(_to_entry, samples)
            return
        longest = self._longest + max_tokens + conclusion_tokens(prompter)
        second = self._scheduler(
            Greedy(), Limits(), ANSWER_TOKENS, longest, samples=1, stops=("\n",)
        )
        while batch := list(itertools.islice(samples, second.sizes.slots)):
            yield from self._conclude(batch, second)

    def _conclude(self, batch: list[Sample], scheduler: Scheduler) -> Iterator[Entry]:
        """Asks for the answers that reasonings lead to."""
        entries, wanted = {}, []
        for sample in batch:
            name = f"{sample.id}\n{sample.number}"
            entries[name] = _to_entry(sample)
            prompt = self._second_prompt(sample)
            ids = [] if prompt is None else self._of(prompt)
            if not ids or len(ids[0]) > scheduler.sizes.question:
                # Text that no tokenizer would write so may take more tokens than it was written in.
                yield dataclasses.replace(entries.pop(name), conclusion="", finish_reason="length")
                continue
            wanted.append(self._wanted(prompt, name, (0,)))
        for answer in scheduler.run(wanted):
            yield dataclasses.replace(entries[answer.id], conclusion=answer.text)

    def _second_prompt(self, sample: Sample) -> Prompt | None:
        """The prompt that asks for the answer; None where it does not begin as the first one."""
        try:
            return conclude(self._asked.prompter, self._prompts[sample.id], sample.text)
        except InputError:
            return None

    def _wanted(self, prompt: Prompt, name: str, numbers: tuple[int, ...]) -> Wanted:
        first = self._asked.model.first
        return Wanted(name, tuple((*ids, *first) for ids in self._of(prompt)), numbers)

    def _of(self, prompt: Prompt) -> tuple[tuple[int, ...], ...]:
        """What is read after the shared prefix, or all of it where none can be shared."""
        if self._asked.model.shares_prefix:
            return prompt.contexts
        return tuple((*prompt.prefix_ids, *ids) for ids in prompt.contexts)

    def _scheduler(
        self,
        method: Method,
        limits: Limits,
        max_tokens: int,
        longest: int,
        samples: int,
        stops: tuple[str, ...],
    ) -> Scheduler:
        config, model, mesh = self._asked.config, self._asked.model, self._asked.mesh
        prefix = self._asked.prompts.prefix_ids if model.shares_prefix else ()
        sizes = memory.fit(
            model,
            Sizes(
                slots=config.sampling.slots or 0,
                contexts=method.contexts,
                entries=0,
                prefix=len(prefix),
                question=longest,
                tokens=max_tokens,
            ),
            mesh,
            questions=len(self._prompts) * config.samples // samples,
            samples=samples,
            stages=self._asked.stages,
        )
        rules = Rules(
            method=method,
            limits=limits,
            ends=model.ends,
            steps=config.sampling.steps,
            patience=max(sizes.slots // PATIENCE, 1),
        )
        scheduler = Scheduler(
            model.reader, model.params, model.tokenizer, rules, sizes, mesh,
            seed=config.seed, prefix=prefix, stops=stops,
        )  # fmt: skip
        self._schedulers.append(scheduler)
        return scheduler


def _to_entry(sample: Sample) -> Entry:
    logprob = math.fsum(sample.logprobs)
    if not math.isfinite(logprob):
        raise InputError(
            f"question {sample.id!r}: the teacher's numbers overflow; set config.teacher.dtype to"
            " bfloat16 or float32, and mind that its weights may be damaged"
        )
    return Entry(
        id=sample.id,
        sample=sample.number,
        text=sample.text,
        logprob=logprob,
        num_tokens=len(sample.tokens),
        finish_reason=sample.finish_reason,
    )
