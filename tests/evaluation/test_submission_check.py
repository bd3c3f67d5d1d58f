import struct
import zipfile

import pytest
from evaluation.strict_checker import accepts, follows_the_rules

from nblib.evaluation.submission import write_submission
from nblib.evaluation.submission_check import check_submission, read_submission

# ---- check

MANY = ";".join(f"C{number:07}" for number in range(1, 102))
REJECTED = {
    "an image missing": ("A\tC0000001\n", "", "B is missing; every test image needs a line."),
    "an unknown image": ("A\tC0000001\nB\tC0000001\nX\tC0000001\n", ":3", "'X' is none of the 2 test images."),
    "an image repeated": ("A\tC0000001\nB\tC0000001\nA\tC0000001\n", ":3",
                          "duplicate image_id A; one line per image."),
    "a concept repeated": ("A\tC0000001\nB\tC0000001;C0000002;C0000001\n", ":2",
                           "duplicate concept C0000001; write each once."),
    "a concept repeated in another case": ("A\tC0000001\nB\tC0000001;c0000001\n", ":2",
                                           "duplicate concept C0000001; write each once."),
    "over 100 concepts": (f"A\t{MANY}\nB\tC0000001\n", ":1", "101 concepts; at most 100 are allowed."),
}  # fmt: skip


@pytest.mark.parametrize("kind", REJECTED)
def test_the_check_finds(tmp_path, kind):
    content, line, sentence = REJECTED[kind]
    path = tmp_path / "submission.txt"
    path.write_text(content)
    (problem,) = check_submission(path, ["A", "B"])
    assert (problem.where, problem.what, problem.serious) == (f"{path}{line}", sentence, True)


@pytest.mark.parametrize("line", ["B|C0000001", "B C0000001", "B\tC0000001\tC0000002", "B,C0000001;C0000002"])
def test_a_line_in_another_form_than_the_first_is_found(tmp_path, line):
    path = tmp_path / "submission.txt"
    path.write_text(f"A\tC0000001\n{line}\n")
    problems = check_submission(path, ["A", "B"])
    expected = f"{path}:2: expected image_id, one '\\t', and concepts joined by `;`."
    assert str(problems[0]) == expected and problems[0].serious


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path):
    (tmp_path / "submission.txt").write_bytes(b"\xef\xbb\xbfA\tC0000001\r\nB\tC0000002\r\n")
    assert check_submission(tmp_path / "submission.txt", ["A", "B"]) == []


def test_exactly_a_hundred_concepts_are_accepted(tmp_path):
    (tmp_path / "submission.txt").write_text(f"A\t{MANY.removesuffix(';C0000101')}\n")
    assert check_submission(tmp_path / "submission.txt", ["A"]) == []


def test_an_image_without_concepts_is_reported_but_accepted(tmp_path):
    (tmp_path / "submission.txt").write_text("A\t\n")
    (problem,) = check_submission(tmp_path / "submission.txt", ["A"])
    assert not problem.serious
    assert problem.what == "no concept for A; it scores 0 (`nomissing` avoids that)."


def test_all_rejections_are_reported(tmp_path):
    (tmp_path / "submission.txt").write_text("X\tC0000001;C0000001\n")
    assert len(check_submission(tmp_path / "submission.txt", ["A", "B"])) == 4


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, ": there is no such file."),
        (
            b"A\t\xff\n",
            ":1: byte 2 is not UTF-8 but looks like Latin-1 (Windows-1252); save the file as UTF-8 and try again.",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(tmp_path, content, sentence):
    path = tmp_path / "submission.txt"
    if content:
        path.write_bytes(content)
    (problem,) = check_submission(path, ["A"])
    assert str(problem) == f"{path}{sentence}"


def test_check_rejects_an_image_with_its_extension_and_says_what_to_do(tmp_path):
    path = tmp_path / "submission.txt"
    path.write_text("IMAGE_1.jpg\tC0040405\n")
    problems = check_submission(path, ["IMAGE_1"])
    assert [problem.where for problem in problems] == [f"{path}:1", str(path)]
    assert "write it without extension" in problems[0].what


def test_check_reports_what_is_not_a_cui_without_rejecting_it(tmp_path):
    path = tmp_path / "submission.txt"
    path.write_text("IMAGE_1\tC0040405;C12\n")
    (problem,) = check_submission(path, ["IMAGE_1"])
    assert "C12" in problem.what and not problem.serious


# ---- evaluate refuses what the challenge refuses


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("A\tC0000001\nB\tC0000002;c0000002\n", ":2: duplicate concept C0000002; write each once."),
        (f"A\t{MANY}\n", ":1: 101 concepts; at most 100 are allowed."),
        ("A\tC0000001\nA\tC0000002\n", ":2: duplicate image_id A; one line per image."),
        ("", " is empty; expected lines `image_id<TAB>CUI;CUI`."),
    ],
)
def test_what_the_challenge_refuses_is_not_scored(tmp_path, content, sentence):
    path = tmp_path / "submission.txt"
    path.write_text(content)
    with pytest.raises(ValueError) as refused:
        read_submission(path)
    assert f"{path}{sentence}" in str(refused.value)


# ---- 2026

IDS = ["T_1", "T_2", "T_10"]
GOOD = b"ID,CUIs\nT_1,C0000001;C0000002\nT_2,\nT_10,C3\n"
TOO_MANY = MANY.encode()


def archive_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


# What is spoilt -> the file, the line, and the reason.
SPOILT = {
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, ":1", "a byte order mark"),
    "another encoding": (GOOD.replace(b"C3", b"C3\xe9"), ":4", "is not UTF-8"),
    "another header": (GOOD.replace(b"ID,CUIs", b"id,cuis"), ":1", "expected the header 'ID,CUIs'; received 'id,cuis'"),
    "no header": (GOOD.partition(b"\n")[2], ":1", "expected the header"),
    "three columns": (GOOD.replace(b"C3", b"C3,0.9"), ":4", "expected image_id, one ','"),
    "one column": (GOOD.replace(b"T_2,", b"T_2"), ":3", "expected image_id, one ','"),
    "another separator": (GOOD.replace(b"T_2,", b"T_2\t"), ":3", "expected image_id, one ','"),
    "a blank line": (GOOD.replace(b"T_2", b"\nT_2"), ":3", "a blank line"),
    "a blank line at the end": (GOOD + b"\n", ":5", "a blank line"),
    "a space before the ID": (GOOD.replace(b"T_2", b" T_2"), ":3", "a space at the beginning or end"),
    "a space after the CUIs": (GOOD.replace(b"C3", b"C3 "), ":4", "a space at the beginning or end"),
    "an image twice": (GOOD + b"T_1,\n", ":5", "duplicate image_id T_1"),
    "another order": (b"ID,CUIs\nT_1,C1\nT_10,C3\nT_2,\n", ":3", "T_10 where T_2 is expected"),
    "an image missing": (GOOD.replace(b"T_2,\n", b""), "", "T_2 is missing"),
    "an unknown image": (GOOD + b"T_11,C1\n", ":5", "'T_11' is none of the 3 test images."),
    "an image with its extension": (GOOD.replace(b"T_2", b"T_2.jpg"), ":3", "write it without extension"),
    "a semicolon at the end": (GOOD.replace(b"C3", b"C3;"), ":4", "an empty entry"),
    "two semicolons": (GOOD.replace(b";", b";;"), ":2", "an empty entry"),
    "a space between concepts": (GOOD.replace(b";", b"; "), ":2", "not a CUI: ' C0000002'"),
    "a name instead of a CUI": (GOOD.replace(b"C3", b"X-ray"), ":4", "not a CUI: 'X-ray'; expected `C` and digits."),
    "lower case": (GOOD.replace(b"C3", b"c3"), ":4", "not a CUI: 'c3'"),
    "digits of another script": (GOOD.replace(b"C3", "C\u0663".encode()), ":4", "not a CUI: 'C\u0663'"),
    "a concept twice": (GOOD.replace(b"C0000002", b"C0000001"), ":2", "duplicate concept C0000001"),
    "101 concepts": (GOOD.replace(b"C3", TOO_MANY), ":4", "101 concepts; at most 100"),
    "nothing": (b"", ":1", "expected the header"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_spoilt_list_is_rejected_for_its_reason(tmp_path, spoilt):
    content, line, reason = SPOILT[spoilt]
    path = archive_of(tmp_path / "submission.zip", {"submission.csv": content})
    first = check_submission(path, IDS, 2026)[0]
    named = [problem for problem in check_submission(path, IDS, 2026) if reason in problem.what]
    assert first.serious and named and named[0].serious
    assert named[0].where == (f"{path}/submission.csv{line}" if line else str(path))
    try:
        assert not follows_the_rules(content, IDS)
    except (ValueError, IndexError):
        assert spoilt in ("another encoding", "nothing")


ARCHIVES = {
    "another name": ({"run.csv": GOOD}, "received 1 members: 'run.csv'"),
    "a folder": ({"mine/submission.csv": GOOD}, "received 1 members: 'mine/submission.csv'"),
    "two lists": ({"submission.csv": GOOD, "submission2.csv": GOOD}, "received 2 members"),
    "leftovers of macOS": ({"submission.csv": GOOD, "__MACOSX/._submission.csv": b""}, "received 2 members"),
    "a climbing path": ({"../submission.csv": GOOD}, "a name leads out of the archive"),
    "an absolute path": ({"/tmp/submission.csv": GOOD}, "a name leads out of the archive"),
    "nothing": ({}, "received 0 members: none"),
}


@pytest.mark.parametrize("spoilt", ARCHIVES)
def test_a_spoilt_archive_is_rejected_for_its_reason(tmp_path, spoilt):
    members, reason = ARCHIVES[spoilt]
    path = archive_of(tmp_path / "submission.zip", members)
    problem = check_submission(path, IDS, 2026)[0]
    assert problem.serious and reason in problem.what and problem.where == str(path)
    assert not accepts(path, IDS)


def test_a_list_that_is_not_packed_is_rejected_and_all_the_same_checked(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_bytes(GOOD.replace(b"C3", b"c3"))
    packed, concept = (problem for problem in check_submission(path, IDS, 2026) if problem.serious)
    assert packed.what == "expected a zip archive with submission.csv in it."
    assert concept.where == f"{path}:4"


def test_an_archive_is_rejected_where_the_list_itself_is_submitted(tmp_path):
    path = archive_of(tmp_path / "submission.zip", {"submission.csv": b"A\tC0000001\n"})
    (problem,) = check_submission(path, ["A"], 2020)
    assert problem.what == "expected the list itself, not a zip archive."


def test_an_archive_that_is_cut_short_is_rejected(tmp_path):
    path = archive_of(tmp_path / "submission.zip", {"submission.csv": GOOD})
    path.write_bytes(path.read_bytes()[:-30])
    assert check_submission(path, IDS, 2026)[0].serious


def test_an_archive_whose_bytes_changed_is_rejected(tmp_path):
    path = archive_of(tmp_path / "submission.zip", {"submission.csv": GOOD})
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    (problem,) = check_submission(path, IDS, 2026)
    assert "can't be unpacked" in problem.what and "pack it again" in problem.what


def test_an_encrypted_archive_is_rejected(tmp_path):
    path = archive_of(tmp_path / "submission.zip", {"submission.csv": GOOD})
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\1\2")
    for flags in (6, central + 8):
        struct.pack_into("<H", content, flags, 1)
    path.write_bytes(content)
    (problem,) = check_submission(path, IDS, 2026)
    assert "encrypted" in problem.what


def test_an_archive_that_unpacks_to_more_than_a_submission_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("nblib.evaluation.submission_check.LARGEST", 1_000)
    path = archive_of(tmp_path / "submission.zip", {"submission.csv": GOOD + bytes(10**5)})
    assert path.stat().st_size < 1_000
    (problem,) = check_submission(path, IDS, 2026)
    assert problem.what == "submission.csv unpacks to more than 1,000 bytes; it is not read."


def test_a_name_behind_a_null_byte_is_seen(tmp_path):
    path = archive_of(tmp_path / "submission.zip", {"submission.csv_bat": GOOD})
    path.write_bytes(path.read_bytes().replace(b"csv_bat", b"csv\0bat"))
    assert "received 1 members" in check_submission(path, IDS, 2026)[0].what


def test_what_is_written_passes_the_strict_checker(tmp_path):
    lists = [("C0000001", "C0000002"), (), tuple(MANY.split(";")[:100])]
    path = write_submission(tmp_path / "submission.zip", IDS, lists, 2026)
    assert accepts(path, IDS)
    assert [problem for problem in check_submission(path, IDS, 2026) if problem.serious] == []


def test_windows_line_ends_are_accepted(tmp_path):
    path = archive_of(tmp_path / "submission.zip", {"submission.csv": GOOD.replace(b"\n", b"\r\n")})
    assert accepts(path, IDS)
    assert [problem for problem in check_submission(path, IDS, 2026) if problem.serious] == []


def test_in_2026_what_is_rejected_is_not_scored_but_the_order_is_not_known(tmp_path):
    path = archive_of(tmp_path / "submission.zip", {"submission.csv": SPOILT["another order"][0]})
    assert list(read_submission(path, 2026)) == ["T_1", "T_10", "T_2"]
    archive_of(path, {"submission.csv": SPOILT["a semicolon at the end"][0]})
    with pytest.raises(ValueError, match=r"submission\.csv:4: an empty entry"):
        read_submission(path, 2026)
