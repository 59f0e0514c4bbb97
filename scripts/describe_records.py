r"""Describes folders of records in one table: what was read, right and dropped, and lengths.

    python scripts/describe_records.py --records=records/cqa/train,records/cqa/test \
        --tokenizer=google/flan-t5-small

A row a folder, and one for each file it was made of or, failing that, for equal tags. With a
tokenizer lengths are in its tokens and unknown ones are counted; else they are in words.
"""

from pathlib import Path

from absl import flags

from cotjax import cli

RECORDS = flags.DEFINE_list("records", None, "folders of records, with commas between them")
TOKENIZER = flags.DEFINE_string("tokenizer", None, "folder or Hub id of a model's tokenizer")
JSON = flags.DEFINE_string("json", None, "file to write the table to as well, as JSON")


def main() -> None:
    """Describes the folders."""
    from cotjax.json_files import dump_json, replace_file, to_json
    from cotjax.teacher.console import wide_console
    from cotjax.teacher.describe import describe, descriptions_table

    rows = describe([Path(folder) for folder in RECORDS.value], TOKENIZER.value)
    wide_console().print(descriptions_table(rows, "tokens" if TOKENIZER.value else "words"))
    if JSON.value:
        replace_file(Path(JSON.value), dump_json(to_json(rows), indent=2) + "\n")


if __name__ == "__main__":
    cli.run(main, required=["records"])
