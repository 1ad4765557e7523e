"""Make the project's own environment in .venv, once; standard library only."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST, NEWEST = (3, 11), (3, 13)
EXTRAS = {
    "demo": [f"{ROOT}"],
    "test": [f"{ROOT}[dask,postgis,notebook,docs]", "--group", f"{ROOT / 'pyproject.toml'}:dev"],
}


def python_of(purpose: str) -> Path:
    """Return the interpreter of .venv, with what `purpose` needs installed."""
    interpreter = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not interpreter.exists():
        base = _base_interpreter()
        print(f"Making the environment {VENV} with {base} ...", flush=True)
        _run([base, "-m", "venv", str(VENV)], "Install Python's venv module (python3-venv).")
    stamp = VENV / f"gridmap-{purpose}.stamp"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Installing what the {purpose} needs (once; a few minutes) ...", flush=True)
        pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        cure = "Check the connection to the package index, then run this again."
        _run([*pip, "--upgrade", "pip>=25.1"], cure)
        _run([*pip, "-e", *EXTRAS[purpose]], cure)
        stamp.write_text(wanted)
    return interpreter


def _base_interpreter() -> str:
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", ""], check=False).returncode == 0:
            return found
    sys.exit(f"Python 3.11, 3.12 or 3.13 is needed; this is {sys.version.split()[0]}.")


def _run(command: list[str], cure: str) -> None:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PIP_NO_INPUT": "1"}
    if subprocess.run(command, check=False, env=environment).returncode != 0:
        sys.exit(f"This failed: {' '.join(command)}\n{cure}")
