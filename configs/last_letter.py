r"""T5 on last-letter concatenation with three GPT-3.5 rationales a question (Lee et al. 2024).

    python scripts/import_rationales.py --format=multi_sample --task=last_letter --split=train \
        --input=data/last_letter_concatenation_train.json --output=records/last_letter/train
    # and the same with _test.json and --split=test
    python scripts/train.py --config=configs/last_letter.py --workdir=runs/last-letter

350 questions less a tenth held out, 150 to test on. Ho et al. 2023 report for T5-base 44.0 %
label-only, 47.3 % with one rationale and 60.7 % with many: here the steps are a real computation.
Any number of made questions, with true rationales and words of any number, needs no import:
--config.task.source=procedural --config.task.validation_split=validation
--config.task.options=words=2
"""

from configs.recipes import fine_tune_cot


def get_config():
    config = fine_tune_cot(questions=350, samples=3)
    config.task.name = "last_letter"
    config.task.source = "records:records/last_letter"
    config.task.validation_split = ""
    config.task.label_format = "text"
    config.data.input_length = 64
    config.data.target_length = 128
    return config
