r"""T5 on ASDiv from the Hub with a teacher's rationales, rationale first (Lee et al. 2024).

Questions come from the Hub, rationales from a file of completions, by id or question:

    python scripts/import_rationales.py --format=completions --task=asdiv --split=validation \
        --input=completions.jsonl --questions=hub --teacher=NAME --output=records/asdiv
    python scripts/train.py --config=configs/asdiv.py --workdir=runs/asdiv

ASDiv has one split of 2,305 problems, which the Hub calls validation: a tenth of it is held out,
and there is no test split to report on. Labels may also be equations, where a problem has one:
--config.task.label_format=equation. Problems without a number for an answer are left out.
"""

from configs.recipes import fine_tune_cot


def get_config():
    config = fine_tune_cot(questions=2_305)
    config.task.name = "asdiv"
    config.task.source = "hub"
    config.task.train_split = "validation"
    config.task.validation_split = ""
    config.task.label_format = "number"
    config.data.records = "records/asdiv"
    config.data.input_length = 128
    config.data.target_length = 256
    return config
