r"""Flan-T5 on QuaRel from the Hub with a teacher's rationales, label first (Wadhwa et al. 2024).

    python scripts/import_rationales.py --format=completions --task=quarel --split=train \
        --input=completions.jsonl --questions=hub --teacher=NAME --output=records/quarel/train
    python scripts/train.py --config=configs/quarel.py --workdir=runs/quarel

1,941 questions to train on, 278 for validation, 552 to test on; two choices, so guessing gets 50 %.
Wadhwa et al. report on QuaRel, but not with T5. Li et al. 2023 (symbolic CoT distillation) sample
30 rationales a question and train on all of them: here --config.data.selection.name=all, the
default.
"""

from configs.recipes import granularity


def get_config():
    config = granularity(questions=1_941)
    config.task.name = "quarel"
    config.task.source = "hub"
    config.task.validation_split = "validation"
    config.task.label_format = "letter"
    config.data.records = "records/quarel/train"
    config.data.order = "label_first"
    config.data.connective = "because"
    config.data.input_length = 128
    config.data.target_length = 256
    return config
