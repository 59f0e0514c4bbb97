"""Runs of a student that trains in a second, and what they leave behind."""

from cotjax.training.step_log import StepLog
from cotjax.training.writers import read_scalars

SMALL = {
    "model.d_model": 16,
    "model.d_kv": 4,
    "model.d_ff": 16,
    "model.num_layers": 1,
    "model.num_decoder_layers": 1,
    "data.batch_size": 16,
    "data.perturbation.name": "shuffle",
    "schedule.total_steps": 8,
    "schedule.warmup_steps": 2,
    "checkpoint.every": 4,
    "evaluation.every": 2,
    "evaluation.max_questions": 8,
    "evaluation.max_tokens": 4,
    "evaluation.batch_size": 8,
    "profile.log_every": 1,
}


def trained(workdir):
    """What the training lines say, without times."""
    names = ("step", "loss", "grad_norm", "learning_rate", "label_loss", "rationale_loss")
    return [tuple(line[name] for name in names) for line in read_scalars(workdir) if "loss" in line]


def interrupt_after(monkeypatch, step, act):
    """Calls `act` when the loop has taken its `step`th step of this call."""
    add = StepLog.add
    taken = []

    def counted(self, work, metrics):
        add(self, work, metrics)
        taken.append(work)
        if len(taken) == step:
            act()

    monkeypatch.setattr(StepLog, "add", counted)
