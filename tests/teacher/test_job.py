"""What the script does beside sampling: prompts are shown, and exported as requests."""

import dataclasses
import json

import pytest

from cotjax.errors import InputError
from cotjax.records import read_records
from cotjax.teacher import job
from tests.teacher.tiny import config, make_teacher, questions, write_questions


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"), chat=True)


def test_a_prompt_is_shown_as_the_teacher_reads_it(teacher, capsys):
    job.print_prompt(config(teacher), questions(3))
    shown = capsys.readouterr().out
    assert shown.count("Q: ") == 2  # the exemplar and the question
    assert "Q: Where do 0 people keep old money?\n(A) bank\n(B) river\n(C) pot 0\nA:" in shown
    last = shown.splitlines()[-1]
    assert last.startswith("-- question q0: ")
    assert last.endswith(" of them shared by all prompts")


def test_both_contexts_of_a_contrast_are_shown(teacher, capsys):
    fields = {"sampling__method": "contrastive", "sampling__temperature": None, "samples": 1}
    fields |= {"prompt__template": "rationalise"}
    job.print_prompt(config(teacher, **fields), questions(3))
    shown = capsys.readouterr().out
    assert shown.count("-- question q0: ") == 2
    assert "The answer is (A) bank.\n--" in shown


def test_questions_without_a_prompt_are_named(teacher, capsys):
    asked = questions(3)
    bare = dataclasses.replace(asked.records[1], label=None)
    asked = dataclasses.replace(asked, records=(asked.records[0], bare, asked.records[2]))
    job.print_prompt(config(teacher, prompt__template="rationalise"), asked)
    assert capsys.readouterr().out.endswith("\n1 question not asked: no gold label (q1)\n")


def test_a_chat_and_its_second_prompt_are_shown(teacher, capsys):
    fields = {"prompt__template": "zero_shot", "prompt__shots": None, "prompt__chat": True}
    job.print_prompt(config(teacher, **fields), questions(3))
    shown = capsys.readouterr().out
    assert "<|start|>assistant\nLet's think step by step.\n" in shown
    assert "goes on from the reasoning with '\\nTherefore, the answer is'" in shown


def test_the_template_raw_passes_questions_unchanged(teacher, tmp_path, capsys):
    file = tmp_path / "asked.jsonl"
    file.write_text(json.dumps({"id": "a", "question": "[b]Once[/b]\n upon"}) + "\n")
    made = config(teacher, prompt__template="raw", prompt__shots=None)
    job.print_prompt(made, job.load_questions(made, file))
    assert capsys.readouterr().out.startswith("[b]Once[/b]\n upon\n-- question a: ")


def test_requests_are_exported(teacher, tmp_path, capsys):
    file = tmp_path / "requests.jsonl"
    fields = {"sampling__stop": "('###',)", "sampling__top_p": 0.9}
    job.export(config(teacher, **fields), questions(3), file)
    assert capsys.readouterr().out == f"3 requests in {file}\n"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["custom_id"] for line in lines] == ["q0", "q1", "q2"]
    body = lines[0]["body"]
    assert (body["n"], body["max_tokens"], body["top_p"]) == (3, 16, 0.9)
    assert body["stop"] == ["\n\n", "###"]
    assert body["prompt"].endswith("(C) pot 0\nA:")


def test_questions_that_are_not_exported_are_named(teacher, tmp_path, capsys):
    made = config(teacher, prompt__template="rationalise")
    file = write_questions(tmp_path / "asked.jsonl", questions(2))
    file.write_text(file.read_text() + json.dumps({"id": "x", "question": "Why?"}) + "\n")
    with pytest.raises(InputError, match=r"config\.prompt\.exemplars must name a JSON file"):
        job.export(made, job.load_questions(made, file), tmp_path / "requests.jsonl")
    made.prompt.exemplars = "commonsense_qa"
    job.export(made, job.load_questions(made, file), tmp_path / "requests.jsonl")
    assert capsys.readouterr().out.splitlines() == [
        f"2 requests in {tmp_path / 'requests.jsonl'}",
        "1 question not asked: no gold label (x)",
    ]


def test_a_job_is_run_and_shown(teacher, tmp_path, capsys):
    made = config(teacher, samples=1, sampling__slots=8, sampling__max_tokens=2)
    job.run(made, questions(3), tmp_path / "records")
    shown = capsys.readouterr().out
    assert shown.startswith("3/3 samples, 3/3 questions, ")
    assert "the folder" in shown
    assert "saved by sharing" in shown
    job.run(made, questions(3), tmp_path / "records")
    again = capsys.readouterr().out
    assert "the folder" in again
    assert "this run" not in again
    assert len(read_records(tmp_path / "records")[1]) == 3
