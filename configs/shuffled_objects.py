r"""T5 on tracking shuffled objects with three GPT-3.5 rationales a question (Lee et al. 2024).

    python scripts/import_rationales.py --format=multi_sample --task=shuffled_objects \
        --split=train \
        --input=data/tracking_shuffled_objects_train.json --output=records/shuffled_objects/train
    # and the same with _test.json and --split=test
    python scripts/train.py --config=configs/shuffled_objects.py --workdir=runs/shuffled

512 questions less a tenth held out, 225 to test on; three choices. Ho et al. 2023 report for
T5-base 37.8 % label-only, 42.7 % with one rationale and 65.3 % with many. Any number of made
questions, with true rationales and any number of objects and swaps, needs no import:
--config.task.source=procedural --config.task.validation_split=validation
--config.task.options=objects=3,swaps=3
"""

from configs.recipes import fine_tune_cot


def get_config():
    config = fine_tune_cot(questions=512, samples=3)
    config.task.name = "shuffled_objects"
    config.task.source = "records:records/shuffled_objects"
    config.task.validation_split = ""
    config.task.label_format = "letter"
    config.data.input_length = 256
    config.data.target_length = 256
    return config
