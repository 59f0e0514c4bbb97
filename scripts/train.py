r"""Fine-tunes a student on rationales, or goes on with what the workdir holds of it.

    python scripts/train.py --config=configs/default.py --workdir=runs/comparison \
    --config.data.order=rationale_first --config.optimizer.learning_rate=1e-3
"""

from absl import flags

from cotjax import cli

flags.DEFINE_string("workdir", None, "folder for all that the run makes; the same one resumes")


def main(config):
    """Trains."""
    from cotjax.laps import Laps

    laps = Laps()
    from cotjax.training.run import train

    laps("imports")
    train(config, flags.FLAGS.workdir, laps=laps)


if __name__ == "__main__":
    cli.run(main, required=["workdir"], takes_config="student", many_hosts=True)
