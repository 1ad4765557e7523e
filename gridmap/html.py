"""HTML and SVG from templates that a designer can open; every value is escaped.

What is HTML already (a part made here, a style sheet shipped with gridmap) is `Markup`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("gridmap", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, /, **values: object) -> str:
    """Return a whole page.

    Examples
    --------
    >>> render("frame.html", page="<p>", height=600).split(" style")[0]
    '<iframe srcdoc="&lt;p&gt;"'
    """
    return _environment().get_template(template).render(values)


def part(template: str, macro: str, /, *values: object, **named: object) -> Markup:
    """Return a part of a page, made by a macro of a template."""
    made: Markup = getattr(_environment().get_template(template).module, macro)(*values, **named)
    return Markup(made.strip())
