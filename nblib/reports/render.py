"""Executed notebooks and runs -> HTML pages that can be read without Jupyter, and an index: the leaderboard.

Each page is one file that loads nothing from anywhere. It holds a fingerprint of what it was made of, so that only what
changed is rendered again.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from nblib.experiments import Run, find_runs
from nblib.reports.boundary import Damage, attempt, readable
from nblib.reports.leaderboard import collapsed_rows, leaderboard

MADE_OF = 'name="made-of"'  # the mark of our pages
RUN_FILES = ("experiment.json", "history.csv", "scores.json")


@dataclass(frozen=True)
class Reports:
    """The index that was written, and why notebooks and runs could not be shown: file or folder -> reason."""

    index: Path
    damages: dict[Path, str]


def render_reports(runs: str | Path, reports: str | Path) -> Reports:
    """Renders notebooks and runs below `runs` into `reports`, those that changed, and the index of all of them.

    What is damaged is a row with the reason, and does not keep anything else from being rendered.

    Raises:
        FileNotFoundError: there is no folder `runs`.
    """
    # nbconvert and nbformat take seconds to import; a notebook that only wants tables does not wait for them.
    from nblib.reports.pages import damaged_page, read_page, write_page
    from nblib.reports.web import write_index

    runs, reports = Path(runs), Path(reports)
    if not runs.is_dir():
        raise FileNotFoundError(f"no folder {runs}; run a notebook first, or name the folder of your runs.")
    pages = {}
    for source in find_sources(runs):
        page = attempt(partial(read_page, *source, runs))
        pages[source] = damaged_page(*source, runs, page.reason) if isinstance(page, Damage) else page
    targets = link_targets(pages.values())
    for source, page in pages.items():
        fingerprint = _fingerprint(page, targets)
        if fingerprint in _head(reports / page.file):
            continue
        written = attempt(partial(write_page, reports / page.file, page, targets, fingerprint))
        if isinstance(written, Damage):
            pages[source] = damaged_page(*source, runs, written.reason)
            write_page(reports / page.file, pages[source], targets, fingerprint="")  # to be tried again
    files = {reports / page.file for page in pages.values()}
    for path in set((reports / "pages").glob("*.html")) - files:
        if MADE_OF in _head(path):
            path.unlink()
    every = list(pages.values())
    write_index(reports / "index.html", leaderboard(every), every, collapsed_rows(every))
    damaged = [(source, page) for source, page in pages.items() if page.status == "damaged"]
    return Reports(reports / "index.html", {notebook or run.folder: page.error for (_, notebook, run), page in damaged})


def find_sources(runs: Path) -> Iterator[tuple[str, Path | None, Run | None]]:
    """Page, notebook and run of every executed notebook below `runs`, and of every run without a notebook."""
    found, files = {run.folder: run for run in find_runs(runs, damaged=True)}, set()
    notebooks = [path for path in runs.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts and not path.is_dir()]
    for path in sorted(notebooks, key=lambda path: (path.parent, path.name != "notebook.ipynb", path.name)):
        file = _file(path.with_suffix("").relative_to(runs).parts, "--notebook")
        file = file if file not in files else _file(path.relative_to(runs).parts)
        files.add(file)
        yield file, path, found.pop(path.parent, None)  # the first notebook of a folder is the run's own
    for folder, run in found.items():
        yield _file((*folder.relative_to(runs).parts, "run")), None, run


def link_targets(pages: Collection[Any]) -> dict[str, str]:
    """Notebook -> where a link to it leads: to its page or, if there are several, to the index's list of them."""
    targets = {page.source: Path(page.file).name for page in pages}
    several = [source for source, count in Counter(page.source for page in pages).items() if count > 1]
    return targets | {source: f"../index.html#notebook-{source}" for source in several}


def _file(parts: tuple[str, ...], suffix: str = "") -> str:
    return "pages/" + readable("--".join(parts)).removesuffix(suffix) + ".html"


def _head(path: Path) -> str:
    """The beginning of a page, where its fingerprint is; "" without a page."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(500)


def _fingerprint(page: Any, targets: dict[str, str]) -> str:
    """Equal as long as notebook, run, targets of links and the code that renders them are."""
    paths = [page.notebook, *(page.run.folder / name for name in RUN_FILES if page.run)]
    parts = [path.read_bytes() if path and path.is_file() else b"" for path in paths]
    return hashlib.sha256(repr((parts, page.status, targets, _code())).encode()).hexdigest()


@cache
def _code() -> str:
    """The code and templates that decide what a page looks like, as a hash."""
    here = Path(__file__).parent
    files = [*sorted(here.glob("*.py")), *sorted((here / "templates").iterdir())]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
