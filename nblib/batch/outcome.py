"""The outcome of a papermill execution, from the notebook, the log and the exit code that it left."""

from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

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
    match _read(notebook):
        case {"metadata": {"papermill": {"end_time": str(ended), **others}}}:
            return bool(ended) and not others.get("exception")
    return False


def failing_cell(notebook: Path) -> str | None:
    """Number, error and source of the cell of an executed notebook that raised an error; None if none did."""
    match _read(notebook):
        case {"cells": [*cells]}:
            return next(filter(None, map(_error, cells)), None)
    return None


def _error(cell: Any) -> str | None:
    """Number, error and source of a cell that raised an error; None if it did not."""
    match cell:
        case {"outputs": [*outputs], "source": str() | list() as source, "execution_count": number}:
            source = "".join(map(str, source)).replace("\n", "\n    ")
            for output in outputs:
                match output:
                    case {"output_type": "error", "ename": name, "evalue": value}:
                        return f"cell {number}: {name}: {value}\n    {source}"
    return None


def judge(notebook: Path, log_dir: Path) -> Failure:
    """Why an execution has ended without finishing its run."""
    if cell := failing_cell(notebook):
        return Failure("another process was training it", True) if TRAINED_ELSEWHERE in cell else Failure(cell)
    ended, log = log_dir / "ended.json", last_log(log_dir)
    code = _read(ended).get("code")
    if not isinstance(code, int):
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


def _read(path: Path) -> dict[str, Any]:
    """A notebook or another JSON object; empty where there is none, or where its writer was killed."""
    try:
        content = from_json(path.read_bytes())  # which bounds the depth
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
