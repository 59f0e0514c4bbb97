r"""AQuA-RAT from the Hub, rationale first, with the rationales that it was published with.

    python scripts/train.py --config=configs/aqua.py --workdir=runs/aqua

97,467 questions, of which the papers take a few thousand; 254 for validation and 254 to test on.
Five choices: guessing gets 20 %. Ho et al. 2023 report 24 to 30 % for T5 students of any size,
which is hardly more. A teacher's rationales instead of the published ones are
--config.data.rationales=teacher --config.data.records=records/aqua/train
"""

from configs.recipes import granularity


def get_config():
    config = granularity(questions=97_467)
    config.task.name = "aqua"
    config.task.source = "hub"
    config.task.validation_split = "validation"
    config.data.rationales = "human"
    config.task.label_format = "letter"
    config.data.input_length = 256
    config.data.target_length = 384
    return config
