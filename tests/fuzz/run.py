r"""Fuzzes one target, guided by what its code does; a finding stops it and is left in a file.

    pip install -e '.[fuzz]'
    python -m tests.fuzz.run answers /tmp/fuzz -max_total_time=600

The folder keeps what was found worth trying, so that a later run goes on from there. What follows
it are flags of libFuzzer. Every finding becomes a case of `test_findings.py`.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cotjax"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.seeds import make_seeds


def main() -> None:
    """Fuzzes."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    make_seeds(folder)
    corpus = str(folder / name)
    findings = f"-artifact_prefix={folder}/{name}-"
    limits = ["-timeout=10", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], corpus, findings, *limits, *sys.argv[3:]], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
