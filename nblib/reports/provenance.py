"""Where the numbers of a page come from, and the command that makes them again."""

import json
import shlex
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from nblib.experiments import Run, duration


def provenance_of(run: Run | None) -> dict[str, str]:
    """Data, code, machine and duration of a run, as it recorded them when it began; {} without a run."""
    if run is None:
        return {}
    facts, made = run.facts, dict(run.facts["provenance"])
    told = {
        "run begun": made.pop("started", ""),
        "data": f"{facts['data']}, fingerprint {facts['data_fingerprint']}",
        "commit": made.pop("commit", None) or "unknown",
        "hardware": made.pop("machine", ""),
        "versions": ", ".join(f"{name} {number}" for name, number in made.items()),
    }
    if run.finished:
        told["duration of all epochs"] = duration(run.scores["seconds"])
    return told


def execution(notebook: NotebookNode, path: Path | None) -> dict[str, str]:
    """When and for how long papermill executed the notebook, and the command that does it again."""
    papermill = notebook.metadata.get("papermill", {})
    told = {
        "notebook executed": (papermill.get("start_time") or "")[:19].replace("T", " "),
        "duration of the notebook": duration(papermill["duration"]) if papermill.get("duration") else "",
        "kernel": " ".join(notebook.metadata.get("language_info", {}).get(word, "") for word in ("name", "version")),
        "command to repeat": repeating_command(papermill, path) if papermill.get("input_path") else "",
    }
    return {name: value for name, value in told.items() if value.strip()}


def repeating_command(papermill: dict[str, Any], notebook: Path) -> str:
    """The command that executes the notebook again with the same parameters, from papermill's own record."""
    words = ["papermill", papermill["input_path"], papermill.get("output_path") or str(notebook)]
    for name, value in (papermill.get("parameters") or {}).items():
        words += _option(name, value)
    return shlex.join(words)


def _option(name: str, value: Any) -> list[str]:
    """One parameter as papermill's command line takes it: -p tells numbers from text by their look, -r takes text."""
    if isinstance(value, str):
        return ["-r" if _looks_like_a_value(value) else "-p", name, value]
    if value is None or isinstance(value, bool | int | float):
        return ["-p", name, repr(value)]
    return ["-y", json.dumps({name: value})]


def _looks_like_a_value(text: str) -> bool:
    try:
        float(text)
        return True
    except ValueError:
        return text in ("True", "False", "None")
