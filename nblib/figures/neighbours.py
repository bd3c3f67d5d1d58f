"""An image beside the images most like it, with the concepts they share."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from nblib.data import Dataset
from nblib.figures.images import GREY, Lines, cut, draw_pictures
from nblib.figures.style import shortened

SHARED = "C2"


def draw_neighbours(
    dataset: Dataset, image_id: str, neighbours: Sequence[str], similarities: Sequence[float], size: int = 224
) -> Figure:
    """The image, then its neighbours, their concepts below: green with a tick those that the image has as well.

    Args:
        dataset: that holds all of them.
        image_id: the query image.
        neighbours: (k,), image_ids, the most similar first.
        similarities: (k,), cosines (`nblib.ensembles.neighbours.Neighbours`).
        size: pixels per side of each picture.
    """
    images = dataset.images.set_index("image_id", drop=False).loc[[image_id, *neighbours]]
    own = set(images["concepts"].iloc[0])
    notes = ["query image", *(f"cosine {similarity:.3f}" for similarity in similarities)]
    shared = [set(), *(own & set(concepts) for concepts in images["concepts"].iloc[1:])]
    lines = [_lines(dataset, *each) for each in zip(images["concepts"], shared, strict=True)]
    return draw_pictures(
        images, notes, lines, f"{dataset.title}: an image, its nearest neighbours, and the concepts they share", size
    )


def _lines(dataset: Dataset, concepts: Sequence[str], shared: set[str]) -> Lines:
    """One line per concept, the shared ones first."""
    in_order = sorted(concepts, key=lambda concept: (concept not in shared, dataset.name_of(concept)))
    names = [f"{'✓ ' if concept in shared else ''}{shortened(dataset.name_of(concept), 30)}" for concept in in_order]
    return [(name, SHARED if name.startswith("✓ ") else GREY) for name in cut(names, 9)]
