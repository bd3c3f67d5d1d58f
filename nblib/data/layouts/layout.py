"""What a layout is: how its folder is recognised, and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from nblib.data.folder import DataFolder
from nblib.data.image_files import ImageFile
from nblib.data.problems import Problem


@dataclass(frozen=True)
class Contents:
    """What lies in a data folder, not yet matched: images, what lists say of them, and what is wrong so far.

    `listed` is a table as of `nblib.data.lists.listed_table`.
    `manual` is image_id -> concepts that were curated by hand, where the layout has such lists.
    """

    images: list[ImageFile]
    listed: pd.DataFrame
    problems: list[Problem]
    manual: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Layout(NamedTuple):
    """One way to lay out a data set: its title, what its lists look like, how to recognise and how to read it."""

    title: str
    lists: str
    recognised: Callable[[DataFolder], bool]
    read: Callable[[DataFolder], Contents]
