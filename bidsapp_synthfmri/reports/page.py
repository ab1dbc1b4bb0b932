"""A page and its figures; the templates' environment; SVG made fit to stand inside HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from xml.etree import ElementTree  # nosec B405 - of figures drawn here

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from .drawing import COLOURS

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_TOGETHER = re.compile(r"\[\S+, \S+\]|\b[pq] [=<>] \S+|\d points\b")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT_FAMILY = re.compile(r"(font: [^;]*?px)[^;]*")
_COLOUR = re.compile("|".join(COLOURS.values()), re.IGNORECASE)
_VARIABLES = {value.lower(): f"var(--fig-{name})" for name, value in COLOURS.items()}


@dataclass(frozen=True)
class Figure:
    """One figure of a page.

    Attributes
    ----------
    name : short name, unique in the page; the stem of the figure's file
    svg : a complete SVG document in light colours
    caption : what is shown and how to read it, plain text
    alt : the same for those who cannot see it, with the main values
    """

    name: str
    svg: str
    caption: str
    alt: str

    @property
    def inline(self) -> Markup:
        """The drawing as an element of an HTML page: its colours follow the page's scheme."""
        return _inline(self)


@dataclass(frozen=True)
class Page:
    """A page ready to be written.

    Attributes
    ----------
    html : the whole document; nothing in it refers to another file or host
    figures : the figures it embeds, in order
    """

    html: str
    figures: tuple[Figure, ...] = ()


def render(template: str, **values: Any) -> str:
    """The document a template makes of the values; text is escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bidsapp_synthfmri.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = _unbroken
    environment.filters["parted"] = _parted
    return environment


def _unbroken(text: str) -> str:
    """The text with no line break inside an interval or a p-value."""
    return _TOGETHER.sub(lambda match: match.group().replace(" ", NO_BREAK_SPACE), text)


def _parted(cell: str) -> Markup:
    """A table's cell whose interval and further lines can stand below its value."""
    first, *further = cell.split("\n")
    value, bracket, interval = first.partition(" [")
    html = escape(value)
    if bracket:
        html += Markup(' <span class="interval">[{}</span>').format(interval)
    return html + Markup("").join(Markup('<span class="under">{}</span>').format(line) for line in further)


def _inline(figure: Figure) -> Markup:
    root = ElementTree.fromstring(figure.svg)  # nosec B314 - drawn here
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(key): value for key, value in element.attrib.items()}
        _rename(element, figure.name)
        if "style" in element.attrib:
            element.attrib["style"] = _themed(element.attrib["style"])
    _drop_page_wide_styles(root)
    width, height = root.attrib.pop("width"), root.attrib.pop("height")
    root.attrib |= {
        "role": "img",
        "aria-label": figure.alt,
        "style": "stroke-linejoin: round; stroke-linecap: butt; "
        f"aspect-ratio: {width.removesuffix('pt')} / {height.removesuffix('pt')}",
    }
    text = ElementTree.tostring(root, encoding="unicode")
    return Markup(text)  # nosec B704 - a figure drawn here, in which ElementTree escapes every text


def _local(name: str) -> str:
    return name.rsplit("}", 1)[-1]


def _rename(element: ElementTree.Element, prefix: str) -> None:
    """Identifiers carry the figure's name, since several drawings share one document."""
    for key, value in element.attrib.items():
        if key == "id":
            element.attrib[key] = f"{prefix}-{value}"
        elif key == "href" and value.startswith("#"):
            element.attrib[key] = f"#{prefix}-{value[1:]}"
        else:
            element.attrib[key] = _REFERENCE.sub(rf"url(#{prefix}-\1)", value)


def _themed(style: str) -> str:
    style = _FONT_FAMILY.sub(r"\1 var(--sans)", style)
    return _COLOUR.sub(lambda match: _VARIABLES[match.group().lower()], style)


def _drop_page_wide_styles(root: ElementTree.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("style", "metadata"):
                parent.remove(child)
