"""The house keeps its plan: every file has a name to be imported by, and there are no circles."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import grimp
import networkx as nx

import gridmap

ROOT = Path(__file__).resolve().parents[2]


def modules() -> list[str]:
    return [found.name for found in pkgutil.walk_packages(gridmap.__path__, "gridmap.")]


def test_every_module_is_imported_by_its_dotted_name() -> None:
    """`import gridmap.coverage.prove as p` binds the module, though a verb has the same name."""
    for name in modules():
        bound: dict[str, object] = {}
        exec(f"import {name} as room", bound)
        assert bound["room"] is importlib.import_module(name), name


def test_every_public_name_is_what_the_stub_says() -> None:
    for name in gridmap.__all__:
        assert getattr(gridmap, name) is not None
    assert set(gridmap.__all__) <= set(dir(gridmap)) | {"__version__"}


def public_signatures() -> dict[str, list[ast.expr]]:
    """Return the annotations of every public function and method that the face names."""
    found: dict[str, list[ast.expr]] = {}
    for line in ast.parse((ROOT / "gridmap/__init__.pyi").read_text("utf-8")).body:
        if not isinstance(line, ast.ImportFrom) or line.module is None:
            continue
        room = ROOT / "gridmap" / f"{line.module.replace('.', '/')}.py"
        for node in ast.parse(room.read_text("utf-8")).body:
            if getattr(node, "name", None) == line.names[0].name:
                for part in node.body if isinstance(node, ast.ClassDef) else [node]:
                    if isinstance(part, ast.FunctionDef) and (
                        part.name == "__init__" or not part.name.startswith("_")
                    ):
                        name = f"{line.module}:{line.names[0].name}:{part.name}"
                        found.setdefault(name, []).extend(annotations(part))
    return found


def annotations(function: ast.FunctionDef) -> list[ast.expr]:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    told = [one.annotation for one in every if one is not None]
    return [one for one in [*told, function.returns] if one is not None]


def test_no_public_signature_says_any() -> None:
    """Aliases of `gridmap/_arrays.py` that say it stand for it."""
    loose = {"Any", "Array"}
    signatures = public_signatures()
    assert len(signatures) > 80
    said = [
        name
        for name, notes in signatures.items()
        for note in notes
        for part in ast.walk(note)
        if isinstance(part, ast.Name | ast.Attribute)
        and (part.id if isinstance(part, ast.Name) else part.attr) in loose
    ]
    assert not said


def test_a_verb_stays_a_verb_after_rooms_are_imported() -> None:
    code = (
        "import gridmap, pkgutil, importlib\n"
        "for m in pkgutil.walk_packages(gridmap.__path__, 'gridmap.'):\n"
        "    importlib.import_module(m.name)\n"
        "assert callable(gridmap.partition) and callable(gridmap.hotspots)\n"
        "assert callable(gridmap.compare) and callable(gridmap.briefing)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_no_files_import_each_other_in_a_circle() -> None:
    """Imports inside functions count as well."""
    graph = grimp.build_graph("gridmap", cache_dir=None)
    imports = nx.DiGraph(
        (name, other)
        for name in graph.modules
        for other in graph.find_modules_directly_imported_by(name)
    )
    circles = [sorted(c) for c in nx.strongly_connected_components(imports) if len(c) > 1]
    assert not circles


def test_the_house_keeps_the_bounds_that_contributing_names() -> None:
    """The table of CONTRIBUTING.md, held against what `scripts/house.py` counts."""
    rows = re.findall(
        r"^\| (.+?) \| ([\d,]+) \|$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M
    )
    bounds = {name: int(bound.replace(",", "")) for name, bound in rows}
    told = subprocess.run(
        [sys.executable, "-W", "ignore", ROOT / "scripts" / "house.py"],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ).stdout
    counted = dict(re.findall(r"^\| (.+?) \| ([\d,]+).* \|$", told, re.M))
    share = re.search(r"functions over 40 lines \| .*\((.+)%\)", told)
    assert share is not None
    measured = {
        "files": counted["files"],
        "lines": counted["lines"],
        "functions over 40 lines, in a hundred": share[1],
    }
    verbs = (name for name in bounds if name.startswith("files entered"))
    measured |= {name: counted[name.split("`")[1]] for name in verbs}
    assert measured.keys() == bounds.keys()
    over = {
        name: figure
        for name, figure in measured.items()
        if float(figure.replace(",", "")) > bounds[name]
    }
    assert not over
