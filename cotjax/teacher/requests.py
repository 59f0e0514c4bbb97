"""Prompts as requests of the batch interface that OpenAI, vLLM and others read.

https://platform.openai.com/docs/api-reference/batch and, for the fields beyond OpenAI's own,
https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cotjax.decoding.limits import Limits
from cotjax.decoding.sampling import Greedy, Method, Temperature
from cotjax.errors import InputError
from cotjax.json_files import dump_json, replace_file
from cotjax.teacher.prompt_tokens import Prompt
from cotjax.teacher.prompts import Prompter

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"


@dataclasses.dataclass(frozen=True)
class Order:
    """What is asked of a server for every prompt.

    Attributes:
      model: As the server calls it.
      method: How tokens are chosen.
      limits: What may not be said.
      samples: Completions of each prompt.
      max_tokens: Tokens of a completion at most.
      stops: What ends a completion, beside the model's own end.
      seed: Of the server's draws, which are not this package's.
    """

    model: str
    method: Method
    limits: Limits
    samples: int
    max_tokens: int
    stops: tuple[str, ...] = ()
    seed: int = 0

    def fields(self) -> dict[str, Any]:
        """Returns the body of a request but for the prompt.

        Raises:
          InputError: for what no server knows.
        """
        if self.limits.no_repeat_ngram:
            raise InputError("config.sampling.no_repeat_ngram: no batch interface has such a limit")
        fields = {"model": self.model, "n": self.samples, "max_tokens": self.max_tokens}
        fields |= _method_fields(self.method) | {"seed": self.seed}
        if self.stops:
            fields["stop"] = list(self.stops)
        if self.limits.repetition_penalty != 1:
            fields["repetition_penalty"] = self.limits.repetition_penalty
        if self.limits.min_tokens:
            fields["min_tokens"] = self.limits.min_tokens
        return fields


def export_requests(path: Path, prompter: Prompter, prompts: Iterable[Prompt], order: Order) -> int:
    """Writes a line a prompt, and returns how many; `custom_id` is the question's id.

    A prompter of chats writes for the chat endpoint, one of plain text for completions.

    Raises:
      InputError: where the request can't say what is to be sampled, or the file can't be written.
    """
    if prompter.template.conclusion:
        raise InputError(
            "--export_requests: this template asks twice, and the second prompt holds the answer"
            " to the first; use another config.prompt.template, or sample here"
        )
    fields = order.fields()
    lines = [dump_json(_request(prompter, prompt, fields)) + "\n" for prompt in prompts]
    try:
        replace_file(path, "".join(lines))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return len(lines)


def _request(prompter: Prompter, prompt: Prompt, fields: dict[str, Any]) -> dict[str, Any]:
    body = {**fields, **(_chat(prompt) if prompter.chat else _completion(prompt))}
    url = CHAT if prompter.chat else COMPLETIONS
    return {"custom_id": prompt.id, "method": "POST", "url": url, "body": body}


def _chat(prompt: Prompt) -> dict[str, Any]:
    messages = [dataclasses.asdict(turn) for turn in prompt.conversation.turns]
    body: dict[str, Any] = {"messages": messages, "logprobs": True}
    if cue := prompt.conversation.cue:  # vLLM goes on with it; others may answer anew
        messages.append({"role": "assistant", "content": cue})
        body |= {"add_generation_prompt": False, "continue_final_message": True}
    return body


def _completion(prompt: Prompt) -> dict[str, Any]:
    return {"prompt": prompt.text, "logprobs": 1}  # 1 alternative: the least that servers take


def _method_fields(method: Method) -> dict[str, Any]:
    """What a server calls the method's options; what changes nothing is left out."""
    if isinstance(method, Greedy):
        return {"temperature": 0.0}
    if not isinstance(method, Temperature):
        raise InputError(
            "--export_requests: no batch interface has config.sampling.method='contrastive'"
        )
    default = Temperature()
    optional = {
        name: getattr(method, name)
        for name in ("top_k", "top_p", "min_p")
        if getattr(method, name) != getattr(default, name)
    }
    return {"temperature": method.temperature, **optional}
