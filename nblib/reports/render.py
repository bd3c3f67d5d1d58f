"""Executed notebooks and runs -> HTML pages that can be read without Jupyter, and an index: the leaderboard.

Each page is one file that loads nothing from anywhere. What it was made from is kept in `pages/made.json`, so that only
what changed is rendered again.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from nblib.experiments import Run, find_runs
from nblib.reports.leaderboard import Row, leaderboard, read_row, with_page
from nblib.reports.pages import Page, read_page, write_page
from nblib.reports.web import write_index
from nblib.system import write_json

MADE = "pages/made.json"


@dataclass(frozen=True)
class Source:
    """What one page is made of: an executed notebook, the run it lies with, or both."""

    file: str
    notebook: Path | None
    run: Run | None

    @cached_property
    def row(self) -> Row | None:
        """The run's row of the leaderboard; None without a run."""
        return read_row(self.run) if self.run else None

    @cached_property
    def fingerprint(self) -> str:
        """Equal as long as notebook, run and the code that renders them are."""
        run_files = ("experiment.json", "history.csv", "scores.json") if self.run else ()
        paths = [self.notebook, *(self.run.folder / name for name in run_files)]
        parts = [path.read_bytes() if path and path.is_file() else b"" for path in paths]
        status = self.row.status if self.row else ""
        return _hash([*parts, status.encode(), _code()])


def render_reports(runs: str | Path, reports: str | Path) -> Path:
    """Renders notebooks and runs below `runs` into `reports`, those that changed, and returns the path of the index.

    Raises:
        FileNotFoundError: there is no folder `runs`.
    """
    runs, reports = Path(runs), Path(reports)
    if not runs.is_dir():
        raise FileNotFoundError(f"no folder {runs}; run a notebook first, or name the folder of your runs.")
    sources, made = find_sources(runs), _read_made(reports)
    kept = {each.file: made[each.file] for each in sources if _is_kept(each, made, reports)}
    pages = {each.file: _page_of(each, kept.get(each.file), runs) for each in sources}
    where = destinations(list(pages.values()))
    now = {each.file: _rendered(each, pages[each.file], kept.get(each.file), where, reports) for each in sources}
    for file in made.keys() - now.keys():
        (reports / "pages" / Path(file).name).unlink(missing_ok=True)
    write_json(reports / MADE, now)
    write_index(reports / "index.html", leaderboard(_rows(sources, pages)), list(pages.values()))
    return reports / "index.html"


def _is_kept(source: Source, made: dict[str, dict[str, Any]], reports: Path) -> bool:
    """Whether the page of this source is there, and was made from what the source still is."""
    before = made.get(source.file, {})
    return before.get("made_from") == source.fingerprint and (reports / source.file).is_file()


def _page_of(source: Source, kept: dict[str, Any] | None, runs: Path) -> Page:
    if kept:
        return Page(**kept["page"])
    return read_page(source.file, source.notebook, source.run, source.row, runs)


def _rendered(
    source: Source, page: Page, kept: dict[str, Any] | None, where: dict[str, str], reports: Path
) -> dict[str, Any]:
    """What the page was made from, after it was written, unless it is kept and its links still lead where they did."""
    if kept and all(where.get(notebook) == target for notebook, target in kept["links"].items()):
        return kept
    row = with_page(source.row, page)
    links = write_page(reports / source.file, page, source.notebook, source.run, row, where)
    return {"made_from": source.fingerprint, "links": links, "page": asdict(page)}


def _rows(sources: list[Source], pages: dict[str, Page]) -> list[Row]:
    """All runs, and the experiments that failed before they were one."""
    begun = {each.row.label for each in sources if each.row}
    rows = [(each, with_page(each.row, pages[each.file])) for each in sources]
    return [row for each, row in rows if row and (each.run or row.label not in begun)]


def find_sources(runs: Path) -> list[Source]:
    """Every executed notebook below `runs`, with the run in its folder, and every run without a notebook."""
    found = {run.folder: run for run in find_runs(runs)}
    notebooks = [path for path in sorted(runs.rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]
    sources: dict[str, Source] = {}
    for path in sorted(notebooks, key=lambda path: (path.parent, path.name != "notebook.ipynb", path.name)):
        run = found.pop(path.parent, None)  # the first notebook of a folder is the run's own
        short = _file(path.with_suffix("").relative_to(runs).parts, "--notebook")
        file = short if short not in sources else _file(path.relative_to(runs).parts)
        sources[file] = Source(file, path, run)
    for folder, run in found.items():
        file = _file((*folder.relative_to(runs).parts, "run"))
        sources[file] = Source(file, None, run)
    return list(sources.values())


def destinations(pages: list[Page]) -> dict[str, str]:
    """Where a link to a notebook leads: to its page or, where it was run several times, to the index's list of them."""
    of_notebook: dict[str, list[str]] = {}
    for page in pages:
        of_notebook.setdefault(page.source, []).append(page.file.removeprefix("pages/"))
    return {
        source: files[0] if len(files) == 1 else f"../index.html#notebook-{source}"
        for source, files in of_notebook.items()
    }


def _file(parts: tuple[str, ...], left_out: str = "") -> str:
    return "pages/" + "--".join(parts).removesuffix(left_out) + ".html"


def _read_made(reports: Path) -> dict[str, dict[str, Any]]:
    """What the pages in `reports` were made from; {} where that is not known, and all are made anew."""
    try:
        return json.loads((reports / MADE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


@cache
def _code() -> bytes:
    """The code and templates that decide what a page looks like, as a hash."""
    here = Path(__file__).parent
    files = [*sorted(here.glob("*.py")), *sorted((here / "templates").iterdir())]
    return _hash([path.read_bytes() for path in files if path.is_file()]).encode()


def _hash(parts: list[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
