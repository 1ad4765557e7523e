"""Posts of the made-up city: one leader, X workers and Y volunteers a planned cell, no persons."""

from __future__ import annotations

import numpy as np
import pandas as pd

CELL_HOUSEHOLDS = 450
ROLES = {
    "leader": "网格长",
    "assistant": "网格助理",
    "patrol": "巡查员",
    "department": "部门下沉人员",
    "volunteer": "志愿者",
}
WORKERS = [
    ("assistant", "内勤", 0.45),
    ("patrol", "日常巡查", 0.8),
    ("department", "条线业务", 0.45),
]
DEDICATED = [("leader", "专属网格"), ("volunteer", "保安")]
VOLUNTEERS = ["楼门长", "物业人员", "保安", "党员", "退休人员"]


def staff(
    communities: pd.DataFrame,
    households: np.ndarray,
    dedicated: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Make the posts of every community by the 1+X+Y rule.

    Each planned cell has one leader, one or two of the X (assistants, patrol, departments' staff)
    and two to six volunteers; a dedicated area has a leader and a guard of its own. One leader's
    post in forty is vacant and left out.
    """
    rows: list[tuple[str, str, str, str, str, str]] = []
    for place, count, areas in zip(communities.itertuples(), households, dedicated, strict=True):
        planned = max(1, round(count / CELL_HOUSEHOLDS))
        cells = [_posts_of_a_cell(rng) for _ in range(planned)]
        vacant = (rng.random(planned) < 0.025) & (np.arange(planned) > 0)
        cells = [posts[int(empty) :] for posts, empty in zip(cells, vacant, strict=True)]
        posts = [post for cell in [*cells, *[DEDICATED] * int(areas)] for post in cell]
        rows += [
            (f"{place.code}-{number:03d}", str(place.code), str(place.community), role,
             f"{place.community}{ROLES[role]}", duty)
            for number, (role, duty) in enumerate(posts, start=1)
        ]  # fmt: skip
    columns = ["post", "code", "community", "role", "title", "duty"]
    return pd.DataFrame(rows, columns=columns)


def _posts_of_a_cell(rng: np.random.Generator) -> list[tuple[str, str]]:
    """Draw the roles and duties of one cell."""
    drawn = rng.random(len(WORKERS)) < [chance for _, _, chance in WORKERS]
    workers = [(role, duty) for (role, duty, _), there in zip(WORKERS, drawn, strict=True) if there]
    duties = rng.choice(VOLUNTEERS, size=int(rng.integers(2, 7)))
    return [("leader", "全面负责"), *workers, *(("volunteer", str(duty)) for duty in duties)]
