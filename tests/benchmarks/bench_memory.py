"""Memory of training on 80,723 images x 3,047 concepts: python tests/benchmarks/bench_memory.py

Reads the lists, encodes them, and serves an epoch in batches of 32 from pixels that are mapped from a file (64 px, all
black), without training; then trains `small_plain` on 1,000 such batches, and for comparison on 32 images only, each in
a fresh process: the memory of the second is TensorFlow's own. For comparison, too, labels as usual, dense float32.
MB of the process itself; what is mapped from the file is the system's cache and reported separately.
"""

import multiprocessing
import os
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from paper_labels import write_labels

from nblib.data import ConceptVocabulary, Examples, read_dataset
from nblib.data.pixels import CachedPixels
from nblib.training.batches import stream, training_batches

SIZE = 64
BATCH = 32
STEPS = 1_000
CONCEPTS = 3_047


def megabytes(kind):
    """VmHWM, RssAnon or RssFile of this process."""
    return int(re.search(rf"{kind}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def black_pixels(folder, images):
    """Grey pixels as a store keeps them."""
    folder.mkdir(exist_ok=True)
    np.ones(images, np.uint8).tofile(folder / "channels")
    np.zeros(images * SIZE * SIZE, np.uint8).tofile(folder / "grey")
    (folder / "colour").touch()
    return CachedPixels(folder, images, SIZE)


def read(folder):
    """The lists in the folder, read and encoded; without pixels."""
    return Examples.of(read_dataset(folder).split("train", "val"))


def few_examples():
    """One batch of images with a concept each, without reading the lists."""
    concepts = [f"C{number:07}" for number in range(CONCEPTS)]
    images = pd.DataFrame({"image_id": concepts[:BATCH], "concepts": [(concept,) for concept in concepts[:BATCH]]})
    return Examples.of(images, ConceptVocabulary(tuple(concepts)))


def serve(folder):
    """MB after reading, the most while an epoch is served, and those mapped from files."""
    before = megabytes("RssAnon")
    examples = read(folder)
    most = after_reading = megabytes("RssAnon")
    examples = replace(examples, pixels=black_pixels(folder / "pixels", len(examples)))
    batches = training_batches(examples, BATCH, flipped_copies=True, seed=1)
    for _ in range(2 * len(examples) // BATCH):
        next(batches)
        most = max(most, megabytes("RssAnon"))
    return after_reading - before, most - before, megabytes("RssFile")


def train(folder, few):
    """The most MB of a process that trains, on 32 images or on all."""
    from bench_pixels import small_model
    from keras.callbacks import LambdaCallback
    from tensorflow.data import INFINITE_CARDINALITY

    examples = few_examples() if few else read(folder)
    examples = replace(examples, pixels=black_pixels(folder / f"pixels_{len(examples)}", len(examples)))
    batches = partial(training_batches, examples, BATCH, True, 1, by_colour=True)
    measured = []
    measure = LambdaCallback(on_train_batch_end=lambda batch, logs: measured.append(megabytes("RssAnon")))
    small_model(by_colour=True).fit(
        stream(batches, examples, INFINITE_CARDINALITY), steps_per_epoch=STEPS, verbose=0, callbacks=[measure]
    )
    return max(measured)


def in_a_fresh_process(work, *arguments):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def main():
    with TemporaryDirectory() as place:
        folder = Path(place)
        write_labels(folder, by_category=False)
        os.sync()
        after_reading, most, mapped = in_a_fresh_process(serve, folder)
        alone, training = (in_a_fresh_process(train, folder, few) for few in (True, False))
    print(f"dense float32 labels alone    {80_723 * CONCEPTS * 4 / 2**20:8.0f} MB")
    print(f"read and encoded              {after_reading:8.0f} MB")
    print(f"most while an epoch is served {most:8.0f} MB, and {mapped:.0f} MB mapped from files")
    print(f"most while training           {training:8.0f} MB, of which {alone:.0f} MB on 32 images: TensorFlow's own")
    print(f"beyond TensorFlow             {training - alone:8.0f} MB")


if __name__ == "__main__":
    main()
