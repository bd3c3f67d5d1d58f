"""What the challenge asks for in each year: the form of a submission, its limits, and how it is scored.

2020 is the paper's year. 2026 is as the organisers' code has it; it looks at the file more closely than earlier years.
"""

from dataclasses import dataclass

from nblib.evaluation.selection import CAP


@dataclass(frozen=True)
class Year:
    """The rules of one year.

    Attributes:
        separator: between image_id and concepts.
        header: the first line; None: there is no header.
        zipped: the file is `MEMBER`, alone in a zip archive.
        strict: also rejected are a byte order mark, blank lines, spaces, empty entries, what is not a CUI, and images
            in another order than that of the data's test split.
        empty_truth_counts: an image without true concepts scores 1 if none is submitted, else 0; or it is left out.
        most_concepts: per image.
        submissions: per team; None where that is not known.
    """

    separator: str
    header: str | None = None
    zipped: bool = False
    strict: bool = False
    empty_truth_counts: bool = False
    most_concepts: int = CAP
    submissions: int | None = None

    @property
    def suffix(self) -> str:
        """The extension of a submission's file name."""
        return ".zip" if self.zipped else ".csv" if self.separator == "," else ".txt"


YEARS = {
    2020: Year("\t", submissions=10),
    2022: Year("|"),
    2024: Year(",", "ID,CUIs", zipped=True),
    2026: Year(",", "ID,CUIs", zipped=True, strict=True, empty_truth_counts=True),
}
MEMBER = "submission.csv"

# What the secondary score of 2025 and 2026 counts: six modalities, nine regions of the body.
SECONDARY_2025 = (
    "C0002978", "C0040405", "C0024485", "C0032743", "C0041618", "C1306645", "C1140618", "C0037949", "C0030797",
    "C0023216", "C0037303", "C0817096", "C0006141", "C0000726", "C0920367",
)  # fmt: skip


def rules_of(year: int) -> Year:
    """The rules of this year.

    Raises:
        ValueError: `YEARS` has no such year.
    """
    if year not in YEARS:
        raise ValueError(f"year must be one of {', '.join(map(str, YEARS))}; received {year!r}.")
    return YEARS[year]
