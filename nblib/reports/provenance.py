"""The command that makes the numbers of a page again."""

import json
import shlex
from pathlib import Path
from typing import Any


def repeating_command(papermill: dict[str, Any], notebook: Path) -> str:
    """The command that executes the notebook again with the same parameters, from papermill's own record, or ""."""
    if not papermill.get("input_path"):
        return ""
    words = ["papermill", papermill["input_path"], papermill.get("output_path") or str(notebook)]
    for name, value in (papermill.get("parameters") or {}).items():
        if isinstance(value, str):
            words += ["-r", name, value]  # -p would read "1e3" as a number
        elif value is None or isinstance(value, bool | int | float):
            words += ["-p", name, repr(value)]
        else:
            words += ["-y", json.dumps({name: value})]
    return shlex.join(words)
