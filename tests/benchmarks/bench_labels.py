"""Reading and encoding at the paper's size, compared with pandas and scikit-learn's MultiLabelBinarizer.

Run: PYTHONPATH=tests python tests/benchmarks/bench_labels.py
Each way runs five times, alternating, each time in a process of its own; medians are reported. Memory is the peak
above what the imports took (Linux). Equal digests say that the labels are equal.
"""

import hashlib
import json
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from paper_labels import write_labels
from scipy import sparse
from sklearn.preprocessing import MultiLabelBinarizer

from nblib.data import ConceptVocabulary, read_dataset

ROUNDS = 5


def with_pandas(folder, sparse_output):
    """Labels, (N, K), and the image_ids of their rows, without any checks."""
    paths = [folder / "train_concepts.csv", folder / "val_concepts.csv"]
    table = pd.concat([pd.read_csv(path, sep="\t", names=["id", "cuis"]) for path in paths])
    return MultiLabelBinarizer(sparse_output=sparse_output).fit_transform(table["cuis"].str.split(";")), table["id"]


def with_nblib(folder):
    """Labels, (N, K) sparse, and the image_ids of their rows, with every check that `read_dataset` makes."""
    images = read_dataset(folder).split("train", "val")
    return ConceptVocabulary.of(images["concepts"]).encode(images["concepts"]), images["image_id"]


WAYS = {
    "pandas + dense MultiLabelBinarizer": partial(with_pandas, sparse_output=False),
    "pandas + sparse MultiLabelBinarizer": partial(with_pandas, sparse_output=True),
    "nblib": with_nblib,
}


def peak():
    """The peak memory of this process, MB; `ru_maxrss` would start from the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def measure(way, folder):
    """Seconds, MB and a digest of the labels, rows in the order of image_ids."""
    before, began, worked = peak(), time.perf_counter(), time.process_time()
    labels, image_ids = WAYS[way](Path(folder))
    seconds, cpu_seconds, megabytes = time.perf_counter() - began, time.process_time() - worked, peak() - before
    rows = sparse.csr_array(labels)[np.argsort(image_ids.to_numpy(str))]
    rows.sort_indices()
    digest = hashlib.sha256(rows.indptr.astype(np.int64).tobytes() + rows.indices.astype(np.int64).tobytes())
    return {
        "seconds": seconds,
        "CPU seconds": cpu_seconds,
        "MB": megabytes,
        "shape": labels.shape,
        "digest": digest.hexdigest()[:16],
    }


def main():
    with TemporaryDirectory() as folder:
        write_labels(folder, by_category=False)
        runs = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way, done in runs.items():
                command = [sys.executable, __file__, way, folder]
                printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                done.append(json.loads(printed))
    figures = ["seconds", "CPU seconds", "MB"]
    table = pd.DataFrame({way: pd.DataFrame(done)[figures].median() for way, done in runs.items()}).T
    ratios = (table / table.loc["nblib"]).add_prefix("x ")
    digests = {run["digest"] for done in runs.values() for run in done}
    print(table.join(ratios).round(2).to_string())
    print("equal labels" if len(digests) == 1 else "LABELS DIFFER")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        main()
