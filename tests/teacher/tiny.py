"""A tiny random Llama as a Hugging Face folder, questions for it, and configs of jobs."""

import json
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
from ml_collections.config_dict import ConfigDict
from safetensors.numpy import save_file

from cotjax import config as configs
from cotjax.records import Record
from cotjax.tasks import get_task
from cotjax.teacher.asking import prompter_of, prompts_of
from cotjax.teacher.journal import Entry
from cotjax.teacher.prompt_tokens import PromptSet
from cotjax.teacher.questions import Questions
from cotjax.teacher.sample import Summary, sample_questions
from tests.teacher.tokenizers import CHAT_TEMPLATE, byte_level

SMOLLM2 = str(Path(__file__).parents[2] / "configs" / "teachers" / "smollm2.py")
CONTEXT = 1024
END = 1  # <|end|>
SIZES = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 1e4,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": END,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
}
CQA = get_task("commonsense_qa", "letter")


def make_teacher(folder: Path, chat: bool = False, **sizes: Any) -> Path:
    """Fills `folder`. Its texts are words without sense, and of very different lengths."""
    tokenizer = byte_level(CHAT_TEMPLATE if chat else None)
    tokenizer.save_pretrained(folder)
    values = {"vocab_size": len(tokenizer)} | SIZES | sizes
    (folder / "config.json").write_text(json.dumps(values))
    save_file(_weights(values), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _weights(values: dict[str, Any]) -> dict[str, np.ndarray]:
    width, hidden, head = (values[n] for n in ("hidden_size", "intermediate_size", "head_dim"))
    heads, kv_heads = values["num_attention_heads"], values["num_key_value_heads"]
    shapes = {"model.embed_tokens": (values["vocab_size"], width), "model.norm": (width,)}
    shapes["lm_head"] = shapes["model.embed_tokens"]
    for number in range(values["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        shapes |= {
            f"{layer}.input_layernorm": (width,),
            f"{layer}.post_attention_layernorm": (width,),
            f"{layer}.self_attn.q_proj": (heads * head, width),
            f"{layer}.self_attn.k_proj": (kv_heads * head, width),
            f"{layer}.self_attn.v_proj": (kv_heads * head, width),
            f"{layer}.self_attn.o_proj": (width, heads * head),
            f"{layer}.mlp.gate_proj": (hidden, width),
            f"{layer}.mlp.up_proj": (hidden, width),
            f"{layer}.mlp.down_proj": (width, hidden),
        }
    generator = np.random.default_rng(0)
    weights = {
        f"{name}.weight": generator.normal(1.0 if len(shape) == 1 else 0.0, 0.3, shape)
        for name, shape in shapes.items()
    }
    weights["lm_head.weight"][END] *= 4  # some texts end soon, others don't
    return {name: values.astype(np.float32) for name, values in weights.items()}


def questions(count: int, task: Any = CQA) -> Questions:
    """Questions of CommonsenseQA's kind, some of them longer."""
    records = tuple(
        Record(
            id=f"q{n}",
            question=f"Where do {n} people keep {'very ' * (3 * (n % 4))}old money?",
            choices=("bank", "river", f"pot {n}"),
            label=("bank", f"pot {n}")[n % 2],
            rationales=(),
            human={"solution": f"people {n}"},
        )
        for n in range(count)
    )
    return Questions(records, task, "train")


def write_questions(file: Path, asked: Questions) -> Path:
    """The same as a file that `--questions` and `task.source=file:` read."""
    rows = (
        {"id": r.id, "question": r.question, "choices": list(r.choices), "label": r.label}
        for r in asked.records
    )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def words(teacher: Path, **fields: Any) -> list[str]:
    """Flags of a small job; in a field's name, `__` stands for the dot."""
    values = {
        "teacher.model": teacher,
        "samples": 3,
        "questions_per_shard": 4,
        "prompt.shots": 1,
        "sampling.max_tokens": 16,
        "sampling.temperature": 1.0,
        "sampling.slots": 4,
    }
    values |= {name.replace("__", "."): value for name, value in fields.items()}
    return [f"--config.{name}={value}" for name, value in values.items() if value is not None]


def config(teacher: Path, **fields: Any) -> ConfigDict:
    """The config of a small job."""
    return configs.load(SMOLLM2, words(teacher, **fields), configs.TEACHER)


def entry(id_: str, sample: int, text: str = "Because. So the answer is (A).", **changes) -> Entry:
    """A sample that a teacher may have written."""
    fields = {"logprob": -1.5, "num_tokens": 3, "finish_reason": "stop"} | changes
    return Entry(id_, sample, text, **fields)


def run_job(
    teacher: Path,
    folder: Path,
    asked: Questions | None = None,
    watcher: "Watcher | None" = None,
    devices: int = 1,
    **fields: Any,
) -> Summary:
    """What a job comes to, of six questions if not those given, on so many devices."""
    with mock.patch.object(jax, "local_devices", return_value=jax.devices()[:devices]):
        return sample_questions(
            config(teacher, **fields), asked or questions(6), folder, watcher or Watcher()
        )


def prompts_for(teacher: Path, tokenizer: Any = None, **fields: Any) -> PromptSet:
    """The prompts of such a job."""
    made = config(teacher, **fields)
    prompter = prompter_of(made, tokenizer or byte_level(), CQA)
    return prompts_of(made, prompter, questions(6), None)


def texts(summary: Summary) -> dict[tuple[str, int], str]:
    """What was said, by question and sample."""
    return {(r.id, one.sample): one.text for r in summary.records for one in r.rationales}


class Watcher:
    """A view that remembers, and may end the job."""

    def __init__(self, most: int | None = None):
        self.entries: list[Entry] = []
        self.output = None
        self.work = None
        self._most = most

    def begin(self, output) -> None:
        self.output = output

    def saw(self, judged, entry, work) -> None:
        self.entries.append(entry)
        self.work = work
        if len(self.entries) == self._most:
            raise KeyboardInterrupt
