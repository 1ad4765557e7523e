"""What every command prints with --json keeps the schema that the pages publish."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from gridmap.cli import main
from gridmap.io import read_grid, write_grid

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMA = json.loads((ROOT / "docs/pages/schemas/documents.schema.json").read_text(encoding="utf-8"))
TINY = ROOT / "data/tiny"
LEVELS = "--level district --level street --level community --code code"
COMMANDS = {
    "info": "info {city}/buildings.gpkg",
    "partition": "partition {city}/jurisdictions.gpkg --households {city}/buildings.gpkg"
    f" --barriers {{city}}/barriers.gpkg {LEVELS} --quality fast -o {{out}}/new.gpkg",
    "districts": "partition {city}/jurisdictions.gpkg --households {city}/buildings.gpkg"
    " --by street --quality fast -o {out}/dataset",
    "dataset": "validate {out}/dataset",
    "validate": "validate {out}/grid.gpkg",
    "repair": "repair {out}/grid.gpkg:cells --boundary {out}/grid.gpkg:boundary"
    " -o {out}/mended.gpkg",
    "plans": "plans {out}/grid.gpkg",
    "apply": "apply {out}/grid.gpkg --approve {exception}=agreed --dry-run",
    "adopt": "adopt {out}/grid.gpkg:cells --boundary {out}/grid.gpkg:boundary --code code"
    " --count households -o {out}/adopted.gpkg",
    "assign": "assign {out}/grid.gpkg {city}/incidents.csv -o {out}/assigned.csv",
    "hotspots": "hotspots {out}/grid.gpkg {city}/incidents.csv -o {out}/hotspots.csv",
    "clusters": "clusters {out}/grid.gpkg {city}/incidents.csv -o {out}/c.csv --replicates 99",
    "indicators": "indicators {out}/grid.gpkg {city}/incidents.csv --level street",
    "briefing": "briefing {out}/grid.gpkg {city}/incidents.csv -o {out}/briefing.html",
    "account": "account {out}/grid.gpkg {city}/buildings.gpkg",
    "compare": "compare {out}/grid.gpkg {out}/grid.gpkg",
    "staff": "staff {out}/grid.gpkg {city}/staff.xlsx",
    "patrol": "patrol {out}/grid.gpkg {city}/barriers.gpkg -o {out}/rounds.csv",
    "visits": "patrol {out}/grid.gpkg {city}/incidents.csv --log day -o {out}/visits.csv",
    "streets": "streets {out}/grid.gpkg {city}/barriers.gpkg {city}/staff.xlsx",
    "duplicates": "duplicates {out}/grid.gpkg {city}/incidents.csv",
    "recheck": "recheck {out}/grid.gpkg {city}/incidents.csv",
    "weekly": "weekly --grid {out}/grid.gpkg --incidents {city}/incidents.csv -o {out}/weeks",
    "error": "validate {out}/nothing.gpkg",
}


@pytest.fixture(scope="module")
def out(grid, tmp_path_factory):
    """Return a folder that holds the grid of the tiny town."""
    folder = tmp_path_factory.mktemp("documents")
    write_grid(grid, folder / "grid.gpkg")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_json_keeps_its_schema(name, out):
    exception = read_grid(out / "grid.gpkg").exceptions["code"].iloc[0]
    line = COMMANDS[name].format(city=TINY, out=out, exception=exception)
    result = CliRunner().invoke(main, ["--quiet", *line.split(), "--json"])
    document = json.loads(result.stdout)
    assert document["schema"] == f"gridmap.{name}/1"
    jsonschema.validate(document, SCHEMA)


def test_every_document_that_the_code_prints_is_described():
    source = "".join(path.read_text("utf-8") for path in ROOT.glob("gridmap/**/*.py"))
    printed = set(re.findall(r'"gridmap\.([a-z]+)/1"', source)) - {"grid", "changes"}
    assert printed == set(COMMANDS) == set(SCHEMA["$defs"]) - {"proof", "verdict"}


def test_every_kind_of_defect_is_explained():
    from gridmap.coverage.defect_names import KINDS, NOTES, QUALIFIERS

    page = (ROOT / "docs/pages/defects.md").read_text(encoding="utf-8")
    for kind, name in KINDS.items():
        head = f"| `{kind}` | {name(n=1).text('zh')} |"
        row = next(line for line in page.splitlines() if line.startswith(head))
        assert row.endswith("| note |" if kind in NOTES else "| finding |")
    for qualifier in QUALIFIERS:
        assert f"`{qualifier}`" in page
