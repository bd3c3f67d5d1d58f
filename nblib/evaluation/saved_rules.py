"""Fitted decision rules as JSON: written to the run that they were fitted on, and read back without fitting again.

A rule is `{"name": its name in RULES, ...its numbers}`, and so is the calibration in it. JSON keeps every digit of a
number, so that a rule that was read selects exactly what the fitted one did.
"""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from nblib.data import Examples
from nblib.evaluation.calibration import CALIBRATIONS
from nblib.evaluation.decision_rules import RULES, fit_rule
from nblib.system import write_json

CLASSES = {**RULES, **CALIBRATIONS}
NAMES = {of_name: name for name, of_name in CLASSES.items()}

Share = Annotated[float, Field(ge=0, le=1)]


class _Saved(BaseModel):
    """The form of a file, or of the calibration in it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")


class _Threshold(_Saved):
    name: Literal["threshold", "tuned_threshold"]
    threshold: Share | Annotated[list[Share], Field(min_length=1)]


class _ConceptThresholds(_Saved):
    name: Literal["concept_thresholds"]
    threshold: list[Share] = Field(min_length=1)


class _TopK(_Saved):
    name: Literal["top_k"]
    k: int = Field(ge=1)


class _Platt(_Saved):
    name: Literal["platt"]
    temperature: float = Field(gt=0)
    shift: float


class _Isotonic(_Saved):
    name: Literal["isotonic"]
    steps: list[float] = Field(min_length=1)
    values: list[Share]

    @model_validator(mode="after")
    def _is_a_function(self) -> "_Isotonic":
        if len(self.steps) != len(self.values) or self.steps != sorted(self.steps):
            raise ValueError("steps must ascend, with a value for each")
        return self


class _ExpectedF1(_Saved):
    name: Literal["expected_f1", "plugin_f1"]
    calibration: Annotated[_Platt | _Isotonic, Field(discriminator="name")]


class _ConformalNumber(_Saved):
    name: Literal["conformal_number"]
    common_threshold: Share
    weights: list[float] = Field(min_length=5, max_length=5)
    radius: float = Field(ge=0)


Forms = _Threshold | _ConceptThresholds | _TopK | _ExpectedF1 | _ConformalNumber
SAVED = TypeAdapter(Annotated[Forms, Field(discriminator="name")])


def rule_file(run_folder: Path, name: str) -> Path:
    """Where the rule of this name is saved in the folder of a run."""
    return run_folder / "rules" / f"{name}.json"


def fit_or_read_rule(run_folder: Path, name: str, tuned_on: Examples):
    """The rule of this name that is saved in the folder of a run; `fit_rule` fits it, and it is saved, if none is.

    A damaged file is replaced.
    """
    try:
        return read_saved_rule(run_folder, name, tuned_on and len(tuned_on.vocabulary))
    except (FileNotFoundError, ValueError):
        rule = fit_rule(name, tuned_on)
        write_json(rule_file(run_folder, name), rule_as_json(rule))
        return rule


def read_saved_rule(run_folder: Path, name: str, concepts: int | None):
    """The rule of this name that is saved in the folder of a run, for probabilities of so many concepts, if known.

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
    if type(rule) is not RULES[name]:
        raise ValueError(f"{path} holds the rule {NAMES[type(rule)]!r}; remove it, and fit the rule again.")
    if concepts is not None and np.size(getattr(rule, "threshold", 0)) not in (1, concepts):
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
        return _from_json(SAVED.validate_json(Path(path).read_bytes()).model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = " ".join(map(str, first["loc"][1:]))
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise ValueError(f"{path} holds no decision rule ({reason}); remove it, and fit the rule again.") from None


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
    return np.array(saved) if isinstance(saved, list) else saved
