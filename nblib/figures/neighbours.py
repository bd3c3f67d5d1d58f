"""An image beside the images most like it, with the concepts they share."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nblib.data import Dataset, image_sizes
from nblib.figures.images import show_image
from nblib.figures.style import caption

SHARED, OWN = "C2", "0.45"
LINES = 9  # concepts told below a picture


def draw_neighbours(
    dataset: Dataset, image_id: str, neighbours: Sequence[str], similarities: Sequence[float], size: int = 224
) -> Figure:
    """The image, then its neighbours, their concepts below: green with a tick those that the image has as well.

    Args:
        dataset: where all of them are.
        image_id: the image that was looked up.
        neighbours: (k,), image_ids, the most alike first.
        similarities: (k,), cosines (`nblib.ensembles.neighbours.Neighbours`).
        size: pixels a side of each picture.
    """
    rows = dataset.images.set_index("image_id", drop=False).loc[[image_id, *neighbours]]
    sizes = image_sizes(rows)
    own = set(rows["concepts"].iloc[0])
    told = ["asked for", *(f"cosine {similarity:.3f}" for similarity in similarities)]
    figure, all_axes = plt.subplots(1, len(rows), figsize=(2.9 * len(rows), 5.2), squeeze=False)
    for ax, row, word, ratio in zip(
        all_axes.flat, rows.itertuples(), told, sizes["height"] / sizes["width"], strict=True
    ):
        show_image(row.path, size, ratio, ax)
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"{caption(row.image_id, row.category)}\n{word}", fontsize=9, parse_math=False)
        _list_concepts(dataset, row.concepts, own if row.Index != image_id else set(), ax)
    figure.suptitle(f"{dataset.title}: the images most like one, and the concepts they share with it", y=0.99)
    figure.tight_layout(rect=(0, 0.28, 1, 0.98))
    return figure


def _list_concepts(dataset: Dataset, concepts: Sequence[str], shared_with: set[str], ax: Axes) -> None:
    """Below the picture, one a line, the shared ones first."""
    in_order = sorted(concepts, key=lambda concept: (concept not in shared_with, dataset.name_of(concept)))
    lines = [(concept in shared_with, dataset.name_of(concept)[:30]) for concept in in_order[:LINES]]
    if len(in_order) > LINES:
        lines.append((False, f"and {len(in_order) - LINES} more"))
    for (shared, name), height in zip(lines, np.arange(len(lines)), strict=True):
        ax.annotate(
            f"✓ {name}" if shared else name,
            (0, 0),
            xycoords="axes fraction",
            xytext=(0, -14 - 13 * height),
            textcoords="offset points",
            fontsize=8,
            color=SHARED if shared else OWN,
            parse_math=False,
        )
