"""Data folders with generated labels only: for measuring speed and memory, not for training."""

from pathlib import Path

from label_sets import long_tailed_images


def write_labels(folder: str | Path, by_category: bool = True, **size: int) -> Path:
    """The folder with the concept lists of `long_tailed_images(**size)`, by default as large as those of the paper.

    With `by_category` in the layout of 2020 (one ragged CSV per category), else of other years (one list per split).
    """
    folder, lines = Path(folder), {}
    for row in long_tailed_images(**size).itertuples():
        if by_category:
            name = f"{row.split}/{row.category}_CLEF_{row.split.title()}.csv"
            line = ",".join([f"{row.image_id}.jpg", *row.concepts])
        else:
            name, line = f"{row.split}_concepts.csv", f"{row.image_id}\t{';'.join(row.concepts)}"
        lines.setdefault(name, []).append(f"{line}\n")
    for name, texts in lines.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(texts), encoding="utf-8", newline="\n")
    return folder
