"""The list of images to leave out: one image_id a line, the reason after a tab."""

from pathlib import Path

from nblib.data.problems import Problem, serious_problems
from nblib.data.text import read_text
from nblib.system import replacing


def write_quarantine(path: str | Path, problems: list[Problem]) -> int:
    """How many images were written to `path`: those that leaving out would cure, each with its first reason.

    The file is written whole or not at all.
    """
    reasons = {}
    for problem in serious_problems(problems):
        if problem.image_id:
            reasons.setdefault(problem.image_id, str(problem).replace("\t", " ").replace("\n", " "))
    with replacing(path) as beside:
        beside.write_text("".join(f"{image}\t{why}\n" for image, why in sorted(reasons.items())), encoding="utf-8")
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
