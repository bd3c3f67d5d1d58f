"""Ablation by two-fold cross-validation: each configuration is tuned on one half and evaluated on the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from scipy import sparse

from nblib.data import Dataset, Examples, concatenate
from nblib.ensembles.ensembles import OTHER_HALF, Member, Members, choose_members, pool, vote
from nblib.evaluation import compare_f1, f1_per_image, fit_rule
from nblib.experiments import Run, find_runs, refuse_unknown


@dataclass(frozen=True)
class Configuration:
    """Whose probabilities are used, and how concepts are selected from them.

    Attributes:
        members: names of members; each of several selects with a rule of its own, and they vote.
        rule: one of `nblib.evaluation.RULES`.
        vote: union, majority or intersection of several members' concepts.
        nomissing: whether an image left without a concept gets its most probable one.
    """

    members: tuple[str, ...]
    rule: str = "threshold"
    vote: str = "majority"
    nomissing: bool = False

    def fit(self, tuned_on: Sequence[Examples]) -> list:
        """The rule of each member, fitted on its predictions for one half."""
        return [fit_rule(self.rule, each) for each in tuned_on]

    def select(self, rules: Sequence, predicted: Sequence[Examples]) -> sparse.csr_array:
        """What the fitted rules of the members select from their predictions, a sparse (N, K) matrix."""
        pairs = zip(rules, predicted, strict=True)
        selections = [rule.select(each.probabilities, nomissing=self.nomissing) for rule, each in pairs]
        return selections[0] if len(selections) == 1 else vote(selections, self.vote)


def finished_runs(folder: str | Path, dataset: Dataset) -> list[Run]:
    """The finished runs below `folder` that were trained on all of these data."""
    runs = [run for run in find_runs(folder) if run.finished and run.experiment.limit_images is None]
    return [run for run in runs if run.facts["data_fingerprint"] == dataset.fingerprint]


def run_as_member(run: Run, examples: Mapping[str, Examples]) -> Member:
    """A finished run as a member: `examples` of val1, val2 and, where it is there, test, with the run's probabilities.

    A concept without a sigmoid has probability 0.

    Raises:
        FileNotFoundError: test was never predicted.
        ValueError: an image is not among those it predicted.
    """
    member = {}
    for name in [name for name in (*OTHER_HALF, "test") if name in examples]:
        image_ids, probabilities = run.probabilities(name)
        rows = pd.Index(image_ids).get_indexer(examples[name].image_ids)
        if (rows < 0).any():
            raise ValueError(f"{run.folder} did not predict {(rows < 0).sum():,} images of {name}: other data?")
        predicted = run.vocabulary.convert(probabilities[rows], examples[name].vocabulary)
        member[name] = replace(examples[name], features=None, probabilities=predicted)
    return member


def add_runs(members: Members, runs: Iterable[Run], examples: Mapping[str, Examples]) -> Members:
    """The members and finished runs, each run for the half that it was validated on.

    A run trained on all images has seen both halves. Where its experiment has runs on the halves, it joins them for the
    test images only: the mean of both, with the rule that is tuned for them. Without such runs it is left out.
    """
    added = {half: dict(of_half) for half, of_half in members.items()}
    on_halves, on_all = ([run for run in runs if (run.experiment.half == "all") == seen] for seen in (False, True))
    for run in on_halves:
        added[run.experiment.half][run.experiment.experiment_name] = run_as_member(run, examples)
    for run in on_all if "test" in examples else []:
        name, member = run.experiment.experiment_name, run_as_member(run, {"test": examples["test"]})
        for of_half in (of_half for of_half in added.values() if name in of_half):
            of_half[name] = {**of_half[name], "test": pool({"half": of_half[name]["test"], "all": member["test"]})}
    return added


def pool_members(members: Members, names: Sequence[str], how: str = "mean", choose: bool = False) -> dict[str, Member]:
    """The members of these names pooled into one, per half it was tuned on.

    Args:
        members: `members[tuned_on][name]`; where some of the names are missing for a half, the others are pooled.
        names: the members to pool.
        how: mean or mean_logit.
        choose: whether members are chosen, and weighted, by their F1 on the half that tunes.
    """
    pooled = {}
    for tuned_on, of_half in members.items():
        some = {name: of_half[name] for name in names if name in of_half}
        if some:
            counts = choose_members({name: each[tuned_on] for name, each in some.items()}, how) if choose else None
            parts = next(iter(some.values()))
            pooled[tuned_on] = {part: pool({n: each[part] for n, each in some.items()}, how, counts) for part in parts}
    return pooled


def select_other_half(members: Members, tuned_on: str, configuration: Configuration) -> sparse.csr_array:
    """What a configuration selects on the half it was not tuned on: a sparse (N, K) matrix."""
    chosen = [members[tuned_on][name] for name in configuration.members]
    rules = configuration.fit([member[tuned_on] for member in chosen])
    return configuration.select(rules, [member[OTHER_HALF[tuned_on]] for member in chosen])


def out_of_fold(members: Members, name: str) -> Examples:
    """Both halves together, each with those probabilities of the member that were not tuned on it."""
    return concatenate(members[half][name][other] for half, other in OTHER_HALF.items() if name in members[half])


def select_out_of_fold(members: Members, configuration: Configuration) -> sparse.csr_array:
    """What a configuration selects on both halves, each time tuned on the other: in the order of `out_of_fold`."""
    halves = [half for half in OTHER_HALF if set(configuration.members) <= set(members[half])]
    return sparse.vstack([select_other_half(members, half, configuration) for half in halves], format="csr")


def select_test(members: Members, configuration: Configuration) -> sparse.csr_array:
    """What a configuration selects on the test images, tuned on all of validation: a sparse (N, K) matrix.

    A member's probabilities are the mean over the two halves it was tuned on; its rule is fitted on its out-of-fold
    probabilities of both halves.
    """
    names = configuration.members
    rules = configuration.fit([out_of_fold(members, name) for name in names])
    tests = [{half: each[name]["test"] for half, each in members.items() if name in each} for name in names]
    return configuration.select(rules, [pool(test) for test in tests])


def run_ablation(configurations: Mapping[str, Configuration], members: Members) -> pd.DataFrame:
    """F1 of every configuration on both halves, and its gain over the first, with 95 % intervals over images.

    A configuration with a member that exists for one half only is evaluated once.

    Returns:
        Tidy: half (evaluated on), configuration, f1, low, high, gain, gain_low, gain_high.

    Raises:
        ValueError: a configuration names a member that exists for neither half.
    """
    known = {name for of_half in members.values() for name in of_half}
    refuse_unknown((name for each in configurations.values() for name in each.members), known, kind="member")
    tables = []
    for tuned_on, half in OTHER_HALF.items():
        complete = {name: each for name, each in configurations.items() if set(each.members) <= set(members[tuned_on])}
        labels = next(iter(members[tuned_on].values()))[half].labels
        f1 = {name: f1_per_image(labels, select_other_half(members, tuned_on, each)) for name, each in complete.items()}
        tables.append(compare_f1(f1).rename_axis("configuration").reset_index().assign(half=half))
    ablation = pd.concat(tables, ignore_index=True)
    return ablation[["half", "configuration", "f1", "low", "high", "gain", "gain_low", "gain_high"]]


def ablation_table(ablation: pd.DataFrame) -> pd.DataFrame:
    """`run_ablation` for people: one row per configuration; F1 and gain with intervals, as text, for each half."""
    table = {}
    for half, rows in ablation.set_index("configuration").groupby("half"):
        f1, gain = rows[["f1", "low", "high"]], rows[["gain", "gain_low", "gain_high"]]
        table[half, "F1"] = f1.apply(lambda row: "{:.3f} ({:.3f} to {:.3f})".format(*row), axis=1)
        table[half, "gain"] = gain.apply(lambda row: "{:+.3f} ({:+.3f} to {:+.3f})".format(*row), axis=1)
    return pd.DataFrame(table).loc[list(dict.fromkeys(ablation["configuration"]))].fillna("")
