"""Counting at the paper's size, compared with pandas: PYTHONPATH=tests python tests/benchmarks/bench_counting.py

Prints one row per count: seconds with nblib, seconds with explode, groupby, merge or crosstab, and their ratio, all in
one run on a generated, long-tailed label set of 80,723 images, 3,047 concepts and 907,718 occurrences.
"""

import time

import pandas as pd
from label_sets import long_tailed_images

from nblib.data import Examples, concept_counts, concept_counts_by, label_cardinality, label_density
from nblib.data.counting import co_occurrences


def seconds(function, times=3):
    """The fewest CPU seconds of `times` runs, so that other processes don't count, and the result."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        result = function()
        taken.append(time.process_time() - began)
    return min(taken), result


def together_by_merge(exploded):
    pairs = exploded[["image_id", "concepts"]].merge(exploded[["image_id", "concepts"]], on="image_id")
    return pairs.groupby(["concepts_x", "concepts_y"]).size()


def main():
    images = long_tailed_images()
    encoding, labelled = seconds(lambda: Examples.of(images), times=1)
    exploding, exploded = seconds(lambda: images.drop(columns="path").explode("concepts"), times=1)
    fresh = lambda: Examples(labelled.images, labelled.vocabulary, labelled.labels)  # noqa: E731 - no cache
    counts = {
        "images of each concept": (lambda: concept_counts(fresh()), lambda: exploded.groupby("concepts").size()),
        "by split": (
            lambda: concept_counts_by(fresh(), "split"),
            lambda: pd.crosstab(exploded["concepts"], exploded["split"]),
        ),
        "by category": (
            lambda: concept_counts_by(fresh(), "category"),
            lambda: pd.crosstab(exploded["concepts"], exploded["category"]),
        ),
        "cardinality, density": (
            lambda: (label_cardinality(labelled.labels), label_density(labelled.labels)),
            lambda: (
                exploded.groupby("image_id").size().mean(),
                exploded.groupby("image_id").size().mean() / exploded["concepts"].nunique(),
            ),
        ),
        "co-occurrence, all pairs": (lambda: co_occurrences(fresh()), lambda: together_by_merge(exploded)),
    }
    print(f"{len(images):,} images, {len(labelled.vocabulary):,} concepts, {labelled.labels.nnz:,} occurrences")
    rows = [("(before: encode / explode)", encoding, exploding)]
    for name, (ours, theirs) in counts.items():
        rows.append((name, seconds(ours)[0], seconds(theirs, times=1)[0]))
    rows.append(("all counts together", *(sum(row[column] for row in rows[1:]) for column in (1, 2))))
    table = pd.DataFrame(rows, columns=["count", "nblib s", "pandas s"]).set_index("count")
    print(table.assign(ratio=table["pandas s"] / table["nblib s"]).round(3).to_string())


if __name__ == "__main__":
    main()
