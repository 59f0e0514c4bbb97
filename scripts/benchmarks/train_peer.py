"""How transformers fine-tunes: `Seq2SeqTrainer`, dynamic padding, as its documentation has it."""

import sys
import tempfile
import time
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from benchmarks.turns import Figures, Order, answer

TARGETS = 64  # of an optimiser step


class Peer:
    """A Trainer and its model."""

    def __init__(self, weights: str, examples: str, at_once: str, sampling: str):
        """Loads weights and token ids.

        Args:
          weights: Folder of the model and its tokenizer.
          examples: File of JSON lines, `input_ids` and `labels` each.
          at_once: Targets of a forward pass; others of a step are accumulated.
          sampling: `random` or `group_by_length`, as the Trainer calls it.
        """
        tokenizer = AutoTokenizer.from_pretrained(weights, trust_remote_code=False)
        model = AutoModelForSeq2SeqLM.from_pretrained(
            weights, dtype=torch.float32, dropout_rate=0.1, trust_remote_code=False
        )
        self._collate = Counting(DataCollatorForSeq2Seq(tokenizer, model))
        self._clock = Clock()
        self._folder = tempfile.TemporaryDirectory()
        self._trainer = Seq2SeqTrainer(
            model=model,
            args=arguments(self._folder.name, int(at_once), sampling),
            train_dataset=Dataset.from_json(examples, cache_dir=self._folder.name),
            data_collator=self._collate,
            processing_class=tokenizer,
            callbacks=[self._clock],
        )

    def measure(self, order: Order) -> Figures:
        """Trains an epoch, or asks for the loss of one: what `order` says."""
        return self._loss() if order["what"] == "loss" else self._train()

    def _train(self) -> Figures:
        self._collate.forget()
        done = self._trainer.train()
        return {"seconds": self._clock.seconds, "loss": done.training_loss, **self._collate.work}

    @torch.inference_mode()
    def _loss(self) -> Figures:
        """Negative log-likelihood of an epoch, without dropout."""
        model, nll, count = self._trainer.model.eval(), 0.0, 0
        for batch in self._trainer.get_train_dataloader():
            tokens = int((batch["labels"] != -100).sum())
            nll += float(model(**batch).loss) * tokens
            count += tokens
        return {"nll": nll, "count": count}


class Clock(TrainerCallback):
    """Times training alone, without what is set up before it.

    Attributes:
      seconds: From the first step's beginning to the last one's end.
    """

    def on_train_begin(self, args, state, control, **_):
        """Starts."""
        self._start = time.perf_counter()

    def on_train_end(self, args, state, control, **_):
        """Stops."""
        self.seconds = time.perf_counter() - self._start


class Counting:
    """A collator that counts what it is given as cotjax's `Work` does.

    Attributes:
      work: Sums since the last `forget`.
    """

    def __init__(self, collate: DataCollatorForSeq2Seq):
        """Counts from now on."""
        self._collate = collate
        self.forget()

    def forget(self) -> None:
        """Counts anew."""
        self.work: dict[str, int] = {}

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Returns the batch of some examples."""
        batch = self._collate(features)
        read, said = batch["attention_mask"].sum(1), (batch["labels"] != -100).sum(1)
        counts = {
            "examples": len(features),
            "supervised": said.sum(),
            "encoder": read.sum(),
            "decoder": said.sum(),
            "encoder_squares": (read**2).sum(),
            "decoder_squares": (said**2).sum(),
            "products": (read * said).sum(),
            "encoder_positions": batch["input_ids"].numel(),
            "decoder_positions": batch["labels"].numel(),
        }
        self.work = {name: self.work.get(name, 0) + int(one) for name, one in counts.items()}
        return batch


def arguments(folder: str, at_once: int, sampling: str) -> Seq2SeqTrainingArguments:
    """An epoch in float32 with the Trainer's own AdamW; nothing is logged or saved."""
    return Seq2SeqTrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=TARGETS // at_once,
        num_train_epochs=1,
        learning_rate=5e-5,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        train_sampling_strategy=sampling,
        use_cpu=True,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


if __name__ == "__main__":
    set_verbosity_error()
    disable_progress_bar()
    disable_progress_bars()
    answer(Peer(*sys.argv[1:]).measure)
