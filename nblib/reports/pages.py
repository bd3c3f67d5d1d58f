"""One executed notebook, or one run -> one HTML page."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from nblib.experiments import Run, notebook_parameters
from nblib.reports.harmless import harmless
from nblib.reports.leaderboard import Row
from nblib.reports.provenance import execution, provenance_of
from nblib.reports.snapshots import VIEW, snapshot
from nblib.reports.web import TEMPLATES, write

PLUMBING = {"parameters", "injected-parameters", "papermill-error-cell-tag", "provenance"}


@dataclass(frozen=True)
class Page:
    """What the index tells of a page: its file, the notebook executed, and how that ended.

    Attributes:
        source: name of the notebook that was executed, such as 03_baseline_vgg16, without its folder.
        status: finished, failed, running or unfinished.
        experiment: name and half of the experiment it was to train; None for notebooks that train none.
    """

    file: str
    source: str
    title: str
    folder: str
    status: str
    seconds: float | None
    error: str | None
    experiment: tuple[str, str] | None


def read_page(file: str, notebook: Path | None, run: Run | None, row: Row | None, runs: Path) -> Page:
    """What is to be told of the page that will be made of a notebook and its run, either of which may be missing."""
    content, error = _read(notebook)
    failures = [each for each in (error, row and row.error, *map(_error_of, content.cells)) if each]
    papermill = content.metadata.get("papermill", {})
    whole = run.finished if run and not notebook else bool(papermill.get("end_time"))
    parameters = _parameters(content)
    named = tuple(str(parameters.get(name, "")) for name in ("experiment_name", "validation_half"))
    return Page(
        file=file,
        source=Path(papermill.get("input_path") or notebook or "run").stem,
        title=_title(content) or (notebook.stem if notebook else f"{run.folder.parent.name}, {run.folder.name}"),
        folder=str((notebook.parent if notebook else run.folder).relative_to(runs)),
        status="running"
        if row and row.status == "running"
        else "failed"
        if failures
        else "finished"
        if whole
        else "unfinished",
        seconds=papermill.get("duration"),
        error=failures[0][:500] if failures else None,
        experiment=named if all(named) else None,
    )


def write_page(
    path: Path, page: Page, notebook: Path | None, run: Run | None, row: Row | None, where: dict[str, str]
) -> dict[str, str | None]:
    """Writes the page, and gives the notebooks it links to with the target each got, None where there is none."""
    links: dict[str, str | None] = {}
    run = run if row and row.readable else None

    def target_of(link: str) -> str | None:
        place = PurePosixPath(unquote(urlsplit(link).path))
        if place.suffix != ".ipynb":
            return None
        return links.setdefault(place.stem, where.get(place.stem))

    content, _ = _read(notebook)
    made_with = next((_html([cell], target_of) for cell in content.cells if "provenance" in _tags(cell)), None)
    intro, rest = _split(content)
    write(
        path,
        "notebook.html.j2",
        page=page,
        row=row,
        history=_epochs(run),
        intro=_html(intro, target_of),
        parameters=_parameters(content) or (run.facts["experiment"] if run and not notebook else {}),
        body=_html(rest, target_of),
        made_with=made_with,
        provenance={**provenance_of(run), **execution(content, notebook)},
    )
    return links


def _read(path: Path | None) -> tuple[NotebookNode, str | None]:
    """The notebook, or an empty one and why it can't be read: a half-written one must not hide the others."""
    try:
        return nbformat.read(path, as_version=4) if path else nbformat.v4.new_notebook(), None
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        return nbformat.v4.new_notebook(), f"{path.name} can't be read as a notebook: {error}"


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _title(notebook: NotebookNode) -> str | None:
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0].removeprefix("# ")
    return None


def _error_of(cell: NotebookNode) -> str | None:
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    return f"{errors[0].ename}: {errors[0].evalue}" if errors else None


def _parameters(notebook: NotebookNode) -> dict[str, Any]:
    """What the notebook ran with; {} where that can't be told, as in one that was stopped for its parameters."""
    try:
        return notebook_parameters([cell.source for cell in notebook.cells if cell.cell_type == "code"])
    except (ValueError, SyntaxError):
        return {}


def _split(notebook: NotebookNode) -> tuple[list[NotebookNode], list[NotebookNode]]:
    """What stands before the parameters, and what follows; without plumbing, widgets replaced by what they showed."""
    cells = [cell for cell in notebook.cells if not PLUMBING & set(_tags(cell))]
    cells = [cell for cell in cells if not cell.source.startswith('<span id="papermill-error')]
    section = ""
    for cell in cells:
        headings = [line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")]
        if cell.cell_type == "markdown":
            section = headings[0] if headings else section
        else:
            cell.metadata["alt"] = f"figure: {section}"
            cell.outputs = [_settled(output, notebook) for output in cell.outputs if not _empty(output)]
    first = 1 if cells and cells[0].cell_type == "markdown" else 0
    return cells[:first], cells[first:]


def _empty(output: NotebookNode) -> bool:
    """Whether there is nothing to see, as where a figure was shown and taken away again."""
    data = output.get("data", {})
    return bool(data) and not any(str(value).strip() for value in data.values())


def _settled(output: NotebookNode, notebook: NotebookNode) -> NotebookNode:
    """The output with a widget replaced by what it showed, and HTML that can't reach beyond its own place."""
    data = output.get("data", {})
    if VIEW in data:
        output["data"] = NotebookNode({"text/html": snapshot(notebook, data[VIEW])})
    elif "text/html" in data:
        data["text/html"] = f"<div>{harmless(data['text/html'], lambda link: link)}</div>"
    return output


def _html(cells: list[NotebookNode], target_of: Any) -> Markup:
    if not cells:
        return Markup("")
    body, _ = _exporter().from_notebook_node(nbformat.v4.new_notebook(cells=cells))
    return harmless(body, target_of)


@cache
def _exporter() -> HTMLExporter:
    return HTMLExporter(
        template_file=str(TEMPLATES / "cells.html.j2"),
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )


def _epochs(run: Run | None) -> list[dict[str, float]]:
    return run.history.to_dict("records") if run and (run.folder / "history.csv").is_file() else []
