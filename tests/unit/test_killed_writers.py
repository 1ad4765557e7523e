"""Writers that are killed, starved or shut out: a tenth of what scripts/kill_writers.py does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_killed_writer_leaves_the_old_file_or_the_new_one() -> None:
    command = [sys.executable, str(ROOT / "scripts/kill_writers.py"), "--kills", "30"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BAD" not in done.stdout
