# Sourced by quickstart.sh and test.sh: goes to the repository, and makes or updates its `.venv`.
#
#   install_into_venv ""        the package with what it needs to run
#   install_into_venv "[test]"  and what the tests need
#
# An installation is repeated only when setup.py or pyproject.toml have changed since.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

install_into_venv() {
  local extra="$1" python="${PYTHON:-python3}" mark wanted
  mark=".venv/installed${extra}"
  wanted="$(cat setup.py pyproject.toml | cksum)"
  if [[ -x .venv/bin/python && -f "$mark" && "$(cat "$mark")" == "$wanted" ]]; then
    return
  fi
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "error: Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3" >&2
      exit 2
    fi
    echo "Making .venv ..."
    "$python" -m venv --clear .venv || {
      echo "error: '$python -m venv' failed (on Debian and Ubuntu: apt install python3-venv)" >&2
      exit 2
    }
  fi
  echo "Installing cotjax${extra} into .venv (about a minute of download) ..."
  .venv/bin/python -m pip install --disable-pip-version-check -e ".${extra}"
  echo "$wanted" >"$mark"
}
