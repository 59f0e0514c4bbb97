"""Training recipes that several configs share: published ones, and the made task's."""

from configs.default import get_config as default_config


def distilling_step_by_step(total_steps=10_000):
    """Hsieh et al. 2023: T5 v1.1, batch 64, 5e-5 falling linearly; multi-task at alpha 0.5."""
    config = _pretrained("google/t5-v1_1-base", batch_size=64, learning_rate=5e-5)
    config.data.order = "multitask"
    config.schedule.name = "linear"
    config.schedule.total_steps = total_steps
    config.checkpoint.every = config.evaluation.every = min(total_steps, 500)
    return config


def fine_tune_cot(questions, samples=1):
    """Ho et al. 2023: T5, batch 8, constant 3e-4, 20 epochs, `rationale --> label`."""
    config = _pretrained("google-t5/t5-base", batch_size=8, learning_rate=3e-4)
    config.data.order = "rationale_first"
    config.data.connective = "-->"
    config.schedule.name = "constant"
    config.schedule.total_steps = 20 * questions * samples // 8
    config.checkpoint.every = config.evaluation.every = questions * samples // 8
    return config


def granularity(questions):
    """Chen et al. 2025: batch 64, 5e-5 falling as a cosine, 3 epochs, rationale first."""
    config = _pretrained("google/flan-t5-base", batch_size=64, learning_rate=5e-5)
    config.data.order = "rationale_first"
    config.data.connective = "The answer is"
    config.schedule.name = "cosine"
    config.schedule.total_steps = 3 * questions // 64
    config.checkpoint.every = config.evaluation.every = questions // 64
    return config


def comparison():
    """The made comparison task, as studies on two CPU cores train it: asked little on the way."""
    config = default_config()
    config.evaluation.every = 600
    config.evaluation.max_tokens = 24  # the longest target has 15 tokens
    config.evaluation.batch_size = 128
    config.checkpoint.every = config.schedule.total_steps
    return config


def _pretrained(model, batch_size, learning_rate):
    config = default_config()
    config.model.pretrained = model
    config.data.batch_size = batch_size
    config.optimizer.learning_rate = learning_rate
    config.optimizer.weight_decay = 0.0
    config.schedule.warmup_steps = 0
    config.schedule.final_fraction = 0.0
    return config
