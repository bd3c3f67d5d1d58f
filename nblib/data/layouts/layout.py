"""What a layout is: how its folder is recognised, and what reading it returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from nblib.data.folder import DataFolder, ImageFile
from nblib.data.problems import Problem


@dataclass(frozen=True)
class Contents:
    """What a data folder contains, not yet matched: images, `listed_images`, and what is wrong so far.

    `manual` is image_id -> manually curated concepts, where the layout has such lists.
    """

    images: list[ImageFile]
    listed: pd.DataFrame
    problems: list[Problem]
    manual: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Layout(NamedTuple):
    """One way to lay out a data set: its title, how to recognise and how to read it."""

    title: str
    recognised: Callable[[DataFolder], bool]
    read: Callable[[DataFolder], Contents]
