"""Labels alone, at the size of the 2020 task and as long-tailed: for measuring speed and memory, not for training."""

from pathlib import Path

import numpy as np

TASK_IMAGES = {"train": 64_753, "val": 15_970}  # Paper: Table 1
TASK_CONCEPTS = 3_047  # Paper: section 3.2
TASK_OCCURRENCES = 907_718
MOST_CONCEPTS = 140  # on one image
TAIL, HEAD = 1.3, 10  # the concept of rank r is drawn in proportion to (r + HEAD) ** -TAIL
SHARES = {"DRAN": 0.07, "DRCO": 0.01, "DRCT": 0.31, "DRMR": 0.18, "DRPE": 0.01, "DRUS": 0.13, "DRXR": 0.29}


def write_labels(folder: str | Path, seed: int = 2020, by_category: bool = True) -> Path:
    """The folder with the lists of 80,723 images: 907,718 occurrences of 3,047 concepts; the same for the same seed.

    With `by_category` in the layout of 2020 (one ragged CSV a category), else of other years (one list a split).
    """
    folder = Path(folder)
    rng = np.random.default_rng(seed)
    concept_lists = drawn_labels(rng)
    splits = np.repeat(list(TASK_IMAGES), list(TASK_IMAGES.values())).tolist()
    categories = rng.choice(list(SHARES), len(splits), p=list(SHARES.values())).tolist()
    lines = {}
    for number, (split, category, concepts) in enumerate(zip(splits, categories, concept_lists, strict=True), start=1):
        image_id = f"GENERATED_{number:05}"
        if by_category:
            name, line = f"{split}/{category}_CLEF_{split.title()}.csv", ",".join([f"{image_id}.jpg", *concepts])
        else:
            name, line = f"{split}_concepts.csv", f"{image_id}\t{';'.join(concepts)}"
        lines.setdefault(name, []).append(line)
    for name, texts in lines.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(texts) + "\n", encoding="utf-8", newline="\n")
    return folder


def drawn_labels(rng: np.random.Generator) -> list[list[str]]:
    """The concepts of each image, none twice on one, every concept on at least one image."""
    sizes = drawn_sizes(rng, sum(TASK_IMAGES.values()))
    weights = (np.arange(1, TASK_CONCEPTS + 1) + HEAD) ** -TAIL
    edges = np.cumsum(weights / weights.sum())
    pairs = rng.permutation(len(sizes))[:TASK_CONCEPTS] * TASK_CONCEPTS + np.arange(TASK_CONCEPTS)
    while len(pairs) < TASK_OCCURRENCES:  # a concept drawn a second time for an image is drawn anew
        wanting = np.repeat(np.arange(len(sizes)), sizes - np.bincount(pairs // TASK_CONCEPTS, minlength=len(sizes)))
        ranks = np.searchsorted(edges[:-1], rng.random(len(wanting)))
        pairs = np.union1d(pairs, wanting * TASK_CONCEPTS + ranks)
    cuis = np.array([f"C{number:07}" for number in rng.choice(5_000_000, TASK_CONCEPTS, replace=False)])
    return [part.tolist() for part in np.split(cuis[pairs % TASK_CONCEPTS], np.cumsum(sizes)[:-1])]


def drawn_sizes(rng: np.random.Generator, images: int) -> np.ndarray:
    """How many concepts each image has: 1 to 140, long-tailed, 907,718 in all."""
    mean = TASK_OCCURRENCES / images
    sizes = np.clip(rng.gamma(1.3, mean / 1.3, images).round().astype(int), 1, MOST_CONCEPTS)
    while excess := int(sizes.sum()) - TASK_OCCURRENCES:
        movable = np.flatnonzero((sizes > 1) & (sizes < MOST_CONCEPTS))
        sizes[rng.choice(movable, min(abs(excess), len(movable)), replace=False)] -= np.sign(excess)
    return sizes
