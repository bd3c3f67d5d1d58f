"""Examples made by hand, for tests that need neither a data folder nor image files."""

import pandas as pd

from nblib.data import ConceptVocabulary, Examples


def labelled(image_ids, vocabulary, labels, categories=None, **parts):
    """Examples with these labels; without a vocabulary the concepts are C0000000, C0000001, ..."""
    vocabulary = vocabulary or ConceptVocabulary(tuple(f"C{number:07}" for number in range(labels.shape[1])))
    images = pd.DataFrame({"image_id": list(image_ids), "path": None, "split": "val", "category": categories})
    return Examples(images, vocabulary, labels, **parts)
