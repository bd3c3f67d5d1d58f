"""Ideas measured: which probabilities, decided how, tuned on one half and tested on the other, both ways.

What is tuned on val1 must be tested on val2, and the other way round. So everything comes twice, by the half it was
tuned on: `members[tuned_on][member][images]` are probabilities, (N, K), with images one of val1, val2 and test.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.concepts import ConceptVocabulary
from nblib.deciding import RULES
from nblib.intervals import compare_f1
from nblib.metrics import f1_by_image
from nblib.runs import Run

OTHER_HALF = {"val1": "val2", "val2": "val1"}

Members = Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]
Ideas = Mapping[str, tuple[str, str]]


def probabilities_of(
    run: Run, vocabulary: ConceptVocabulary, image_ids: Mapping[str, Sequence[str]]
) -> dict[str, np.ndarray]:
    """A finished run as a member: its probabilities, (N, K), in the columns of `vocabulary`.

    Args:
        run: the run.
        vocabulary: K concepts.
        image_ids: val1, val2 or test -> its images, (N,), in the order of the rows.

    Raises:
        FileNotFoundError: some were never predicted.
        ValueError: a concept has no sigmoid in the run, or an image is not among those it predicted.
    """
    columns = pd.Index(run.vocabulary.concepts).get_indexer(vocabulary.concepts)
    if (columns < 0).any():
        raise ValueError(f"{run.folder} has no sigmoid for {(columns < 0).sum():,} concepts of these data.")
    found = {}
    for name, wanted in image_ids.items():
        predicted, probabilities = run.probabilities(name)
        rows = pd.Index(predicted).get_indexer(wanted)
        if (rows < 0).any():
            raise ValueError(f"{run.folder} did not predict {(rows < 0).sum():,} images of {name}; on other data, or "
                             f"with limit_images?")  # fmt: skip
        found[name] = probabilities[np.ix_(rows, columns)]
    return found


def decide(members: Members, labels: Mapping[str, sparse.csr_array], tuned_on: str, idea: tuple[str, str]):
    """What an idea selects on the half it was not tuned on: a sparse (N, K) matrix.

    Args:
        members: by the half they were tuned on, name, and images.
        labels: half -> its truth, (N, K).
        tuned_on: val1 or val2; the rule is fitted there.
        idea: names of a member and of a rule in `nblib.deciding.RULES`.
    """
    member, rule = idea
    probabilities = members[tuned_on][member]
    fitted = RULES[rule].fit(probabilities[tuned_on], labels[tuned_on])
    return fitted.select(probabilities[OTHER_HALF[tuned_on]], nomissing=True)


def decide_test(members: Members, labels: Mapping[str, sparse.csr_array], idea: tuple[str, str]):
    """What an idea selects on the test images, with all of validation to tune on: a sparse (N, K) matrix.

    Probabilities are the mean over the two halves a member was tuned on; its rule is fitted on both halves together,
    each with the probabilities that were not tuned on it.
    """
    member, rule = idea
    tuned = [half for half in OTHER_HALF if member in members[half]]
    unseen = [members[half][member][OTHER_HALF[half]] for half in tuned]
    truth = sparse.vstack([labels[OTHER_HALF[half]] for half in tuned], format="csr")
    fitted = RULES[rule].fit(np.concatenate(unseen), truth)
    return fitted.select(np.mean([members[half][member]["test"] for half in tuned], axis=0), nomissing=True)


def measure_ideas(ideas: Ideas, members: Members, labels: Mapping[str, sparse.csr_array]) -> pd.DataFrame:
    """F1 of every idea on both halves, and its gain over the first, with 95 % intervals over images.

    Args:
        ideas: name -> names of a member and of a rule.
        members, labels: as of `decide`. An idea whose member is there for one half alone is measured once.

    Returns:
        Tidy: half (that tests), idea, f1, low, high, gain, gain_low, gain_high.
    """
    tables = []
    for tuned_on, half in OTHER_HALF.items():
        there = {name: idea for name, idea in ideas.items() if idea[0] in members[tuned_on]}
        scores = {
            name: f1_by_image(labels[half], decide(members, labels, tuned_on, idea)) for name, idea in there.items()
        }
        tables.append(compare_f1(scores).rename_axis("idea").reset_index().assign(half=half))
    measured = pd.concat(tables, ignore_index=True)
    return measured[["half", "idea", "f1", "low", "high", "gain", "gain_low", "gain_high"]]


def in_one_table(measured: pd.DataFrame) -> pd.DataFrame:
    """`measure_ideas` to read: one row an idea; F1 and gain with their intervals, as text, for each half that tests."""
    cells = {
        "F1": [_told(row.f1, row.low, row.high, "{:.3f}") for row in measured.itertuples()],
        "gain": [_told(row.gain, row.gain_low, row.gain_high, "{:+.3f}") for row in measured.itertuples()],
    }
    table = pd.DataFrame({**cells, "half": measured["half"], "idea": measured["idea"]})
    table = (
        table.pivot(index="idea", columns="half").swaplevel(axis=1).sort_index(axis=1, level=0, sort_remaining=False)
    )
    return table.loc[list(dict.fromkeys(measured["idea"]))].fillna("")


def _told(mean: float, low: float, high: float, form: str) -> str:
    return f"{form.format(mean)} ({form.format(low)} to {form.format(high)})"
