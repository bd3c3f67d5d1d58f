"""The ledger of submissions: what was written from which run by which rule, and the online scores, entered later.

A submission is a file of its own in the folder of its run, `submissions/3_top_k_nomissing.zip`, that is never
overwritten; beside it, `submissions/3_top_k_nomissing.json` is its record.
"""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nblib.data import Examples
from nblib.evaluation import YEARS, evaluate, read_submission, rule_as_json, rules_of, submission_bytes
from nblib.experiments import Run
from nblib.system import replacing, take_lock, write_json

FOLDER = "submissions"


class Submission(BaseModel):
    """The record of one submission. `rule` and `thresholds` are its decision rule's name and numbers."""

    model_config = ConfigDict(frozen=True)

    file: str
    experiment_name: str
    validation_half: str
    identity: str
    rule: str
    thresholds: dict[str, Any]
    cap: int
    nomissing: bool
    year: int
    images: int
    sha256: str
    date: str
    online_f1: float | None = Field(None, ge=0, le=1)


def submit(
    run: Run, images: Examples, order: Iterable[str], rule, cap: int, nomissing: bool = False, year: int = 2020
) -> Path:
    """The file of a submission, written and recorded; the old one if the same was written before.

    Args:
        run: the finished run.
        images: the test images with the probabilities that the run predicted, as `read_half` returns them.
        order: the image_ids to answer, in the order of the challenge; those without probabilities get no concept.
        rule: a fitted decision rule.
        cap: at most so many concepts per image.
        nomissing: an image left without a concept gets its most probable one.
        year: a year of `YEARS`, which decides the form of the file.
    """
    concepts = images.vocabulary.decode(rule.select(images.probabilities, cap, nomissing))
    lists = dict(zip(images.image_ids, concepts, strict=True))
    order = list(order)
    content = submission_bytes(order, [lists.get(image_id, ()) for image_id in order], year)
    thresholds = rule_as_json(rule)
    record = {
        "experiment_name": run.experiment.experiment_name, "validation_half": run.experiment.half,
        "identity": run.facts["identity"], "rule": thresholds.pop("name"), "thresholds": thresholds, "cap": cap,
        "nomissing": nomissing, "year": year, "images": len(order), "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    return _write_once(run.folder / FOLDER, content, record)


def submissions(folder: str | Path) -> pd.DataFrame:
    """One row per submission below `folder`, also of archived runs: `path` of the file, and the fields of `Submission`.

    A record that can't be read has a row with its path and the reason, in the column `damaged`.
    """
    rows = []
    for path in sorted(Path(folder).rglob(f"{FOLDER}/*.json"), key=lambda path: (path.parent, _number(path))):
        try:
            record = _read(path)
            rows.append({"path": path.with_name(record.file), **record.model_dump()})
        except ValueError as error:
            rows.append({"path": path, "damaged": str(error)})
    table = pd.DataFrame(rows, columns=["path", *Submission.model_fields, "damaged"])
    return table.astype({"year": "Int64", "cap": "Int64", "images": "Int64", "online_f1": float})


def score_submissions(folder: str | Path, truth: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """The rows of `submissions` that have a file, and its F1 as `f1`: NaN where the truth is of other images."""
    table = submissions(folder)
    table = table[table["damaged"].isna() & table["path"].map(Path.is_file)].reset_index(drop=True)
    written = table[["path", "year"]].itertuples(index=False)
    return table.assign(f1=pd.Series([_f1(path, int(year), truth) for path, year in written], dtype=float))


def enter_online_score(folder: str | Path, file: str, f1: float) -> Path:
    """The file whose record now has this online score; `file` is its path, or the end of it, below `folder`.

    Raises:
        ValueError: `file` is none or several of the submissions, has changed since it was written, or `f1` is no F1.
    """
    paths = [path for path in submissions(folder)["path"] if path.suffix != ".json"]
    named = [path for path in paths if path.resolve() == Path(file).resolve()]
    named = named or [path for path in paths if f"/{path.as_posix()}".endswith(f"/{file}")]
    if len(named) != 1:
        which = ", ".join(map(str, named or paths)) or "none"
        raise ValueError(f"{file!r} must name one submission below {folder}; there are: {which}.")
    (path,) = named
    record = _read(path.with_suffix(".json"))
    if hashlib.sha256(path.read_bytes()).hexdigest() != record.sha256:
        raise ValueError(f"{path} has changed since it was written; its online score would be that of another file.")
    if not 0 <= f1 <= 1:
        raise ValueError(f"an online score is an F1 from 0 to 1; received {f1}.")
    write_json(path.with_suffix(".json"), record.model_copy(update={"online_f1": f1}).model_dump())
    return path


def remaining_budget(table: pd.DataFrame) -> dict[int, str]:
    """Year -> how many of its submissions in a table of `submissions` were sent, those with a score, and are left."""
    sentences = {}
    for year, online in table.dropna(subset="year").groupby("year")["online_f1"]:
        sent, budget = online.notna().sum(), YEARS[year].submissions
        left = "the budget is not known" if budget is None else f"{budget - sent} of {budget} are left"
        sentences[int(year)] = f"{sent} of {len(online)} submissions have an online score; {left}"
    return sentences


def _write_once(folder: Path, content: bytes, record: dict[str, Any]) -> Path:
    """The path of this submission in `folder`, written under the next number unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        take_lock(lock, wait=True)
        for path in sorted(folder.glob("*.json")):
            with suppress(ValueError):
                there = _read(path)
                if there.model_dump(include=set(record)) == record and (folder / there.file).is_file():
                    return folder / there.file
        number = max(map(_number, folder.glob("[0-9]*")), default=0) + 1
        ending = "_nomissing" if record["nomissing"] else ""
        path = folder / f"{number}_{record['rule']}{ending}{rules_of(record['year']).suffix}"
        with replacing(path) as beside:
            beside.write_bytes(content)
        date = datetime.now().astimezone().isoformat(timespec="seconds")
        write_json(path.with_suffix(".json"), Submission(file=path.name, date=date, **record).model_dump())
        return path


def _f1(path: Path, year: int, truth: dict[str, tuple[str, ...]]) -> float:
    """F1 of the submission in this file; NaN where it can't be scored with this truth."""
    try:
        return evaluate(truth, read_submission(path, year), year)[0]
    except ValueError:
        return float("nan")


def _read(path: Path) -> Submission:
    """The record in this file.

    Raises:
        ValueError: it holds none; the message says why.
    """
    try:
        return Submission.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise ValueError(f"{path} is no record of a submission: {where}: {first['msg']}.") from None


def _number(path: Path) -> int:
    """3 of `3_top_k.txt`, 0 of a file with another name."""
    number, *_ = path.name.partition("_")
    return int(number) if number.isdecimal() else 0
