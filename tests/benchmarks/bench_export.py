"""Images per second of exported models in onnxruntime beside Keras, on the CPU.

Run: PYTHONPATH=tests python tests/benchmarks/bench_export.py [rounds]
The weights are random, which does not change the speed. The best of the rounds is printed, one after the other.
"""

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from finished import finished_run

from nblib.phantoms import draw_sample
from nblib.training.export import READERS, export_model, exportable

BACKBONES = {"small_plain": 64, "VGG16": 224, "ResNet50": 224, "DenseNet169": 224}  # and the image size
BATCHES = (1, 16)


def speeds(predict, batch):
    """Images per second, with images of 300 x 400 pixels."""
    images = np.random.default_rng(0).integers(0, 256, (batch, 300, 400, 3), dtype=np.uint8)
    predict(images)
    began, times = time.perf_counter(), []
    while not times or time.perf_counter() - began < 5:
        before = time.perf_counter()
        predict(images)
        times.append(time.perf_counter() - before)
    return batch / np.min(times)


def measure(data, folder, backbone, rounds):
    """One row per batch size: images per second of both, and their ratio."""
    size = BACKBONES[backbone]
    run = finished_run(data, folder / "runs", backbone, backbone=backbone, image_size=size, fc_units=1024)
    difference = export_model(run, folder / backbone, "onnx")
    onnx, keras = READERS["onnx"](folder / backbone / "model.onnx"), exportable(run).predict_on_batch
    for batch in BATCHES:
        best = np.max([[speeds(onnx, batch), speeds(keras, batch)] for _ in range(rounds)], axis=0)
        yield backbone, size, batch, *best.round(1), round(best[0] / best[1], 2), f"{difference:.0e}"


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    with TemporaryDirectory() as folder:
        data = draw_sample(Path(folder) / "data", 50)
        rows = [row for backbone in BACKBONES for row in measure(data, Path(folder), backbone, rounds)]
    columns = ["backbone", "pixels", "batch", "onnxruntime images/s", "Keras images/s", "ratio", "difference"]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(pd.DataFrame(rows, columns=columns).to_string(index=False))


if __name__ == "__main__":
    main()
