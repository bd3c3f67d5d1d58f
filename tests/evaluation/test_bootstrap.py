import numpy as np
import pytest
from scipy.stats import bootstrap

from nblib.evaluation.bootstrap import compare_f1, f1_interval, resampled_means


def scores(images, seed):
    return np.random.default_rng(seed).beta(2, 1, images)


def test_the_interval_equals_scipy_s():
    f1 = scores(700, 0)
    theirs = bootstrap((f1,), np.mean, n_resamples=10_000, method="percentile", batch=100, rng=1).confidence_interval
    ours = f1_interval(f1)
    assert ours.mean == pytest.approx(f1.mean(), abs=1e-12)
    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=1e-3)  # of a width of 0.035


def test_the_interval_of_a_gain_equals_scipy_s_paired_one():
    f1 = scores(700, 0)
    other = np.clip(f1 + np.random.default_rng(1).normal(0.01, 0.1, 700), 0, 1)
    theirs = bootstrap(
        (f1, other), lambda a, b, axis: a.mean(axis) - b.mean(axis), paired=True, n_resamples=10_000,
        method="percentile", batch=100, rng=1,
    ).confidence_interval  # fmt: skip
    ours = compare_f1({"other": other, "f1": f1}).loc["f1"]
    assert ours["gain"] == pytest.approx((f1 - other).mean(), abs=1e-12)
    assert [ours["gain_low"], ours["gain_high"]] == pytest.approx([theirs.low, theirs.high], abs=5e-4)
    assert ours["gain_high"] - ours["gain_low"] < (ours["high"] - ours["low"]) / 2, "pairing removes hard images"


def test_every_image_counts_as_often_as_it_was_drawn():
    """One image scores 1, so that a resample's sum is how often it was drawn, a binomial number."""
    means = resampled_means(np.eye(50)[:, :2], 20_000, 0) * 50
    assert means.mean(axis=0) == pytest.approx([1, 1], abs=0.03)
    assert means.var(axis=0) == pytest.approx([0.98, 0.98], abs=0.05)
    assert means == pytest.approx(np.round(means), abs=1e-9)


def test_images_without_truth_are_left_out():
    f1 = scores(300, 0)
    with_others = np.insert(f1, [3, 100], np.nan)
    assert f1_interval(with_others) == f1_interval(f1)


def test_the_same_seed_gives_the_same_interval_and_another_nearly():
    f1 = scores(300, 0)
    assert f1_interval(f1, seed=3) == f1_interval(f1, seed=3) != f1_interval(f1, seed=4)
    assert f1_interval(f1, seed=3).low == pytest.approx(f1_interval(f1, seed=4).low, abs=2e-3)


def test_a_comparison_equals_the_intervals_of_its_parts():
    runs = {"a": scores(200, 0), "b": scores(200, 1), "c": scores(200, 2)}
    table = compare_f1(runs)
    for name, f1 in runs.items():
        row, alone, gain = table.loc[name], f1_interval(f1), f1_interval(f1 - runs["a"])
        assert row[["f1", "low", "high"]].tolist() == pytest.approx([alone.mean, alone.low, alone.high], abs=1e-12)
        assert row[["gain", "gain_low", "gain_high"]].tolist() == pytest.approx([gain.mean, gain.low, gain.high])


def test_f1_of_different_images_is_refused():
    with pytest.raises(ValueError, match=r"same images; received \[2, 3\] images"):
        compare_f1({"a": np.ones(2), "b": np.ones(3)})
    with pytest.raises(ValueError, match="their labels differ"):
        compare_f1({"a": np.array([1, np.nan]), "b": np.array([np.nan, 1])})
    with pytest.raises(ValueError, match="no image has a true concept"):
        f1_interval(np.array([np.nan]))
