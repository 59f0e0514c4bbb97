r"""Flan-T5-small on CommonsenseQA with the rationales of Distilling Step-by-Step, label first.

Import the release (https://github.com/google-research/distilling-step-by-step) once, then train:

    python scripts/import_rationales.py --format=dss --task=commonsense_qa --split=train \
        --input=datasets/cqa --output=records/cqa/train      # and the same for --split=test
    python scripts/train.py --config=configs/commonsense_qa.py --workdir=runs/cqa

8,782 questions to train on, 959 held out by hash of the question, 1,221 to test on (the official
validation set). Hsieh et al. 2023 train T5 v1.1 on the text of the choice with batch 64, a learning
rate of 5e-5 that falls linearly and 10,000 steps, and report 62.2 % for label-only and 63.3 % for
multi-task fine-tuning of the 220 M model. Here it is the small Flan-T5 and the choice's letter.
T5's own fine-tuning preset instead of AdamW is --config.optimizer.name=adafactor
--config.optimizer.learning_rate=1e-3 --config.optimizer.clip_norm=0 --config.schedule.name=constant
"""

from configs.default import get_config as default_config


def get_config():
    config = default_config()
    config.task.name = "commonsense_qa"
    config.task.source = "records:records/cqa"
    config.task.validation_split = ""
    config.task.label_format = "letter"
    config.data.order = "label_first"
    config.data.input_length = 128
    config.data.target_length = 128
    config.data.batch_size = 64
    config.model.pretrained = "google/flan-t5-small"
    config.optimizer.learning_rate = 5e-5
    config.optimizer.weight_decay = 0.0
    config.schedule.name = "linear"
    config.schedule.total_steps = 10_000
    config.schedule.warmup_steps = 0
    config.schedule.final_fraction = 0.0
    config.checkpoint.every = 500
    config.evaluation.every = 500
    return config
