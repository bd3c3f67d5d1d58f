"""Scoring at the paper's size compared with the usual ways: `python tests/benchmarks/bench_scoring.py`.

Prints the milliseconds of nblib and of the usual way, their ratio, and the difference of their results, all in one
run: the score of 15,970 images and 3,047 concepts, the score at 1,000 thresholds of 7,985 images, intervals of ten
runs; then how scoring scales with the number of images. Labels are drawn from generated, long-tailed probabilities.
Time is CPU time, the median of three alternating rounds; the two loops run over a part only, every 64th image and every
50th threshold, and are scaled.
"""

import time

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit
from scipy.stats import bootstrap
from sklearn.metrics import f1_score

from nblib.evaluation import as_csr, compare_f1, f1_by_threshold, f1_per_image, sample_f1, select

CONCEPTS, ROUNDS, RUNS = 3047, 3, 10
THRESHOLDS = np.arange(1, 1001) / 1001


def generated(images, seed=0):
    """Probabilities, (N, K) float32, about 7 concepts per image, and labels drawn from them, sparse."""
    rng = np.random.default_rng(seed)
    popularity = np.log(np.arange(1, CONCEPTS + 1, dtype=np.float32) ** -1.1 / 2)
    probabilities = expit(popularity + 1.5 * rng.standard_normal((images, CONCEPTS), dtype=np.float32))
    probabilities[:, 0] = 0.95  # hardly an image without a true concept
    return probabilities, as_csr(rng.random(probabilities.shape, dtype=np.float32) < probabilities)


def alternating(*functions):
    """Milliseconds of each, the median of all rounds, and the result of each."""
    taken, results = [], []
    for _ in range(ROUNDS):
        for function in functions:
            start = time.process_time()
            results.append(function())
            taken.append(1e3 * (time.process_time() - start))
    return np.median(np.reshape(taken, (ROUNDS, -1)), axis=0), results[-len(functions) :]


def loop_over_images(labels, selected, step=64):
    """scikit-learn's F1 of every 64th image."""
    return np.array([f1_score(true, answer) for true, answer in zip(labels[::step], selected[::step], strict=True)])


def loop_over_thresholds(labels, probabilities, thresholds):
    """Mean F1 at each threshold, computed anew for each."""
    true = labels.sum(axis=1)
    scored, scores = true > 0, []
    for threshold in thresholds:
        selected = probabilities > threshold
        hits, size = (selected & labels).sum(axis=1), true + selected.sum(axis=1)
        scores.append((2 * hits[scored] / size[scored]).mean())
    return np.array(scores)


def scores():
    probabilities, labels = generated(15_970)
    above = probabilities > 0.3
    selected, dense = as_csr(above), labels.toarray().astype(bool)
    some = np.diff(labels.indptr) > 0
    times, results = alternating(
        lambda: sample_f1(labels, selected),
        lambda: sample_f1(labels, above),
        lambda: sample_f1(dense, above),
        lambda: f1_score(dense[some], above[some], average="samples", zero_division=0),
        lambda: loop_over_images(dense, above),
    )
    differences = [abs(result - results[3]) for result in results[:3]]
    looped = f1_per_image(labels, selected)[::64][some[::64]] - results[4][some[::64]]
    for name, ours, off in zip(("both sparse", "selected dense", "both dense"), times, differences, strict=False):
        yield f"score, {name}", ours, 'average="samples"', times[3], off
        yield f"score, {name}", ours, "loop over images", times[4] * 15_970 / len(results[4]), np.abs(looped).max()


def thresholds():
    probabilities, labels = generated(7_985)
    dense, part = labels.toarray().astype(bool), slice(None, None, 50)
    times, results = alternating(
        lambda: f1_by_threshold(labels, probabilities, THRESHOLDS),
        lambda: loop_over_thresholds(dense, probabilities, THRESHOLDS[part]),
        lambda: sample_f1(labels, select(probabilities, 0.3)),
        lambda: f1_score(dense, probabilities > 0.3, average="samples", zero_division=0),
    )
    off = np.abs(results[0][part] - results[1]).max()
    yield "1,000 thresholds", times[0], "loop over thresholds", times[1] * 50, off
    yield "1,000 thresholds", times[0], "once: select, sample_f1", times[2], np.nan
    yield "1,000 thresholds", times[0], 'once: average="samples"', times[3], np.nan


def intervals():
    rng = np.random.default_rng(0)
    f1_of = {f"run {number}": rng.beta(2, 2 + number / 9, 7_985) for number in range(RUNS)}
    options = dict(n_resamples=10_000, method="percentile", batch=50)
    times, results = alternating(
        lambda: compare_f1(f1_of),
        lambda: [bootstrap((f1,), np.mean, rng=0, **options).confidence_interval.low for f1 in f1_of.values()],
    )
    yield (
        "intervals of 10 runs",
        times[0],
        "scipy.stats.bootstrap",
        times[1],
        np.abs(results[0]["low"] - results[1]).max(),
    )


def growth():
    """Milliseconds of scoring 5,000, 20,000 and 80,000 images, both sparse, and per image."""
    parts = [generated(5_000, seed) for seed in range(16)]
    pairs = [(labels, as_csr(probabilities > 0.3)) for probabilities, labels in parts]
    sizes = [[sparse.vstack(side[:number], format="csr") for side in zip(*pairs, strict=True)] for number in (1, 4, 16)]
    times, _ = alternating(*(lambda pair=pair: sample_f1(*pair) for pair in sizes))
    images = [pair[0].shape[0] for pair in sizes]
    return pd.DataFrame({"images": images, "ms": times, "microseconds per image": 1e3 * times / images})


def main():
    rows = [*scores(), *thresholds(), *intervals()]
    table = pd.DataFrame(rows, columns=["what", "ms", "the usual way", "its ms", "difference"])
    table.insert(4, "times faster", table["its ms"] / table["ms"])
    tenths = dict.fromkeys(["ms", "its ms", "times faster"], "{:,.1f}".format)
    formats = {**tenths, "difference": lambda off: "" if np.isnan(off) else f"{off:.0e}"}
    print(table.to_string(index=False, formatters=formats))
    print("\nscore, both sparse\n" + growth().round(2).to_string(index=False))


if __name__ == "__main__":
    main()
