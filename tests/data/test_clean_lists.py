"""The quick way of reading a list says what the careful one says, or leaves the list to it."""

import numpy as np
import pytest
from data.filing import write

from nblib.data import text
from nblib.data.reading import inspect_dataset
from nblib.data.text import read_any_lines, read_clean_lines, read_text

FORMS = {
    "2020": ("", "{}.jpg,{}\n", ","),
    "tab": ("", "{}\t{}\n", ";"),
    "header": ("ID,CUIs\n", "{},{}\n", ";"),
    "bars": ("id|cuis\n", "{}|{}\n", ";"),
    "tabs": ("", "{}\t{}\n", "\t"),
}
DIRT = [b" ", b"\r", b'"', b"\n", b",", b"\t", b";", b".", b"/", b"\0", b"\xc3\xa9", b"\xff", b"c", b"C0000001",
        b",C12", b",C0000001", b"\n\n", b"\n,C0000001\n", b"\nID,CUIs\n", b"\x0b", b"\xef\xbb\xbf"]  # fmt: skip


def random_list(form, rng, images=40):
    """A list without a fault, but that some lines have a concept twice or one that is none."""
    header, line, separator = FORMS[form]
    names = [f"{letter}{number:07}" for number in range(30) for letter in ("C" if number else "CX")]
    drawn = [rng.choice(names, size=rng.integers(1, 9)) for _ in range(images)]
    return (header + "".join(line.format(f"I{n}", separator.join(some)) for n, some in enumerate(drawn))).encode()


def as_plain(lines):
    return [lines.numbers.tolist(), lines.firsts.to_pylist(), list(lines.fields), lines.plain.tolist()]


def careful(content, tmp_path):
    return read_any_lines(read_text(write(tmp_path / "list.csv", content)))


@pytest.mark.parametrize("form", FORMS)
def test_a_clean_list_is_read_the_quick_way_and_says_the_same(form, tmp_path):
    for seed in range(5):
        content = random_list(form, np.random.default_rng(seed))
        for variant in (content, content.removesuffix(b"\n"), b"\xef\xbb\xbf" + content):
            assert as_plain(read_clean_lines(variant)) == as_plain(careful(variant, tmp_path))


@pytest.mark.parametrize("form", FORMS)
def test_dirt_anywhere_is_left_to_the_careful_way_or_read_alike(form, tmp_path):
    rng, left = np.random.default_rng(2020), 0
    content = random_list(form, rng, images=6)
    for dirt in DIRT:
        for place in range(int(rng.integers(15)), len(content), 15):
            soiled = content[:place] + dirt + content[place + int(rng.integers(3)) :]
            quick = read_clean_lines(soiled)
            left += quick is None
            if quick is not None:
                assert as_plain(quick) == as_plain(read_any_lines(soiled.decode("utf-8-sig"))), soiled
    assert left > 0


def test_what_is_no_list_is_left_to_the_careful_way():
    for content in (
        b"",
        b"\n",
        b"\n\n",
        b"A",
        b"A,C0000001",
        b"ID,CUIs\n",
        b"ID,CUIs\n\n",
        b"ID,CUIs\nA\n",
        b"\nA,C\n",
    ):
        assert read_clean_lines(content) is None


def test_the_quick_way_is_taken_for_the_real_lists_of_rocov2(real_data):
    for name in ("train_concepts.csv", "valid_concepts.csv"):
        assert read_clean_lines((real_data / "rocov2" / name).read_bytes()) is not None


@pytest.mark.parametrize("layout", ["rocov2", "openrad", "roco"])
def test_real_data_sets_are_the_same_either_way(real_data, layout, monkeypatch):
    quick = inspect_dataset(real_data / layout)
    monkeypatch.setattr(text, "read_clean_lines", lambda content: None)
    slow = inspect_dataset(real_data / layout)
    assert quick.images.equals(slow.images)
    assert quick.problems == slow.problems
