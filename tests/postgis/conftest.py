"""A PostgreSQL server with PostGIS of the tests' own, started once and thrown away."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgis_url() -> Iterator[str]:
    """Start a server in a temporary folder and yield the URL of an empty database with PostGIS."""
    programs = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
    folder = Path(tempfile.mkdtemp(prefix="gridmap-postgres-"))
    user = _user(folder)
    port = _free_port()

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=user, cwd=folder, capture_output=True, timeout=120)

    data = str(folder / "data")
    try:
        run(str(programs / "initdb"), "-D", data, "-U", "gridmap", "-A", "trust", "-E", "UTF8",
            "--no-sync", "--locale=C.UTF-8")  # fmt: skip
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run(str(programs / "pg_ctl"), "-D", data, "-o", options, "-l", str(folder / "log"), "-w",
            "start")  # fmt: skip
        run(str(programs / "psql"), "-h", str(folder), "-p", str(port), "-U", "gridmap",
            "-d", "postgres", "-c", "CREATE EXTENSION postgis")  # fmt: skip
        yield f"postgresql://gridmap@127.0.0.1:{port}/postgres"
        run(str(programs / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user(folder: Path) -> int | None:
    """Return the user to run the server as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_uid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
