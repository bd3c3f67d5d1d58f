"""Generated label sets, by default of the paper's size; equal arguments give equal labels."""

import numpy as np
import pandas as pd

CATEGORY_SHARES = {
    "DRAN": 0.073,
    "DRCO": 0.007,
    "DRCT": 0.31,
    "DRMR": 0.177,
    "DRPE": 0.007,
    "DRUS": 0.133,
    "DRXR": 0.293,
}


def long_tailed_images(images=80_723, concepts=3_047, occurrences=907_718, seed=2020) -> pd.DataFrame:
    """A tidy table without pixels; each image has a concept, each concept an image, frequencies follow a power law."""
    rng = np.random.default_rng(seed)
    popularity = np.arange(1, concepts + 1) ** -1.1
    length = np.minimum(rng.lognormal(2.3, 0.9, images) + 1, 140)
    drawn = rng.choice(concepts, 3 * occurrences, p=popularity / popularity.sum())
    owner = rng.choice(images, 3 * occurrences, p=length / length.sum())
    needed = np.concatenate([np.arange(images) * concepts + drawn[:images],
                             rng.integers(images, size=concepts) * concepts + np.arange(concepts)])  # fmt: skip
    needed = pd.unique(needed)
    others = pd.unique(np.concatenate([needed, owner * concepts + drawn]))[len(needed) :]
    pairs = np.sort(np.concatenate([needed, rng.choice(others, occurrences - len(needed), replace=False)]))
    names = np.array([f"C{number:07}" for number in rng.permutation(concepts)], dtype=object)
    starts = np.searchsorted(pairs // concepts, np.arange(images))
    lists = [tuple(some) for some in np.split(names[pairs % concepts], starts[1:])]
    split = np.where(np.arange(images) < round(images * 64_753 / 80_723), "train", "val")
    shares = np.array(list(CATEGORY_SHARES.values()))
    category = rng.choice(np.array(list(CATEGORY_SHARES), dtype=object), images, p=shares / shares.sum())
    ids = [f"GENERATED_{number:05}" for number in range(images)]
    table = {"image_id": ids, "path": None, "split": split, "category": category, "concepts": lists}
    return pd.DataFrame(table).astype({"split": object})
