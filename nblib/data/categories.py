"""The category of an image: that of its folder, or of the one modality that its concepts name."""

from collections.abc import Iterable

import numpy as np

from nblib.data.concept_column import ConceptColumn

# Table 5: abbreviation -> full form, without its leading "DR" and with "Magenetic" spelled right.
CATEGORIES = {
    "DRAN": "Angiography",
    "DRCO": "Combined modalities in one image",
    "DRCT": "Computerized tomography",
    "DRMR": "Magnetic resonance",
    "DRPE": "Positron emission tomography",
    "DRUS": "Ultrasound",
    "DRXR": "X-ray, 2D tomography",
}

# UMLS concepts of modalities as ROCO, ROCOv2 and ImageCLEF use them -> category. Paper: Table 5.
MODALITY_CONCEPTS = {
    "C0002978": "DRAN",  # angiogram
    "C1699633": "DRCO",  # PET/CT
    "C0040405": "DRCT",  # X-ray computed tomography
    "C0024485": "DRMR",  # magnetic resonance imaging
    "C0032743": "DRPE",  # positron-emission tomography
    "C0040399": "DRPE",  # single-photon emission tomography
    "C0041618": "DRUS",  # ultrasonography
    "C1306645": "DRXR",  # plain x-ray
    "C0043299": "DRXR",  # diagnostic radiologic examination
}


def modality_categories(concept_lists: Iterable[Iterable[str]]) -> list[str | None]:
    """For each image the category that its modality concepts agree on; None where there are two, or none."""
    column, kinds = ConceptColumn.of(concept_lists), sorted(set(MODALITY_CONCEPTS.values()))
    kind_of = np.array([kinds.index(MODALITY_CONCEPTS[name]) if name in MODALITY_CONCEPTS else -1
                        for name in column.names], dtype=int)  # fmt: skip
    named = kind_of[column.codes]
    rows, named = column.rows[named >= 0], named[named >= 0]
    lowest, highest = np.full(len(column), len(kinds)), np.full(len(column), -1)
    np.minimum.at(lowest, rows, named)
    np.maximum.at(highest, rows, named)
    return np.array([*kinds, None], dtype=object)[np.where(lowest == highest, lowest, -1)].tolist()
