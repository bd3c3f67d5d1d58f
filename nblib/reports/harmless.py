"""Sanitises HTML (no scripts, handlers or external resources), since notebooks may show untrusted text."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import nh3
from markupsafe import Markup

SVG_TAGS = {"svg", "g", "rect", "text", "line", "circle", "path", "polyline"}
SVG_ATTRIBUTES = {"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "d", "points", "width", "height", "viewBox",
                  "fill", "stroke", "stroke-width", "text-anchor", "font-size", "font-weight", "transform"}  # fmt: skip
ATTRIBUTES = nh3.ALLOWED_ATTRIBUTES | dict.fromkeys(SVG_TAGS, SVG_ATTRIBUTES)
ATTRIBUTES |= {"*": {"class"}, "div": {"tabindex", "role", "aria-label"}}


def harmless(html: str, target_of: Callable[[str], str | None] = lambda link: None) -> Markup:
    """The HTML without scripts, styles of its own, event handlers or anything else that could act or load.

    Links to the web stay, since they wait for a click; others lead to their target, or become text if they have none.
    Pictures stay where they are part of the page.

    Args:
        html: a fragment, which need not be well-formed.
        target_of: the target of a link that does not lead to the web; None if it has none.
    """

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name == "src":
            return value if value.startswith("data:image/") else None
        if name == "href":
            return value if urlsplit(value).scheme in ("http", "https") else target_of(value)
        return value

    clean = nh3.clean(html, tags=nh3.ALLOWED_TAGS | SVG_TAGS, attributes=ATTRIBUTES, attribute_filter=attribute,
                      url_schemes={"http", "https", "data"})  # fmt: skip
    clean = re.sub(r"<a rel=\"noopener noreferrer\">(.*?)</a>", r"\1", clean, flags=re.DOTALL)
    clean = re.sub(r"<img(?![^>]* src=)[^>]*>", "", clean)
    clean = re.sub(r"<img(?![^>]* alt=)", '<img alt="picture"', clean)
    return Markup(re.sub(r"<th[^>]*></th>", "<td></td>", clean))  # screen readers stumble over empty headers
