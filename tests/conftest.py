"""What tests share: a made-up town, and what the machine may or may not have."""

from __future__ import annotations

import glob
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from gridmap import Grid

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("GRIDMAP_SHARED", ROOT.parent / "shared"))
REQUIRE_ALL = os.environ.get("GRIDMAP_REQUIRE_ALL") == "1"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# a busy machine is no reason to fail
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job of the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _module(*names: str) -> str:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return f"needs the Python package {missing[0]}" if missing else ""


def _browser() -> str:
    if not any(map(shutil.which, BROWSERS)):
        return "needs Chromium"
    return _module("playwright")


def _postgis() -> str:
    if not glob.glob("/usr/share/postgresql/*/extension/postgis.control"):
        return "needs PostgreSQL with PostGIS"
    return _module("psycopg")


def _qgis() -> str:
    return "" if shutil.which("qgis_process") else "needs QGIS (qgis_process)"


def _real() -> str:
    return "" if (SHARED / "data").is_dir() else "needs the open data sets (GRIDMAP_SHARED)"


def node() -> str | None:
    """Return the path of node: the machine's own, or the one that Playwright brings."""
    if own := shutil.which("node"):
        return own
    found = importlib.util.find_spec("playwright")
    driver = Path(found.origin).parent / "driver/node" if found and found.origin else None
    return str(driver) if driver and driver.exists() else None


def _namespaces() -> str:
    tried = ["unshare", "-rm", "true"]
    able = shutil.which("unshare") and subprocess.run(tried, capture_output=True, check=False)
    return "" if able and able.returncode == 0 else "needs unshare, and the right to use it"


MISSING = {
    "namespaces": _namespaces,
    "jupyter": lambda: _module("anywidget", "jupyterlab"),
    "strace": lambda: "" if shutil.which("strace") else "needs strace",
    "node": lambda: "" if node() else "needs node",
    "real": _real,
    "browser": _browser,
    "postgis": _postgis,
    "qgis": _qgis,
    "dask": lambda: _module("dask", "distributed"),
    "notebook": lambda: _module("nbclient", "nbformat", "ipykernel"),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip by name what this machine lacks; in CI that is a failure."""
    for name, missing in MISSING.items():
        if item.get_closest_marker(name) and (reason := missing()):
            pytest.skip(reason)
    for marker in item.iter_markers("peers"):
        if reason := _module(*marker.args):
            pytest.skip(reason)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Iterator[None]:
    """Turn each skip into a failure where everything is required."""
    outcome = yield
    report = outcome.get_result()
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"GRIDMAP_REQUIRE_ALL=1 forbids this skip: {report.longrepr}"


LONG = ("tests/notebooks/", "tests/docs/test_fresh_clone", "tests/docs/test_packaging")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the passwords that other tests met, which may be words such as "public"."""
    monkeypatch.setattr("gridmap.io.address._secrets", set())


@pytest.fixture(scope="session")
def town() -> Any:
    """Return a tiny made-up city, the same every time."""
    import gridmap

    return gridmap.example_city(seed=0, size="tiny")


@pytest.fixture(scope="session")
def grid(town: Any) -> Grid:
    """Return the proved grid of the tiny city."""
    import gridmap

    units = gridmap.subdivide(
        town.jurisdictions,
        town.buildings,
        barriers=town.barriers,
        dedicated=town.dedicated,
        levels=["district", "street", "community"],
        code="code",
    )
    return gridmap.partition(units, households=(300, 600), seed=0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of the open data sets."""
    return SHARED / "data"


@pytest.fixture(scope="session")
def reference() -> Path:
    """Return the folder of answers from elsewhere."""
    return SHARED / "reference"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a Chromium browser."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("needs Chromium")
    return found
