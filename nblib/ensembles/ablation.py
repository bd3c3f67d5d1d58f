"""Ideas measured: whose probabilities, decided how; tuned on one half, tested on the other, both ways.

What is tuned on val1 must be tested on val2, and the other way round. So every member of the comparison comes twice, by
the half it was tuned on: `members[tuned_on][name]` has the examples of val1, val2 and test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data import Dataset, Examples, concatenate
from nblib.ensembles.ensembles import choose_members, pool, vote
from nblib.evaluation import RULES, compare_f1, f1_per_image
from nblib.experiments import Run, find_runs, refuse_unknown

OTHER_HALF = {"val1": "val2", "val2": "val1"}

Member = Mapping[str, Examples]
Members = Mapping[str, Mapping[str, Member]]


@dataclass(frozen=True)
class Configuration:
    """Whose probabilities, and what is made of them.

    Attributes:
        members: names of members; of several, each decides with a rule of its own, and they vote.
        rule: one of `nblib.evaluation.decision_rules.RULES`.
        vote: union, majority or intersection of several members' concepts.
        nomissing: whether an image left without a concept gets its most probable one.
    """

    members: tuple[str, ...]
    rule: str = "threshold"
    vote: str = "majority"
    nomissing: bool = False

    def fit(self, halves: Sequence[Examples]) -> list:
        """The rule of each member, fitted on its half."""
        return [RULES[self.rule].fit(half.probabilities, half.labels) for half in halves]

    def select(self, rules: Sequence, halves: Sequence[Examples]) -> sparse.csr_array:
        """What the fitted rules select on these images, a sparse (N, K) matrix."""
        kept = [
            rule.select(half.probabilities, nomissing=self.nomissing) for rule, half in zip(rules, halves, strict=True)
        ]
        return kept[0] if len(kept) == 1 else vote(kept, self.vote)


def as_member(probabilities: Mapping[str, np.ndarray], images: Mapping[str, Examples]) -> dict[str, Examples]:
    """Probabilities, (N, K), of val1, val2 and test as a member, with the images' names and truth."""
    return {name: replace(images[name], probabilities=given) for name, given in probabilities.items()}


def finished_runs(folder: str | Path, dataset: Dataset) -> list[Run]:
    """The finished runs below `folder` that were trained on all of these data."""
    runs = [run for run in find_runs(folder) if run.finished and run.experiment.limit_images is None]
    return [run for run in runs if run.facts["data_fingerprint"] == dataset.fingerprint]


def run_as_member(run: Run, images: Mapping[str, Examples]) -> dict[str, Examples]:
    """A finished run as a member: what it gave val1, val2 and, where there is one, test, as they are in `images`.

    Raises:
        FileNotFoundError: test was never predicted.
        ValueError: a concept has no sigmoid in the run, or an image is not among those it predicted.
    """
    columns = pd.Index(run.vocabulary.concepts).get_indexer(next(iter(images.values())).vocabulary.concepts)
    if (columns < 0).any():
        raise ValueError(f"{run.folder} has no sigmoid for {(columns < 0).sum():,} concepts of these data.")
    found = {}
    for name in (*OTHER_HALF, "test"):
        if name in images:
            predicted, probabilities = run.probabilities(name)
            rows = pd.Index(predicted).get_indexer(images[name].image_ids)
            if (rows < 0).any():
                raise ValueError(f"{run.folder} did not predict {(rows < 0).sum():,} images of {name}: other data?")
            found[name] = probabilities[np.ix_(rows, columns)]
    return as_member(found, images)


def pool_members(members: Members, names: Sequence[str], how: str = "mean", choose: bool = False) -> dict[str, Member]:
    """The members of these names made one, by the half it was tuned on.

    Args:
        members: as above; a half that lacks some of the names pools those it has.
        names: whom to pool.
        how: mean or mean_logit.
        choose: whether members are chosen, and weighted, by their F1 on the half that is tuned on.
    """
    pooled = {}
    for tuned_on, all_of_them in members.items():
        there = {name: all_of_them[name] for name in names if name in all_of_them}
        if there:
            times = choose_members({name: each[tuned_on] for name, each in there.items()}, how) if choose else None
            kinds = next(iter(there.values()))
            pooled[tuned_on] = {kind: pool({n: each[kind] for n, each in there.items()}, how, times) for kind in kinds}
    return pooled


def decide(members: Members, tuned_on: str, idea: Configuration) -> sparse.csr_array:
    """What an idea selects on the half it was not tuned on: a sparse (N, K) matrix."""
    chosen = [members[tuned_on][name] for name in idea.members]
    rules = idea.fit([member[tuned_on] for member in chosen])
    return idea.select(rules, [member[OTHER_HALF[tuned_on]] for member in chosen])


def unseen(members: Members, name: str) -> Examples:
    """Both halves as one, each with the member's probabilities that were not tuned on it."""
    tuned = {half: members[half][name] for half in OTHER_HALF if name in members[half]}
    return concatenate([member[OTHER_HALF[half]] for half, member in tuned.items()])


def select_out_of_fold(members: Members, idea: Configuration) -> sparse.csr_array:
    """What an idea selects on both halves, each time tuned on the other: in the order of `unseen`."""
    tuned = [half for half in OTHER_HALF if set(idea.members) <= set(members[half])]
    return sparse.vstack([decide(members, half, idea) for half in tuned], format="csr")


def select_test(members: Members, idea: Configuration) -> sparse.csr_array:
    """What an idea selects on the test images, with all of validation to tune on: a sparse (N, K) matrix.

    Probabilities are the mean over the two halves a member was tuned on; its rule is fitted on both halves together,
    each with the probabilities that were not tuned on it.
    """
    rules = idea.fit([unseen(members, name) for name in idea.members])
    there = [[members[half][name]["test"] for half in OTHER_HALF if name in members[half]] for name in idea.members]
    return idea.select(rules, [pool(dict(enumerate(halves))) for halves in there])


def run_ablation(ideas: Mapping[str, Configuration], members: Members) -> pd.DataFrame:
    """F1 of every idea on both halves, and its gain over the first, with 95 % intervals over images.

    An idea with a member that is there for one half alone is measured once.

    Returns:
        Tidy: half (that tests), idea, f1, low, high, gain, gain_low, gain_high.

    Raises:
        ValueError: an idea names a member that is there for neither half.
    """
    known = {name for there in members.values() for name in there}
    refuse_unknown((name for idea in ideas.values() for name in idea.members), known, kind="member")
    tables = []
    for tuned_on, half in OTHER_HALF.items():
        there = {name: idea for name, idea in ideas.items() if set(idea.members) <= set(members[tuned_on])}
        labels = next(iter(members[tuned_on].values()))[half].labels
        scores = {name: f1_per_image(labels, decide(members, tuned_on, idea)) for name, idea in there.items()}
        tables.append(compare_f1(scores).rename_axis("idea").reset_index().assign(half=half))
    measured = pd.concat(tables, ignore_index=True)
    return measured[["half", "idea", "f1", "low", "high", "gain", "gain_low", "gain_high"]]


def ablation_table(measured: pd.DataFrame) -> pd.DataFrame:
    """`run_ablation` to read: one row an idea; F1 and gain with their intervals, as text, for each half that tests."""
    table = {}
    for half, rows in measured.set_index("idea").groupby("half"):
        for column, name, form in (("f1", "F1", "{:.3f}"), ("gain", "gain", "{:+.3f}")):
            ends = ("low", "high") if column == "f1" else ("gain_low", "gain_high")
            told = (map(form.format, row) for row in rows[[column, *ends]].itertuples(index=False))
            table[half, name] = pd.Series([f"{mean} ({low} to {high})" for mean, low, high in told], rows.index)
    return pd.DataFrame(table).loc[list(dict.fromkeys(measured["idea"]))].fillna("")
