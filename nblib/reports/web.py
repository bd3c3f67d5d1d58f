"""Templates, styles and drawing libraries -> HTML files that load nothing from anywhere."""

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
from nblib.experiments import duration
from nblib.reports.leaderboard import Row, varying_conditions
from nblib.system import replacing

TEMPLATES = Path(__file__).parent / "templates"
DATATABLES = files("itables") / "html"
CONCEPTS_PAGE = "concepts.html"  # beside the index, where there is one
COMPARED_AT_FIRST = 3  # runs, the best ones


def write_index(path: Path, rows: list[Row], pages: list[Any], collapsed: list[dict[str, Any]] = ()) -> None:
    """Writes the index: leaderboard, its rows collapsed over seeds and halves, comparison, notebooks."""
    compared = [{"run": row.label, "id": f"run-{n}", **row.history} for n, row in enumerate(rows) if row.history]
    write(
        path,
        "index.html.j2",
        rows=rows,
        collapsed=collapsed,
        pages=pages,
        varying=varying_conditions(rows),
        compared=compared,
        compared_at_first=[run["id"] for run in compared[:COMPARED_AT_FIRST]],
        chart=json.loads((TEMPLATES / "curves.vl.json").read_text("utf-8")),
        labelled=any(row.test_split_f1 is not None for row in rows),
        synthetic=any(row.data == SYNTHETIC_MARK for row in rows),
        concepts=(path.parent / CONCEPTS_PAGE).is_file(),
        **hashed_scripts(vl_convert.javascript_bundle(), table_script("index.js")),
    )


def hashed_scripts(*scripts: str) -> dict[str, Any]:
    """What a template needs of its scripts, and the style of their tables."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    return {
        "scripts": [Markup(script) for script in scripts],
        "script_hashes": [f"sha256-{each}" for each in hashes],  # as a content security policy names scripts
        "table_style": Markup((DATATABLES / "dt_bundle.css").read_text("utf-8")),
    }


def table_script(name: str) -> str:
    """A script of the templates behind DataTables, which it uses."""
    return f"{_datatables()}\n{(TEMPLATES / name).read_text('utf-8')}"


def write(path: Path, template: str, **content: Any) -> None:
    """Writes a page, whole or not at all; what `content` holds is escaped unless it is Markup."""
    page = _environment().get_template(template).render(**content)
    with replacing(path) as beside:
        beside.write_text(page, encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    """The templates, with the style of all pages and its colours of code for light and dark."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    light, dark = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("xcode", "github-dark"))
    colours = f"{light}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}"
    environment.globals["style"] = Markup(f"{(TEMPLATES / 'style.css').read_text('utf-8')}\n{colours}")
    environment.filters["duration"] = duration
    return environment


def _datatables() -> str:
    """The DataTables that itables brings, as a module, and its class under its own name."""
    bundle = (DATATABLES / "dt_bundle.js").read_text("utf-8")
    exported = re.search(r"export\s*\{[^}]*?(\w+) as default\b[^}]*\}", bundle)
    if exported is None:
        raise ValueError("the DataTables of this itables exports no default; install the version of requirements.lock.")
    return f"{bundle}\nconst DataTable = {exported[1]};"
