"""What a study file may say, and what is refused before anything runs."""

import os
import subprocess
import sys

import pytest

from configs.default import get_config as default_config
from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.study.definition import Study, Tuning, Variant
from cotjax.study.grid import config_of, is_small, load, plan, plan_tuning
from tests.conftest import REPOSITORY

PLAIN = Variant("plain", "label only", {"data.order": "label_only"})
WORDS = Variant("words", "two words", {"data.words.name": "key_words", "data.words.k": 2})


RATE, STEPS = "optimizer.learning_rate", "schedule.total_steps"


def study(*variants: Variant, seeds: tuple[int, ...] = (3, 5), **fields) -> Study:
    return Study("Which?", default_config(), variants, seeds, **fields)


def test_runs_are_variants_times_seeds_and_the_first_seed_comes_first():
    runs = plan(study(PLAIN, WORDS))
    assert [run.name for run in runs] == [
        "plain-seed3", "words-seed3", "plain-seed5", "words-seed5",
    ]  # fmt: skip
    assert [run.config.seed for run in runs] == [3, 3, 5, 5]
    assert [run.config.data.words.k for run in runs] == [None, 2, None, 2]
    assert [run.config.data.order for run in runs[:2]] == ["label_only", "label_first"]


def test_the_base_stays_as_it_was():
    base = default_config()
    config_of(base, WORDS, seed=7)
    assert base.to_dict() == default_config().to_dict()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data.ordre": "label_only"}, "config.data.ordre: no such field.*'data.order'"),
        ({"words.k": 2}, "config.words.k: no such field.*'data.words.k'"),
        ({"data.batch_size": "many"}, "config.data.batch_size='many': expects int"),
        ({"data.words.k": "x"}, "config.data.words.k='x': expects int"),
        ({"data.order": "label_frist"}, "config.data.order='label_frist'.*'label_first'"),
        ({"data.words.name": "first_k"}, "config.data.words.k must be set"),
        ({"seed": 1}, "config.seed: seeds belong"),
        ({"task.source": "records:d"}, "config.task.source: all variants answer the same"),
    ],
)
def test_a_variant_is_refused_by_name(overrides, message):
    with pytest.raises(InputError, match=f"variant 'odd': {message}") as caught:
        plan(study(PLAIN, Variant("odd", "odd", overrides)))
    assert "\n" not in str(caught.value)


def test_a_typo_in_the_base_is_refused_in_one_line():
    wrong = study(PLAIN)
    wrong.base.loss.normalize = "kinds"
    with pytest.raises(InputError, match=r"the study's base: .*'loss\.normalise'") as caught:
        plan(wrong)
    assert "variant" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_study_evaluates_no_test_questions_on_the_way():
    wrong = study(PLAIN)
    wrong.base.evaluation.splits = ("validation", "test")
    with pytest.raises(InputError, match=r"config\.evaluation\.splits holds 'test'"):
        plan(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (study(PLAIN, PLAIN), "variants name 'plain' more than once"),
        (study(PLAIN, seeds=(1, 1)), "seeds name 1 more than once"),
        (study(PLAIN, seeds=()), "seeds are empty"),
        (study(PLAIN, seeds=("0",)), "config.seed='0': expects int"),
        (study(Variant("../up", "up", {})), "lower-case"),
        (study(Variant("a..b", "up", {})), "lower-case"),
        (study(Variant("a-", "up", {})), "lower-case"),
        (study(PLAIN, Variant("a", "a", {}, against="a")), "'a': against='a' is itself"),
        (
            study(PLAIN, Variant("a", "a", {}, against="plane")),
            "'a': against='plane' is no variant.*'plain'",
        ),
        (
            study(PLAIN, WORDS, Variant("a", "a", {}, against=("words", "plain"))),
            "'a': against='plain': every variant is compared with the baseline; leave it out",
        ),
        (
            study(PLAIN, Variant("a", "a", {}, against="plain"), baseline="a"),
            "'a': against='plain': every variant is compared with the baseline",
        ),
        (
            study(PLAIN, WORDS, Variant("a", "a", {}, against=("words", "words"))),
            "'a': against='words': the two are compared already",
        ),
        (
            study(PLAIN, Variant("a", "a", {}, against="b"), Variant("b", "b", {}, against="a")),
            "'a': against='b': the two are compared already",
        ),
        (study(PLAIN, samples=0), "samples=0: must be 1 or more"),
        (study(PLAIN, WORDS, samples=3), "samples=3: no variant says a rationale before its label"),
        (study(PLAIN, WORDS, baseline="plane"), "baseline 'plane' is no variant.*'plain'"),
        (study(PLAIN, budget="time"), "budget 'time' is not one of steps, examples, tokens, flops"),
        (
            study(Variant("long", "long", {STEPS: 9000}), budget="tokens"),
            "variant 'long': config.schedule.total_steps follows from the study's budget 'tokens'",
        ),
    ],
)
def test_a_list_of_runs_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        plan(wrong)


def test_one_may_be_compared_with_several_others():
    several = Variant("a", "a", {}, against=("words", "other"))
    found = study(PLAIN, WORDS, Variant("other", "o", {}, against="words"), several)
    plan(found)
    assert found.families == {
        "comparisons": [("words", "plain"), ("other", "plain"), ("a", "plain")],
        "comparisons_against": [("other", "words"), ("a", "words"), ("a", "other")],
    }


def test_those_that_say_a_rationale_first_can_vote():
    orders = ("label_only", "label_first", "rationale_first", "multitask", "rationale_input")
    runs = plan(study(*(Variant(name, name, {"data.order": name}) for name in orders), samples=3))
    assert {run.variant.name for run in runs if run.can_vote} == {"rationale_first"}


def test_the_baseline_is_the_first_variant_or_the_one_that_is_named():
    assert study(PLAIN, WORDS).baseline_variant is PLAIN
    assert study(PLAIN, WORDS, baseline="words").baseline_variant is WORDS


def test_tuning_tries_all_settings_of_all_variants():
    tuning = Tuning({RATE: (1e-3, 3e-3), "loss.label_weight": (1.0, 4.0)}, seeds=(8,))
    runs = plan_tuning(study(PLAIN, WORDS, tuning=tuning))
    assert [run.folder for run in runs][:3] == [
        "tuning/plain-learning_rate=0.001,label_weight=1.0-seed8",
        "tuning/words-learning_rate=0.001,label_weight=1.0-seed8",
        "tuning/plain-learning_rate=0.001,label_weight=4.0-seed8",
    ]
    assert len({run.folder for run in runs}) == 2 * 2 * 2
    rates = [(run.config.optimizer.learning_rate, run.config.loss.label_weight) for run in runs]
    assert rates[::2] == [(1e-3, 1.0), (1e-3, 4.0), (3e-3, 1.0), (3e-3, 4.0)]


@pytest.mark.parametrize(
    ("tuning", "fields", "message"),
    [
        (Tuning({RATE: (1e-3,)}, seeds=(3,)), {}, "tuning has seed 3: use others"),
        (Tuning({RATE: (1e-3,)}, seeds=()), {}, "tuning seeds are empty"),
        (Tuning({RATE: ()}, seeds=(8,)), {}, "tuning values of optimizer.learning_rate are empty"),
        (Tuning({"optimizer.rate": (1,)}, seeds=(8,)), {}, "config.optimizer.rate: no such field"),
        (Tuning({RATE: (-1.0,)}, seeds=(8,)), {}, "learning_rate=-1.0 must not be negative"),
        (Tuning({"data.words.k": (2, 3)}, seeds=(8,)), {}, "'words' sets config.data.words.k, wh"),
        (Tuning({STEPS: (90,)}, seeds=(8,)), {"budget": "flops"}, "follows from the budget"),
    ],
)
def test_a_tuning_grid_is_refused(tuning, fields, message):
    with pytest.raises(InputError, match=message) as caught:
        plan_tuning(study(WORDS, tuning=tuning, **fields))
    assert "\n" not in str(caught.value)


SMALL = """
from configs.default import get_config as default_config
from cotjax.study.grid import Study, Variant, is_small
def get_config(form="full"):
    seeds = (0,) if is_small(form) else (0, 1)
    return Study("Which?", default_config(), (Variant("a", "a", {}),), seeds)
"""


def test_a_study_file_may_have_a_small_form(tmp_path):
    file = tmp_path / "sized.py"
    file.write_text(SMALL)
    assert load(file).seeds == load(f"{file}:full").seeds == (0, 1)
    assert load(f"{file}:small").seeds == (0,)
    with pytest.raises(InputError, match=r"sized\.py:\d+: InputError: there is no form 'smal'"):
        load(f"{file}:smal")


def test_the_forms_of_a_study_file():
    assert (is_small("small"), is_small("full")) == (True, False)


def test_the_quick_start_is_a_study():
    quickstart = load(REPOSITORY / "configs/studies/quickstart.py")
    assert len(plan(quickstart)) == 10


@pytest.mark.parametrize("form", ["full", "small"])
@pytest.mark.parametrize(
    "name", ["mysteries", "step_by_step", "granularity", "samples", "structure"]
)
def test_a_papers_study_can_be_planned(name, form):
    study = load(f"{REPOSITORY}/configs/studies/{name}.py:{form}")
    runs = plan(study)
    assert len(study.seeds) == 5
    assert len({configs.config_hash(run.config) for run in runs}) == len(runs)  # none twice


def test_the_study_of_regularisation_tries_what_the_small_mysteries_study_has():
    tried = load(REPOSITORY / "configs/studies/regularisation.py")
    settled = load(f"{REPOSITORY}/configs/studies/mysteries.py:small")
    fields = configs.flatten(settled.base)
    assert {name: fields[name] for name in tried.tuning.grid} in tried.tuning.settings()
    assert len(plan_tuning(tried)) == 20
    assert not {*tried.seeds, *tried.tuning.seeds} & set(settled.seeds)


def test_a_training_config_is_not_a_study():
    with pytest.raises(InputError, match=r"must return a cotjax\.study\.grid\.Study"):
        load(REPOSITORY / "configs/default.py")


def test_the_script_tells_a_mistake_in_one_line(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text(
        "from configs.default import get_config as default_config\n"
        "from cotjax.study.grid import Study, Variant\n"
        "def get_config():\n"
        "    odd = Variant('odd', 'odd', {'data.ordre': 'label_only'})\n"
        "    return Study('Which?', default_config(), (odd,), (0,))\n"
    )
    command = [sys.executable, REPOSITORY / "scripts/study.py"]
    command += [f"--config={file}", f"--workdir={tmp_path / 'out'}"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: variant 'odd': config.data.ordre: no such field; did you mean 'data.order'?"
    )
    assert not (tmp_path / "out").exists()
