"""The category of an image: that of its folder, or of the one modality that its concepts name."""

from collections.abc import Iterable

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
_MODALITIES = frozenset(MODALITY_CONCEPTS)


def modality_categories(concept_lists: Iterable[Iterable[str]]) -> list[str | None]:
    """For each image the category that its modality concepts agree on; None where there are two, or none."""
    return [_agreed(modalities) if modalities else None for modalities in map(_MODALITIES.intersection, concept_lists)]


def _agreed(modalities: Iterable[str]) -> str | None:
    named = {MODALITY_CONCEPTS[concept] for concept in modalities}
    return named.pop() if len(named) == 1 else None
