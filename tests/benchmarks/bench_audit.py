"""The audit of a large set with planted near-duplicates: PYTHONPATH=tests python tests/benchmarks/bench_audit.py

    [--images 80000] [--labels FOLDER]

80,000 JPEGs of 128 pixels, each a mixture of two of 400 drawn phantoms, shifted and scaled, so that many resemble each
other without being copies; 2,000 of them are replaced by copies of others, changed in one of four ways. Labels are
generated, or those of a folder. The audit runs in a process of its own; memory is its peak above the imports (Linux).
"""

import argparse
import json
import re
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from label_sets import long_tailed_images
from PIL import Image, ImageEnhance

from nblib.data import count_leaks, find_groups, image_signatures, inspect_dataset, near_duplicates, pair_agreement
from nblib.phantoms import draw_sample

PHANTOMS, SIDE, COPIES, BLOCK = 400, 128, 2_000, 1_000
CHANGES = {
    "resized to 80 x 100": lambda image: image.resize((80, 100)),
    "JPEG quality 30": lambda image: image,
    "10 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "2 % cut off": lambda image: image.crop((0, 0, SIDE - 3, SIDE - 3)),
}


def write_folder(folder: Path, number: int, labels: Path | None) -> pd.DataFrame:
    """Writes a data set; the planted copies: original, copy, change."""
    phantoms = np.array(drawn_phantoms(folder.with_name("phantoms")))
    images = inspect_dataset(labels).split("train", "val") if labels else long_tailed_images(number)
    images = images.assign(image_id=[f"GENERATED_{row:06}" for row in range(len(images))])
    for split in ("train", "val"):
        table = images[images["split"] == split]
        lines = [f"{row.image_id}\t{';'.join(row.concepts)}\n" for row in table.itertuples()]
        (folder / f"{split}_concepts.csv").write_text("".join(lines))
        (folder / split).mkdir()
    paths = [folder / row.split / f"{row.image_id}.jpg" for row in images.itertuples()]
    with ProcessPoolExecutor() as workers:
        list(workers.map(partial(draw_block, phantoms, paths), range(0, len(paths), BLOCK)))
    return plant(paths)


def drawn_phantoms(folder: Path) -> list[np.ndarray]:
    draw_sample(folder, PHANTOMS, 2020)
    paths = inspect_dataset(folder).images["path"]
    return [np.asarray(Image.open(path).convert("L").resize((2 * SIDE, 2 * SIDE)), np.float32) for path in paths]


def draw_block(phantoms: np.ndarray, paths: list[Path], start: int) -> None:
    """Writes BLOCK images from `start` on: 0.3 to 0.7 of one phantom, the rest of another, each a random section."""
    rng = np.random.default_rng(start)
    for path in paths[start : start + BLOCK]:
        one, other = (section(phantoms[rng.integers(len(phantoms))], rng) for _ in range(2))
        share = rng.uniform(0.3, 0.7)
        mixture = share * one + (1 - share) * other
        Image.fromarray(mixture.clip(0, 255).astype(np.uint8)).save(path, quality=85)


def section(phantom: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Four fifths of a phantom or more, (SIDE, SIDE)."""
    size = int(rng.uniform(0.8, 1) * len(phantom))
    left, top = rng.integers(len(phantom) - size + 1, size=2)
    picture = Image.fromarray(phantom[top : top + size, left : left + size])
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def plant(paths: list[Path]) -> pd.DataFrame:
    """Replaces COPIES images by changed copies of others."""
    chosen = np.random.default_rng(1).choice(len(paths), (COPIES, 2), replace=False)
    changes = [list(CHANGES)[number % len(CHANGES)] for number in range(COPIES)]
    for (original, copy), change in zip(chosen, changes, strict=True):
        with Image.open(paths[original]) as image:
            CHANGES[change](image).save(paths[copy], quality=30 if change.startswith("JPEG") else 85)
    ids = np.array([path.stem for path in paths], dtype=object)[chosen]
    return pd.DataFrame({"original": ids[:, 0], "copy": ids[:, 1], "change": changes})


def peak() -> float:
    """The peak memory of this process, MB; `ru_maxrss` would start from the parent's."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def audit(folder: Path, pairs_file: Path) -> dict[str, float]:
    """Seconds of each step, and MB; writes the pairs."""
    before, clock = peak(), [time.perf_counter()]
    dataset = inspect_dataset(folder)
    clock.append(time.perf_counter())
    signatures = image_signatures(dataset.images)
    clock.append(time.perf_counter())
    pairs = near_duplicates(signatures)
    clock.append(time.perf_counter())
    leaks, agreement = count_leaks(dataset, find_groups(dataset), pairs), pair_agreement(dataset.images, pairs)
    clock.append(time.perf_counter())
    seconds = dict(zip(["read", "signatures", "pairs", "leaks and agreement"], np.diff(clock).round(2), strict=True))
    pairs.to_csv(pairs_file, index=False)
    print(leaks.to_string(index=False), f"{agreement['pairs'].iloc[-1]:,} pairs", sep="\n", file=sys.stderr)
    return {**seconds, "images": len(dataset.images), "MB": peak() - before}


def compare(pairs: pd.DataFrame, planted: pd.DataFrame) -> pd.DataFrame:
    """Of each change: planted, found; and the pairs that were not planted."""
    found = {frozenset(pair) for pair in zip(pairs["image_id"], pairs["other_id"], strict=True)}
    copies = map(frozenset, zip(planted["original"], planted["copy"], strict=True))
    planted = planted.assign(found=[pair in found for pair in copies])
    print(f"pairs that were not planted: {len(found) - planted['found'].sum():,} of {len(found):,}")
    return planted.groupby("change", sort=False)["found"].agg(planted="size", found="sum")


def main(images: int, labels: Path | None) -> None:
    with TemporaryDirectory() as folder:
        folder, pairs = Path(folder) / "data", Path(folder) / "pairs.csv"
        folder.mkdir()
        planted = write_folder(folder, images, labels)
        command = [sys.executable, __file__, "--audit", str(folder), str(pairs)]
        print(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        print(compare(pd.read_csv(pairs), planted).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=80_000)
    parser.add_argument("--labels", type=Path, help="a data folder whose labels are used instead of generated ones")
    parser.add_argument("--audit", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.audit:
        print(json.dumps(audit(*arguments.audit)))
    else:
        main(arguments.images, arguments.labels)
