"""Today's data set in full size: PYTHONPATH=tests python tests/benchmarks/bench_layout_2026.py

A generated folder in the layout of 2026: 116,604 IDs, 2,646 concepts, long-tailed labels. 100 of the images are
missing; the others are links to a few small JPEGs. Each step runs in a process of its own. Memory is the peak above
what the imports took (Linux).
"""

import json
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from label_sets import long_tailed_images
from PIL import Image

from nblib.data import Examples, check_images, concept_counts, count_images, inspect_dataset, label_statistics

IMAGES, CONCEPTS, OCCURRENCES = 116_604, 2_646, 390_600  # as many concepts per image as ROCOv2 has
MISSING = 100
LINKS = 50_000  # to one file; file systems have limits


def write_folder(folder, number=IMAGES, missing=MISSING, test=0):
    """Writes so many labelled images, and so many of test, into the folder; returns the labels that it was made of."""
    images = long_tailed_images(number, CONCEPTS, round(OCCURRENCES / IMAGES * number))
    names = images["split"].map({"train": "train", "val": "valid"})
    prefix = "ImageCLEFmedical_Caption_2026_"
    image_ids = [f"{prefix}{name}_{number:06}" for number, name in enumerate(names)]
    lines = [f"{image_id},{';'.join(cuis)}\n" for image_id, cuis in zip(image_ids, images["concepts"], strict=True)]
    (folder / "images").mkdir()
    (folder / "concepts.csv").write_text("ID,CUIs\n" + "".join(lines))
    (folder / "concepts_manual.csv").write_text(
        "ID,CUIs\n" + "".join(f"{line.split(';')[0].strip()}\n" for line in lines)
    )
    for number, image_id in enumerate([*image_ids[missing:], *(f"{prefix}test_{number:06}" for number in range(test))]):
        picture = folder / f".{number // LINKS}.jpg"  # hidden: no image of the data set
        if not picture.exists():
            Image.new("L", (64, 64), 99).save(picture)
        (folder / "images" / f"{image_id}.jpg").hardlink_to(picture)
    return dict(zip(image_ids, images["concepts"], strict=True))


def peak():
    """The peak memory of this process, MB; `ru_maxrss` would start from the parent's."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def checked(folder):
    dataset = inspect_dataset(folder)
    return [*dataset.problems, *check_images(dataset.images)]


def counted(folder):
    labelled = Examples.of(inspect_dataset(folder).split("train", "val"))
    return count_images(labelled.images), concept_counts(labelled), label_statistics(labelled.images["concepts"])


STEPS = {"read": inspect_dataset, "read, and check all headers": checked, "read and count": counted}


def measure(step, folder):
    """Seconds and MB of a step."""
    before, began, worked = peak(), time.perf_counter(), time.process_time()
    STEPS[step](folder)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - worked
    return {"seconds": seconds, "CPU seconds": cpu_seconds, "MB": peak() - before}


def verify(folder, labels):
    """Raises ValueError unless everything that was written is read."""
    dataset = inspect_dataset(folder)
    read = dict(zip(dataset.images["image_id"], dataset.images["concepts"], strict=True))
    listed = {image_id: sorted(concepts) for image_id, concepts in read.items()}
    missing = sum("there is no such image" in problem.what for problem in dataset.problems)
    if listed != {image_id: sorted(concepts) for image_id, concepts in labels.items()} or missing != MISSING:
        raise ValueError("what is read differs from what was written.")
    split = dataset.images["split"].value_counts().to_dict()
    print(f"{len(read):,} images {split}, {missing} missing, {len(set().union(*read.values())):,} concepts, "
          f"{len(dataset.manual_concepts):,} manually curated lists")  # fmt: skip


def main():
    with TemporaryDirectory() as folder:
        verify(folder, write_folder(Path(folder)))
        run = partial(subprocess.run, capture_output=True, text=True, check=True)
        printed = {step: run([sys.executable, __file__, step, folder]).stdout for step in STEPS}
        print(pd.DataFrame({step: json.loads(text) for step, text in printed.items()}).T.round(1).to_string())


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], sys.argv[2])))
    else:
        main()
