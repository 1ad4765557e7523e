"""What the commands that write a page share: a picture under the cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

_BASEMAP = (
    click.option("--basemap", metavar="IMAGE", help="PNG or JPEG under the cells of the page."),
    click.option("--basemap-bounds", metavar="W,S,E,N", help="Its bounds in degrees."),
    click.option("--basemap-datum", type=click.Choice(["wgs84", "gcj02", "bd09"]),
                 default="wgs84", help="Its datum; the cells are moved to lie over it."),
)  # fmt: skip


def basemap_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --basemap and what belongs to it, which reach the command as one dict, `ground`."""

    @wraps(command)
    def run(
        *args: Any,
        basemap: str | None,
        basemap_bounds: str | None,
        basemap_datum: str,
        **options: Any,
    ) -> Any:
        ground = {
            "basemap": basemap,
            "basemap_bounds": _bounds(basemap_bounds),
            "basemap_datum": basemap_datum,
        }
        return command(*args, ground=ground, **options)

    declared: Callable[..., Any] = run
    for option in reversed(_BASEMAP):
        declared = option(declared)
    return declared


def _bounds(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        raise click.UsageError(
            f"--basemap-bounds is '{text}'. Give four numbers: W,S,E,N in degrees."
        ) from None
    return west, south, east, north
