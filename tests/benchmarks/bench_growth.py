"""How time grows with the number of images: PYTHONPATH=tests python tests/benchmarks/bench_growth.py

One row per step: CPU milliseconds per 1,000 images at each size, and how much more an image costs at the largest size
than at the second largest: 0 % is linear. A step is a function of (folder of lists, tidy table) that returns the
function to be measured; add one to `STEPS`.
"""

import os
import time
from tempfile import TemporaryDirectory

import pandas as pd
from label_sets import long_tailed_images
from paper_labels import write_labels

from nblib.data import ConceptVocabulary, Examples, concept_counts_by, label_statistics, read_dataset
from nblib.data.counting import co_occurrences

SIZES = (5_000, 20_000, 80_000)
CARDINALITY = 11.24
ROUNDS = 7


def encoding(folder, images):
    concepts = read_dataset(folder).images["concepts"]
    return lambda: ConceptVocabulary.of(concepts).encode(concepts)


def counting(folder, images):
    labelled = Examples.of(images)
    return lambda: [
        concept_counts_by(labelled, "split"),
        concept_counts_by(labelled, "category"),
        co_occurrences(labelled),
        label_statistics(images["concepts"]),
    ]


STEPS = {
    "read and check the lists": lambda folder, images: lambda: read_dataset(folder),
    "encode": encoding,
    "count, all co-occurrences": counting,
}


def seconds(step):
    """The fewest CPU seconds of several rounds, so that other processes don't count."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        step()
        taken.append(time.process_time() - began)
    return min(taken)


def main():
    table = pd.DataFrame(index=list(STEPS), columns=list(SIZES), dtype=float)
    for size in SIZES:
        drawn = {"images": size, "occurrences": round(CARDINALITY * size)}
        images = long_tailed_images(**drawn)
        with TemporaryDirectory() as folder:
            write_labels(folder, by_category=False, **drawn)
            for name, step in STEPS.items():
                table.loc[name, size] = 1e6 * seconds(step(folder, images)) / size
    growth = table[SIZES[-1]] / table[SIZES[-2]] - 1
    print(f"CPU ms per 1,000 images; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(table.round(2).assign(growth=growth.map("{:+.0%}".format)).to_string())


if __name__ == "__main__":
    main()
