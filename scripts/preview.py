r"""Shows the first targets that a run would train on, a colour a segment.

    python scripts/preview.py --config=configs/default.py --num=4 \
    --config.data.perturbation.name=shuffle

Below them stands how many tokens of the training data are unknown or cut, by field; with
data.characters=ascii also how many would be unknown without it.
"""

from absl import flags

from cotjax import cli

NUM = flags.DEFINE_integer("num", 4, "how many targets, from step 0 on", lower_bound=1)


def main(config) -> None:
    """Previews a config."""
    from cotjax.training.preview import preview

    preview(config, NUM.value)


if __name__ == "__main__":
    cli.run(main, takes_config="student")
