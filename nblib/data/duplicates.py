"""Near-duplicates: images whose pixels are almost the same, whatever their size, compression or brightness.

The signature of an image says for each cell of a 16 x 16 grid whether the cells to its right and below are brighter,
512 bits in all (a difference hash). Its distance to another signature is the number of bits that differ. Copies that
were resized, recompressed or made a little brighter are within 40 of each other; of other images, 1 pair in 1,000 is
within 80.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from PIL import Image

from nblib.data.images import UNREADABLE, ImageSource, open_image
from nblib.system import ProgressBar, cores

GRID = 16  # cells per side
BRIGHTER = 2  # a smaller difference, in grey levels, is noise
NEAR = 40  # bits that may differ between near-duplicates
WORDS = 2 * GRID**2 // 64
SIEVE = 4  # words whose distance is computed for all pairs; if it is larger than allowed, that of all words is too
ROWS, COLUMNS = 64, 1024  # pairs of one tile: few enough to stay in the processor's cache


def image_signatures(images: pd.DataFrame) -> pd.DataFrame:
    """Signatures of the images of a tidy table, (M, 8) uint64, indexed by image_id.

    Images that can't be read, and those of one colour, which have no structure to compare, are left out.
    """
    there = images[images["path"].notna()]
    with ThreadPoolExecutor(cores()) as workers:
        found = list(ProgressBar(workers.map(_signature, there["path"]), "signatures", len(there), unit="image"))
    words = np.array(found, np.uint64).reshape(-1, WORDS)
    return pd.DataFrame(words, index=pd.Index(there["image_id"], name="image_id"))[words.any(axis=1)]


def near_duplicates(signatures: pd.DataFrame, largest: int = NEAR) -> pd.DataFrame:
    """All pairs of images whose signatures differ in at most `largest` bits, the closest first.

    Returns:
        Columns image_id, other_id (the later one in the order of `signatures`), distance.
    """
    one, other, distance = _close_pairs(np.ascontiguousarray(signatures.to_numpy().T), largest)
    ids = signatures.index.to_numpy(object)
    pairs = pd.DataFrame({"image_id": ids[one], "other_id": ids[other], "distance": distance})
    return pairs.sort_values("distance", kind="stable", ignore_index=True)


def nearest_distances(signatures: pd.DataFrame, sampled: int = 1000) -> np.ndarray:
    """Distance of each of `sampled` images, drawn evenly, to its nearest other image, (n,): for a histogram."""
    words = signatures.to_numpy()
    rows = np.unique(np.linspace(0, len(words) - 1, min(sampled, len(words))).astype(int)) if len(words) > 1 else []
    nearest = []
    for row in rows:
        distances = np.bitwise_count(words ^ words[row]).sum(axis=1, dtype=np.int64)
        distances[row] = 64 * WORDS
        nearest.append(distances.min())
    return np.array(nearest, dtype=np.int64)


def _signature(path: ImageSource) -> np.ndarray:
    """(8,) uint64; zeros for an image that can't be read."""
    try:
        with path.open("rb") as stream, open_image(stream) as image:
            image.draft("L", (8 * GRID, 8 * GRID))  # a JPEG is decoded at this size, several times faster
            if image.mode.startswith("I;16"):
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            cells = np.asarray(image.convert("L").resize((GRID + 1, GRID + 1), Image.Resampling.BOX), np.int16)
    except UNREADABLE:
        return np.zeros(WORDS, np.uint64)
    right = cells[:-1, 1:] - cells[:-1, :-1] > BRIGHTER
    below = cells[1:, :-1] - cells[:-1, :-1] > BRIGHTER
    return np.packbits(np.stack([right, below], axis=-1)).view(np.uint64)


def _close_pairs(words: np.ndarray, largest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of `words`, (8, U), that are at most `largest` bits apart: (P,) and (P,), and their distance, (P,)."""
    with ThreadPoolExecutor(cores()) as workers:
        starts = range(0, words.shape[1], ROWS)
        stripes = ProgressBar(workers.map(lambda start: _stripe(words, start, largest), starts), "compare", len(starts))
        found = [pairs for pairs in stripes if len(pairs)]
    pairs = np.concatenate([np.empty((0, 2), np.int64), *found])
    distance = np.bitwise_count(words[:, pairs[:, 0]] ^ words[:, pairs[:, 1]]).sum(axis=0, dtype=np.int64)
    near = distance <= largest
    return pairs[near, 0], pairs[near, 1], distance[near]


def _stripe(words: np.ndarray, start: int, largest: int) -> np.ndarray:
    """Pairs of ROWS columns from `start` on with later ones that pass the sieve, (P, 2)."""
    rows, found = words[:SIEVE, start : start + ROWS, None], []
    for first in range(start, words.shape[1], COLUMNS):
        columns = words[:SIEVE, None, first : first + COLUMNS]
        distance = sum(np.bitwise_count(rows[word] ^ columns[word]).astype(np.uint16) for word in range(SIEVE))
        one, other = np.nonzero(distance <= largest)
        found.append(np.stack([one + start, other + first], axis=1))
    pairs = np.concatenate(found)
    return pairs[pairs[:, 0] < pairs[:, 1]]
