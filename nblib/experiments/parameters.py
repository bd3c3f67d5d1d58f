"""Parameters: read from files and notebooks, unknown names refused, relative paths resolved."""

import ast
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml


def read_parameters(path: Path) -> dict[str, Any]:
    """The parameters that a file such as those in `params` sets, by name, not yet validated.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something other than parameters.
    """
    try:
        parameters = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(parameters, dict):
        raise ValueError(f"{path} must hold lines `parameter: value`, as the files in params/table3 do.")
    return parameters


def notebook_parameters(executed_cells: list[str]) -> dict[str, Any]:
    """The parameters a notebook runs with, from IPython's list `In` of the cells executed so far.

    Cells that begin with `# Parameters` set them: the notebook's own declares them with their defaults; those that
    papermill injects after it override some. Papermill only warns of undeclared names; here they are errors.

    Raises:
        ValueError: an injected name is unknown (with the nearest declared one), or a value is not a literal.
    """
    cells = [_assignments(source) for source in executed_cells if source.startswith("# Parameters")]
    if not cells:
        raise ValueError("no cell that begins with '# Parameters' has been executed: run the notebook from its top.")
    declared, *injected = cells
    for overrides in injected:
        refuse_unknown(overrides, known=declared)
        declared = {**declared, **overrides}
    return declared


def project_path(path: str | Path) -> Path:
    """`path` as an absolute path; a relative one starts at the project's top folder, wherever the kernel runs.

    JupyterLab starts a kernel in `notebooks/`, papermill in the current folder; the top folder is the nearest one
    upwards that contains `notebooks/`. Outside of any project a relative path starts at the current folder.
    """
    here = Path.cwd()
    top = next((folder for folder in (here, *here.parents) if (folder / "notebooks").is_dir()), here)
    return top / Path(path).expanduser()


def refuse_unknown(names: Iterable[str], known: Iterable[str], kind: str = "parameter") -> None:
    """Raises ValueError for the names that are not known, with the nearest known one for each."""
    known, sentences = list(known), []
    for name in (name for name in names if name not in known):
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(known)}."
        sentences.append(f"unknown {kind} {name!r}: {hint}")
    if sentences:
        raise ValueError("\n".join(sentences))


def _assignments(source: str) -> dict[str, Any]:
    values = {}
    for statement in ast.parse(source).body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                try:
                    values[name] = ast.literal_eval(value)
                except ValueError:
                    what = "a plain value (number, text, True, False, None)"
                    raise ValueError(f"parameter {name!r} must be {what}, not {ast.unparse(value)!r}.") from None
            case _:
                raise ValueError(f"a parameters cell holds assignments only, not {ast.unparse(statement)!r}.")
    return values
