"""Training at full size on a GPU: images per second, time spent waiting for data, and determinism.

Run: python tests/benchmarks/bench_gpu.py [--backbones VGG16 ResNet50 EfficientNetB0] [--steps 150]
Each network of the paper's recipe (224 pixels, 3,047 sigmoids, batches of 32, images mirrored) is trained in a process
of its own, in float32, in mixed precision, and compiled by XLA. "Waiting" is the share of the time that the same steps
save when one batch, already on the GPU, is used again and again. Pixels and labels are random: the time does not depend
on them. Last, a network is trained twice from one seed, and its weights are compared bit by bit.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

SIZE, BATCH, IMAGES, CONCEPTS = 224, 32, 1_024, 3_047
WAYS = {
    "float32": {},
    "mixed": {"precision": "mixed_float16"},
    "float32 + XLA": {"jit_compile": True},
    "mixed + XLA": {"precision": "mixed_float16", "jit_compile": True},
}


def random_examples(folder):
    """Images of random pixels, one in fifteen in colour, with eleven concepts each."""
    from dataclasses import replace

    import numpy as np
    import pandas as pd

    from nblib.data import ConceptVocabulary, Examples
    from nblib.data.pixels import CachedPixels

    rng = np.random.default_rng(1)
    channels = np.where(np.arange(IMAGES) % 15 == 0, 3, 1).astype(np.uint8)
    channels.tofile(folder / "channels")
    for number, name in ((1, "grey"), (3, "colour")):
        size = int((channels == number).sum()) * SIZE * SIZE * number
        rng.integers(0, 256, size, np.uint8).tofile(folder / name)
    cuis = np.array([f"C{number:07}" for number in range(CONCEPTS)])
    concepts = [tuple(rng.choice(cuis, 11, replace=False)) for _ in range(IMAGES)]
    images = pd.DataFrame({"image_id": [str(row) for row in range(IMAGES)], "concepts": concepts})

    return replace(Examples.of(images, ConceptVocabulary(tuple(cuis))), pixels=CachedPixels(folder, IMAGES, SIZE))


def compiled(experiment):
    """The network as `nblib.training.train` trains it."""
    import keras
    import tensorflow as tf

    from nblib.training import build_network
    from nblib.training.models import with_preprocessing
    from nblib.training.trainer import compile_model

    keras.utils.set_random_seed(experiment.seed)
    if not experiment.jit_compile:
        tf.config.experimental.enable_op_determinism()
    whole = with_preprocessing(
        build_network(experiment, CONCEPTS), experiment.backbone, by_colour=not experiment.jit_compile
    )
    return compile_model(whole, experiment)


def seconds_of(model, dataset, steps):
    """Seconds of so many steps, after as many without a clock."""
    ended = []
    import keras

    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ended.append(time.perf_counter()))
    model.fit(dataset, steps_per_epoch=steps, epochs=3, callbacks=[watch], verbose=0)
    return ended[-1] - ended[-2]


def measure(backbone, way, steps):
    """Images per second, share of time that waits for data, and megabytes of GPU memory at most."""
    import tensorflow as tf

    from nblib.experiments import Experiment
    from nblib.training.batches import stream, training_batches

    experiment = Experiment(backbone=backbone, weights=None, image_size=SIZE, **WAYS[way])
    with TemporaryDirectory() as folder:
        examples = random_examples(Path(folder))
        batches = partial(training_batches, examples, BATCH, True, 1, by_colour=not experiment.jit_compile)
        endless = stream(batches, examples, steps=tf.data.INFINITE_CARDINALITY)
        model = compiled(experiment)
        began = time.perf_counter()
        from_data = seconds_of(model, endless, steps)
        again = tf.data.Dataset.from_tensors(next(iter(endless))).repeat().prefetch(2)
        from_memory = seconds_of(model, again, steps)
        served = iter(batches())
        for _ in range(5):
            next(served)
        begun = time.perf_counter()
        for _ in range(steps):
            next(served)
        serving = time.perf_counter() - begun
    card = tf.config.list_physical_devices("GPU")
    return {
        "network": backbone,
        "way": way,
        "images/s": round(steps * BATCH / from_data),
        "waiting": round(max(0, 1 - from_memory / from_data), 3),
        "batches alone, images/s": round(steps * BATCH / serving),
        "MB": round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20) if card else None,
        "whole, s": round(time.perf_counter() - began, 1),
    }


def digest(backbone, way, steps):
    """A checksum of all weights after so many steps, and the last loss."""
    import hashlib

    import tensorflow as tf

    from nblib.experiments import Experiment
    from nblib.training.batches import stream, training_batches

    experiment = Experiment(backbone=backbone, weights=None, image_size=SIZE, learning_rate=1e-4, **WAYS[way])
    with TemporaryDirectory() as folder:
        examples = random_examples(Path(folder))
        batches = partial(training_batches, examples, BATCH, True, 1, by_colour=not experiment.jit_compile)
        model = compiled(experiment)
        endless = stream(batches, examples, steps=tf.data.INFINITE_CARDINALITY)
        history = model.fit(endless, steps_per_epoch=steps, epochs=1, verbose=0).history
    whole = hashlib.sha256(b"".join(weights.tobytes() for weights in model.get_weights()))
    return {"network": backbone, "way": way, "weights": whole.hexdigest()[:16], "loss": history["loss"][0]}


def in_own_process(what, *arguments):
    """The result of `what(*arguments)` from a fresh process, since XLA and determinism exclude each other in one."""
    command = [sys.executable, __file__, "--only", json.dumps([what, *arguments])]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if ended.returncode:
        return {"network": arguments[0], "way": arguments[1], "failed": ended.stderr.strip().splitlines()[-1][:300]}
    return json.loads(ended.stdout.strip().splitlines()[-1])


def main():
    """Prints a line per network and way, then whether two trainings ended with the same bits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=["VGG16", "ResNet50", "EfficientNetB0"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--steps", type=int, default=150, help="steps that are timed")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        what, *arguments = json.loads(options.only)
        print(json.dumps({"measure": measure, "digest": digest}[what](*arguments)))
        return
    for backbone in options.backbones:
        for way in options.ways:
            print(json.dumps(in_own_process("measure", backbone, way, options.steps)), flush=True)
    for way in options.ways:
        both = [in_own_process("digest", options.backbones[0], way, 20) for _ in range(2)]
        print(json.dumps({"twice": both[0] == both[1], "runs": both}), flush=True)


if __name__ == "__main__":
    main()
