#!/usr/bin/env bash
# From a fresh clone to a comparison of five training targets, in under twelve minutes on two cores.
# Makes .venv, installs cotjax, trains ten small students and says where the report lies. Run it
# again at any time: what is done is not repeated, what was interrupted goes on.
#
#   bash scripts/quickstart.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

install_into_venv ""
exec .venv/bin/python scripts/study.py \
  --config=configs/studies/quickstart.py --workdir=runs/quickstart
