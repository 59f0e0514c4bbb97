r"""T5 v1.1 on ANLI round 1 from the Hub, multi-task (Hsieh et al. 2023).

    python scripts/train.py --config=configs/anli.py --workdir=runs/anli

16,946 pairs to train on, 1,000 for validation and 1,000 to test on. The paper reports 43.6 % for
label-only and 49.6 % for multi-task fine-tuning of the 220 M model with PaLM 540B's rationales;
seeds differ by points here. As it stands, the students learn the reasons that people wrote for ANLI
itself, where there is one; a teacher's rationales are
--config.data.rationales=teacher --config.data.records=records/anli/train
"""

from configs.recipes import distilling_step_by_step


def get_config():
    config = distilling_step_by_step()
    config.task.name = "anli"
    config.task.source = "hub"
    config.task.train_split = "train_r1"
    config.task.validation_split = "dev_r1"
    config.task.test_split = "test_r1"
    config.data.rationales = "human"
    config.task.label_format = "text"
    config.data.input_length = 256
    config.data.target_length = 128
    return config
