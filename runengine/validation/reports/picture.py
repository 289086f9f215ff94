"""The lifecycle as a picture inside a page: its colours follow the page, its styles stay its own.

The renderer draws for files that stand alone, on white. Here its style element is taken out and its rules are bound to
the picture, no style attribute is left (the page's policy forbids them), and each colour gets a twin for dark pages.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from runengine.core.table import Policy
from runengine.rendering.graph import graph_of
from runengine.rendering.weighted_svg import render
from runengine.rendering.weights import Odd, Weight, WeightedGraph, weighted
from runengine.validation.reports.sections import edge_kind

__all__ = ["Picture", "counted", "dark_twin", "picture_of"]

_CARD: Final = "#1b1f25"  # what the page lies on in the dark, see page.css
_SCOPE: Final = ".picture"
_STYLE: Final = re.compile(r"\s*<style>(.*?)</style>", re.DOTALL)
_RULE: Final = re.compile(r"([^{}]+)\{([^{}]*)\}")
_STYLE_ATTRIBUTE: Final = re.compile(r' style="fill: (#[0-9a-fA-F]{6});?"')
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}\b")
_PAINTED: Final = re.compile(r'\b(fill|stroke)="(#[0-9a-fA-F]{6})"')


class Picture(NamedTuple):
    """A picture to stand in a page.

    Attributes:
        svg: The element.
        css: Its rules, bound to it.

    Example:
        >>> Picture("<svg></svg>", "").css
        ''
    """

    svg: str
    css: str


def picture_of(graph: WeightedGraph) -> Picture:
    """The lifecycle with how often each edge was seen; what leads nowhere in it is red.

    Args:
        graph: What was counted along it.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> picture = picture_of(counted(PRACTICAL, {}, {}))
        >>> "<style" in picture.svg, " style=" in picture.svg
        (False, False)
    """
    return _bound(render(graph))


def counted(policy: Policy, edges: Mapping[tuple[str, str], int], statuses: Mapping[str, int]) -> WeightedGraph:
    """The lifecycle under a policy with the counts of a summary.

    A change of status that took several steps at once is no edge: it is not drawn, which the line below the title says.

    Args:
        policy: Whose steps are drawn.
        edges: How often each change of status was seen.
        statuses: How often each status was seen.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> counted(PRACTICAL, {}, {}).said
        '0 changes of status seen'
    """
    counts, odd, skips = {}, {}, 0
    for pair, count in sorted(edges.items()):
        kind = edge_kind(policy, *pair)
        if kind == "step":
            counts[pair] = Weight(count)
        elif kind == "undeclared":
            odd[pair] = Odd(count)
        else:
            skips += count
    said = f"{sum(edges.values()):,} changes of status seen"
    if skips:
        said += f"; {skips:,} of them took several steps at once and are not drawn"
    return weighted(graph_of(policy), counts, odd, statuses, said)


def _bound(drawn: str) -> Picture:
    style = _STYLE.search(drawn)
    css = "" if style is None else _scoped(style.group(1))
    body = _STYLE.sub("", drawn)
    body = _STYLE_ATTRIBUTE.sub(r' fill="\1"', body)
    painted = sorted(set(_PAINTED.findall(body)))
    rules = [f'{_SCOPE} [{name}="{colour}"] {{ {name}: {_both(colour)}; }}' for name, colour in painted]
    return Picture(body.strip(), "\n".join((css, *rules)))


def _scoped(css: str) -> str:
    """Each rule bound to the picture, its colours in both twins."""
    made = []
    for selectors, body in _RULE.findall(css):
        bound = ", ".join(f"{_SCOPE} {selector.strip()}" for selector in selectors.split(","))
        made.append(f"{bound} {{{_COLOUR.sub(lambda found: _both(found.group()), body)}}}")
    return "\n".join(made)


def _both(colour: str) -> str:
    return f"light-dark({colour}, {dark_twin(colour)})"


def dark_twin(colour: str) -> str:
    """The colour for dark pages: the same hue, light for dark.

    Example:
        >>> dark_twin("#ffffff"), dark_twin("#000000")
        ('#1b1f25', '#fcfcfc')
    """
    if colour.lower() == "#ffffff":
        return _CARD
    red, green, blue = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    twin = colorsys.hls_to_rgb(hue, 0.99 - 0.86 * lightness, saturation * 0.85)
    return "#" + "".join(f"{round(255 * part):02x}" for part in twin)
