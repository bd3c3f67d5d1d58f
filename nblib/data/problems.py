"""What is wrong with a data set: where, what, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data set: where, what, what to do; `serious` if training would be wrong.

    `image_id` names the image that is to be left out where leaving it out is a cure.
    """

    where: str
    what: str
    serious: bool = True
    image_id: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def format_problems(problems: list[Problem], longest: int = 20) -> str:
    """The problems as text, one a line: the first `longest`, then how many more there are."""
    lines = [f"- {problem}" for problem in problems[:longest]]
    if len(problems) > longest:
        lines.append(f"- and {len(problems) - longest:,} more")
    return "\n".join(lines)


def reading_problem(path: Path, error: ValueError, serious: bool = True) -> Problem:
    """The error of reading `path`, which begins with `path:` or `path:line:`, as a problem of that place."""
    line, _, what = str(error).removeprefix(str(path)).partition(": ")
    return Problem(f"{path}{line}", what, serious)


def serious_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Those of the problems that would make training wrong."""
    return [problem for problem in problems if problem.serious]
