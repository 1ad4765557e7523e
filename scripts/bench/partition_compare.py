"""The partition against its peers: same components, same run, CPU time, ratios."""

from __future__ import annotations

import dataclasses
import importlib.util
import time

import numpy as np
from partition_cases import (
    HIGH,
    LOW,
    WISHES,
    city,
    components,
    in_band,
    is_valid,
    measured,
    round_the_middle,
    table,
    taipei,
)
from partition_peers import PEERS

from gridmap.partitioning.problem import Community
from gridmap.partitioning.solve import solve

SHAPE_ALONE = dataclasses.replace(WISHES, balance=0.0)


def peers(quick: bool) -> str:
    """Compare with METIS on every component that is not one cell and holds no giant."""
    rows = []
    cases = {"generated city": city(quick)[0]}
    for by in () if quick else ("villages", "areas", "districts"):
        units = taipei(by)
        if units is not None:
            cases[f"Taipei by {by}"] = units
    for name, units in cases.items():
        rows += _against_metis(name, components(units))
    return table(rows)


def _against_metis(name: str, towns: list[Community]) -> list[dict[str, object]]:
    """Solve components with ours, evenly and for shape alone, and METIS."""
    labels, cost, certified = {}, {}, {}
    for who, wishes in {"gridmap": WISHES, "gridmap, balance 0": SHAPE_ALONE}.items():
        clock = time.process_time()
        outcomes = [solve(town, wishes) for town in towns]
        cost[who] = time.process_time() - clock
        labels[who] = [outcome.label for outcome in outcomes]
        certified[who] = sum(
            bool(outcome.reasons) and all(f.certified for f in outcome.reasons.values())
            for outcome in outcomes
        )
    if importlib.util.find_spec("pymetis"):
        clock = time.process_time()
        labels["METIS"] = [
            PEERS["METIS"][0](town, outcome.cells, LOW, HIGH, 0)
            for town, outcome in zip(towns, outcomes, strict=True)
        ]
        cost["METIS"] = time.process_time() - clock
    both = [
        at
        for at, town in enumerate(towns)
        if all(is_valid(town, found[at]) for found in labels.values())
    ]
    rows = []
    for who, found in labels.items():
        whole = measured(towns, found)
        common = measured([towns[at] for at in both], [found[at] for at in both])
        rows.append(
            {
                "case": name,
                "who": who,
                "components": len(towns),
                "valid": whole["valid"],
                "certified impossible": certified.get(who, ""),
                "cells": whole["cells"],
                "CV": f"{whole['CV']:.3f}",
                "PP": f"{whole['PP']:.3f}",
                "PP where both": f"{common['PP']:.3f}" if both else "",
                "border a cell, m": f"{common['m a cell']:.1f}" if both else "",
                "CPU s": f"{cost[who]:.2f}",
                "x METIS": f"{cost[who] / cost['METIS']:.1f}" if "METIS" in cost else "",
            }
        )
    return rows


def small(quick: bool) -> str:
    """Compare with all peers on twenty components, and on a large one."""
    least, most, count = (40, 80, 3) if quick else (64, 145, 20)
    towns = [t for t in components(city(True)[0]) if least <= len(t) <= most][:count]
    one = round_the_middle(city(True)[0], 300 if quick else 2_123)
    many = f"{len(towns)} communities of {min(map(len, towns))}-{max(map(len, towns))} units"
    return table(
        _against_all(many, towns, list(PEERS))
        + _against_all(f"1 of {len(one):,} units", [one], ["METIS", "ReCom annealed"])
    )


def _against_all(case: str, towns: list[Community], peers: list[str]) -> list[dict[str, object]]:
    """Solve communities with ours and peers that are given our number of cells."""
    clock = time.process_time()
    labels = {"gridmap": [solve(town, WISHES).label for town in towns]}
    cost = {"gridmap": time.process_time() - clock}
    for name in peers:
        peer, module, most = PEERS[name]
        if importlib.util.find_spec(module) is None:
            continue
        clock, found = time.process_time(), []
        for town, ours in zip(towns[:most], labels["gridmap"], strict=False):
            try:
                found.append(peer(town, int(ours.max()) + 1, LOW, HIGH, 0))
            except (RuntimeError, ValueError):  # how GerryChain says that it found no cut
                found.append(np.zeros(len(town), np.int64))
        labels[name], cost[name] = found, time.process_time() - clock
    rows: list[dict[str, object]] = []
    for name, found in labels.items():
        got = measured(towns[: len(found)], found)
        each = cost[name] / len(found)
        rows.append(
            {
                "case": case,
                "who": name,
                "valid communities": f"{got['valid']} / {len(found)}",
                "cells valid": f"{100 * np.mean(in_band(towns, found)):.1f} %",
                "cells": got["cells"],
                "PP": f"{got['PP']:.3f}",
                "border a cell, m": f"{got['m a cell']:.1f}",
                "CPU ms a community": f"{1000 * each:.0f}",
                "x gridmap": f"{each / (cost['gridmap'] / len(towns)):.1f}",
            }
        )
    return rows
