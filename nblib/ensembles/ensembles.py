"""Several networks as one: their probabilities averaged, or their selected concepts voted on.

A member is one network's predictions. Cross-validation needs it once per fold of the validation images:
`members[fold][name]` maps TUNED_ON, EVALUATED_ON and, where there are test images, TEST to examples with probabilities.

Which figures are unbiased: those on EVALUATED_ON, if all that was learnt and chosen was so without these images. A run
has chosen its epoch on its own validation half, so it is a member of the fold that evaluates on the other half alone.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.special import expit

from nblib.data import Examples
from nblib.evaluation import THRESHOLDS, as_csr, f1_by_threshold, logits

TUNED_ON, EVALUATED_ON, TEST = "tuned on", "evaluated on", "test"
# How probabilities are averaged: the transform before the mean, and its inverse.
POOLS = {"mean": (np.asarray, np.asarray), "mean_logit": (logits, expit)}
# How many of M members must select a concept.
VOTES = {"union": lambda m: 1, "majority": lambda m: m // 2 + 1, "intersection": lambda m: m}

Member = Mapping[str, Examples]
Members = Mapping[str, Mapping[str, Member]]


def pool(members: Mapping[str, Examples], how: str = "mean", counts: Mapping[str, int] | None = None) -> Examples:
    """Examples whose probabilities are the mean over members.

    Args:
        members: name -> its predictions for the same images.
        how: mean, or mean_logit: the mean of the log odds, in which confident members weigh more.
        counts: how often each member counts, as from `choose_members`; members not in it do not. By default each once.

    Raises:
        ValueError: the members do not match, or `how` is unknown.
    """
    _require_alike(members)
    transform, inverse = _pooling(how)
    counts = counts or dict.fromkeys(members, 1)
    total = sum(count * transform(members[name].probabilities).astype(np.float64) for name, count in counts.items())
    return replace(next(iter(members.values())), probabilities=inverse(total / sum(counts.values())))


def vote(selections: Sequence[sparse.csr_array], how: str = "majority") -> sparse.csr_array:
    """Concepts, (N, K), that one member selected (union), more than half of them (majority), or all (intersection).

    Raises:
        ValueError: `how` is unknown, or the shapes differ.
    """
    if how not in VOTES:
        raise ValueError(f"vote must be one of {', '.join(VOTES)}; received {how!r}.")
    return at_least(count_votes(selections), VOTES[how](len(selections)))


def count_votes(selections: Sequence[sparse.csr_array]) -> sparse.csr_array:
    """How many members selected each concept, (N, K) int32.

    Raises:
        ValueError: the shapes differ.
    """
    if len({selected.shape for selected in selections}) != 1:
        raise ValueError(f"expected selections of one shape; received {[each.shape for each in selections]}.")
    return sum(as_csr(selected).astype(np.int32) for selected in selections)


def at_least(votes: sparse.csr_array, fewest: int) -> sparse.csr_array:
    """Concepts with at least so many votes, (N, K), as a sparse matrix of 0 and 1."""
    kept = votes.copy()
    kept.data[kept.data < fewest] = 0
    return as_csr(kept)


def choose_members(tuned_on: Mapping[str, Examples], how: str = "mean", rounds: int = 20) -> dict[str, int]:
    """How often each member counts in the pool with the best F1 here, most often first; the others are left out.

    Starts with the best member and adds, with replacement, the one that helps most, `rounds` in all; the best of these
    pools is returned, so that it is no worse than the best member here. F1 is that at the best threshold. Caruana and
    others, Ensemble selection from libraries of models, ICML 2004.

    Args:
        tuned_on: the members on the images on which choices are made; evaluate the pool on others.
        how: mean or mean_logit.
        rounds: the largest number of members drawn.
    """
    _require_alike(tuned_on)
    transform, inverse = _pooling(how)
    labels = next(iter(tuned_on.values())).labels
    values = {name: transform(member.probabilities) for name, member in tuned_on.items()}
    total, drawn, scores = 0.0, [], []
    for size in range(1, rounds + 1):
        pools = ((name, inverse((total + value) / size)) for name, value in values.items())
        f1 = {name: f1_by_threshold(labels, pooled, THRESHOLDS).max() for name, pooled in pools}
        best = max(f1, key=f1.get)
        total = total + values[best].astype(np.float64)
        drawn.append(best)
        scores.append(f1[best])
    return dict(Counter(drawn[: int(np.argmax(scores)) + 1]).most_common())


def _pooling(how):
    if how not in POOLS:
        raise ValueError(f"pool must be one of {', '.join(POOLS)}; received {how!r}.")
    return POOLS[how]


def _require_alike(members: Mapping[str, Examples]) -> None:
    """Raises ValueError for no members, or for one with other images, another vocabulary or other labels."""
    if not members:
        raise ValueError("an ensemble needs at least one member; received none.")
    (first_name, first), *others = members.items()
    for name, member in others:
        if not np.array_equal(member.image_ids, first.image_ids):
            differing = "images, or order them differently"
        elif member.vocabulary != first.vocabulary:
            differing = "vocabularies"
        elif (member.labels != first.labels).nnz:
            differing = "labels for the same images"
        else:
            continue
        raise ValueError(f"{name} and {first_name} have different {differing}; pool predictions for one data set.")
