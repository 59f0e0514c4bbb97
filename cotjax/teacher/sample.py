"""The sampling job: questions in, a teacher's records out, however often it is interrupted."""

import dataclasses
from pathlib import Path
from typing import Protocol

import jax
from ml_collections.config_dict import ConfigDict

from cotjax.claims import alone_in
from cotjax.decoding.scheduler import Work
from cotjax.group import initialize_distributed
from cotjax.mesh import make_mesh
from cotjax.models.teacher import load_tokenizer
from cotjax.records import Manifest, Record, read_records
from cotjax.teacher.asking import manifest_of, prompter_of, prompts_of
from cotjax.teacher.journal import Entry
from cotjax.teacher.model import default_dtype, load_model
from cotjax.teacher.output import Output, begin
from cotjax.teacher.questions import Judged, Questions
from cotjax.teacher.writer import Asked, Writer


class View(Protocol):
    """Watches a job."""

    def begin(self, output: Output) -> None:
        """Is told what is there before the job begins or goes on."""

    def saw(self, judged: Judged, entry: Entry, work: Work) -> None:
        """Is told of a sample, and of all work so far."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a job came to.

    Attributes:
      manifest: Of the folder.
      records: All of the folder.
      refused: Ids of the questions that could not be asked, by reason, where this run knows them.
      work: What this run did, all stages together.
    """

    manifest: Manifest
    records: list[Record]
    refused: dict[str, list[str]]
    work: Work


def sample_questions(config: ConfigDict, questions: Questions, folder: Path, view: View) -> Summary:
    """Asks a teacher, or goes on with asking it.

    What can be refused without the teacher's weights is refused before they are read.

    Args:
      config: Of the job.
      questions: What to ask.
      folder: Takes the records. A rerun with the same config goes on with them.
      view: Is told of every sample.

    Raises:
      InputError: for a teacher, prompts or a folder that won't do, or that another job writes
        into; for too little memory.
    """
    initialize_distributed()
    # Every process samples by itself: none waits for another.
    mesh = make_mesh(config.mesh.to_dict(), jax.local_devices())
    dtype = config.teacher.dtype or default_dtype(mesh)
    prompter = prompter_of(config, load_tokenizer(config.teacher.model), questions.task)
    manifest = manifest_of(config, prompter, questions, dtype)
    refused, work = {}, Work()
    with alone_in(folder):
        if not begin(folder, manifest):
            model = load_model(config.teacher.model, mesh, dtype)
            prompts = prompts_of(config, prompter, questions, model.context)
            model.check_tokens(prompts)
            asked = Asked(config, model, mesh, prompter, prompts)
            refused, work = prompts.refused, _sample(asked, questions, folder, manifest, view)
    return Summary(*read_records(folder), refused, work)


def _sample(
    asked: Asked, questions: Questions, folder: Path, manifest: Manifest, view: View
) -> Work:
    """Writes what a folder lacks."""
    prompts = {prompt.id: prompt for prompt in asked.prompts.prompts}
    records = {record.id: record for record in questions.records}
    tags = asked.prompter.template.tags

    def judge(record: Record, entry: Entry) -> Judged:
        return questions.judge(record, prompts[record.id], entry, tags)

    config = asked.config
    output = Output(
        folder,
        manifest,
        questions.records,
        asked.prompts.refused,
        config.samples,
        config.questions_per_shard,
        judge,
    )
    writer = Writer(asked, output.missing)
    try:
        view.begin(output)
        for entry in writer.entries() if output.missing else ():
            output.add(entry)
            view.saw(judge(records[entry.id], entry), entry, writer.work)
        output.finish()
    finally:
        output.close()
    return writer.work
