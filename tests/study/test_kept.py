"""Files of a study that are damaged."""

import pytest

from cotjax.errors import InputError
from cotjax.study.budget import Budget
from cotjax.study.forecast import forecast
from cotjax.study.grid import plan
from cotjax.study.kept import read_kept
from cotjax.study.one_run import predictions_file
from cotjax.study.plan import Part, state_of
from cotjax.study.same import check_data
from cotjax.tasks.splits import Splits
from tests.study.small import PLAIN, small_study


def test_what_is_whole_is_read(tmp_path):
    (tmp_path / "result.json").write_text('{"steps": 3, "seed": 0}')
    assert read_kept(tmp_path / "result.json", "steps") == {"steps": 3, "seed": 0}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", r"damaged \(has no 'steps'\)"),
        ("[]", r"damaged \(no object\)"),
        ("null", r"damaged \(no object\)"),
        ('{"st', "not JSON"),
    ],
)
def test_what_is_damaged_is_told_with_what_to_do(tmp_path, text, problem):
    (tmp_path / "result.json").write_text(text)
    told = rf"result\.json.*{problem}.*; delete it, and the run is evaluated again"
    with pytest.raises(InputError, match=told) as caught:
        read_kept(tmp_path / "result.json", "steps")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{}", "[]"])
def test_whoever_reads_a_damaged_result_tells_it(tmp_path, text):
    study = small_study(tmp_path, PLAIN)
    (run,) = plan(study)
    folder = tmp_path / run.folder
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(text)
    for read in (
        lambda: forecast(study, tmp_path, Part()),
        lambda: check_data(tmp_path, [run], Splits({}, {})),
        lambda: predictions_file(folder),
    ):
        with pytest.raises(InputError, match=r"result\.json: damaged"):
            read()


def test_a_damaged_note_of_a_failure_and_a_damaged_count_are_told(tmp_path):
    (tmp_path / "failure.json").write_text("{}")
    with pytest.raises(InputError, match=r"failure\.json: damaged .*; delete it, and the run is t"):
        state_of(tmp_path)
    (tmp_path / "budget.json").write_text("[]")
    with pytest.raises(InputError, match=r"budget\.json: damaged .*; delete it"):
        Budget(small_study(tmp_path, PLAIN), tmp_path / "budget.json", Splits({}, {}))
