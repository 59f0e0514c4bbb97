r"""T5 v1.1 on e-SNLI from the Hub, multi-task (Hsieh et al. 2023).

    python scripts/train.py --config=configs/esnli.py --workdir=runs/esnli

549,367 pairs to train on, 9,842 for validation and 9,824 to test on. The paper reports 88.4 % for
label-only and 89.5 % for multi-task fine-tuning of the 220 M model with PaLM 540B's rationales, and
that multi-task needs an eighth of the labels. As it stands, the students learn the explanations
that people wrote for e-SNLI itself; a teacher's are
--config.data.rationales=teacher --config.data.records=records/esnli/train
"""

from configs.recipes import distilling_step_by_step


def get_config():
    config = distilling_step_by_step()
    config.task.name = "esnli"
    config.task.source = "hub"
    config.task.train_split = "train"
    config.task.validation_split = "validation"
    config.task.test_split = "test"
    config.data.rationales = "human"
    config.task.label_format = "text"
    config.data.input_length = 128
    config.data.target_length = 128
    return config
