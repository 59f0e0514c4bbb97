"""Batch requests as servers read them, and their answers as records."""

import dataclasses
import json

import pytest

from cotjax.decoding.limits import Limits
from cotjax.decoding.sampling import Contrastive, Greedy, Temperature
from cotjax.errors import InputError
from cotjax.records import Record
from cotjax.tasks import get_task
from cotjax.teacher.exemplars import Exemplar
from cotjax.teacher.importers.openai_batch import import_openai_batch
from cotjax.teacher.importers.request import Request
from cotjax.teacher.prompt_tokens import make_prompts
from cotjax.teacher.prompts import Prompter
from cotjax.teacher.requests import Order, export_requests
from cotjax.teacher.template import load_template
from tests.teacher.imports import write_lines
from tests.teacher.tokenizers import CHAT_TEMPLATE, byte_level

ASKED = [
    {"id": "q1", "question": "Where is money?", "choices": ["bank", "river"], "label": "bank"},
    {"id": "q2", "question": "Who barks?", "choices": ["cat", "dog"], "label": "dog"},
]
GOOD = "Banks do. So the answer is (A) bank."


def line(id_, choices, **body):
    """A line of the output: of a chat, where choices have a message."""
    body = {"id": "x", "object": "chat.completion", "model": "big-7b", "choices": choices} | body
    return {
        "id": "batch_req_1",
        "custom_id": id_,
        "response": {"status_code": 200, "request_id": "r", "body": body},
        "error": None,
    }


def chat(text, reason="stop", **more):
    message = {"role": "assistant", "content": text, "refusal": None}
    return {"index": 0, "message": message, "logprobs": None, "finish_reason": reason} | more


def plain(text, logprobs=None, reason="stop"):
    return {"index": 0, "text": text, "finish_reason": reason, "logprobs": logprobs}


def run(tmp_path, lines, **more):
    questions = write_lines(tmp_path / "questions.jsonl", ASKED)
    source = write_lines(tmp_path / "output.jsonl", lines)
    request = Request("commonsense_qa", "train", source, questions=str(questions), **more)
    imported = import_openai_batch(request)
    return imported, [r for record in imported.records for r in record.rationales]


def test_a_batch_becomes_records(tmp_path):
    each = [{"token": t, "logprob": -0.5, "bytes": []} for t in ("Banks", " do", ".")]
    lines = [
        line(
            "q2",
            [chat("It barks. So the answer is (A) cat.")],
            usage={"prompt_tokens": 90, "completion_tokens": 11},
        ),
        line(
            "q1",
            [
                chat(GOOD, logprobs={"content": each, "refusal": None}),
                chat("Rivers do. So the answer is (B).", "length"),
            ],
            usage={"prompt_tokens": 90, "completion_tokens": 30},
        ),
    ]
    imported, rationales = run(tmp_path, lines)
    assert imported.manifest.teacher == "big-7b"
    assert [record.id for record in imported.records] == ["q1", "q2"]
    fields = ("sample", "text", "answer", "correct", "logprob", "num_tokens", "finish_reason")
    assert [tuple(getattr(r, field) for field in fields) for r in rationales] == [
        (0, "Banks do.", "bank", True, -1.5, 3, "stop"),
        (1, "Rivers do.", "river", False, None, None, "length"),
        (0, "It barks.", "cat", False, None, 11, "stop"),
    ]
    total = imported.report.total
    assert (total.rows, total.parsed, total.right, total.rationales) == (3, 3, 1, 3)


def test_completions_of_the_other_endpoint(tmp_path):
    lines = [
        line("q1", [plain(f" {GOOD}", {"tokens": ["a", "b"], "token_logprobs": [-1.0, -0.25]})]),
        line("q2", [plain(f" {GOOD}", {"tokens": ["a", "b"], "token_logprobs": [None, -0.25]})]),
    ]
    _, (first, second) = run(tmp_path, lines)
    assert (first.text, first.logprob, first.num_tokens) == ("Banks do.", -1.25, 2)
    assert first.mean_logprob == -0.625
    assert (second.logprob, second.mean_logprob, second.num_tokens) == (None, None, None)


def test_lines_of_one_question_add_up(tmp_path):
    _, rationales = run(tmp_path, [line("q1", [chat(GOOD)]), line("q1", [chat(GOOD), chat(GOOD)])])
    assert [r.sample for r in rationales] == [0, 1, 2]


def test_what_gives_no_rationale_is_counted_and_named(tmp_path):
    failed = {"custom_id": "q1", "response": None, "error": {"code": "batch_expired"}}
    refused = line("q1", [])
    refused["response"] |= {"status_code": 400, "body": {"error": {"message": "too long"}}}
    lines = [
        failed,
        refused,
        line("q9", [chat(GOOD)]),
        line("q1", [chat(None, "content_filter"), chat("It goes on and", "length"), chat(GOOD)]),
        line("q1", [chat(" So the answer is (A)."), chat("Because banks do.")]),
    ]
    imported, rationales = run(tmp_path, lines)
    tally = imported.report.total
    assert tally.dropped == {
        "no question has this id": 1,
        "no text": 1,
        "no answer phrase": 1,
        "empty rationale": 1,
    }
    assert tally.noted == {
        "requests that failed": 2,
        "kept whole, without an answer phrase": 1,
        "questions without a rationale": 1,
    }
    assert [(r.text, r.answer, r.correct) for r in rationales] == [
        ("Banks do.", "bank", True),
        ("Because banks do.", None, False),
    ]
    path = tmp_path / "output.jsonl"
    assert imported.report.remarks == [
        f'{path}:1: request \'q1\' failed: {{"code": "batch_expired"}}',
        f'{path}:2: request \'q1\' failed: {{"error": {{"message": "too long"}}}}',
        f"{path}:3: choice 0: no question has this id",
        f"{path}:4: choice 0: no text",
        f"{path}:4: choice 1: no answer phrase",
        f"{path}:5: choice 0: empty rationale",
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"response": {}}], "output.jsonl:1: custom_id is missing"),
        ([b"{"], "output.jsonl:1: not JSON"),
        ([line("q1", "none")], "output.jsonl:1: response.body: choices must be a list"),
        ([line("q1", [{"text": 3}])], "output.jsonl:1: choice 0: text must be text, not 3"),
        ([line("q1", [chat([7])])], "output.jsonl:1: choice 0: message.content must be text"),
        (
            [line("q1", [chat(GOOD, logprobs={"content": ["x"]})])],
            "output.jsonl:1: choice 0: logprobs must hold numbers",
        ),
        (
            [{"custom_id": "q1", "response": {}}],
            r"output.jsonl:1: response.body: the value must be",
        ),
        ([{"custom_id": "q1", "error": "e"}], r"has no completions \(1 requests that failed\)"),
        ([line("q1", [chat(GOOD)], model=None)], "--teacher=NAME is required"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        run(tmp_path, lines)


def test_a_named_teacher_counts_more_than_the_servers_name(tmp_path):
    imported, _ = run(tmp_path, [line("q1", [chat(GOOD)])], teacher="big")
    assert imported.manifest.teacher == "big"


SOLVED = (Exemplar("Who purrs?", "Cats purr.", "cat", ("cat", "dog")),)
ORDER = Order("big-7b", Temperature(0.7, top_p=0.95), Limits(), samples=4, max_tokens=64)


def export(tmp_path, name="few_shot", chat=False, order=ORDER):
    prompter = Prompter(
        load_template(name, shots=None if name == "zero_shot" else 1),
        SOLVED,
        byte_level(CHAT_TEMPLATE),
        chat,
        get_task("commonsense_qa", "letter"),
    )
    records = [Record(a["id"], a["question"], tuple(a["choices"]), a["label"], ()) for a in ASKED]
    path, prompts = tmp_path / "requests.jsonl", make_prompts(prompter, records).prompts
    order = dataclasses.replace(order, stops=prompter.stops)
    assert export_requests(path, prompter, prompts, order) == 2
    return prompts, [json.loads(line) for line in path.read_text().splitlines()]


def test_plain_prompts_go_to_the_completions_endpoint(tmp_path):
    prompts, requests = export(tmp_path)
    assert requests[1] == {
        "custom_id": "q2",
        "method": "POST",
        "url": "/v1/completions",
        "body": {
            "model": "big-7b",
            "n": 4,
            "max_tokens": 64,
            "temperature": 0.7,
            "top_p": 0.95,
            "seed": 0,
            "stop": ["\n\n"],
            "prompt": prompts[1].text,
            "logprobs": 1,
        },
    }


def test_chats_go_to_the_chat_endpoint(tmp_path):
    _, (request, _) = export(tmp_path, chat=True)
    assert request["url"] == "/v1/chat/completions"
    body = request["body"]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][-1]["content"] == "Where is money?\n(A) bank\n(B) river"
    assert body["logprobs"] is True
    assert not {"stop", "continue_final_message"} & {*body}


def test_an_answer_that_is_begun_is_to_be_gone_on_with(tmp_path):
    _, (request, _) = export(tmp_path, "rationalise", chat=True)
    body = request["body"]
    assert body["messages"][-1] == {"role": "assistant", "content": "The answer is (A) bank."}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


def test_only_what_changes_something_is_asked_for(tmp_path):
    limits = Limits(repetition_penalty=1.2, min_tokens=3)
    order = Order("m", Temperature(top_k=9, min_p=0.1), limits, samples=1, max_tokens=8, seed=5)
    body = export(tmp_path, order=order)[1][0]["body"]
    assert {
        name: body[name] for name in ("top_k", "min_p", "repetition_penalty", "min_tokens")
    } == {
        "top_k": 9,
        "min_p": 0.1,
        "repetition_penalty": 1.2,
        "min_tokens": 3,
    }
    assert "top_p" not in body
    greedy = export(tmp_path, order=dataclasses.replace(order, method=Greedy()))[1][0]["body"]
    assert greedy["temperature"] == 0
    assert "top_k" not in greedy


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({"method": Contrastive()}, "rationalise", "method='contrastive'"),
        ({"limits": Limits(no_repeat_ngram=3)}, "few_shot", "no_repeat_ngram"),
        ({}, "zero_shot", "asks twice"),
    ],
)
def test_what_no_server_can_do_is_refused(tmp_path, changes, name, message):
    with pytest.raises(InputError, match=message):
        export(tmp_path, name, order=dataclasses.replace(ORDER, **changes))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match=r"requests\.jsonl: cannot be written"):
        export(tmp_path / "nowhere")
