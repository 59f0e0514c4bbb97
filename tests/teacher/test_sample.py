"""The job as a whole with a tiny teacher: the same records whatever happens on the way."""

import dataclasses
import functools
import shutil

import jax
import numpy as np
import pytest

from cotjax.claims import CLAIM
from cotjax.decoding import scheduler as schedulers
from cotjax.errors import InputError
from cotjax.mesh import make_mesh
from cotjax.models import causal
from cotjax.records import read_records
from cotjax.teacher import sample as samples
from cotjax.teacher import writer as writers
from cotjax.teacher.model import load_model
from tests.claiming import claiming
from tests.teacher.tiny import (
    END,
    Watcher,
    make_teacher,
    prompts_for,
    questions,
    run_job,
    texts,
)

COUNT = 6
WIDTH = 400  # of a prompt and its sample
pytestmark = pytest.mark.usefixtures("quick_to_compile")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def undisturbed(teacher, tmp_path_factory):
    """The folder of a job of three samples to each question, what was seen of it and came of it."""
    folder, watcher = tmp_path_factory.mktemp("job") / "records", Watcher()
    return folder, watcher, run_job(teacher, folder, watcher=watcher)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_a_job_leaves(undisturbed):
    folder, watcher, summary = undisturbed
    manifest, records = read_records(folder)
    assert (manifest, records) == (summary.manifest, summary.records)
    assert [record.id for record in records] == [f"q{n}" for n in range(COUNT)]
    assert len(watcher.entries) == len({(e.id, e.sample) for e in watcher.entries}) == 3 * COUNT
    rationales = [one for record in records for one in record.rationales]
    assert manifest.counts["rows"] == 3 * COUNT
    assert manifest.counts["rationales"] == len(rationales)
    assert len({one.num_tokens for one in rationales}) > 4, "lengths must differ"
    assert {one.finish_reason for one in rationales} == {"stop", "length"}
    assert all(one.tags == {"format": "plain"} for one in rationales)
    assert all(one.mean_logprob == one.logprob / one.num_tokens for one in rationales)


def test_the_log_probability_is_that_of_a_plain_forward_pass(teacher, tmp_path, monkeypatch):
    """Of prompt and sample as one text, the end token or the stop string's tokens included."""
    drawn = []

    def to_entry(sample):
        drawn.append(sample)
        return original(sample)

    original = writers._to_entry
    monkeypatch.setattr(writers, "_to_entry", to_entry)
    stops = "('e',)"
    found = run_job(
        teacher, tmp_path, sampling__stop=stops, sampling__max_tokens=5, sampling__min_tokens=2
    )
    model = load_model(str(teacher), make_mesh({}, jax.devices()[:1]))
    asked = {prompt.id: prompt for prompt in prompts_for(teacher).prompts}
    rationales = {(r.id, one.sample): one for r in found.records for one in r.rationales}
    ends = set()
    for sample in drawn:
        prompt, ids = asked[sample.id], sample.tokens
        whole = np.array([[*prompt.prefix_ids, *prompt.question_ids, *ids]], np.int32)
        padded = np.pad(whole, ((0, 0), (0, WIDTH - whole.shape[1])))
        segments = (np.arange(WIDTH) < whole.shape[1]).astype(np.int32)[None]
        logits = forward(model.reader.config, model.params, padded, segments)
        here = slice(whole.shape[1] - len(ids) - 1, whole.shape[1] - 1)
        logprobs = np.asarray(jax.nn.log_softmax(logits[0, here]))
        expected = logprobs[np.arange(len(ids)), ids].sum()
        ends.add("end" if ids[-1] == END else sample.finish_reason)
        if (sample.id, sample.number) in rationales:
            kept = rationales[sample.id, sample.number]
            assert kept.logprob == pytest.approx(expected, abs=1e-4)
            assert kept.num_tokens == len(ids)
    assert ends == {"end", "stop", "length"}
    assert min(len(sample.tokens) for sample in drawn if sample.tokens[-1] == END) == 3


forward = functools.partial(jax.jit, static_argnums=0)(causal.forward)


def test_what_is_shared_is_read_once(teacher, undisturbed):
    _, _, summary = undisturbed
    found = prompts_for(teacher)
    assert len(found.prefix_ids) > 100
    assert summary.work.prefix == len(found.prefix_ids)
    assert summary.work.prompts == sum(len(p.question_ids) - 1 for p in found.prompts)
    assert summary.work.unshared == 3 * sum(p.num_tokens for p in found.prompts)


class TestGoingOn:
    """A job that was stopped, at any point and as often as you like."""

    @pytest.mark.parametrize("stops", [(1,), (5, 1, 7), (17,)])
    def test_the_records_are_those_of_a_job_that_was_not(
        self, teacher, undisturbed, tmp_path, stops
    ):
        seen = []
        for most in stops:
            watcher = Watcher(most)
            with pytest.raises(KeyboardInterrupt):
                run_job(teacher, tmp_path, watcher=watcher)
            seen += watcher.entries
        last = Watcher()
        run_job(teacher, tmp_path, watcher=last)
        seen += last.entries
        assert files(tmp_path) == files(undisturbed[0])  # to the byte
        names = [(entry.id, entry.sample) for entry in seen]
        assert len(names) == len(set(names)) == 3 * COUNT, "none may be repeated or missed"

    def test_slots_steps_and_devices_may_change(self, teacher, undisturbed, tmp_path):
        for number, fields in enumerate(
            ({"sampling__slots": 1, "sampling__steps": 3}, {"sampling__slots": 8, "devices": 8})
        ):
            with pytest.raises(KeyboardInterrupt):
                run_job(teacher, tmp_path, watcher=Watcher(3 + number), **fields)
        found = run_job(teacher, tmp_path, devices=4, mesh__tensor=2)
        assert texts(found) == texts(undisturbed[2])

    def test_a_finished_job_is_not_begun_again(self, teacher, undisturbed, monkeypatch):
        monkeypatch.setattr(samples, "load_model", None)  # nor is the teacher loaded
        before = files(undisturbed[0])
        found = run_job(teacher, undisturbed[0])
        assert found.records == undisturbed[2].records
        assert found.work.samples == 0
        assert files(undisturbed[0]) == before

    def test_another_job_is_refused_before_the_teacher_is_loaded(
        self, teacher, undisturbed, monkeypatch
    ):
        monkeypatch.setattr(samples, "load_model", None)
        with pytest.raises(InputError, match=r"samples=4 \(there 3\), sampling\.max_tokens=9"):
            run_job(teacher, undisturbed[0], samples=4, sampling__max_tokens=9)
        with pytest.raises(InputError, match="questions_sha256="):
            run_job(teacher, undisturbed[0], questions(COUNT + 1))

    def test_a_second_job_is_refused_until_the_first_is_dead(self, teacher, undisturbed, tmp_path):
        folder = tmp_path / "records"
        shutil.copytree(undisturbed[0], folder)
        with claiming(folder) as other:
            with pytest.raises(InputError, match=rf"in use by .* \(process {other.pid}, since 20"):
                run_job(teacher, folder)
            other.kill()
            other.wait()
            assert (folder / CLAIM).exists()
            run_job(teacher, folder)
        assert files(folder) == files(undisturbed[0])


class TestOtherOrders:
    """Texts don't depend on what stands beside them."""

    def test_slots_that_are_chosen_from_the_memory(self, teacher, undisturbed, tmp_path):
        assert texts(run_job(teacher, tmp_path, sampling__slots=None)) == texts(undisturbed[2])

    def test_order_of_the_questions(self, teacher, undisturbed, tmp_path):
        asked = questions(COUNT)
        turned = dataclasses.replace(asked, records=asked.records[::-1])
        assert texts(run_job(teacher, tmp_path, turned)) == texts(undisturbed[2])

    def test_more_samples_begin_with_the_same(self, teacher, undisturbed, tmp_path):
        found = texts(run_job(teacher, tmp_path, samples=5))
        assert {name: text for name, text in found.items() if name[1] < 3} == texts(undisturbed[2])


def test_compilations_are_few(undisturbed):
    sizes = len(schedulers.PROMPTS_AT_ONCE) * len(schedulers.LENGTH_FRACTIONS)
    assert undisturbed[2].work.compilations <= 2 + sizes  # prefix, prompts and the loop
