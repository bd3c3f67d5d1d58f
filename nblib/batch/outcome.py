"""The outcome of a papermill execution, from the notebook, the log and the exit code that it left."""

import json
from pathlib import Path
from typing import Any, NamedTuple

KERNEL_DIED = 138  # papermill's exit code when the kernel died during a cell

# Transient failures to start a kernel: ports taken at the same moment (papermill issue 511), a machine too busy.
TRANSIENT = ("Kernel died before replying to kernel_info", "Address already in use", "Kernel didn't respond in")

TRAINED_ELSEWHERE = "is being trained by another process"  # what `Run.lock` says


class Failure(NamedTuple):
    """Why a run failed, as text for people; `transient` if another try may not meet it."""

    reason: str
    transient: bool = False


def is_complete(notebook: Path) -> bool:
    """Whether papermill executed the notebook to its end without an error."""
    papermill = _read(notebook).get("metadata", {}).get("papermill", {})
    return bool(papermill.get("end_time")) and not papermill.get("exception")


def failing_cell(notebook: Path) -> str | None:
    """Number, error and source of the cell of an executed notebook that raised an error; None if none did."""
    for cell in _read(notebook).get("cells", []):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                source = "".join(cell["source"]).replace("\n", "\n    ")
                return f"cell {cell['execution_count']}: {output['ename']}: {output['evalue']}\n    {source}"
    return None


def judge(notebook: Path, log_dir: Path) -> Failure:
    """Why an execution has ended without finishing its run."""
    if cell := failing_cell(notebook):
        return Failure("another process was training it", True) if TRAINED_ELSEWHERE in cell else Failure(cell)
    ended, log = log_dir / "ended.json", last_log(log_dir)
    code = json.loads(ended.read_text(encoding="utf-8"))["code"] if ended.is_file() else None
    if code is None:
        return Failure("its process was killed", transient=True)
    if code == KERNEL_DIED or code < 0:
        return Failure("its kernel died: killed, or out of memory", transient=True)
    if found := next((message for message in TRANSIENT if message in log), None):
        return Failure(f"the kernel did not start: {found}", transient=True)
    lines = [line for line in log.splitlines() if line.strip()]
    return Failure(lines[-1] if lines else "nothing in its log")


def last_log(log_dir: Path) -> str:
    """The part of the log that the last execution wrote."""
    log = log_dir / "log.txt"
    return log.read_text(encoding="utf-8", errors="replace").rpartition("\n== ")[2] if log.is_file() else ""


def _read(notebook: Path) -> dict[str, Any]:
    """The notebook as JSON; empty where there is none, or where its writer was killed."""
    try:
        return json.loads(notebook.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
