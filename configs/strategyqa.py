r"""T5 on StrategyQA from the Hub with a teacher's rationales, rationale first (Ho et al. 2023).

    python scripts/import_rationales.py --format=completions --task=strategyqa --split=train \
        --input=completions.jsonl --questions=hub --teacher=NAME --output=records/strategyqa/train
    python scripts/train.py --config=configs/strategyqa.py --workdir=runs/strategyqa

1,603 questions less a tenth held out, 687 to test on (the Hub's ChilleD/StrategyQA; the papers
split 2,290 otherwise). Ho et al. report for T5-base 59.2 % label-only, 55.9 % with one rationale
and 59.7 % with many; always saying no gets about 53 %.
"""

from configs.recipes import fine_tune_cot


def get_config():
    config = fine_tune_cot(questions=1_603)
    config.task.name = "strategyqa"
    config.task.source = "hub"
    config.task.validation_split = ""
    config.task.label_format = "text"
    config.data.records = "records/strategyqa/train"
    config.data.input_length = 64
    config.data.target_length = 256
    return config
