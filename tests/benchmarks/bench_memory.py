"""Memory of the data side of training on 80,723 images x 3,047 concepts: python tests/benchmarks/bench_memory.py

Reads the lists, encodes them, and serves an epoch in batches of 32 from pixels that are mapped from a file (64 px, all
black). Beside it the labels of the usual way, dense float32. MB of this process itself; what is mapped from the file is
the system's cache and told apart. TensorFlow is not imported.
"""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nblib.concepts import ConceptVocabulary
from nblib.dataset import read_dataset
from nblib.images import Examples, training_batches
from nblib.phantoms.labels import write_labels
from nblib.pixels import KeptPixels

SIZE = 64
BATCH = 32


def megabytes(kind):
    """VmHWM, RssAnon or RssFile of this process."""
    return int(re.search(rf"{kind}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def black_pixels(folder, images):
    """Grey pixels as a store keeps them."""
    np.ones(images, np.uint8).tofile(folder / "channels")
    np.zeros(images * SIZE * SIZE, np.uint8).tofile(folder / "grey")
    (folder / "colour").touch()
    return KeptPixels(folder, images, SIZE)


def main():
    with TemporaryDirectory() as folder:
        write_labels(folder, by_category=False)
        os.sync()
        before = megabytes("RssAnon")
        images = read_dataset(folder).split("train", "val")
        labels = ConceptVocabulary.of(images["concepts"]).encode(images["concepts"])
        most = read = megabytes("RssAnon")
        pixels = black_pixels(Path(folder), len(images))
        examples = Examples(images["image_id"].to_numpy(str), pixels, labels)
        batches = training_batches(examples, BATCH, flipped_copies=True, seed=1)
        for _ in range(2 * len(examples) // BATCH):
            next(batches)
            most = max(most, megabytes("RssAnon"))
        dense = labels.shape[0] * labels.shape[1] * 4 / 2**20
    print(f"dense float32 labels alone    {dense:8.0f} MB")
    print(f"read and encoded              {read - before:8.0f} MB")
    print(f"most while an epoch is served {most - before:8.0f} MB, and {megabytes('RssFile'):.0f} MB mapped from files")


if __name__ == "__main__":
    main()
