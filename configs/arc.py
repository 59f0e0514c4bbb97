r"""Flan-T5 on ARC-Challenge from the Hub with a teacher's rationales, label first.

    python scripts/import_rationales.py --format=completions --task=arc --split=train \
        --input=completions.jsonl --questions=hub --teacher=NAME --output=records/arc/train
    python scripts/train.py --config=configs/arc.py --workdir=runs/arc

1,119 questions to train on, 299 for validation, 1,172 to test on; guessing gets 25 %. ARC-Easy is
--config.task.source=hub:allenai/ai2_arc:ARC-Easy. The settings are those of configs/openbookqa.py;
no paper that this project follows reports ARC.
"""

from configs.recipes import granularity


def get_config():
    config = granularity(questions=1_119)
    config.task.name = "arc"
    config.task.source = "hub"
    config.task.validation_split = "validation"
    config.task.label_format = "letter"
    config.data.records = "records/arc/train"
    config.data.order = "label_first"
    config.data.connective = "because"
    config.data.input_length = 128
    config.data.target_length = 256
    return config
