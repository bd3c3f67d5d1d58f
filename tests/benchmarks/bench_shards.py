"""Training data in parquet shards: PYTHONPATH=tests python tests/benchmarks/bench_shards.py --images 20000 200000

Shards of 1,000 JPEGs of 32 pixels with two concepts each. In a fresh process per number of images: seconds to index and
check them, to split and label them, and to decode and store their pixels at 32; images per second that are then served
in batches of 32; and the memory of the process itself after each, MB beyond the imports.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from nblib.data import labelled_splits, read_dataset, share_pixels

PER_SHARD, SIZE, BATCHES = 1_000, 32, 2_000


def write_shards(folder, images):
    """Every fifth shard is of validation; the same pictures in each."""
    rng, pictures = np.random.default_rng(0), []
    for _ in range(PER_SHARD):
        stream = BytesIO()
        Image.fromarray(rng.integers(256, size=(SIZE, SIZE), dtype=np.uint8)).save(stream, "JPEG")
        pictures.append({"bytes": stream.getvalue()})
    for shard in range(images // PER_SHARD):
        split = "train" if shard % 5 else "validation"
        rows = {"image": pictures, "image_id": [f"{split}_{shard:05}_{row:04}" for row in range(PER_SHARD)],
                "cui": [["C0000001", f"C000001{row % 10}"] for row in range(PER_SHARD)]}  # fmt: skip
        parquet.write_table(pa.table(rows), folder / f"{split}-{shard:05}.parquet", row_group_size=100)


def own_megabytes():
    """Of this process, without what is mapped from files."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def measure(folder):
    """Seconds, or images per second, and MB by step."""
    before, taken = own_megabytes(), {}

    def timed(name, work):
        began = time.perf_counter()
        result = work()
        taken[f"{name}, s"] = time.perf_counter() - began
        taken[f"{name}, MB"] = own_megabytes() - before
        return result

    def serve(pixels):
        rng = np.random.default_rng(0)
        for _ in range(BATCHES):
            pixels[np.sort(rng.integers(len(pixels), size=32))]

    dataset = timed("index", lambda: read_dataset(folder / "data"))
    parts = timed("label", lambda: labelled_splits(dataset))
    parts = timed("store", lambda: share_pixels(parts, SIZE, folder / "pixels"))
    timed("serve", lambda: serve(parts["train"].pixels))
    taken["served, images/s"] = 32 * BATCHES / taken.pop("serve, s")
    return taken


def main(numbers):
    table = {}
    for images in numbers:
        with TemporaryDirectory() as folder:
            (Path(folder) / "data").mkdir()
            write_shards(Path(folder) / "data", images)
            done = subprocess.run([sys.executable, __file__, "--measure", folder], stdout=subprocess.PIPE, check=True)
            table[f"{images:,}"] = json.loads(done.stdout)
    print(pd.DataFrame(table).round(1).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
    else:
        main(arguments.images)
