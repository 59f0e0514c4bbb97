r"""Flan-T5-small on CommonsenseQA with the rationales of Distilling Step-by-Step, label first.

Import the release (https://github.com/google-research/distilling-step-by-step) once, then train:

    python scripts/import_rationales.py --format=dss --task=commonsense_qa --split=train \
        --input=datasets/cqa --output=records/cqa/train      # and the same for --split=test
    python scripts/train.py --config=configs/commonsense_qa.py --workdir=runs/cqa

8,766 questions to train on, 975 held out by hash, 1,221 to test on (the official validation set).
The settings are those of Hsieh et al. 2023 (batch 64, constant 5e-5), who report 62.2 % for
label-only and 63.3 % for multi-task fine-tuning of the 220 M model. For Adafactor use
--config.optimizer.name=adafactor --config.optimizer.learning_rate=1e-3.
"""

from configs.default import get_config as default_config


def get_config():
    config = default_config()
    config.task.name = "commonsense_qa"
    config.task.source = "records:records/cqa"
    config.task.validation_split = None
    config.task.label_format = "letter"
    config.data.order = "label_first"
    config.data.input_length = 128
    config.data.target_length = 128
    config.data.batch_size = 64
    config.model.pretrained = "google/flan-t5-small"
    config.optimizer.learning_rate = 5e-5
    config.optimizer.weight_decay = 0.0
    config.schedule.name = "constant"
    config.schedule.total_steps = 10_000
    config.schedule.warmup_steps = 0
    config.checkpoint.every = 500
    config.evaluation.every = 500
    return config
