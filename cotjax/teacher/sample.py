"""The sampling job: questions in, a teacher's records out, however often it is interrupted."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import jax
from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict

from cotjax.decoding import memory
from cotjax.decoding.engine import Rules, Sizes
from cotjax.decoding.sampling import Greedy, Method
from cotjax.decoding.scheduler import Prompt as Wanted
from cotjax.decoding.scheduler import Sample, Scheduler, Work
from cotjax.mesh import initialize_distributed, make_mesh
from cotjax.records import Rationale, Record
from cotjax.teacher.asking import limits_of, manifest_of, method_of, prompter_of, prompts_of
from cotjax.teacher.journal import Entry
from cotjax.teacher.model import Model, load_model
from cotjax.teacher.output import Output
from cotjax.teacher.prompt_tokens import Prompt, PromptSet, conclude
from cotjax.teacher.prompts import Prompter
from cotjax.teacher.questions import Questions

ANSWER_TOKENS = 16  # of a second stage, which asks for the answer alone


class View(Protocol):
    """Watches a job."""

    def begin(self, output: Output) -> None:
        """Is told what is there before the job begins or goes on."""

    def saw(self, judged: Rationale | None, entry: Entry, work: Work) -> None:
        """Is told of a sample, and of all work so far."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a job came to.

    Attributes:
      records: All of the folder.
      prompts: What was asked, and what could not be.
      work: What this run did, both stages together.
      unshared: Prompt tokens that the samples of this run would have cost one by one.
    """

    records: list[Record]
    prompts: PromptSet
    work: Work
    unshared: int


@dataclasses.dataclass(frozen=True)
class Job:
    """A teacher, and what it is asked."""

    config: ConfigDict
    questions: Questions
    mesh: Mesh
    model: Model
    prompter: Prompter
    prompts: PromptSet

    @property
    def by_id(self) -> Mapping[str, Prompt]:
        """Prompts by the id of their question."""
        return {prompt.id: prompt for prompt in self.prompts.prompts}


def prepare(config: ConfigDict, questions: Questions) -> Job:
    """Loads the teacher and writes its prompts; raises InputError for what doesn't fit."""
    initialize_distributed()
    # Every process samples by itself: none waits for another.
    mesh = make_mesh(config.mesh.to_dict(), jax.local_devices())
    model = load_model(config.teacher.model, mesh, config.teacher.dtype)
    prompter = prompter_of(config, model.tokenizer, questions.task)
    prompts = prompts_of(config, prompter, questions, model.context)
    return Job(config, questions, mesh, model, prompter, prompts)


def sample_questions(job: Job, folder: Path, view: View) -> Summary:
    """Asks a teacher, or goes on with asking it.

    Args:
      job: What to ask whom.
      folder: Takes the records. A rerun with the same config goes on with them.
      view: Is told of every sample.

    Raises:
      InputError: where the folder holds anything else, or the job doesn't fit into the memory.
    """
    config, questions, by_id = job.config, job.questions, job.by_id
    tags = job.prompter.template.tags

    def judge(record: Record, entry: Entry) -> Rationale | None:
        return questions.judge(record, by_id[record.id], entry)

    def to_record(record: Record, entries: list[Entry]) -> Record:
        judged = filter(None, (judge(record, entry) for entry in entries))
        rationales = tuple(dataclasses.replace(one, tags=tags) for one in judged)
        return dataclasses.replace(record, rationales=rationales)

    output = Output(
        folder,
        manifest_of(config, job.prompter, questions),
        questions.records,
        list(itertools.chain.from_iterable(job.prompts.refused.values())),
        config.samples,
        config.questions_per_shard,
        to_record,
    )
    try:
        missing = output.missing
        view.begin(output)
        writer = _Writer(job, missing)
        of_id = {record.id: record for record in questions.records}
        for entry in writer.entries() if missing else ():
            output.add(entry)
            view.saw(judge(of_id[entry.id], entry), entry, writer.work)
        records = output.finish()
    finally:
        output.close()
    unshared = sum(by_id[id_].num_tokens * len(numbers) for id_, numbers in missing.items())
    return Summary(records, job.prompts, writer.work, unshared)


class _Writer:
    """Writes the samples that are missing, in one stage or two."""

    def __init__(self, job: Job, missing: Mapping[str, tuple[int, ...]]):
        self._job, self._missing = job, missing
        self._prompts = {id_: job.by_id[id_] for id_ in missing}
        self._stages: list[Scheduler] = []

    @property
    def work(self) -> Work:
        """What was done so far."""
        return sum((stage.work for stage in self._stages), Work())

    def entries(self) -> Iterator[Entry]:
        """Yields every sample when it has ended."""
        config = self._job.config
        longest = self._longest(self._prompts.values())
        first = self._scheduler(
            method_of(config), config.sampling.max_tokens, longest, config.samples,
            stops=(*self._job.prompter.stops, *config.sampling.stop),
        )  # fmt: skip
        samples = first.run(
            self._wanted(prompt, prompt.id, self._missing[id_])
            for id_, prompt in self._prompts.items()
        )
        if not self._job.prompter.template.conclusion:
            yield from (_to_entry(sample) for sample in samples)
            return
        longest += config.sampling.max_tokens + ANSWER_TOKENS
        second = self._scheduler(Greedy(), ANSWER_TOKENS, longest, samples=1, stops=("\n",))
        while batch := list(itertools.islice(samples, second.slots)):
            yield from self._conclude(batch, second)

    def _conclude(self, batch: list[Sample], second: Scheduler) -> Iterator[Entry]:
        """Asks for the answers that the reasoning leads to."""
        by_name = {f"{sample.id}\n{sample.number}": sample for sample in batch}
        prompts = {
            name: conclude(self._job.prompter, self._prompts[sample.id], sample.text)
            for name, sample in by_name.items()
        }
        wanted = (self._wanted(prompt, name, (0,)) for name, prompt in prompts.items())
        for answer in second.run(wanted):
            entry = _to_entry(by_name[answer.id])
            yield dataclasses.replace(entry, conclusion=answer.text)

    def _wanted(self, prompt: Prompt, name: str, numbers: tuple[int, ...]) -> Wanted:
        first = self._job.model.first
        return Wanted(name, tuple((*ids, *first) for ids in self._ids(prompt)), numbers)

    def _ids(self, prompt: Prompt) -> tuple[tuple[int, ...], ...]:
        """What is read after the shared prefix, or all of it where none can be shared."""
        if self._job.model.shares_prefix:
            return prompt.contexts
        return tuple((*prompt.prefix_ids, *ids) for ids in prompt.contexts)

    def _longest(self, prompts: Iterable[Prompt]) -> int:
        return max(len(ids) for prompt in prompts for ids in self._ids(prompt))

    def _scheduler(
        self, method: Method, max_tokens: int, longest: int, samples: int, stops: tuple[str, ...]
    ) -> Scheduler:
        job, sampling = self._job, self._job.config.sampling
        prefix = job.prompts.prefix_ids if job.model.shares_prefix else ()
        sizes = Sizes(
            slots=sampling.slots or 0,
            contexts=method.contexts,
            entries=0,
            prefix=len(prefix),
            question=longest,
            tokens=max_tokens,
        )
        stages = 2 if job.prompter.template.conclusion else 1
        sizes = memory.fit(job.model, sizes, job.mesh, samples, stages)
        rules = Rules(
            method=method,
            limits=limits_of(job.config),
            ends=job.model.ends,
            steps=sampling.steps,
            patience=max(sizes.slots // PATIENCE, 1),
        )
        stage = Scheduler(
            job.model.reader, job.model.params, job.model.tokenizer, rules, sizes, job.mesh,
            seed=job.config.seed, prefix=prefix, stops=stops,
        )  # fmt: skip
        self._stages.append(stage)
        return stage


PATIENCE = 16  # the host looks when one slot in so many has ended


def _to_entry(sample: Sample) -> Entry:
    return Entry(
        id=sample.id,
        sample=sample.number,
        text=sample.text,
        logprob=sum(sample.logprobs),
        num_tokens=len(sample.tokens),
        finish_reason=sample.finish_reason,
    )
