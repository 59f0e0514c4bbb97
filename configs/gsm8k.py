r"""GSM8K from the Hub, rationale first, with the solutions that people wrote for it.

    python scripts/train.py --config=configs/gsm8k.py --workdir=runs/gsm8k

7,473 questions less a tenth held out, 1,319 to test on. Chen et al. 2025 train decoders of 0.6 to
3 B parameters on GPT-4o's rationales and report 50 to 64 % for the larger ones, 18 to 24 % for
BLOOM 3B. Small T5 students stay far below that: Ho et al. 2023 report 5.0 % label-only and
3.2 % rationale first for T5-base.
A teacher's rationales instead of people's are
--config.data.rationales=teacher --config.data.records=records/gsm8k/train
"""

from configs.recipes import granularity


def get_config():
    config = granularity(questions=7_473)
    config.task.name = "gsm8k"
    config.task.source = "hub"
    config.task.validation_split = ""
    config.data.rationales = "human"
    config.task.label_format = "number"
    config.data.input_length = 256
    config.data.target_length = 384
    return config
