"""Writes data folders for the tests of this folder, and shows what is read from them."""

import os
import shutil

from nblib.data.images import cache_pixels
from nblib.data.reading import inspect_dataset
from nblib.data.text import without_suffix

TRAIN_CT = "concepts/train/DRCT_CLEF_Train.csv"
VAL_CT = "concepts/val/DRCT_CLEF_Val.csv"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def one_list_per_split(source, target):
    """A copy of `source` in the layout of other years: one `<split>_concepts.csv`, tab and semicolons, no extension."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("concepts"))
    for split in ("train", "val"):
        lists = sorted((source / "concepts" / split).glob("*.csv"))
        rows = [line.split(",") for path in lists for line in path.read_text().splitlines()]
        lines = [f"{without_suffix(name)}\t{';'.join(concepts)}\n" for name, *concepts in rows]
        write(target / f"{split}_concepts.csv", "".join(lines))
    return target


def layout_of_2026(source, target, digits=6):
    """The lists of `source` in the layout of 2026, and its images; returns our image_id by that of 2026."""
    dataset, ids, lines = inspect_dataset(source), {}, {"concepts": ["ID,CUIs"], "concepts_manual": ["ID,CUIs"]}
    (target / "images").mkdir(parents=True)
    for number, row in enumerate(dataset.split("train", "val").sort_values("image_id").itertuples()):
        split = {"train": "train", "val": "valid"}[row.split]
        image_id = f"ImageCLEFmedical_Caption_2026_{split}_{number:0{digits}}"
        ids[image_id] = row.image_id
        lines["concepts"].append(f"{image_id},{';'.join(row.concepts)}")
        lines["concepts_manual"].append(f"{image_id},{';'.join(dataset.manual_concepts.get(row.image_id, ()))}")
        if row.path:
            shutil.copyfile(row.path, target / "images" / f"{image_id}.jpg")
    for name, rows in lines.items():
        write(target / f"{name}.csv", "\n".join(rows) + "\n")
    write(target / "cui_mapping.csv", 'CUI,Canonical name\nC0040405,"Tomography, X-Ray Computed"\n')
    write(target / "attribution.csv", "ID,Licence\n")
    return ids


def rows_of(dataset, *columns):
    return list(dataset.images.sort_values("image_id")[list(columns)].itertuples(index=False, name=None))


def labels_of(dataset, prefix=""):
    return [(image.removeprefix(prefix), *rest) for image, *rest in rows_of(dataset, "image_id", "split", "concepts")]


def pixels_of(dataset, folder):
    return cache_pixels(dataset.images.sort_values("image_id").reset_index(drop=True), 32, folder)


def problems_of(folder):
    """(where within the folder, what, serious) of each problem."""
    return [
        (problem.where.replace(str(folder), "").lstrip(os.sep), problem.what, problem.serious)
        for problem in inspect_dataset(folder).problems
    ]
