"""Executed notebooks and finished runs -> HTML pages that can be read without Jupyter, and their index.

Each page is one file that loads nothing from anywhere: figures are embedded, code is folded, parameters are a table.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import bleach
import jinja2
import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from nblib.dataset import SYNTHETIC_MARK
from nblib.experiment import notebook_parameters
from nblib.files import replacing
from nblib.runs import Run, differences_from_paper, find_runs, paper_f1

# What notebooks are shown with: text, tables, figures.
TAGS = {
    "a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "hr", "i", "img", "li", "ol", "p",
    "pre", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"*": ["class"], "td": ["colspan", "rowspan"], "th": ["colspan", "rowspan", "scope"]}
PROTOCOLS = {"data", "http", "https"}
WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Page:
    """One executed notebook: its file, the page made of it, and how it ended (finished, failed, unfinished)."""

    notebook: Path
    file: str
    title: str
    folder: str
    status: str
    seconds: float | None
    error: str | None


def render_reports(runs: str | Path, reports: str | Path) -> Path:
    """Renders every executed notebook below `runs` into `reports` and returns the path of the index.

    Raises:
        FileNotFoundError: there is no folder `runs`.
    """
    runs, reports = Path(runs), Path(reports)
    if not runs.is_dir():
        raise FileNotFoundError(f"no folder {runs}; run a notebook first, or name the folder of your runs.")
    pages = []
    for path in sorted(runs.rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        notebook, error = _read(path)
        page = _page_of(notebook, path, runs, error)
        pages.append(page)
        _write(reports / page.file, "notebook.html.j2", title=page.title, page=page, cells=_cells(notebook))
    rows = [_run_row(run, pages) for run in find_runs(runs)]
    synthetic = any(row["data"] == SYNTHETIC_MARK for row in rows)
    _write(reports / "index.html", "index.html.j2", runs=rows, pages=pages, synthetic=synthetic)
    return reports / "index.html"


def _read(path: Path) -> tuple[NotebookNode, str | None]:
    """The notebook, or an empty one and why it can't be read: a half-written one must not hide the others."""
    try:
        return nbformat.read(path, as_version=4), None
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        return nbformat.v4.new_notebook(), f"{path.name} can't be read as a notebook: {error}"[:500]


def _page_of(notebook: NotebookNode, path: Path, runs: Path, error: str | None) -> Page:
    inside = path.relative_to(runs)
    failures = [each for each in (error, *map(_error_of, notebook.cells)) if each]
    papermill = notebook.metadata.get("papermill", {})
    finished = bool(papermill.get("end_time")) and not failures
    return Page(
        notebook=path,
        file="pages/" + "--".join(inside.with_suffix("").parts).removesuffix("--notebook") + ".html",
        title=_title(notebook) or path.stem,
        folder=str(inside.parent) if len(inside.parts) > 1 else "",
        status="failed" if failures else "finished" if finished else "unfinished",
        seconds=papermill.get("duration"),
        error=failures[0] if failures else None,
    )


def _title(notebook: NotebookNode) -> str | None:
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0].removeprefix("# ")
    return None


def _error_of(cell: NotebookNode) -> str | None:
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    return f"{errors[0].ename}: {errors[0].evalue}" if errors else None


def _cells(notebook: NotebookNode) -> list[dict[str, Any]]:
    """What the page shows: markdown, one table of the parameters, and code with its outputs."""
    shown, parameters_shown = [], False
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown" and not cell.source.startswith('<span id="papermill-error'):
            shown.append({"kind": "markdown", "html": _html_of(cell)})
        elif "parameters" in tags and not parameters_shown:
            shown.append({"kind": "parameters", "parameters": _parameters(sources)})
            parameters_shown = True
        elif cell.cell_type == "code" and not {"injected-parameters", "papermill-error-cell-tag"} & set(tags):
            shown.append({"kind": "code", "html": _source(cell), "outputs": _outputs(cell)})
    return shown


def _parameters(sources: list[str]) -> dict[str, Any]:
    """What the notebook ran with; empty where that can't be told, as in one that was stopped for its parameters."""
    try:
        return notebook_parameters(sources)
    except (ValueError, SyntaxError):
        return {}


def _source(cell: NotebookNode) -> Markup:
    return _html_of(nbformat.v4.new_code_cell(cell.source))


def _outputs(cell: NotebookNode) -> list[Markup]:
    """The cell's outputs as HTML; what libraries log is folded, and widgets, which need Jupyter, become a note."""
    shown = []
    for output in cell.outputs:
        if WIDGET in output.get("data", {}):
            shown.append("Interactive in JupyterLab.")
            continue
        html = _html_of(nbformat.v4.new_code_cell("", outputs=[output]), hide_input=True)
        if output.get("name") == "stderr":
            html = Markup("<details><summary>log</summary>{}</details>").format(html)
        shown.append(html)
    return shown


def _html_of(cell: NotebookNode, hide_input: bool = False) -> Markup:
    body, _ = _exporter(hide_input).from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    return _harmless(body)


def _harmless(html: str) -> Markup:
    """The HTML without scripts, styles of its own, event handlers or anything else that could act or load."""
    without_code = re.sub(r"<(style|script)\b.*?</\1\s*>", "", html, flags=re.DOTALL | re.IGNORECASE)
    attributes = {**ATTRIBUTES, "a": _stays_inside, "img": _stays_inside}
    return Markup(bleach.clean(without_code, TAGS, attributes, PROTOCOLS, strip=True))


def _stays_inside(tag: str, name: str, value: str) -> bool:
    """Whether an attribute loads nothing: links that wait for a click, and pictures that are part of the page."""
    if tag == "img":
        return name == "alt" or (name == "src" and value.startswith("data:image/"))
    return name == "href" and not value.startswith(("data:", "//"))


@cache
def _exporter(hide_input: bool) -> HTMLExporter:
    return HTMLExporter(
        template_name="basic",
        exclude_input=hide_input,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )


def _run_row(run: Run, pages: list[Page]) -> dict[str, Any]:
    experiment = run.experiment
    return {
        "name": experiment.experiment_name,
        "half": experiment.validation_half,
        "page": next((page.file for page in pages if page.notebook.parent == run.folder), None),
        "scores": run.scores if run.finished else None,
        "paper": paper_f1(experiment),
        "data": run.facts["data"],
        "differences": differences_from_paper(experiment),
    }


def _write(path: Path, template: str, **content: Any) -> None:
    folder = Path(__file__).parent / "templates"
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=True)
    style = (folder / "style.css").read_text(encoding="utf-8") + HtmlFormatter().get_style_defs(".highlight")
    page = environment.get_template(template).render(style=Markup(style), **content)
    with replacing(path) as beside:
        beside.write_text(page, encoding="utf-8")
