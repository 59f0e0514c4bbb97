r"""T5 on many rationales a question, Fine-tune-CoT's diverse reasoning (Ho et al. 2023).

The teacher is asked for several rationales of each question at temperature 0.7, up to 64; those
whose answer is right are all trained on, `rationale --> label`. The release of Lee et al. 2024 has
three of GPT-3.5's of tracking shuffled objects:

    python scripts/import_rationales.py --format=multi_sample --task=shuffled_objects \
        --split=train \
        --input=data/tracking_shuffled_objects_train.json --output=records/shuffled_objects/train
    # and the same with _test.json and --split=test
    python scripts/train.py --config=configs/diverse_reasoning.py --workdir=runs/diverse

Ho et al. train for 20 epochs, so more rationales mean more steps. The 3,840 steps here are 20
epochs of all 512 questions; with a tenth of them held out to choose the best by, they are 22.
Against it stands one rationale a question for as many epochs, --config.data.selection.name=first
with --config.schedule.total_steps=1280; in all 3,840 steps it would see each three times as often.
Ho et al. report for T5-base 42.7 % with one and 65.3 % with many, on rationales of a weaker
teacher. What counts here beside number is the choice: --config.data.selection.name=random (diverse,
likely, open_ended) --config.data.selection.k=2, or =one_per_epoch, another one each epoch: in 1,280
steps as many epochs at the cost of one rationale. For more rationales ask a teacher of your own:
scripts/sample_teacher.py --config.samples=8.
"""

from configs.recipes import fine_tune_cot


def get_config():
    config = fine_tune_cot(questions=512, samples=3)
    config.task.name = "shuffled_objects"
    config.task.source = "records:records/shuffled_objects"
    config.task.validation_split = ""
    config.task.label_format = "letter"
    config.data.selection.answers = "right"
    config.data.input_length = 256
    config.data.target_length = 256
    return config
