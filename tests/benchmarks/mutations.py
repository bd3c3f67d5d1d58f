"""Seeded mutations of a file."""

import copy

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


def with_another_value(content, random):
    """A copy of what JSON holds with one value, anywhere in it, replaced; `random` is a `random.Random`."""
    place = content = copy.deepcopy(content)
    while True:
        key = random.choice(list(place) if isinstance(place, dict) else range(len(place)))
        inside = place[key]
        if not isinstance(inside, dict | list) or not inside or random.random() < 0.3:
            break
        place = inside
    values = [None, 0, -1, 1e308, "text", "", [], {}, True, "\ud800", "<script>x</script>", [[]], {"a": {}}]
    place[key] = random.choice(values)
    return content
