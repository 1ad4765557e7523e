"""Write the measured figures that the pages quote, as the tables have them now.

A quotation is a phrase with `{}` where its figures stand. It must be on its page; the figures in
it are replaced. A test compares, so that no page says what was not measured.

    python scripts/bench/quote.py
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEASURED, SIMULATED = "docs/pages/measurements.md", "docs/pages/hotspots-simulation.md"
NUMBER = r"[\d.,]+"
QUESTIONS = ("cells", "neighbourhoods", "clusters")
"""The questions, in the order of the tables of false alarms."""
Table = list[dict[str, str]]


def main() -> None:
    """Rewrite the pages whose figures have changed."""
    for name, text in pages().items():
        path = ROOT / name
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"{name}: new figures")


def pages() -> dict[str, str]:
    """Return the pages that quote, with the figures as measured."""
    figures = measured()
    return {name: _page(name, phrases, figures) for name, phrases in QUOTATIONS.items()}


def _page(name: str, phrases: dict[str, tuple[str, ...]], figures: dict[str, str]) -> str:
    text = (ROOT / name).read_text(encoding="utf-8")
    for phrase, keys in phrases.items():
        pattern = NUMBER.join(map(re.escape, phrase.split("{}")))
        said = phrase.format(*(figures[key] for key in keys))
        text, found = re.subn(pattern, said, text)
        if not found:
            raise ValueError(f"{name} does not say “{phrase}”: mend the page or QUOTATIONS.")
    return text


def tables(page: str) -> dict[str, list[Table]]:
    """Return the tables of a page by section, a dictionary a row; a repeated heading gets a 2."""
    found: dict[str, list[Table]] = {}
    section, lines = "", []
    for line in [*(ROOT / page).read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            lines.append([cell.strip(" *`") for cell in line.strip().strip("|").split("|")])
            continue
        if len(lines) > 2:
            heads = [h + " 2" * (h in lines[0][:k]) for k, h in enumerate(lines[0])]
            rows = [dict(zip(heads, row, strict=False)) for row in lines[2:]]
            found.setdefault(section, []).append(rows)
        lines = []
        if line.startswith("#"):
            section = line.strip("# ").split(":")[0]
    return found


def one(rows: list[Table], **wanted: str) -> dict[str, str]:
    """Return the row that has these beginnings in these columns."""
    for row in (row for table in rows for row in table):
        if all(head in row and row[head].startswith(start) for head, start in wanted.items()):
            return row
    raise ValueError(f"No table has a row with {wanted}.")


def number(text: str) -> float:
    """Return the first number of a text."""
    return float(re.search(r"[\d.]+", text.replace(",", ""))[0])  # type: ignore[index]


def measured() -> dict[str, str]:
    """Return every figure that is quoted, as it is quoted."""
    page = tables(MEASURED)
    return {
        **_coverage(page["Coverage"]),
        **_partition(page["Peers"], page["Stability"], page["Small"]),
        **_incidents(page["Incidents"]),
        **_hotspots(page["Hotspots"], tables(SIMULATED)),
        **_maps(page["Maps"]),
        **_country(page["By district"][0]),
        **_start(page["Start"], page["Files"]),
    }


def _coverage(rows: list[Table]) -> dict[str, str]:
    clean, recall = one(rows, cells="9,997"), one(rows, recall="")["recall"].split(" of ")
    return {
        "proof x valid": f"{number(clean['ratio']):.1f}",
        "proof x overlay": f"{number(clean['ratio 2']):.0f}",
        "defects found": recall[0],
        "defects": recall[1],
    }


def _partition(peers: list[Table], kept: list[Table], small: list[Table]) -> dict[str, str]:
    ours = one(peers, case="Taipei by villages", who="gridmap")
    metis = one(peers, case="Taipei by villages", who="METIS")
    city = one(peers, case="generated city", who="gridmap")
    moved = one(kept, case="Taipei by villages")
    return {
        "Taipei components": ours["components"],
        "Taipei valid": ours["valid"],
        "Taipei METIS": metis["valid"],
        "Taipei PP": ours["PP where both"].lstrip("0"),
        "Taipei METIS PP": metis["PP where both"].lstrip("0"),
        "city components": f"{number(city['components']):,.0f}",
        "city valid": f"{number(city['valid']):,.0f}",
        "city METIS": f"{number(one(peers, case='generated city', who='METIS')['valid']):,.0f}",
        "small ReCom": f"{number(one(small, who='ReCom annealed')['x gridmap']):.0f}",
        "small max-p": one(small, who="GeoDa max-p")["cells"],
        "small ours": one(small, who="gridmap")["cells"],
        "kept moved": f"{number(moved['households moved']):.1f}",
        "kept cells": f"{number(moved['cells unchanged']):.0f}",
    }


def _incidents(rows: list[Table]) -> dict[str, str]:
    ours = one(rows, points="1,000,000", method="gridmap assign, index ready")
    sedona = one(rows, points="1,000,000", method="SedonaDB")
    series = one(rows, points="1,000,000", method="gridmap assign, GeoSeries")
    beyond = one(rows, points="50,000 outside", method="gridmap")
    tried = one(rows, points="random"), one(rows, points="adversarial")
    return {
        "assign x geopandas": f"{number(ours['geopandas / it']):.0f}",
        "series x geopandas": f"{number(series['geopandas / it']):.0f}",
        "outside x nearest": f"{number(beyond['sjoin_nearest / it']):.1f}",
        "assign x SedonaDB": f"{number(sedona['CPU s']) / number(ours['CPU s']):.0f}",
        "assign mistakes": f"{sum(number(row['mistakes']) for row in tried):.0f}",
        "assign tried": f"{sum(number(row['number']) for row in tried) / 1e6:.0f}",
    }


def _hotspots(rows: list[Table], simulated: dict[str, list[Table]]) -> dict[str, str]:
    found = {"planted": "3 × 3 cells × 2", "question": "neighbourhoods"}
    area = one(simulated["What is found"], **found)
    return {
        "spots x esda": f"{number(one(rows, what='rates, Gi*')['against']):.0f}",
        "false cells": _false(simulated, "cells"),
        "false neighbourhoods": _false(simulated, "neighbourhoods"),
        "false clusters": _false(simulated, "clusters"),
        "area found": f"{number(area['found']):.0f}",
    }


def _false(simulated: dict[str, list[Table]], question: str) -> str:
    """Return the share of all maps without risk in which a question saw a hot place."""
    rows = simulated["False alarms"][QUESTIONS.index(question)]
    maps = sum(number(row["maps"]) for row in rows)
    return f"{sum(number(row['hot, mean']) * number(row['maps']) for row in rows) / maps:.1f}"


def _maps(rows: list[Table]) -> dict[str, str]:
    page = one(rows, page="gridmap briefing")
    return {
        "briefing MB": f"{number(page['MB']):.1f}",
        "briefing smaller": f"{number(page['smaller']):.0f}",
        "briefing less": f"{number(page['less']):.0f}",
    }


def _country(rows: Table) -> dict[str, str]:
    """Return what the largest country took."""
    rows = [row for row in rows if row["cells"] == rows[-1]["cells"]]
    cut = one([rows], stage="partition --by")
    return {
        "country cells": cut["cells"],
        "country buildings": cut["buildings"],
        "country minutes": f"{number(cut['wall s']) / 60:.1f}",
        "country MB": cut["peak MB"],
        "country counted": f"{number(one([rows], stage='assign --counts, 100,')['wall s']):.0f}",
    }


def _start(rows: list[Table], files: list[Table]) -> dict[str, str]:
    return {
        "import": f"{number(one(rows, what='import gridmap')['of the peer']):.2f}",
        "help": f"{max(0.0, number(one(rows, what='gridmap --help')['beyond the peer'])):.2f}",
        "read x pyarrow": f"{number(one(files, job='read_incidents')['CPU ratio']):.1f}",
    }


QUOTATIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "README.md": {
        "{}× faster than `coverage_is_valid` and {}× faster than an overlay": (
            "proof x valid",
            "proof x overlay",
        ),
        "{} of {} injected defects found": ("defects found", "defects"),
        "Taipei, {} components to cut: {} valid (METIS {}), mean compactness {} (METIS {})": (
            "Taipei components",
            "Taipei valid",
            "Taipei METIS",
            "Taipei PP",
            "Taipei METIS PP",
        ),
        "generated city: {} of {}, the other certified (METIS {})": (
            "city valid",
            "city components",
            "city METIS",
        ),
        "{} % of Taipei's households move and {} % of cells stay": ("kept moved", "kept cells"),
        "{}× `geopandas.sjoin` and {}× SedonaDB": ("assign x geopandas", "assign x SedonaDB"),
        "from a GeoSeries {}×, points outside {}× `sjoin_nearest`": (
            "series x geopandas",
            "outside x nearest",
        ),
        "{} mistakes against exact arithmetic in {}M points": ("assign mistakes", "assign tried"),
        "{} to {} % of maps with a false alarm, by question; {}× esda's": (
            "false neighbourhoods",
            "false clusters",
            "spots x esda",
        ),
        "{} cells from {} buildings in {} minutes on two cores, {} MB a process": (
            "country cells",
            "country buildings",
            "country minutes",
            "country MB",
        ),
        "100,000,000 incidents counted over them in {} s": ("country counted",),
        "takes {}× the time of `import geopandas`; `gridmap --help` {} s more": ("import", "help"),
        "100,000 incidents in {} MB: {}× smaller and {}× less CPU": (
            "briefing MB",
            "briefing smaller",
            "briefing less",
        ),
        "takes about {} times the CPU of a bare pyarrow read": ("read x pyarrow",),
    },
    "docs/pages/why.md": {
        "{}× faster than `coverage_is_valid` and {}× faster than an overlay": (
            "proof x valid",
            "proof x overlay",
        ),
        "it finds {} of {} injected": ("defects found", "defects"),
        "{}× less CPU than `geopandas.sjoin` and {}× less than SedonaDB, with {} mistakes in {}M": (
            "assign x geopandas",
            "assign x SedonaDB",
            "assign mistakes",
            "assign tried",
        ),
        "cells, each by its own count | {} % |": ("false cells",),
        "neighbourhoods, Gi* | {} % |": ("false neighbourhoods",),
        "clusters, scan statistic | {} % |": ("false clusters",),
        "five incidents a cell are found as neighbourhoods in {} % of maps": ("area found",),
        "villages, {} components": ("Taipei components",),
        "| gridmap | {} | {} |": ("Taipei valid", "Taipei PP"),
        "| METIS, best of ten cuts | {} | {} |": ("Taipei METIS", "Taipei METIS PP"),
        "takes {} times the CPU; max-p (GeoDa) cuts {} cells where {} do": (
            "small ReCom",
            "small max-p",
            "small ours",
        ),
        "in {} MB, {}× smaller than `geopandas.explore` and with {}× less CPU": (
            "briefing MB",
            "briefing smaller",
            "briefing less",
        ),
    },
    "docs/zh/why.md": {
        "比 `coverage_is_valid` 快 {} 倍，比叠加分析快 {} 倍": (
            "proof x valid",
            "proof x overlay",
        ),
        "注入的 {} 处缺陷找出 {} 处": ("defects", "defects found"),
        "比 `geopandas.sjoin` 少 {} 倍，比 SedonaDB 少 {} 倍": (
            "assign x geopandas",
            "assign x SedonaDB",
        ),
        "{}00 万个点错 {} 个": ("assign tried", "assign mistakes"),
        "单格，按各自件数 | {} % |": ("false cells",),
        "邻域，Gi* | {} % |": ("false neighbourhoods",),
        "聚集，扫描统计 | {} % |": ("false clusters",),
        "作为邻域在 {} % 的图里找得到": ("area found",),
        "台北各里，{} 个待划片区": ("Taipei components",),
        "| gridmap | {} | {} |": ("Taipei valid", "Taipei PP"),
        "| METIS，十次里取最好 | {} | {} |": ("Taipei METIS", "Taipei METIS PP"),
        "CPU 是 {} 倍；max-p（GeoDa）划出 {} 格，而 {} 格就够": (
            "small ReCom",
            "small max-p",
            "small ours",
        ),
        "共 {} MB，比 `geopandas.explore` 小 {} 倍，浏览器里的 CPU 少 {} 倍": (
            "briefing MB",
            "briefing smaller",
            "briefing less",
        ),
    },
    "README.zh.md": {
        "比 `coverage_is_valid` 快 {} 倍，比叠加分析快 {} 倍": (
            "proof x valid",
            "proof x overlay",
        ),
        "注入的 {} 处缺陷找出 {} 处": ("defects", "defects found"),
        "台北 {} 个待划片区：{} 个全部合格（METIS {} 个），平均紧凑度 {}（METIS {}）": (
            "Taipei components",
            "Taipei valid",
            "Taipei METIS",
            "Taipei PP",
            "Taipei METIS PP",
        ),
        "虚构大城市 {} 个中 {} 个合格，余下的已证明不可能（METIS {} 个）": (
            "city components",
            "city valid",
            "city METIS",
        ),
        "台北 {}% 的户换格，{}% 的网格原样不动": ("kept moved", "kept cells"),
        "比 `geopandas.sjoin` 快 {} 倍，比 SedonaDB 快 {} 倍": (
            "assign x geopandas",
            "assign x SedonaDB",
        ),
        "取自 GeoSeries 时快 {} 倍，辖区外的点比 `sjoin_nearest` 快 {} 倍": (
            "series x geopandas",
            "outside x nearest",
        ),
        "{}00 万个点（半数为刁难点）错 {} 个": ("assign tried", "assign mistakes"),
        "误报的图占 {}% 至 {}%（因问法而异）；比 esda 的解析法快 {} 倍": (
            "false neighbourhoods",
            "false clusters",
            "spots x esda",
        ),
        "{} 栋楼划成 {} 格：两核 {} 分钟，每个进程 {} MB；再把 1 亿起事件计入各格只要 {} 秒": (
            "country buildings",
            "country cells",
            "country minutes",
            "country MB",
            "country counted",
        ),
        "`import geopandas` 的 {} 倍；`gridmap --help` 只比 `import click` 多 {} 秒": (
            "import",
            "help",
        ),
        "10 万起事件共 {} MB：比 `geopandas.explore` 小 {} 倍，CPU 少 {} 倍": (
            "briefing MB",
            "briefing smaller",
            "briefing less",
        ),
        "CPU 时间约为直接用 pyarrow 读取的 {} 倍": ("read x pyarrow",),
    },
}


if __name__ == "__main__":
    main()
