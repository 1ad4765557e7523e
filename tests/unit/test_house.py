"""The house keeps its plan: every file has a name to be imported by, and there are no circles."""

from __future__ import annotations

import ast
import copy
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from collections import defaultdict
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


LONG_ENOUGH = 6  # lines of statements that may not stand twice
SAYING = {"Message", "tr", *(f"{kind}Error" for kind in ("Input", "CRS", "Coverage", "Partition"))}
"""Calls that only say a sentence, whose named values take a line each; they count as one line."""


class Shape(ast.NodeTransformer):
    """Statements without their names and values."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(0)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name("_", node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        node.attr = "_"
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        self.generic_visit(node)
        node.arg = "_"
        return node


def lines_of(node: ast.AST) -> int:
    """Return the lines of a statement, a sentence or a text counted as one."""

    def said(part: ast.AST) -> int:
        name = getattr(part, "func", None)
        saying = getattr(name, "attr", getattr(name, "id", None)) in SAYING
        if saying or isinstance(part, ast.Constant):
            return part.end_lineno - part.lineno
        return sum(map(said, ast.iter_child_nodes(part)))

    return node.end_lineno - node.lineno + 1 - said(node)


def is_counted(node: ast.stmt) -> bool:
    """Tell what does something from imports, fields, docstrings, and definitions in a class."""
    told = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return not told and not isinstance(
        node, ast.Import | ast.ImportFrom | ast.AnnAssign | ast.FunctionDef | ast.ClassDef
    )


def runs(source: str) -> dict[str, list[tuple[int, int]]]:
    """Return the runs of statements that are long enough: their shape, and where they stand."""
    found = defaultdict(list)
    for node in ast.walk(ast.parse(source)):
        for block in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.Module) or not isinstance(getattr(node, block, None), list):
                continue
            group: list[ast.stmt] = []
            for statement in [*getattr(node, block), None]:
                if statement is not None and is_counted(statement):
                    group.append(statement)
                    continue
                shapes = [ast.dump(Shape().visit(copy.deepcopy(one))) for one in group]
                sizes = [lines_of(one) for one in group]
                for i in range(len(group)):
                    for j in range(i, len(group)):
                        if sum(sizes[i : j + 1]) >= LONG_ENOUGH:
                            place = (group[i].lineno, group[j].end_lineno)
                            found["".join(shapes[i : j + 1])].append(place)
                            break  # what is longer holds this
                group = []
    return found


def twice(sources: dict[str, str]) -> list[str]:
    """Return the places of runs that stand twice and do not overlap."""
    places = defaultdict(list)
    for name, source in sources.items():
        for shape, found in runs(source).items():
            for first, last in found:
                before = places[shape]
                if not before or before[-1][0] != name or before[-1][2] < first:
                    before.append((name, first, last))
    return sorted(
        " ~ ".join(f"{name}:{first}-{last}" for name, first, last in found)
        for found in places.values()
        if len(found) > 1
    )


def test_the_detector_finds_what_stands_twice_under_other_names() -> None:
    once = "def f(a):\n" + "".join(f"    a{k} = a + {k}\n" for k in range(6))
    again = once.replace("a", "b").replace("+ 3", "+ 7")
    assert twice({"one.py": once}) == []
    assert twice({"one.py": once, "other.py": again}) == ["one.py:2-7 ~ other.py:2-7"]
    assert twice({"one.py": once, "other.py": again.replace("+ 2", "- 2")}) == []


def test_nothing_is_done_twice_in_six_lines() -> None:
    """Same statements, names and values aside; CONTRIBUTING says what is not counted, and why."""
    package = ROOT / "gridmap"
    sources = {
        str(path.relative_to(package)): path.read_text("utf-8")
        for path in sorted(package.rglob("*.py"))
    }
    assert not twice(sources)


def test_no_constant_is_bound_twice_in_a_file() -> None:
    """What stands below would change what stands above."""
    for path in sorted((ROOT / "gridmap").rglob("*.py")):
        bound: list[str] = []
        for node in ast.parse(path.read_text("utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            bound += [part.id for target in targets for part in ast.walk(target)
                      if isinstance(part, ast.Name)]  # fmt: skip
        assert len(bound) == len(set(bound)), path


MAYBE_MISSING = {
    "anywidget", "dask", "dask_geopandas", "distributed", "duckdb", "ipykernel", "jupyterlab",
    "mkdocs", "nbclient", "nbformat", "playwright", "psycopg", "qgis", "sedonadb",
}  # fmt: skip


def imported_at_once(path: Path) -> set[str]:
    """Return the packages that a file cannot be imported without."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
    return found


def test_what_a_machine_lacks_is_skipped_by_name_and_ends_no_collection() -> None:
    files = [*(ROOT / "tests").rglob("*.py")]
    files = [path for path in files if "node_modules" not in path.parts]
    assert "pytest" in set().union(*map(imported_at_once, files))
    for path in files:
        assert not imported_at_once(path) & MAYBE_MISSING, path
