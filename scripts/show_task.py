r"""Shows what a task asks, what a student reads and writes, and how answers are judged.

    python scripts/show_task.py --task=last_letter
    python scripts/show_task.py --task=svamp --label_format=equation --records=records/svamp

Below a few questions stands what all recorded answers of the split come to.
"""

from absl import flags

from cotjax import cli
from cotjax.errors import InputError
from cotjax.tasks.show import list_tasks, show

TASK = flags.DEFINE_string("task", None, f"one of these, with label formats: {list_tasks()}")
LABEL_FORMAT = flags.DEFINE_string("label_format", None, "by default the task's first")
SOURCE = flags.DEFINE_string(
    "source", None, "procedural, records:DIR, hub, hub:ID, tfds, tfds:NAME or file:PATH"
)
RECORDS = flags.DEFINE_string("records", None, "folder of records, instead of another source")
SPLIT = flags.DEFINE_string("split", "train", "which questions")
NUM = flags.DEFINE_integer("num", 3, "how many questions", lower_bound=1)


def main() -> None:
    """Shows one split of one task."""
    if SOURCE.value and RECORDS.value:
        raise InputError("give either --source or --records: questions come from one place")
    source = f"records:{RECORDS.value}" if RECORDS.value else SOURCE.value
    show(TASK.value, LABEL_FORMAT.value, source, SPLIT.value, NUM.value)


if __name__ == "__main__":
    cli.run(main, required=["task"])
