"""How seconds grow with the number of images: python tests/benchmarks/bench_growth.py

A row a step, CPU milliseconds for 1,000 images at each size, and by how much an image costs more at the largest size
than at the one before: 0 % is linear. A step is a function from (folder of lists, tidy table) to what is to be
measured; another one is another entry of `STEPS`.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from label_sets import long_tailed_images

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
    """The fewest CPU seconds of several rounds: a busy machine is not what is measured."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        step()
        taken.append(time.process_time() - began)
    return min(taken)


def write_lists(images, folder):
    for split, part in images.groupby("split"):
        lines = [f"{row.image_id}\t{';'.join(row.concepts)}\n" for row in part.itertuples()]
        (Path(folder) / f"{split}_concepts.csv").write_text("".join(lines))


def main():
    table = pd.DataFrame(index=list(STEPS), columns=list(SIZES), dtype=float)
    for size in SIZES:
        images = long_tailed_images(size, occurrences=round(CARDINALITY * size))
        with TemporaryDirectory() as folder:
            write_lists(images, folder)
            for name, step in STEPS.items():
                table.loc[name, size] = 1e6 * seconds(step(folder, images)) / size
    growth = table[SIZES[-1]] / table[SIZES[-2]] - 1
    print(f"CPU ms for 1,000 images; {os.getloadavg()[0]:.1f} processes at work on {os.cpu_count()} cores")
    print(table.round(2).assign(growth=growth.map("{:+.0%}".format)).to_string())


if __name__ == "__main__":
    main()
