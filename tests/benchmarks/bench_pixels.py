"""Pixels: decoding and caching, batches, training, each compared with the usual way, and how the time grows.

Run: PYTHONPATH=tests python tests/benchmarks/bench_pixels.py [--images 400] [--rounds 5] [--growth 5000 20000 80000]
The images are drawn, enlarged to 500 to 800 pixels, grained, and written as JPEGs: half of them with one channel, half
with three, of which some have colour. All ways alternate in one process, warm from the page cache; medians are
reported.
Targets: caching nearly twice as fast on 2 cores as Pillow in one loop, batches 15 times as fast as with Keras,
fit at least 0.95 times as fast as from an array, time proportional to the number of images within 15 %.
"""

import argparse
import os
import time
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from PIL import Image
from scipy import sparse

from nblib.data import ConceptVocabulary, Examples, cache_pixels
from nblib.experiments import Experiment
from nblib.phantoms import draw_sample
from nblib.training import build_network
from nblib.training.batches import batches_per_epoch, stream, training_batches
from nblib.training.models import with_preprocessing
from nblib.training.trainer import compile_model

CONCEPTS, BATCH, SIZE = 3_047, 32, 227
SMALL = 64  # pixels per side for the small network
VOCABULARY = ConceptVocabulary(tuple(f"C{number:07}" for number in range(CONCEPTS)))


def write_images(folder, number):
    """A table of so many JPEGs of 500 to 800 pixels."""
    drawn = sorted(draw_sample(folder / "drawn", 60).rglob("*.jpg"))
    rng, paths = np.random.default_rng(1), []
    (folder / "images").mkdir()
    for count in range(number):
        with Image.open(drawn[count % len(drawn)]) as image:
            scale = rng.uniform(500, 800) / max(image.size)
            image = image.resize([int(side * scale) for side in image.size], Image.Resampling.BICUBIC)
        pixels = np.asarray(image).astype(np.int16)
        grain = rng.normal(0, 3, pixels.shape[:2])
        pixels = (pixels + (grain if pixels.ndim == 2 else grain[..., None])).clip(0, 255).astype(np.uint8)
        paths.append(folder / "images" / f"{count:05}.jpg")
        Image.fromarray(pixels).convert("RGB" if count % 2 else Image.fromarray(pixels).mode).save(
            paths[-1], quality=85
        )
    return table_of(paths)


def table_of(paths):
    return pd.DataFrame({"image_id": [f"{row}" for row in range(len(paths))], "path": paths})


def examples_of(images, size, folder):
    labels = sparse.random_array((len(images), CONCEPTS), density=11 / CONCEPTS, rng=1, format="csr")
    labels.data[:] = 1
    pixels = cache_pixels(images, size, folder)
    return Examples(images, VOCABULARY, labels.astype(np.uint8), pixels)


def by_turns(ways, rounds):
    """Median seconds and CPU seconds of each way; the ways alternate."""
    measured = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began, worked = time.perf_counter(), time.process_time()
            way()
            measured[name].append((time.perf_counter() - began, time.process_time() - worked))
    return {name: np.median(rows, axis=0) for name, rows in measured.items()}


def show(title, seconds, images):
    """Images per second with each way, and CPU time per image, which is comparable on a busy machine, too."""
    ours, ours_of_cpu = seconds["nblib"]
    print(f"\n{title}\n{'':34}{'images/s':>10}{'µs CPU per image':>18}")
    for name, (taken, cpu) in seconds.items():
        ratio = (
            "" if name == "nblib" else f"   {taken / ours:6.2f} times faster here, {cpu / ours_of_cpu:.2f} by CPU time"
        )
        print(f"  {name:32}{images / taken:10,.0f}{1e6 * cpu / images:18,.0f}{ratio}")


# ---- build


def by_pillow(images, size):
    for path in images["path"]:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.NEAREST))


def build(images, size):
    with TemporaryDirectory() as folder:
        cache_pixels(images, size, folder)


def bench_build(images, rounds):
    ways = {"nblib": lambda: build(images, SIZE), "Pillow, one loop": lambda: by_pillow(images, SIZE)}
    show(f"Decode and cache, {len(images)} images of 500 to 800 pixels", by_turns(ways, rounds), len(images))


# ---- batches


def serve(examples, epochs=1):
    """Iterates over whole epochs, every image as it is and mirrored."""
    steps = batches_per_epoch(examples, BATCH, flipped_copies=True)
    batches = partial(training_batches, examples, BATCH, True, 1, by_colour=True)
    for _ in stream(batches, examples, tf.data.INFINITE_CARDINALITY).take(epochs * steps):
        pass


def from_dataframe(images, labels):
    """Keras' generator over a table; flips at random, which is the same work per image."""
    concepts = [str(concept) for concept in range(CONCEPTS)]
    table = pd.concat([images["path"].astype(str), pd.DataFrame(labels, columns=concepts)], axis=1)
    options = dict(x_col="path", y_col=concepts, class_mode="raw", batch_size=BATCH, validate_filenames=False)
    flow = ImageDataGenerator(horizontal_flip=True).flow_from_dataframe(
        table, target_size=(SIZE, SIZE), interpolation="nearest", **options
    )

    def epoch():
        for pixels, truth in islice(flow, len(flow)):
            tf.convert_to_tensor(pixels), tf.convert_to_tensor(truth)

    return epoch


def from_directory(folder, labels):
    """Keras' dataset over a folder, mirrored at random; the labels are looked up by the number of the image."""
    dense = tf.constant(labels)
    numbers = list(range(len(labels)))
    options = dict(labels=numbers, image_size=(SIZE, SIZE), interpolation="nearest", batch_size=BATCH, verbose=False)
    dataset = keras.utils.image_dataset_from_directory(str(folder), **options)
    dataset = dataset.map(lambda pixels, rows: (tf.image.random_flip_left_right(pixels), tf.gather(dense, rows)))

    def epoch():
        for _ in dataset.prefetch(2):
            pass

    return epoch


def bench_serve(images, folder, rounds):
    examples = examples_of(images, SIZE, folder / "pixels")
    labels = examples.labels.toarray().astype(np.float32)
    epochs = 10  # of ours for one of theirs: it would be over too soon to be measured
    ways = {
        "nblib": lambda: serve(examples, epochs),
        "flow_from_dataframe": from_dataframe(images, labels),
        "image_dataset_from_directory": from_directory(folder / "images", labels),
    }
    seconds = by_turns(ways, rounds)
    seconds["nblib"] /= 2 * epochs  # an epoch of ours is 2N
    show(f"Later epochs, batches of {BATCH} at {SIZE} pixels with {CONCEPTS:,} labels", seconds, len(images))


# ---- fit


def small_model(by_colour):
    experiment = Experiment(experiment_name="small", backbone="small_plain", weights=None, image_size=SMALL,
                            pooling="avg", fc_layers=1, fc_units=64)  # fmt: skip
    return compile_model(
        with_preprocessing(build_network(experiment, CONCEPTS), experiment.backbone, by_colour), experiment
    )


def bench_fit(images, folder, rounds):
    many = table_of(images["path"].tolist() * 5)
    examples = examples_of(many, SMALL, folder / "pixels")
    steps = batches_per_epoch(examples, BATCH, flipped_copies=True)
    kept = stream(
        partial(training_batches, examples, BATCH, True, 1, by_colour=True), examples, tf.data.INFINITE_CARDINALITY
    )
    pixels, labels = examples.pixels[:], examples.labels.toarray().astype(np.float32)
    pixels, labels = np.concatenate([pixels, pixels[:, :, ::-1]]), np.concatenate([labels, labels])
    stored, held = small_model(by_colour=True), small_model(by_colour=False)
    ways = {
        "nblib": lambda: stored.fit(kept, steps_per_epoch=steps, shuffle=False, verbose=0),
        "from one array in memory": lambda: held.fit(pixels, labels, batch_size=BATCH, verbose=0),
    }
    by_turns(ways, 1)  # traces
    show(f"fit, small_plain at {SMALL} pixels", by_turns(ways, rounds), 2 * len(many))


# ---- growth


def bench_growth(numbers, folder, rounds):
    """Time per image, in µs, for growing numbers of images of 64 pixels, cached at 32."""
    rng, paths = np.random.default_rng(2), []
    (folder / "little").mkdir()
    for count in range(1000):
        paths.append(folder / "little" / f"{count}.jpg")
        Image.fromarray(rng.integers(0, 256, (64, 64), dtype=np.uint8)).save(paths[-1])
    tables = {number: table_of((paths * (number // len(paths) + 1))[:number]) for number in numbers}
    kept = {number: examples_of(images, 32, folder / "pixels") for number, images in tables.items()}
    for title, way, of in (("build the store", partial(build, size=32), tables), ("serve an epoch", serve, kept)):
        seconds = by_turns({number: partial(way, of[number]) for number in numbers}, rounds)
        each = {number: 1e6 * taken / number for number, taken in seconds.items()}
        times = "   ".join(f"{number:,}: {wall:.1f} µs ({cpu:.1f} of CPU)" for number, (wall, cpu) in each.items())
        more = each[numbers[-1]] / each[numbers[0]] - 1
        print(f"\nGrowth, {title}, per image\n  {times}   {more[0]:+.0%} ({more[1]:+.0%})")


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--images", type=int, default=400)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--growth", type=int, nargs="*", default=[5_000, 20_000, 80_000])
    chosen = options.parse_args()
    with TemporaryDirectory() as place:
        folder = Path(place)
        images = write_images(folder, chosen.images)
        bench_build(images, chosen.rounds)
        bench_serve(images, folder, chosen.rounds)
        bench_fit(images, folder, chosen.rounds)
        if chosen.growth:
            bench_growth(chosen.growth, folder, 3)


if __name__ == "__main__":
    main()
