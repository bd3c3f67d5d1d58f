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


def modality_category(concepts: Iterable[str]) -> str | None:
    """The category that the modality concepts among `concepts` agree on; None where there are two, or none."""
    named = {MODALITY_CONCEPTS[concept] for concept in concepts if concept in MODALITY_CONCEPTS}
    return named.pop() if len(named) == 1 else None
