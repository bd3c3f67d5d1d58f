from dataclasses import replace

import numpy as np
import pytest
from labelled import labelled
from scipy import sparse
from scipy.special import expit, logit

from nblib.data import ConceptVocabulary
from nblib.ensembles.ensembles import choose_members, pool, vote
from nblib.evaluation import THRESHOLDS, f1_by_threshold


def made_members(count=4, images=60, concepts=9, seed=0):
    """Members that predict the same probabilities, each with errors of its own, the first with the smallest."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, (images, concepts))
    labels = sparse.csr_array((rng.random(logits.shape) < expit(logits)).astype(np.uint8))
    ids = np.array([f"image_{number}" for number in range(images)])
    vocabulary = ConceptVocabulary(tuple(f"C{number:07}" for number in range(concepts)))
    noisy = [expit(logits + rng.normal(0, 1 + number / 4, logits.shape)).astype(np.float32) for number in range(count)]
    return {f"run_{number}": labelled(ids, vocabulary, labels, probabilities=each) for number, each in enumerate(noisy)}


def best_f1(half):
    return f1_by_threshold(half.labels, half.probabilities, THRESHOLDS).max()


MEMBERS = made_members()


def test_the_mean_worked_out_by_hand():
    half = next(iter(MEMBERS.values()))
    two = {name: replace(half, probabilities=np.full((60, 9), value)) for name, value in (("a", 0.1), ("b", 0.9))}
    assert pool(two).probabilities == pytest.approx(np.full((60, 9), 0.5))
    assert pool(two, counts={"a": 3, "b": 1}).probabilities == pytest.approx(np.full((60, 9), 0.3))
    assert pool(two, "mean_logit").probabilities == pytest.approx(np.full((60, 9), 0.5))
    thrice = expit((3 * logit(0.1) + logit(0.9)) / 4)
    assert pool(two, "mean_logit", {"a": 3, "b": 1}).probabilities == pytest.approx(np.full((60, 9), thrice))


def test_a_pool_of_one_is_that_member():
    alone = {"run_0": MEMBERS["run_0"]}
    for how in ("mean", "mean_logit"):
        assert pool(alone, how).probabilities == pytest.approx(MEMBERS["run_0"].probabilities, abs=1e-6)


def test_probabilities_of_0_and_1_can_be_pooled():
    half = next(iter(MEMBERS.values()))
    certain = {name: replace(half, probabilities=np.full((60, 9), value)) for name, value in (("a", 0.0), ("b", 1.0))}
    assert pool(certain, "mean_logit").probabilities == pytest.approx(np.full((60, 9), 0.5))


def test_members_that_do_not_match_are_refused():
    first, other = MEMBERS["run_0"], MEMBERS["run_1"]
    unlike = {
        "vocabularies": replace(other, vocabulary=ConceptVocabulary(tuple(f"D{number:07}" for number in range(9)))),
        "images": replace(other, images=other.images.assign(image_id=other.images["image_id"] + "x")),
        "images, or order them differently": other.take(np.arange(60)[::-1]),
        "labels for the same images": replace(other, labels=sparse.csr_array(1 - other.labels.toarray())),
    }
    for differing, member in unlike.items():
        for combine in (pool, choose_members):
            with pytest.raises(ValueError, match=f"other and first have different {differing}"):
                combine({"first": first, "other": member})
    with pytest.raises(ValueError, match="at least one member"):
        pool({})


def test_votes_worked_out_by_hand():
    selections = [sparse.csr_array(np.array([row])) for row in ([1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0])]
    assert vote(selections, "union").toarray().tolist() == [[1, 1, 1, 0]]
    assert vote(selections, "majority").toarray().tolist() == [[0, 1, 1, 0]]
    assert vote(selections, "intersection").toarray().tolist() == [[0, 0, 1, 0]]
    assert vote(selections[:2], "majority").toarray().tolist() == [[0, 1, 1, 0]], "one of two is no majority"


def test_a_vote_needs_selections_of_one_shape_and_a_known_name():
    with pytest.raises(ValueError, match=r"one shape; received \[\(1, 2\), \(1, 3\)\]"):
        vote([sparse.csr_array((1, 2)), sparse.csr_array((1, 3))])
    with pytest.raises(ValueError, match="one of union, majority, intersection; received 'most'"):
        vote([sparse.csr_array((1, 2))], "most")
    with pytest.raises(ValueError, match="one of mean, mean_logit; received 'median'"):
        pool(MEMBERS, "median")


@pytest.mark.parametrize("how", ["mean", "mean_logit"])
@pytest.mark.parametrize("seed", range(3))
def test_chosen_members_are_no_worse_than_the_best_alone(seed, how):
    members = made_members(seed=seed)
    chosen = pool(members, how, choose_members(members, how, rounds=6))
    assert best_f1(chosen) >= max(map(best_f1, members.values()))


def test_members_are_chosen_greedily():
    """The greedy algorithm, written with `pool`."""
    drawn, scores = [], []
    for _ in range(5):
        tried = {name: best_f1(pool(MEMBERS, counts=count([*drawn, name]))) for name in MEMBERS}
        drawn.append(max(tried, key=tried.get))
        scores.append(tried[drawn[-1]])
    assert choose_members(MEMBERS, rounds=5) == count(drawn[: int(np.argmax(scores)) + 1])


def count(names):
    return {name: names.count(name) for name in names}


def test_a_member_far_better_than_all_others_stays_alone():
    half = MEMBERS["run_0"]
    truth = replace(half, probabilities=half.labels.toarray() * 0.98 + 0.01)
    noise = {f"noise_{n}": replace(half, probabilities=np.random.default_rng(n).random((60, 9))) for n in range(3)}
    assert choose_members({**noise, "truth": truth}, rounds=5) == {"truth": 1}
