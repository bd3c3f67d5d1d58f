"""Fitted decision rules as JSON: written to the run that they were fitted on, and read back without fitting again.

A rule is `{"name": its name in RULES, ...its numbers}`, and so is the calibration in it. JSON keeps every digit of a
number, so that a rule that was read selects exactly what the fitted one did.
"""

import json
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from nblib.data import Examples
from nblib.evaluation.calibration import CALIBRATIONS
from nblib.evaluation.decision_rules import RULES, fit_rule
from nblib.system import write_json

CLASSES = {**RULES, **CALIBRATIONS}
NAMES = {of_name: name for name, of_name in CLASSES.items()}


def rule_file(run_folder: Path, name: str) -> Path:
    """Where the rule of this name is saved in the folder of a run."""
    return run_folder / "rules" / f"{name}.json"


def fit_or_read_rule(run_folder: Path, name: str, tuned_on: Examples):
    """The rule of this name that is saved in the folder of a run; `fit_rule` fits it, and it is saved, if none is.

    A damaged file is replaced.
    """
    path = rule_file(run_folder, name)
    try:
        return read_rule(path)
    except (FileNotFoundError, ValueError):
        rule = fit_rule(name, tuned_on)
        write_json(path, rule_as_json(rule))
        return rule


def read_saved_rule(run_folder: Path, name: str, concepts: int):
    """The rule of this name that is saved in the folder of a run, for probabilities of so many concepts.

    Raises:
        FileNotFoundError: none is saved; the message says what saves it.
        ValueError: there is no such rule, its file is damaged, or it is for another number of concepts.
    """
    if name not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}; received {name!r}.")
    path = rule_file(run_folder, name)
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}: for a run of an older version execute the notebook that trains it again, which fits its "
            f"rules and does not train; one that is trained on all images has none but the threshold."
        )
    rule = read_rule(path)
    if np.size(getattr(rule, "threshold", 0)) not in (1, concepts):
        raise ValueError(
            f"{path} has a threshold for each of {len(rule.threshold):,} concepts of the data, and the run predicts "
            f"{concepts:,} of them; use another rule."
        )
    return rule


def read_rule(path: str | Path):
    """The decision rule saved in this file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no rule.
    """
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
        if saved["name"] not in RULES:
            raise ValueError(f"expected one of {', '.join(RULES)}; received {saved['name']!r}")
        return _from_json(saved)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} holds no decision rule ({error}); remove it, and fit the rule again.") from None


def rule_as_json(rule) -> Any:
    """The name and the numbers of a rule, or of its calibration: what `json` can write."""
    if type(rule) in NAMES:
        numbers = {field.name: rule_as_json(getattr(rule, field.name)) for field in fields(rule)}
        return {"name": NAMES[type(rule)], **numbers}
    return rule.tolist() if isinstance(rule, np.ndarray) else rule


def _from_json(saved: Any):
    """The rule, calibration, array or number that `rule_as_json` took apart."""
    if isinstance(saved, dict):
        return CLASSES[saved["name"]](**{key: _from_json(part) for key, part in saved.items() if key != "name"})
    if isinstance(saved, list):
        return np.array([_from_json(number) for number in saved])
    if not isfinite(saved):
        raise ValueError(f"expected a number; received {saved}")
    return saved
