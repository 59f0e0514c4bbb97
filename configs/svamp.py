r"""T5 v1.1 on SVAMP's equations with PaLM 540B's rationales, multi-task (Hsieh et al. 2023).

    python scripts/import_rationales.py --format=dss --task=svamp --split=train \
        --input=datasets/svamp --output=records/svamp/train    # and the same for --split=test
    python scripts/train.py --config=configs/svamp.py --workdir=runs/svamp

800 questions less a tenth held out, 200 to test on; PaLM is right on about three in four. The paper
reports 62.6 % for label-only and 65.5 % for multi-task fine-tuning of the 220 M model; with 200
test questions two points are within the noise. An answer is right if its equation's value is. Other
SVAMP files have other splits and numbers as labels (`--format=instruction`, the Hub's ChilleD/SVAMP
with 700 + 300): give them a workdir and --config.task.label_format=number of their own.
"""

from configs.recipes import distilling_step_by_step


def get_config():
    config = distilling_step_by_step()
    config.task.name = "svamp"
    config.task.source = "records:records/svamp"
    config.task.validation_split = ""
    config.task.label_format = "equation"
    config.data.input_length = 128
    config.data.target_length = 128
    return config
