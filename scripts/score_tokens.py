r"""Scores how much every word of every rationale matters for the label, beside the records.

    python scripts/score_tokens.py --method=expected_gradients --workdir=runs/reader \
        --records=records/cqa/train --output=scores/cqa

Goes on where it stopped. Train with --config.data.scores=... --config.data.words.name=key_words.
    integrated_gradients  of the label's log-probability, in --steps from <unk> to the rationale
    expected_gradients    the mean of that from --donors rationales of another label instead: finds
                          words that <unk> leaves unfound
    gradient_x_input      the gradient times the embeddings
    occlusion             what the label loses without the word
    attention             what the label's positions pay to the word, over layers and heads
    label_similarity, question_similarity   cosine of the student's embeddings, of the nearest word
    tf_idf, label_overlap, human (what people marked, CoS-E), random, first   need no student
The first five explain students of order rationale_input or rationale_first.
"""

from pathlib import Path

from absl import flags

from cotjax import cli

METHODS = [
    *("integrated_gradients", "expected_gradients", "gradient_x_input", "occlusion", "attention"),
    *("label_similarity", "question_similarity"),
    *("tf_idf", "label_overlap", "human", "random", "first"),
]

METHOD = flags.DEFINE_enum("method", None, METHODS, "how, from the list above")
RECORDS = flags.DEFINE_string("records", None, "folder of the records to score")
OUTPUT = flags.DEFINE_string("output", None, "folder of scores to write or to go on with")
WORKDIR = flags.DEFINE_string("workdir", None, "folder of a training run, if a student is needed")
CHECKPOINT = flags.DEFINE_string("checkpoint", None, "best (the default), latest or a step")
STEPS = flags.DEFINE_integer("steps", None, "of a path at first; 64 by default", lower_bound=1)
DONORS = flags.DEFINE_integer("donors", None, "paths of each; 16 by default", lower_bound=1)
SEED = flags.DEFINE_integer("seed", None, "of random; 0 by default", lower_bound=0)
BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "at once; 32 by default", lower_bound=1)


def main() -> None:
    """Scores one folder of records."""
    from cotjax.attribution.report import run

    run(
        records=Path(RECORDS.value),
        output=Path(OUTPUT.value),
        method=METHOD.value,
        workdir=Path(WORKDIR.value) if WORKDIR.value else None,
        checkpoint=CHECKPOINT.value,
        steps=STEPS.value,
        donors=DONORS.value,
        seed=SEED.value,
        batch_size=BATCH_SIZE.value,
    )


if __name__ == "__main__":
    cli.run(main, required=["method", "records", "output"], many_hosts=True)
