r"""OpenBookQA with GPT-4o's rationales of one granularity (Chen et al. 2025), rationale first.

Import the release (https://github.com/EIT-NLP/Distilling-CoT-Reasoning) once, all levels and
formats into one folder, then train on a level:

    python scripts/import_rationales.py --format=instruction --task=openbookqa --split=train \
        --input=data/openbookqa --output=records/openbookqa/train    # and the same for --split=test
    python scripts/train.py --config=configs/openbookqa.py --workdir=runs/openbookqa-level3 \
        --config.data.selection.tags=level=3,format=plain

4,952 questions less a tenth held out, 500 to test on; a level's rationales have 52 (level 1) to
92 (level 6) tokens of T5's. The paper trains BLOOM, Gemma and LLaMA, finds no level best for all of
them, and publishes no T5. The questions alone come from the Hub with --config.task.source=hub
--config.data.order=label_only --config.task.validation_split=validation.
"""

from configs.recipes import granularity


def get_config():
    config = granularity(questions=4_952)
    config.task.name = "openbookqa"
    config.task.source = "records:records/openbookqa"
    config.task.validation_split = ""
    config.task.label_format = "letter"
    config.data.selection.tags = "level=3,format=plain"
    config.data.input_length = 128
    config.data.target_length = 256
    return config
