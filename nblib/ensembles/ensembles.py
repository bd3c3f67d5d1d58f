"""Several networks' answers made one: their probabilities averaged, or their selections voted on.

What is clean: each run chose its epoch on its own validation half. Where members are chosen or rules tuned on val1, a
figure on val2 is clean if all members are runs validated on val1; with members from both halves it is a little too
good, since some chose their epoch there. Members from both halves are fine for the test images, which nothing has
seen. Never choose on both halves: then none is left to tell how good the choice was.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.special import expit

from nblib.data import Dataset, Examples
from nblib.evaluation import TRIED, as_csr, f1_by_threshold, logits
from nblib.experiments import Run, read_half

# How probabilities are averaged: what is averaged, and the way back.
POOLS = {"mean": (np.asarray, np.asarray), "mean_logit": (logits, expit)}
# How many of M members must have selected a concept.
VOTES = {
    "union": lambda members: 1,
    "majority": lambda members: members // 2 + 1,
    "intersection": lambda members: members,
}


def read_halves(runs: Sequence[Run], dataset: Dataset, name: str) -> dict[str, Examples]:
    """What each finished run predicted for val1 or val2, by `experiment_name, validation_half`, aligned.

    Raises:
        ValueError: a run was trained on other data, or they do not match.
    """
    halves = {}
    for run in runs:
        halves[f"{run.experiment.experiment_name}, {run.experiment.validation_half}"] = read_half(run, dataset, name)
    return align(halves)


def align(members: Mapping[str, Examples]) -> dict[str, Examples]:
    """The members with their images in the order of the first.

    Raises:
        ValueError: there is none, or one has other images, another vocabulary or another truth than the first.
    """
    if not members:
        raise ValueError("an ensemble needs at least one member; received none.")
    first_name, first = next(iter(members.items()))
    return {name: _aligned(name, member, first_name, first) for name, member in members.items()}


def pool(members: Mapping[str, Examples], how: str = "mean", times: Mapping[str, int] | None = None) -> Examples:
    """Examples whose probabilities are the average over members.

    Args:
        members: by name, as of `read_halves`.
        how: mean, or mean_logit: an average between odds, where who is surer counts more.
        times: how often each member counts, as of `choose_members`; those not in it do not. Without it each once.

    Raises:
        ValueError: the members do not match, or a name is unknown.
    """
    forth, back = _pooling(how)
    members, times = align(members), times or dict.fromkeys(members, 1)
    if unknown := times.keys() - members.keys():
        raise ValueError(f"no member {', '.join(sorted(unknown))}; there are {', '.join(members)}.")
    total = sum(number * forth(members[name].probabilities).astype(np.float64) for name, number in times.items())
    return replace(next(iter(members.values())), probabilities=back(total / sum(times.values())))


def vote(selections: Sequence[sparse.csr_array], how: str = "majority") -> sparse.csr_array:
    """Concepts that enough members selected, (N, K): one of them (union), more than half (majority), or all.

    Args:
        selections: what each member's rule kept, (N, K), for the same images and vocabulary.
        how: union, majority or intersection.

    Raises:
        ValueError: `how` is unknown, or the shapes differ.
    """
    if how not in VOTES:
        raise ValueError(f"vote must be one of {', '.join(VOTES)}; received {how!r}.")
    if len({kept.shape for kept in selections}) != 1:
        raise ValueError(f"needed selections of one shape, got {[kept.shape for kept in selections]}.")
    votes = sum(as_csr(kept).astype(np.int32) for kept in selections)
    votes.data[votes.data < VOTES[how](len(selections))] = 0
    return as_csr(votes)


def choose_members(tuned_on: Mapping[str, Examples], how: str = "mean", rounds: int = 20) -> dict[str, int]:
    """How often each member counts in the pool with the best F1 here, most often first; the others are left out.

    Begins with the best member, and adds, with replacement, the one that helps most, `rounds` in all; then the best of
    these pools is taken, so that it is no worse than the best member here. F1 is that of the best threshold. Caruana
    and others, Ensemble selection from libraries of models, ICML 2004.

    Args:
        tuned_on: the members on the half that choices are made on; report the pool on the other half.
        how: mean or mean_logit.
        rounds: members drawn at most.
    """
    forth, back = _pooling(how)
    members = align(tuned_on)
    labels = next(iter(members.values())).labels
    values = {name: forth(member.probabilities) for name, member in members.items()}
    total, drawn, scores = 0.0, [], []
    for size in range(1, rounds + 1):
        f1 = {
            name: f1_by_threshold(labels, back((total + value) / size), TRIED).max() for name, value in values.items()
        }
        best = max(f1, key=f1.get)
        total = total + values[best].astype(np.float64)
        drawn.append(best)
        scores.append(f1[best])
    return dict(Counter(drawn[: int(np.argmax(scores)) + 1]).most_common())


def _pooling(how):
    if how not in POOLS:
        raise ValueError(f"pool must be one of {', '.join(POOLS)}; received {how!r}.")
    return POOLS[how]


def _aligned(name, member, first_name, first):
    """The member with its images in the order of the first one's."""
    if member.vocabulary != first.vocabulary:
        differing = len(set(member.vocabulary.concepts) ^ set(first.vocabulary.concepts))
        raise ValueError(f"{name} and {first_name} differ in {differing:,} concepts of their vocabularies; "
                         f"pool runs of one label space.")  # fmt: skip
    order, wanted = np.argsort(member.image_ids), np.argsort(np.argsort(first.image_ids))
    if not np.array_equal(np.sort(member.image_ids), np.sort(first.image_ids)):
        differing = np.setxor1d(member.image_ids, first.image_ids)
        raise ValueError(f"{name} and {first_name} answer different images, {differing[:3].tolist()} for some; "
                         f"pool runs on one half of the same data.")  # fmt: skip
    rows = order[wanted]
    if (member.labels[rows] != first.labels).nnz:
        raise ValueError(
            f"{name} and {first_name} have different truths for the same images; score them on one data set."
        )
    return member.take(rows)
