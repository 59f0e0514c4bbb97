"""Known vulnerabilities of what is installed, as far as the package registry tells of them.

    .venv/bin/python .ci/audit.py

Exit code 1 if there are any. That pip-audit, or what it asks the registry for, can't be had is told
and is no failure: pip-audit alone says "no known vulnerabilities" then.
"""

import json
import subprocess
import sys
import sysconfig
import tempfile
import venv
from importlib import metadata
from pathlib import Path
from typing import Any

PROBED = "jinja2"  # the registry tells of all packages or of none, so one is asked for first


def main() -> None:
    """Asks for all installed packages, if the registry answers for one of them."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        install = [python, "-m", "pip", "install", "--quiet", "pip-audit>=2.7,<3"]
        if subprocess.run(install, check=False).returncode:
            print("vulnerabilities: not looked for, as pip-audit can't be had here")
            return
        probe = Path(folder) / "probe.txt"
        probe.write_text(f"{PROBED}=={metadata.version(PROBED)}\n")
        if not asked(python, "--no-deps", "--disable-pip", "-r", probe)[0]:
            print("vulnerabilities: not known, as the registry in use does not serve advisories")
            return
        known, unknown = asked(python, "--path", sysconfig.get_path("purelib"))
    found = [package for package in known if package["vulns"]]
    for package in found:
        for one in package["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no release"
            print(f"{package['name']} {package['version']}: {one['id']}, fixed by {fixed}")
    print(f"vulnerabilities: {len(found)} of {len(known)} packages, {len(unknown)} not known")
    sys.exit(bool(found))


def asked(python: Path, *words: Any) -> tuple[list[dict], list[dict]]:
    """What pip-audit says of packages: those that it has found out about, and the others."""
    command = [python, "-m", "pip_audit", "--progress-spinner=off", "--format=json", *words]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    packages = json.loads(said)["dependencies"] if said else []
    known = [package for package in packages if "vulns" in package]
    return known, [package for package in packages if "vulns" not in package]


if __name__ == "__main__":
    main()
