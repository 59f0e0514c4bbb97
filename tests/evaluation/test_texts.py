"""A file of texts in, a file of answers out."""

import json
import shutil

import pytest

from cotjax.checkpoint_note import checksums_of, make_note, meta_of
from cotjax.errors import InputError
from cotjax.evaluation import texts as texts_module
from cotjax.evaluation.texts import answer_file, read_texts


def test_answers_keep_the_order(workdir, tmp_path):
    texts = ["heavier ? ent1 or ent2", "é", "", "heavier ? ent3 or ent2 " * 4]
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [json.dumps({"text": text, "id": number}) for number, text in enumerate(texts)]
    source.write_text("\n".join(lines), "utf-8")
    answered = answer_file(source, output, workdir=workdir, max_tokens=3)
    answers = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert [answer["text"] for answer in answers] == texts
    assert all(set(answer) == {"text", "output", "num_tokens"} for answer in answers)
    assert all(1 <= answer["num_tokens"] <= 3 for answer in answers)
    assert (answered.texts, answered.cut, answered.checkpoint) == (4, 0, "best")
    assert answered.unknown >= 1
    assert not list(tmp_path.glob(".*"))


def test_a_student_of_two_tasks_is_asked_for_the_label(workdir, tmp_path, monkeypatch):
    folder = shutil.copytree(workdir, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["data"]["order"] = "multitask"
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    asked = []

    def write_what_was_read(student, inputs, **_):
        asked.extend(student.tokenizer.decode(tokens) for tokens in inputs)
        return inputs

    monkeypatch.setattr(texts_module, "generate", write_what_was_read)
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "heavier ? ent1 or ent2"}\n', "utf-8")
    for run in (workdir, folder):
        answer_file(source, output, workdir=run)
        assert json.loads(output.read_text("utf-8"))["text"] == "heavier ? ent1 or ent2"
    assert asked == ["heavier ? ent1 or ent2", "predict: heavier ? ent1 or ent2"]


def test_a_student_that_reads_rationales_reads_the_lines(workdir, tmp_path, monkeypatch):
    folder = shutil.copytree(workdir, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["data"]["order"], config["data"]["connective"] = "rationale_input", "because"
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    asked = []

    def write_what_was_read(student, inputs, **_):
        asked.extend(student.tokenizer.decode(tokens) for tokens in inputs)
        return inputs

    monkeypatch.setattr(texts_module, "generate", write_what_was_read)
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    line = {"text": "heavier ? ent1 or ent2", "rationale": "ent1 is size3 " * 40}
    source.write_text(json.dumps(line) + "\n", "utf-8")
    assert answer_file(source, output, workdir=folder).cut == 1
    assert asked[0].startswith("heavier ? ent1 or ent2 because ent1 is size3 ent1 is")
    source.write_text('{"text": "heavier ? ent1 or ent2"}\n', "utf-8")
    with pytest.raises(InputError, match=r"in\.jsonl:1: the field 'rationale' is missing"):
        answer_file(source, output, workdir=folder)


def test_an_empty_file_gives_an_empty_file(workdir, tmp_path):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.touch()
    assert answer_file(source, output, workdir=workdir).texts == 0
    assert output.read_bytes() == b""


def test_the_latest_answers_where_none_is_best(workdir, tmp_path):
    """As of a run that a signal stopped before its first evaluation."""
    shutil.copytree(workdir, tmp_path / "run")
    (file,) = (tmp_path / "run" / "checkpoints").glob("*/meta/metadata")
    note = json.loads(file.read_text("utf-8"))
    unrated = make_note(meta_of(note), None, checksums_of(note))
    file.write_text(json.dumps(unrated), "utf-8")
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "heavier ? ent1 or ent2"}\n', "utf-8")
    assert answer_file(source, output, workdir=tmp_path / "run").checkpoint == "latest"
    assert output.read_text("utf-8").count("\n") == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": "a"', r"in\.jsonl:2: not JSON"),
        (b'{"txt": "a"}', r"in\.jsonl:2: the field 'text' is missing"),
        (b'{"text": 3}', r"in\.jsonl:2: the field 'text' must be a string"),
        (b'"a"', r"in\.jsonl:2: must be an object"),
        (b'{"text": "\xff"}', r"in\.jsonl:2: not UTF-8"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, message):
    (tmp_path / "in.jsonl").write_bytes(b'{"text": "fine"}\n' + line + b"\n")
    with pytest.raises(InputError, match=message):
        read_texts(tmp_path / "in.jsonl")


def test_bad_requests(tmp_path):
    source = tmp_path / "in.jsonl"
    with pytest.raises(InputError, match="either --workdir or --model"):
        answer_file(source, tmp_path / "out.jsonl")
    with pytest.raises(InputError, match=r"in\.jsonl: cannot be read"):
        answer_file(source, tmp_path / "out.jsonl", workdir=tmp_path)
    source.write_text('{"text": "a"}\n', "utf-8")
    with pytest.raises(InputError, match="no such folder; --output"):
        answer_file(source, tmp_path / "no" / "out.jsonl", workdir=tmp_path)
    with pytest.raises(InputError, match=r"config\.json is missing"):
        answer_file(source, tmp_path / "out.jsonl", workdir=tmp_path)
    assert not (tmp_path / "out.jsonl").exists()
