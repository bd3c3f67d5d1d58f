"""What came of a papermill execution, read from the notebook, the log and the code it left."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

KERNEL_DIED = 138  # papermill's exit code when the kernel died while a cell was executed

# Failures to start a kernel that pass: ports taken in the same moment (papermill issue 511), a machine too busy.
PASSING = ("Kernel died before replying to kernel_info", "Address already in use", "Kernel didn't respond in")

TRAINED_ELSEWHERE = "is being trained by another process"  # what `Run.held` says


@dataclass(frozen=True)
class Outcome:
    """done; failed for good; or passing, which is worth another try. The reason is empty where it is done."""

    kind: Literal["done", "failed", "passing"]
    reason: str = ""


def is_whole(notebook: Path) -> bool:
    """Whether papermill executed the notebook to its end without an error."""
    told = _read(notebook).get("metadata", {}).get("papermill", {})
    return bool(told.get("end_time")) and not told.get("exception")


def failing_cell(notebook: Path) -> str | None:
    """The cell of an executed notebook that ended in an error, and the error's last words; None where none did."""
    for cell in _read(notebook).get("cells", []):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                source = "".join(cell["source"]).replace("\n", "\n    ")
                return f"cell {cell['execution_count']}: {output['ename']}: {output['evalue']}\n    {source}"
    return None


def judge(notebook: Path, books: Path) -> Outcome:
    """The outcome of an execution that has not finished its run, though it is no longer at work."""
    if cell := failing_cell(notebook):
        if TRAINED_ELSEWHERE in cell:
            return Outcome("passing", "another process was training it")
        return Outcome("failed", cell)
    ended, log = books / "ended.json", last_log(books)
    code = json.loads(ended.read_text(encoding="utf-8"))["code"] if ended.is_file() else None
    if code is None:
        return Outcome("passing", "its process was killed")
    if code == KERNEL_DIED or code < 0:
        return Outcome("passing", "its kernel died: killed, or out of memory")
    if sign := next((sign for sign in PASSING if sign in log), None):
        return Outcome("passing", f"the kernel did not start: {sign}")
    words = [line for line in log.splitlines() if line.strip()]
    return Outcome("failed", words[-1] if words else "no word in its log")


def last_log(books: Path) -> str:
    """What the log says of the last execution."""
    log = books / "log.txt"
    return log.read_text(encoding="utf-8", errors="replace").rpartition("\n== ")[2] if log.is_file() else ""


def _read(notebook: Path) -> dict[str, Any]:
    """The notebook; an empty one where there is none, or one whose writer was killed."""
    try:
        return json.loads(notebook.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
