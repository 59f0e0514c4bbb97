#!/usr/bin/env bash
# Installs what the tests need into .venv and runs the suite; arguments go to pytest.
#
#   bash scripts/test.sh
#   bash scripts/test.sh tests/data -x
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

install_into_venv "[test]"
exec .venv/bin/python -m pytest "$@"
