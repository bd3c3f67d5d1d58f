"""Ablation by cross-validation: each configuration is tuned on some validation images and evaluated on the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.model_selection import GroupKFold

from nblib.data import Examples, concatenate
from nblib.ensembles.ensembles import EVALUATED_ON, TEST, TUNED_ON, Member, Members, choose_members, pool, vote
from nblib.evaluation import compare_f1, f1_per_image, fit_rule, sample_f1
from nblib.experiments import refuse_unknown


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
        """The rule of each member, fitted on its predictions."""
        return [fit_rule(self.rule, each) for each in tuned_on]

    def select(self, rules: Sequence, predicted: Sequence[Examples]) -> sparse.csr_array:
        """What the fitted rules of the members select from their predictions, a sparse (N, K) matrix."""
        pairs = zip(rules, predicted, strict=True)
        selections = [rule.select(each.probabilities, nomissing=self.nomissing) for rule, each in pairs]
        return selections[0] if len(selections) == 1 else vote(selections, self.vote)

    def resolve(self, tuned_on: Mapping[str, Examples]) -> "Configuration":
        """Itself: nothing is left to choose."""
        return self


@dataclass(frozen=True, eq=False)
class Choice:
    """The candidate with the best F1 on the images that tune: what chooses never reports.

    In each fold the candidates are compared on the images that tune alone, by two-fold cross-validation of their rules
    with groups kept together, and the best one selects on the images that evaluate.

    Attributes:
        candidates: names and configurations.
        groups: the group of each validation image, indexed by image_id.
    """

    candidates: Mapping[str, Configuration]
    groups: pd.Series

    @property
    def members(self) -> tuple[str, ...]:
        """Of all candidates."""
        return tuple(dict.fromkeys(name for each in self.candidates.values() for name in each.members))

    def choose(self, tuned_on: Mapping[str, Examples]) -> str:
        """The name of the best candidate on these images: member -> its predictions for them."""
        image_ids = next(iter(tuned_on.values())).image_ids
        parts = list(GroupKFold(2).split(image_ids, groups=self.groups.loc[image_ids]))
        f1 = dict.fromkeys(self.candidates, 0.0)
        for fitted_on, compared_on in parts:
            some, others = ({name: each.take(rows) for name, each in tuned_on.items()}
                            for rows in (fitted_on, compared_on))  # fmt: skip
            for name, candidate in self.candidates.items():
                rules = candidate.fit([some[member] for member in candidate.members])
                selected = candidate.select(rules, [others[member] for member in candidate.members])
                f1[name] += len(compared_on) * sample_f1(next(iter(others.values())).labels, selected)
        return max(f1, key=f1.get)

    def resolve(self, tuned_on: Mapping[str, Examples]) -> Configuration:
        """The best candidate on these images."""
        return self.candidates[self.choose(tuned_on)]


def pool_members(members: Members, names: Sequence[str], how: str = "mean", choose: bool = False) -> dict[str, Member]:
    """The members of these names pooled into one, per fold.

    Args:
        members: `members[fold][name]`; where some of the names are missing in a fold, the others are pooled.
        names: the members to pool.
        how: mean or mean_logit.
        choose: whether members are chosen, and weighted, by their F1 on the images that tune.
    """
    pooled = {}
    for fold, of_fold in members.items():
        some = {name: of_fold[name] for name in names if name in of_fold}
        if some:
            counts = choose_members({name: each[TUNED_ON] for name, each in some.items()}, how) if choose else None
            parts = next(iter(some.values()))
            pooled[fold] = {part: pool({n: each[part] for n, each in some.items()}, how, counts) for part in parts}
    return pooled


def select_in_fold(of_fold: Mapping[str, Member], configuration: Configuration | Choice) -> sparse.csr_array:
    """What a configuration that is tuned in a fold selects on the images that the fold evaluates on: sparse (N, K)."""
    resolved = configuration.resolve({name: of_fold[name][TUNED_ON] for name in configuration.members})
    chosen = [of_fold[name] for name in resolved.members]
    rules = resolved.fit([member[TUNED_ON] for member in chosen])
    return resolved.select(rules, [member[EVALUATED_ON] for member in chosen])


def out_of_fold(members: Members, name: str) -> Examples:
    """The validation images, fold by fold, with those probabilities of the member for which they were not used."""
    return concatenate(of_fold[name][EVALUATED_ON] for of_fold in members.values() if name in of_fold)


def select_out_of_fold(members: Members, configuration: Configuration | Choice) -> sparse.csr_array:
    """What a configuration selects on the images of `out_of_fold`, in their order, each time tuned on other images."""
    complete = _complete(members, configuration)
    return sparse.vstack([select_in_fold(members[fold], configuration) for fold in complete], format="csr")


def select_test(members: Members, configuration: Configuration | Choice) -> sparse.csr_array:
    """What a configuration selects on the test images, tuned on all of validation: a sparse (N, K) matrix.

    A member's probabilities are the mean over folds; rules are fitted, and choices made, on out-of-fold probabilities.
    """
    validation = {name: out_of_fold(members, name) for name in configuration.members}
    resolved = configuration.resolve(validation)
    rules = resolved.fit([validation[name] for name in resolved.members])
    tests = [{fold: each[name][TEST] for fold, each in members.items() if name in each} for name in resolved.members]
    return resolved.select(rules, [pool(test) for test in tests])


def run_ablation(
    configurations: Mapping[str, Configuration | Choice], members: Members, groups: pd.Series | None = None
) -> pd.DataFrame:
    """Out-of-fold F1 of every configuration, and its gain over the first, with 95 % intervals.

    A configuration with a member that some folds lack is evaluated, and compared with the first, on the other folds.

    Args:
        configurations: by name; the first is what the others are compared with, and needs members of every fold.
        members: `members[fold][name]`.
        groups: the group of each validation image, indexed by image_id, so that groups are the sample of the intervals
            (`nblib.evaluation.compare_f1`); None: images are.

    Returns:
        Tidy: configuration, images, f1, low, high, gain, gain_low, gain_high.

    Raises:
        ValueError: a configuration names a member that exists in no fold.
    """
    known = {name for of_fold in members.values() for name in of_fold}
    refuse_unknown((name for each in configurations.values() for name in each.members), known, kind="member")
    evaluated_on = {fold: next(iter(of_fold.values()))[EVALUATED_ON] for fold, of_fold in members.items()}
    first, f1, rows = next(iter(configurations)), {}, {}
    for name, configuration in configurations.items():
        folds = _complete(members, configuration)
        f1[name] = {
            fold: f1_per_image(evaluated_on[fold].labels, select_in_fold(members[fold], configuration))
            for fold in folds
        }
        images = np.concatenate([evaluated_on[fold].image_ids for fold in folds])
        compared = {each: np.concatenate([f1[each][fold] for fold in folds]) for each in dict.fromkeys([first, name])}
        of_images = None if groups is None else groups.loc[images].to_numpy()
        rows[name] = {"images": len(images), **compare_f1(compared, groups=of_images).loc[name]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("configuration").reset_index()


def ablation_table(ablations: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """`run_ablation` for people: F1 and gain with intervals, as text, per configuration and way of splitting."""
    table = {}
    for way, ablation in ablations.items():
        rows = ablation.set_index("configuration")
        f1, gain = rows[["f1", "low", "high"]], rows[["gain", "gain_low", "gain_high"]]
        table[way, "F1"] = f1.apply(lambda row: "{:.3f} ({:.3f} to {:.3f})".format(*row), axis=1)
        table[way, "gain"] = gain.apply(lambda row: "{:+.3f} ({:+.3f} to {:+.3f})".format(*row), axis=1)
    names = max((list(ablation["configuration"]) for ablation in ablations.values()), key=len)
    return pd.DataFrame(table).reindex(names).fillna("")


def _complete(members: Members, configuration: Configuration | Choice) -> list:
    """The folds that have all of its members."""
    return [fold for fold, of_fold in members.items() if set(configuration.members) <= set(of_fold)]
