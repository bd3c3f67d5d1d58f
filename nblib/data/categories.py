"""The category of an image: the name of its folder, or the one modality that its concepts name."""

from collections.abc import Iterable

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
    named = ({MODALITY_CONCEPTS[each] for each in concepts if each in MODALITY_CONCEPTS} for concepts in concept_lists)
    return [categories.pop() if len(categories) == 1 else None for categories in named]
