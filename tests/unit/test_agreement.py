"""Every command reads a file alike, and by the truth: some files of scripts/agree_readers.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agreement import cases, disagreements, wuhan

EACH = 17  # of the corpus; a prime, so that all its kinds are met


@pytest.mark.filterwarnings("ignore")
def test_every_command_reads_a_file_alike(tmp_path: Path) -> None:
    grid = wuhan(tmp_path)
    read = [case for number, case in enumerate(cases(tmp_path)) if number % EACH == 4]
    wrong = {case.path.parent.name: disagreements(case, grid, tmp_path) for case in read}
    assert len(read) >= 12
    assert {name: found for name, found in wrong.items() if found} == {}
