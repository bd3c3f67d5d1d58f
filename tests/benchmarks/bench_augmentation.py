"""Speed of training on augmented images, beside that on images as they are.

Run: python tests/benchmarks/bench_augmentation.py [--backbone VGG16] [--size 224] [--steps 10]
Each kind of augmentation trains the same network on the same batch, in turns; the median of the steps counts.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, CONCEPTS = 32, 3_047


def compiled(backbone, size, kind):
    """A network as `nblib.training.train` trains it, from random weights."""
    from nblib.experiments import Experiment
    from nblib.training import build_network
    from nblib.training.augmentation import augmentation_layers
    from nblib.training.models import with_preprocessing
    from nblib.training.trainer import compile_model

    experiment = Experiment(
        backbone=backbone, weights=None, image_size=size, pooling="avg", fc_layers=0, augmentation=kind
    )
    network = build_network(experiment, CONCEPTS)
    return compile_model(with_preprocessing(network, backbone, False, augmentation_layers(experiment)), experiment)


def measure(backbone, size, steps):
    """Images per second of each kind."""
    import numpy as np

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (BATCH, size, size, 3), dtype=np.uint8)
    labels = (rng.random((BATCH, CONCEPTS)) < 0.004).astype(np.float32)
    models = {kind: compiled(backbone, size, kind) for kind in ("none", "light", "strong")}
    times = {kind: [] for kind in models}
    for _ in range(steps + 1):
        for kind, model in models.items():
            start = time.perf_counter()
            model.train_on_batch(pixels, labels)
            times[kind].append(time.perf_counter() - start)
    return {kind: BATCH / np.median(each[1:]) for kind, each in times.items()}  # the first step traces


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="VGG16")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    speeds = measure(arguments.backbone, arguments.size, arguments.steps)
    for kind, speed in speeds.items():
        print(f"{kind:8} {speed:8.1f} images/s   {speed / speeds['none']:.2f}")


if __name__ == "__main__":
    main()
