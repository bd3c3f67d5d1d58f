"""What is wrong with a data set, and the list of images to leave out because of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nblib.data.text import read_text
from nblib.system import replacing


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data set: where, what, what to do; `serious` if training would be wrong.

    `image_id` names the image that is to be left out where leaving it out is a remedy.
    """

    where: str
    what: str
    serious: bool = True
    image_id: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def format_problems(problems: list[Problem], longest: int = 20) -> str:
    """The problems as text, one per line: the first `longest`, then how many more there are."""
    more = [f"and {len(problems) - longest:,} more"] if len(problems) > longest else []
    return "\n".join(f"- {line}" for line in [*problems[:longest], *more])


def reading_problem(path: Path, error: ValueError, serious: bool = True) -> Problem:
    """The error of reading `path`, which begins with `path:` or `path:line:`, as a problem at that place."""
    line, _, what = str(error).removeprefix(str(path)).partition(": ")
    return Problem(f"{path}{line}", what, serious)


def serious_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Those of the problems that would make training wrong."""
    return [problem for problem in problems if problem.serious]


def write_quarantine(path: str | Path, problems: list[Problem]) -> int:
    """Writes, all or nothing, a line `image_id<TAB>first serious problem` per image to leave out; returns how many."""
    reasons = {}
    for problem in serious_problems(problems):
        if problem.image_id:
            reasons.setdefault(problem.image_id, str(problem).replace("\t", " ").replace("\n", " "))
    text = "".join(f"{image}\t{why}\n" for image, why in sorted(reasons.items()))
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
    return len(reasons)


def read_quarantine(path: str | Path) -> dict[str, str]:
    """image_id -> why it is left out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not UTF-8 text.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; `nblib check DATA --quarantine {path}` writes it.")
    lines = [line.partition("\t") for line in read_text(path).splitlines() if line.strip()]
    return {image_id: reason for image_id, _, reason in lines}
