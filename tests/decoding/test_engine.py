"""Samples of real decoders: exact, and the same whatever stands beside them."""

import functools
import math

import jax
import numpy as np
import pytest
import torch
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from cotjax.decoding.engine import Rules, Sizes
from cotjax.decoding.generate import Sampler
from cotjax.decoding.limits import Limits
from cotjax.decoding.memory import with_slots
from cotjax.decoding.sampling import Contrastive, Greedy, Temperature
from cotjax.decoding.scheduler import Prompt, Scheduler
from cotjax.decoding.t5_reader import T5Reader
from cotjax.decoding.writer import Inputs
from cotjax.mesh import make_mesh
from tests.decoding.causal_jobs import ENDS, PREFIX, TOKENS, prompts, rescore, run, texts
from tests.decoding.scripted import Letters
from tests.models.causal_reference import make_reference
from tests.models.reference import convert, ragged
from tests.models.reference import make_reference as make_t5

torch.set_num_threads(1)
pytestmark = pytest.mark.usefixtures("quick_to_compile")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A function that makes each tiny decoder once."""
    folder = tmp_path_factory.mktemp("decoders")
    return functools.cache(lambda name: make_reference(name, folder / name))


def contexts_of(found, asked, context=0):
    """What stands before each sample."""
    by_id = {prompt.id: prompt.tokens[context] for prompt in asked}
    return [(*PREFIX, *by_id[id_]) for id_, _ in found]


@pytest.mark.parametrize(
    ("name", "scan_layers"),
    [("llama", False), ("mistral", True), ("gemma2", False), ("gemma3", True)],
)
def test_log_probabilities_are_exact(reference, name, scan_layers):
    """A plain forward pass over prompt and sample, end token included, gives the same sums."""
    folder, asked = reference(name).folder, prompts()
    method, limits = Temperature(1.3, top_k=60, top_p=0.95), Limits(1.2, 3, min_tokens=2)
    found = run(folder, asked, method=method, limits=limits, scan_layers=scan_layers)
    tokens = [one.tokens for one in found.values()]
    rescored = rescore(folder, contexts_of(found, asked), tokens)
    for one_, table in zip(found.values(), rescored, strict=True):
        expected = table[np.arange(len(one_.tokens)), one_.tokens]
        assert one_.logprobs == pytest.approx(expected, abs=1e-4)
        assert math.fsum(one_.logprobs) == pytest.approx(expected.sum(), abs=1e-4)
    ended = [one.tokens[-1] in ENDS for one in found.values()]
    assert any(ended)
    assert not all(ended)


def test_greedy_samples_are_those_of_transformers(reference):
    torch_model, asked = reference("llama").model, prompts(samples=1)
    found = run(reference("llama").folder, asked, method=Greedy(), slots=3, scan_layers=False)
    for prompt in asked:
        whole = torch.tensor([[*PREFIX, *prompt.tokens[0]]])
        with torch.no_grad():
            written = torch_model.generate(
                whole,
                max_new_tokens=TOKENS,
                do_sample=False,
                attention_mask=torch.ones_like(whole),
                eos_token_id=list(ENDS),
            )[0, whole.shape[1] :].tolist()
        assert list(found[prompt.id, 0].tokens) == written


@pytest.fixture(scope="module")
def undisturbed(reference):
    """Three samples to each prompt."""
    return run(reference("llama").folder, prompts())


class TestWhateverStandsBeside:
    """A sample's text is settled by seed, question and number."""

    def test_samples_differ(self, undisturbed, reference):
        assert len(set(texts(undisturbed).values())) == len(undisturbed)
        other = run(reference("llama").folder, prompts(), seed=1)
        same = set(texts(undisturbed).items()) & set(texts(other).items())
        assert len(same) <= 1  # two tokens may be equal by chance

    @pytest.mark.parametrize("slots", [1, 3])
    def test_slots(self, undisturbed, reference, slots):
        found = run(reference("llama").folder, prompts(), slots=slots, steps=32)
        assert texts(found) == texts(undisturbed)

    def test_order(self, undisturbed, reference):
        found = run(reference("llama").folder, prompts()[::-1])
        assert found == undisturbed  # log-probabilities to the bit

    def test_what_is_done_already(self, undisturbed, reference):
        some = [
            Prompt(p.id, p.tokens, p.samples[number % 3 :])
            for number, p in enumerate(prompts())
            if number != 2
        ]
        found = run(reference("llama").folder, some)
        assert found == {(p.id, n): undisturbed[p.id, n] for p in some for n in p.samples}

    @pytest.mark.parametrize("axes", [{"data": 8}, {"data": 2, "fsdp": 2, "tensor": 2}])
    def test_devices(self, undisturbed, reference, axes):
        found = run(reference("llama").folder, prompts(), mesh=make_mesh(axes))
        assert texts(found) == texts(undisturbed)
        for name, sample in found.items():
            assert sample.logprobs == pytest.approx(undisturbed[name].logprobs, abs=1e-5)

    def test_what_is_shared(self, undisturbed, reference):
        """Nothing here."""
        whole = [Prompt(p.id, ((*PREFIX, *p.tokens[0]),), p.samples) for p in prompts()[:2]]
        found = run(reference("llama").folder, whole, prefix=())
        expected = {name: tokens for name, tokens in texts(undisturbed).items() if name[0] < "q2"}
        assert texts(found) == expected


def test_contrastive_decoding_is_the_brute_force(reference):
    """Every token is the argmax of log p(t | gold) - beta log p(t | wrong), also on a mesh.

    But a text ends where the gold context would end it.
    """
    folder, beta, asked = reference("llama").folder, 0.7, prompts(samples=1, contexts=2)
    mesh = make_mesh({"data": 4, "tensor": 2})
    found = run(folder, asked, method=Contrastive(beta), slots=4, mesh=mesh)
    tokens = [one.tokens for one in found.values()]
    gold, wrong = (rescore(folder, contexts_of(found, asked, n), tokens) for n in (0, 1))
    changed = ended = 0
    for sample, a, b in zip(found.values(), gold, wrong, strict=True):
        plain, contrasted = a.argmax(axis=-1), (a - beta * b).argmax(axis=-1)
        expected = np.where(np.isin(plain, ENDS), plain, contrasted)
        assert list(sample.tokens) == expected.tolist()
        changed += (contrasted != plain).sum()
        ended += contrasted[-1] != plain[-1] in ENDS
        expected = a[np.arange(len(sample.tokens)), sample.tokens]  # of the gold context
        assert sample.logprobs == pytest.approx(expected, abs=1e-4)
    assert changed > 3, "the second context made no difference"
    assert ended > 0, "no text was ended by the gold context alone"


def test_a_t5_writes_what_its_greedy_decoder_does(tmp_path):
    config, params = convert(make_t5(gated=True), tmp_path, scan_layers=True)
    lengths = [9, 2, 17, 5, 12]
    tokens, segments = ragged(0, lengths)
    asked = Inputs(tokens, segments, np.zeros((len(tokens), 0), np.int32))
    expected = Sampler(config, 10).write(params, asked)
    mesh = make_mesh({"data": 4}, jax.devices()[:4])
    params = jax.device_put(params, NamedSharding(mesh, P()))
    sizes = Sizes(slots=0, contexts=1, entries=0, prefix=0, question=18, tokens=10)
    rules = Rules(Greedy(), Limits(), (config.eos_token_id,), 4, 1)
    job = Scheduler(
        T5Reader(config), params, Letters(), rules, with_slots(sizes, 4, 1), mesh, seed=0
    )
    start = config.decoder_start_token_id
    asked = [
        Prompt(str(n), ((*tokens[n, :length].tolist(), start),), (0,))
        for n, length in enumerate(lengths)
    ]
    found = {int(one.id): one.tokens for one in job.run(asked)}
    for row, length in enumerate(np.asarray(expected.lengths)):
        assert list(found[row]) == expected.tokens[row, :length].tolist()
    assert len(set(found.values())) > 1
