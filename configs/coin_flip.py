r"""T5 on coin flips that the task makes itself, rationale first (Ho et al. 2023).

    python scripts/train.py --config=configs/coin_flip.py --workdir=runs/coin-flip

2,000 questions to train on; each tells who flips a coin and who does not. Ho et al. report 100 %
for nearly every T5 student and target, so it tells methods apart only when it is made harder:
--config.task.options=flips=8
"""

from configs.recipes import fine_tune_cot


def get_config():
    config = fine_tune_cot(questions=2_000)
    config.task.name = "coin_flip"
    config.task.source = "procedural"
    config.task.label_format = "text"
    config.data.input_length = 128
    config.data.target_length = 256
    return config
