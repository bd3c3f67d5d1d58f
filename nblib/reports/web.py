"""Templates, styles and the libraries that draw -> files of HTML that load nothing from anywhere."""

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from nblib.data import SYNTHETIC_MARK
from nblib.reports.leaderboard import CURVE, Row, varying_conditions
from nblib.system import replacing

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_AT_FIRST = 3  # runs that the comparison opens with: the best


def write_index(path: Path, rows: list[Row], pages: list[Any]) -> None:
    """Writes the index: leaderboard, comparison, notebooks."""
    compared = [{"run": row.label, "id": f"run-{n}", **row.history} for n, row in enumerate(rows) if row.history]
    scripts = [_vega(), f"{_datatables()}\n{_read('index.js')}"]
    write(
        path,
        "index.html.j2",
        rows=rows,
        varying=varying_conditions(rows),
        compared=compared,
        shown_at_first=[run["id"] for run in compared[:SHOWN_AT_FIRST]],
        chart=json.loads(_read("curves.vl.json")),
        notebooks=_by_notebook(pages),
        synthetic=any(row.data == SYNTHETIC_MARK for row in rows),
        scripts=[Markup(script) for script in scripts],
        script_hashes=[_hash(script) for script in scripts],
        table_style=Markup(_datatables_style()),
    )


def write(path: Path, template: str, **content: Any) -> None:
    """Writes a page, whole or not at all; what `content` holds is escaped unless it is Markup."""
    page = _environment().get_template(template).render(**content)
    with replacing(path) as beside:
        beside.write_text(page, encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    environment.globals.update(style=Markup(_style()), curve_width=CURVE[0], curve_height=CURVE[1])
    return environment


def _by_notebook(pages: list[Any]) -> dict[str, list[Any]]:
    """The pages of each notebook, in the notebooks' order."""
    grouped: dict[str, list[Any]] = {}
    for page in sorted(pages, key=lambda page: (page.source, page.file)):
        grouped.setdefault(page.source, []).append(page)
    return grouped


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    """The style of all pages, with colours of code for light and dark."""
    light, dark = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("xcode", "github-dark"))
    return f"{_read('style.css')}\n{light}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}"


@cache
def _vega() -> str:
    """Vega-Lite with its embedder, which sets `vegaEmbed`."""
    return vl_convert.javascript_bundle()


@cache
def _datatables() -> str:
    """DataTables as a module, and its class under its own name."""
    bundle = (files("itables") / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    exported = re.search(r"export\s*\{[^}]*?(\w+) as default\b[^}]*\}", bundle)
    if exported is None:
        raise ValueError("the DataTables of this itables exports no default; install the version of requirements.lock.")
    return f"{bundle}\nconst DataTable = {exported[1]};"


@cache
def _datatables_style() -> str:
    return (files("itables") / "html" / "dt_bundle.css").read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """The script's hash, as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
