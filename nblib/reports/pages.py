"""One executed notebook, or one run -> one HTML page."""

import json
import shlex
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode

from nblib.experiments import ARCHIVED, Run, notebook_parameters
from nblib.reports.boundary import Damage, attempt, readable
from nblib.reports.harmless import harmless
from nblib.reports.leaderboard import Row, read_row
from nblib.reports.notebooks import read_notebook
from nblib.reports.snapshots import VIEW, snapshot
from nblib.reports.web import TEMPLATES, write

HIDDEN_TAGS = {"parameters", "injected-parameters", "papermill-error-cell-tag", "provenance"}


@dataclass
class Page:
    """What a page is made of, and what the index says about it.

    Attributes:
        notebook: the executed notebook; None for a run without one.
        run: the run in whose folder the notebook lies; None without one.
        source: name of the notebook that was executed, such as 03_baseline_vgg16, without its folder.
        status: finished, failed, running, unfinished or damaged.
        experiment: name and half of the experiment that the notebook trains; None for notebooks that train none.
        row: the row of the leaderboard, if there is one.
    """

    file: str
    notebook: Path | None
    run: Run | None
    source: str
    title: str
    folder: str
    status: str
    seconds: float | None
    error: str | None
    experiment: tuple[str, str] | None
    row: Row | None


def read_page(file: str, notebook: Path | None, run: Run | None, runs: Path) -> Page:
    """The page, not yet written, of a notebook and its run, either of which may be missing or damaged."""
    content, damage = _read(notebook)
    row = read_row(run) if run else None
    failures = [each for each in (damage, row and row.error, *map(_error_of, content.cells)) if each]
    papermill, parameters = content.metadata.get("papermill", {}), _parameters(content)
    ended = run.finished if run and not notebook else bool(papermill.get("end_time"))
    status = "failed" if failures else "finished" if ended else "unfinished"
    status = "damaged" if damage or (row and row.status == "damaged") else status
    half = "train_on" if parameters.get("train_on") == "all" else "validation_half"
    experiment = tuple(str(parameters.get(name, "")) for name in ("experiment_name", half))
    page = Page(
        file=file,
        notebook=notebook,
        run=run,
        source=readable(Path(papermill.get("input_path") or notebook or "run").stem),
        title=_title(content) or _name(notebook, run),
        folder=readable(str((notebook.parent if notebook else run.folder).relative_to(runs))),
        status="running" if row and row.status == "running" else status,
        seconds=papermill.get("duration"),
        error=failures[0][:500] if failures else None,
        experiment=experiment if all(experiment) else None,
        row=row,
    )
    return replace(page, row=_completed(row, page))


def _completed(row: Row | None, page: Page) -> Row | None:
    """The run's row with its page, and with the failure of a notebook whose run did not finish.

    An experiment that failed before there was a run gets a row of its own, unless its notebook was archived.
    """
    if row:
        status = page.status if row.status == "unfinished" and page.status == "failed" else row.status
        return replace(row, page=page.file, status=status, error=row.error or page.error)
    trains = page.experiment and page.status != "finished" and ARCHIVED not in page.folder
    return Row(*page.experiment, page.status, page.file, page.error) if trains else None


def damaged_page(file: str, notebook: Path | None, run: Run | None, runs: Path, reason: str) -> Page:
    """The page of a notebook, or a run, that could not be read or rendered: it has the reason and nothing else."""
    row = Row(readable(run.folder.parent.name), readable(run.folder.name), "damaged", file, reason) if run else None
    folder = readable(str((notebook.parent if notebook else run.folder).relative_to(runs)))
    name = _name(notebook, run)
    return Page(file, None, run, name, name, folder, "damaged", None, reason, None, row)


def write_page(path: Path, page: Page, targets: dict[str, str], fingerprint: str) -> None:
    """Writes the page; `targets` holds where a link to a notebook leads, by the notebook's name."""

    def target_of(link: str) -> str | None:
        place = PurePosixPath(unquote(urlsplit(link).path))
        return targets.get(place.stem) if place.suffix == ".ipynb" else None

    content, _ = _read(page.notebook)
    run = page.run if page.row and page.row.conditions else None  # without conditions it could not be read
    intro, rest = _split(content)
    write(
        path,
        "notebook.html.j2",
        page=page,
        row=page.row,
        fingerprint=fingerprint,
        history=run.history.to_dict("records") if run and page.row.epochs else [],
        intro=_html(intro, target_of),
        parameters=_parameters(content) or (run.facts["experiment"] if run and not page.notebook else {}),
        body=_html(rest, target_of),
        made_with=_html([cell for cell in content.cells if "provenance" in cell.metadata.get("tags", [])], target_of),
        facts=run.facts if run else {},
        metadata=content.metadata,
        command=repeating_command(content.metadata.get("papermill", {}), page.notebook),
    )


def repeating_command(papermill: dict[str, Any], notebook: Path) -> str:
    """The command that executes the notebook again with the same parameters, from papermill's own record, or ""."""
    if not papermill.get("input_path"):
        return ""
    words = ["papermill", papermill["input_path"], papermill.get("output_path") or readable(str(notebook))]
    for name, value in (papermill.get("parameters") or {}).items():
        if isinstance(value, str):
            words += ["-r", name, value]  # -p would read "1e3" as a number
        elif value is None or isinstance(value, bool | int | float):
            words += ["-p", name, repr(value)]
        else:
            words += ["-y", json.dumps({name: value})]
    return shlex.join(words)


def _read(path: Path | None) -> tuple[NotebookNode, str | None]:
    """The notebook; if it can't be read, an empty one and the reason."""
    content = attempt(lambda: read_notebook(path)) if path else nbformat.v4.new_notebook()
    return (nbformat.v4.new_notebook(), content.reason) if isinstance(content, Damage) else (content, None)


def _name(notebook: Path | None, run: Run | None) -> str:
    """What a page is called that has no title."""
    return readable(notebook.stem if notebook else f"{run.folder.parent.name}, {run.folder.name}")


def _title(notebook: NotebookNode) -> str:
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown" and cell.source.startswith("# "))
    return next(texts, "# ").splitlines()[0].removeprefix("# ")


def _error_of(cell: NotebookNode) -> str | None:
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    return f"{errors[0].ename}: {errors[0].evalue}" if errors else None


def _parameters(notebook: NotebookNode) -> dict[str, Any]:
    """What the notebook ran with; {} where it was stopped because of its parameters."""
    try:
        return notebook_parameters([cell.source for cell in notebook.cells if cell.cell_type == "code"])
    except (ValueError, SyntaxError):
        return {}


def _split(notebook: NotebookNode) -> tuple[list[NotebookNode], list[NotebookNode]]:
    """The cell before the parameters, and those after; without hidden ones, each widget replaced by what it showed."""
    cells = [cell for cell in notebook.cells if HIDDEN_TAGS.isdisjoint(cell.metadata.get("tags", []))]
    cells = [cell for cell in cells if not cell.source.startswith('<span id="papermill-error')]
    section = ""
    for cell in cells:
        if cell.cell_type == "markdown":
            headings = [line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")]
            section = headings[0] if headings else section
        else:
            cell.metadata["alt"] = f"figure: {section}"
            cell.outputs = [_static(output, notebook) for output in cell.outputs if not _empty(output)]
    first = 1 if cells and cells[0].cell_type == "markdown" else 0
    return cells[:first], cells[first:]


def _empty(output: NotebookNode) -> bool:
    """Whether there is nothing to see: a figure that was shown and removed again, or a script."""
    data = output.get("data")
    return data is not None and not any(str(data[mime]).strip() for mime in set(data) - {"application/javascript"})


def _static(output: NotebookNode, notebook: NotebookNode) -> NotebookNode:
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
        preprocessors=[CoalesceStreamsPreprocessor],  # lines printed one by one make one block
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
