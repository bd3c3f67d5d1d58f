"""Errors of a mean over groups and seeds: by hand, against SciPy, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from nblib.evaluation.bootstrap import compare_f1, f1_interval
from nblib.evaluation.clusters import clustered_error, compare_seeds, margin, seed_error


def simulated(rng, groups, shared=0.6, biggest=30):
    """F1 per image and the group of each image, in groups of 1 to 30; `shared` is their correlation in a group."""
    sizes = rng.integers(1, biggest + 1, groups)
    group = np.repeat(np.arange(groups), sizes)
    own = rng.standard_normal(len(group))
    return stats.norm.cdf(np.sqrt(shared) * rng.standard_normal(groups)[group] + np.sqrt(1 - shared) * own), group


def coverage(repetitions, groups, intervals):
    """How often each of `intervals`, functions of F1 and groups, contains the true mean, 0.5."""
    rng, hits = np.random.default_rng(0), np.zeros(len(intervals))
    for _ in range(repetitions):
        f1, group = simulated(rng, groups)
        found = [interval(f1, group) for interval in intervals]
        hits += [each.low <= 0.5 <= each.high for each in found]
    return hits / repetitions


def test_the_error_is_that_of_sums_over_groups():
    f1, groups = np.array([0.2, 0.4, 0.9, 0.5, 1.0]), np.array(["a", "a", "b", "c", "b"])
    sums = np.array([0.2 + 0.4 - 1.2, 0.9 + 1.0 - 1.2, 0.5 - 0.6])  # residuals of the mean, 0.6
    weights = np.array([2, 2, 1]) ** 1.5
    error = clustered_error(f1[:, None], groups)
    assert error.variance == pytest.approx([(sums**2).sum() * 3 / 2 / 25])
    assert error.degrees == pytest.approx(weights.sum() ** 2 / (weights**2).sum() - 1)


def test_groups_of_one_image_give_the_usual_t_interval():
    f1 = np.random.default_rng(0).beta(2, 1, 60)
    low, high = stats.t.interval(0.95, 59, f1.mean(), f1.std(ddof=1) / np.sqrt(60))
    ours = f1_interval(f1, groups=np.arange(60))
    assert ours == pytest.approx((f1.mean(), low, high))


def test_intervals_over_groups_cover_and_those_over_images_are_overconfident():
    over_groups, over_images = coverage(
        300, 25, [lambda f1, group: f1_interval(f1, groups=group), lambda f1, group: f1_interval(f1, 300)]
    )
    assert 0.93 <= over_groups <= 0.97
    assert over_images < 0.6


def test_the_order_and_names_of_groups_do_not_matter():
    f1, group = simulated(np.random.default_rng(1), 20)
    runs, order = {"a": f1, "b": f1**2}, np.random.default_rng(2).permutation(len(f1))
    shuffled = {name: each[order] for name, each in runs.items()}
    table = compare_f1(shuffled, groups=np.array([f"case {number}" for number in group])[order])
    assert table.to_numpy() == pytest.approx(compare_f1(runs, groups=group).to_numpy())
    assert table.loc["a", ["gain", "gain_low", "gain_high"]].tolist() == [0, 0, 0]


def test_images_without_truth_leave_their_groups():
    f1, group = simulated(np.random.default_rng(1), 20)
    with_others, groups = np.insert(f1, [3, 9], np.nan), np.insert(group, [3, 9], [77, group[9]])
    assert f1_interval(with_others, groups=groups) == pytest.approx(f1_interval(f1, groups=group))


def test_errors_of_two_sources_add_up_as_by_satterthwaite():
    one, other = seed_error([0.5, 0.6, 0.7]), clustered_error(np.array([[0.1], [0.3]]), np.array([0, 1]))
    assert one == pytest.approx((0.01 / 3, 2))
    assert other.variance[0] == pytest.approx(0.01)
    variance = 0.01 / 3 + 0.01
    degrees = variance**2 / ((0.01 / 3) ** 2 / 2 + 0.01**2 / 1)
    assert margin(one, other) == pytest.approx([stats.t.ppf(0.975, degrees) * np.sqrt(variance)])
    assert margin(seed_error([0.5]), other) == pytest.approx(stats.t.ppf(0.975, 1) * 0.1)


def test_seeds_widen_the_interval_and_cover():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        f1, group = simulated(rng, 40, biggest=10)
        runs = [f1 + rng.normal(0, 0.05, len(f1)) + rng.normal(0, 0.05) for _ in range(3)]
        row = compare_seeds({"run": runs}, group).loc["run"]
        hits += row["low"] <= 0.5 <= row["high"]
    assert 0.93 <= hits / 300 <= 0.975
    assert (row["seeds"], row["sd"]) == (3, pytest.approx(np.std([each.mean() for each in runs], ddof=1)))
    alone = compare_seeds({"run": runs[:1]}, group).loc["run"]
    assert np.isnan(alone["sd"])
    assert row["high"] - row["low"] > 1.2 * (alone["high"] - alone["low"])


def test_a_gain_counts_the_seeds_of_both():
    f1, group = simulated(np.random.default_rng(3), 30)
    table = compare_seeds({"a": [f1, f1 + 0.02], "b": [f1 + 0.05, f1 + 0.09]}, group)
    assert table["gain"].tolist() == pytest.approx([0, 0.06])
    half = margin(seed_error([0, 0.02]), seed_error([0, 0.04]))
    assert table.loc["b", ["gain_low", "gain_high"]].tolist() == pytest.approx([0.06 - half, 0.06 + half])
    assert table.loc["a", ["gain_low", "gain_high"]].tolist() == [0, 0]


def test_what_has_no_interval_is_refused():
    with pytest.raises(ValueError, match="at least two groups; all are of one"):
        f1_interval(np.array([0.5, 0.6]), groups=np.array([1, 1]))
    with pytest.raises(ValueError, match="a group for each of 2 images; received 3"):
        f1_interval(np.array([0.5, 0.6]), groups=np.array([1, 1, 2]))
