"""The model card of a run: what it is, on which data, how good, where it errs, and what it must not be used for."""

from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader

from nblib.evaluation import sum_by_frequency
from nblib.experiments import Run, notebook_of, open_finished
from nblib.system import replacing

MARK = "<!-- Written by nblib card. -->"  # a file with it may be replaced
UNKNOWN = "not stated"
WEIGHTS = {"imagenet": "ImageNet, as Keras distributes them", None: "none, the network started at random"}
WORST = 10  # concepts with most errors that are listed
HERE = Path(__file__).parent


def model_card(run_folder: str | Path, licence: str = UNKNOWN, data_licence: str = UNKNOWN) -> str:
    """The card of a finished run as Markdown with metadata, in the form of `huggingface_hub.ModelCard`.

    Args:
        run_folder: all that is needed.
        licence: of the model; data_licence: of its data. Only who publishes them can know.

    Raises:
        FileNotFoundError: there is no finished run.
    """
    run = open_finished(run_folder)
    experiment, notebook = run.experiment, notebook_of(run.experiment)
    template = Environment(loader=FileSystemLoader(HERE), keep_trailing_newline=True).get_template("card.md.j2")
    path = f"{_recipe(run)['runs']}/{experiment.experiment_name}/{experiment.half}"
    return template.render(
        metadata=yaml.safe_dump(_metadata(licence), sort_keys=False),
        experiment=experiment,
        concepts=len(run.vocabulary),
        facts=run.facts,
        scores=run.scores,
        tables=_tables(run),
        recipe=yaml.safe_dump(_recipe(run), sort_keys=False),
        command=f"papermill notebooks/{notebook}.ipynb {path}/notebook.ipynb -f recipe.yaml",
        licence=licence,
        data_licence=data_licence,
        weights=WEIGHTS.get(experiment.weights, f"{_recipe(run)['weights']}, licence not stated"),
    )


def write_card(path: Path, card: str) -> bool:
    """Writes the card, and returns whether it did: a file that is not a card of nblib stays."""
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        return False
    with replacing(path) as beside:
        beside.write_text(card, encoding="utf-8")
    return True


def _recipe(run: Run) -> dict[str, Any]:
    """All parameters; of absolute paths only the last part: a card is published, and paths name people and machines."""
    parameters = run.experiment.model_dump(mode="json")
    return {name: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
            for name, value in parameters.items()}  # fmt: skip


def _metadata(licence: str) -> dict:
    """What Hugging Face shows beside a model; "other" is its word for a licence that it does not list."""
    tags = ["radiology", "multi-label-classification", "umls", "imageclef"]
    known = {} if licence == UNKNOWN else {"license_name": licence}
    return {"library_name": "keras", "license": "other", **known, "pipeline_tag": "image-classification", "tags": tags,
            "metrics": ["f1"]}  # fmt: skip


def _tables(run: Run) -> list[str]:
    """Sections on categories, frequency, errors and calibration, of what the run has kept."""
    sections, scores = [], run.concept_scores
    if len(run.category_scores):
        sections.append("### By category\n\n95 % interval: 1.96 standard errors.\n\n" + _markdown(run.category_scores))
    if not len(scores):
        return sections
    if len(run.concepts):
        banded = sum_by_frequency(scores, run.concepts["images"].reindex(scores.index).fillna(0))
        text = (
            "### By frequency\n\nOver all predictions of the concepts with so many train images (micro-averaged).\n\n"
        )
        sections.append(text + _markdown(banded))
    errors = (scores["true"] - scores["right"] + scores["wrong"]).sort_values(ascending=False, kind="stable")
    named = scores.loc[errors.index[:WORST], ["true", "right", "wrong", "precision", "recall"]]
    named.insert(0, "name", run.concepts["name"].reindex(named.index).fillna(""))
    sections.append("### Where it errs\n\nThe concepts with most errors, missed or wrong.\n\n" + _markdown(named))
    return [*sections, _calibration(scores)]


def _calibration(scores: pd.DataFrame) -> str:
    """What the probabilities of selected concepts are worth."""
    number = scores["right"] + scores["wrong"]
    if not number.sum():
        return "### Calibration\n\nNo concept was selected in the test half."
    predicted, observed = (scores["predicted"] * number).sum() / number.sum(), scores["right"].sum() / number.sum()
    return (
        f"### Calibration\n\nOf the {number.sum():,} concepts selected in the test half, with a mean probability of "
        f"{predicted:.3f}, {observed:.3f} were true. A calibration fitted on the validation half comes with the run."
    )


def _markdown(table: pd.DataFrame) -> str:
    """The table in Markdown: three decimals, blank where a value is missing."""
    table = table.reset_index()
    rows = [list(table), ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(value) -> str:
    if isinstance(value, str):
        return value.replace("|", "\\|").replace("<", "&lt;")
    if pd.isna(value):
        return ""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
