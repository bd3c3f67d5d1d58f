"""Prediction of many images: PYTHONPATH=tests python tests/benchmarks/bench_predict.py --images 10000 100000

`nblib predict RUN SHARDS --to FOLDER` with a small network at 32 pixels: seconds, images per second and the peak memory
of the process at each number of images, in parquet shards of 1,000 JPEGs (one file, linked many times). For comparison
the same images in zip archives.
"""

import argparse
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
from bench_scale import run_command
from finished import finished_run
from PIL import Image
from pyarrow import parquet

from nblib.phantoms import draw_sample

PER_SHARD, SIZE = 1_000, 64


def jpegs():
    """So many different images as bytes."""
    rng = np.random.default_rng(0)
    for _ in range(PER_SHARD):
        stream = BytesIO()
        Image.fromarray(rng.integers(256, size=(SIZE, SIZE), dtype=np.uint8)).save(stream, "JPEG")
        yield stream.getvalue()


def write_parquet(path, images):
    rows = {"image": [{"bytes": image} for image in images], "image_id": [f"i{row}" for row in range(len(images))]}
    parquet.write_table(pa.table(rows), path, row_group_size=100)


def write_zip(path, images):
    with ZipFile(path, "w") as archive:
        for row, image in enumerate(images):
            archive.writestr(f"i{row}.jpg", image)


def main(numbers):
    with TemporaryDirectory() as place:
        folder, images = Path(place), list(jpegs())
        draw_sample(folder / "data", 50)
        run = finished_run(folder / "data", folder / "runs")
        for kind, write in {"parquet": write_parquet, "zip": write_zip}.items():
            write(folder / f"shard.{kind}", images)
            for number in numbers:
                shards = folder / f"{kind}_{number}"
                shards.mkdir()
                for shard in range(number // PER_SHARD):
                    (shards / f"shard_{shard:05}.{kind}").hardlink_to(folder / f"shard.{kind}")
                words = ["predict", str(run.folder), str(shards), "--to", str(folder / f"out_{kind}_{number}")]
                seconds, megabytes = run_command(sys.executable, "-m", "nblib", *words)
                print(f"{kind:8}{number:10,} images{seconds:8.1f} s{number / seconds:8,.0f} images/s"
                      f"{megabytes:8,.0f} MB", flush=True)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    main(parser.parse_args().images)
