"""HTML of notebooks without anything that could act or load: what they show was written by data and by strangers."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import nh3
from markupsafe import Markup

# What notebooks are shown with: text, tables, figures.
TAGS = {
    "a", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "i", "img", "li", "ol", "p", "pre", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td",
    "tfoot", "th", "thead", "tr", "ul",
    "svg", "g", "rect", "text", "line", "circle", "path", "polyline",
}  # fmt: skip
DRAWN = {"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "d", "points", "width", "height", "viewBox", "fill",
         "stroke", "stroke-width", "text-anchor", "font-size", "font-weight", "transform"}  # fmt: skip
ATTRIBUTES = {
    "*": {"class"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "div": {"tabindex", "role", "aria-label"},
    **{tag: DRAWN for tag in ("svg", "g", "rect", "text", "line", "circle", "path", "polyline")},
}

TargetOf = Callable[[str], str | None]


def harmless(html: str, target_of: TargetOf = lambda link: None) -> Markup:
    """The HTML without scripts, styles of its own, event handlers or anything else that could act or load.

    Links to the web stay, since they wait for a click; of others, those that lead to a target get it, the rest become
    plain text. Pictures stay where they are part of the page.

    Args:
        html: a fragment, which need not be well-formed.
        target_of: where a link that does not lead to the web leads instead; None: nowhere.
    """

    def attribute(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            return value if value.startswith("data:image/") else None
        if tag == "a" and name == "href":
            return value if urlsplit(value).scheme in ("http", "https") else target_of(value)
        return value

    clean = nh3.clean(
        html, tags=TAGS, clean_content_tags={"script", "style"}, attributes=ATTRIBUTES, attribute_filter=attribute,
        url_schemes={"http", "https", "data"}, link_rel="noopener noreferrer",
    )  # fmt: skip
    clean = re.sub(r"<a rel=\"noopener noreferrer\">(.*?)</a>", r"\1", clean, flags=re.DOTALL)
    clean = re.sub(r"<img(?![^>]* src=)[^>]*>", "", clean)
    clean = re.sub(r"<img(?![^>]* alt=)", '<img alt="picture"', clean)
    return Markup(re.sub(r"<th[^>]*></th>", "<td></td>", clean))  # a heading of nothing confuses readers of the page
