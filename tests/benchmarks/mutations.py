"""Seeded mutations of a file."""

import numpy as np


def mutated(content, rng):
    """The bytes with a few of them changed, cut out, doubled, or all after a place lost."""
    place, length = int(rng.integers(len(content))), int(rng.integers(1, 9))
    noise = rng.integers(256, size=length, dtype=np.uint8).tobytes()
    choices = [
        content[:place] + noise + content[place + length :],
        content[:place] + content[place + length :],
        content[:place] + content[place : place + length] + content[place:],
        content[:place],
        content[:place] + bytes(len(content) - place),
    ]
    return choices[rng.integers(len(choices))]
