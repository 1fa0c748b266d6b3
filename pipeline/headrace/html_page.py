"""Renders HTML pages, and parts of them, from the Jinja templates in `templates/`; every value is escaped."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def render_page(template: str, **values: Any) -> str:
    """Returns a self-contained page; the template extends `base.html.jinja`, which needs a `title`."""
    return _environment().get_template(template).render(values)


def render_macro(template: str, macro: str, *values: Any) -> Markup:
    """Returns a part of a page, marked as safe, so that a template does not escape it again."""
    part: Markup = getattr(_environment().get_template(template).module, macro)(*values)
    return part


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("headrace"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code_spans"] = _code_spans
    return environment


def _code_spans(text: str) -> Markup:
    """Text in backticks becomes `<code>`."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 escaped before
