"""A drawn figure made fit to stand inside the page: colours by name, ids of its own, no style attributes.

Matplotlib writes colours and type into `style` attributes, which a strict content security policy ignores, and numbers
its ids alike in every file. Here they become presentation attributes with the page's colour variables, the type is left
to the page, and only ids that something points to stay, with a prefix. It reads what matplotlib has just written,
nothing from outside.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from akrasia.report.palette import LIGHT

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
NAMES = {colour: name for name, colour in LIGHT.items()}

_REFERENCE = re.compile(r"url\(#([^)]+)\)|^#(.+)$")
_PAGE_DECIDES = {"font-family"}
_EMPTY = ("metadata", "style")

_MEASURES = {"d", "x", "y", "width", "height", "transform", "fill-opacity"}
_LONG = re.compile(r"-?\d+\.\d{3,}")
"""Lengths with more digits than a screen or a printer can show; in points, so two decimals are 4 micrometres."""


def inline(drawn: bytes, *, prefix: str, label: str) -> str:
    """The figure as one `<svg>` element.

    Args:
        drawn: an SVG file as matplotlib writes it, drawn in the colours of `palette.LIGHT`.
        prefix: makes its ids unique in the page.
        label: what it shows, read out in its place.
    """
    root = ET.fromstring(drawn)  # noqa: S314 - our own drawing, see above
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.removeprefix(SVG) in _EMPTY:
                parent.remove(child)
    used = {found for element in root.iter() for found in _pointed_at(element)}
    for element in root.iter():
        _restyle(element)
        _rename(element, used, prefix)
    _drop_ground(root)
    _unwrap(root)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", label)
    ET.register_namespace("", SVG[1:-1])
    return re.sub(r"\s*\n\s*", " ", ET.tostring(root, encoding="unicode", short_empty_elements=True))


def _pointed_at(element: ET.Element) -> list[str]:
    return [found[1] or found[2] for value in element.attrib.values() for found in _REFERENCE.finditer(value)]


def _restyle(element: ET.Element) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key and key not in _PAGE_DECIDES:
            element.set(key, value)
    for key, value in element.attrib.items():
        if value in NAMES:
            element.set(key, f"var(--{NAMES[value]})")
        elif key in _MEASURES:
            element.set(key, _LONG.sub(lambda number: f"{float(number[0]):.2f}", value))
    if element.tag == f"{SVG}text" and element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]


def _rename(element: ET.Element, used: set[str], prefix: str) -> None:
    target = element.attrib.pop("id", None)
    if target in used:
        element.set("id", f"{prefix}-{target}")
    if HREF in element.attrib:
        element.set("href", f"#{prefix}-{element.attrib.pop(HREF)[1:]}")
    for key, value in element.attrib.items():
        if value.startswith("url(#"):
            element.set(key, f"url(#{prefix}-{value[5:]}")


def _drop_ground(root: ET.Element) -> None:
    """Remove the white sheets under the figure and its axes: the page is the ground."""
    for parent in list(root.iter()):
        for group in list(parent):
            path = group.find(f"{SVG}path")
            if path is not None and len(group) == 1 and path.get("fill") == "var(--paper)" and _is_sheet(path):
                parent.remove(group)


def _unwrap(element: ET.Element) -> None:
    """Take out groups that say nothing of what is in them: matplotlib puts every line and word into one."""
    for child in list(element):
        _unwrap(child)
        if child.tag == f"{SVG}g" and not child.attrib:
            place = list(element).index(child)
            element.remove(child)
            for number, inner in enumerate(child):
                element.insert(place + number, inner)


def _is_sheet(path: ET.Element) -> bool:
    """A plain rectangle that is clipped by nothing and larger than a line of text."""
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path.get("d", ""))]
    heights = numbers[1::2]
    return len(numbers) == 8 and max(heights) - min(heights) > 60
