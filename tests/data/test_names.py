"""Names of concepts, from every kind of file."""

import pytest
from data.filing import TRAIN_CT, problems_of, write

from nblib.data.names import read_names
from nblib.data.reading import read_dataset

NAMES = {"C0000001": "Lung", "C0000002": "X-Ray, chest"}
FILES = {
    "tabs": "C0000001\tLung\nC0000002\tX-Ray, chest\n",
    "tabs and a header": "CUI\tName\nC0000001\tLung\nC0000002\tX-Ray, chest\n",
    "a bare comma": "C0000001,Lung\nC0000002,X-Ray, chest\n",
    "a quoted comma": 'CUI,Canonical name\nC0000001,Lung\nC0000002,"X-Ray, chest"\n',
    "semicolons": "C0000001;Lung\nC0000002;X-Ray, chest\n",
    "more columns": 'cui,term,source\nC0000001,Lung,UBERON\nC0000002,"X-Ray, chest",HPO\nC0000003,,none\n',
    "a byte-order mark": "\ufeffC0000001\tLung\r\nC0000002\tX-Ray, chest\r\n",
    "a quotation mark": "C0000001\tLung\nC0000002\tX-Ray, chest\nC0000003\t\n",
}


@pytest.mark.parametrize("kind", FILES)
def test_names_are_read_from(tmp_path, kind):
    assert read_names(write(tmp_path / "names.csv", FILES[kind])) == NAMES


def umls_line(cui, language="ENG", status="P", form="PF", preferred="Y", name="Lung"):
    fields = [
        cui,
        language,
        status,
        "L1",
        form,
        "S1",
        preferred,
        "A1",
        "",
        "",
        "",
        "MSH",
        "MH",
        "D1",
        name,
        "0",
        "N",
        "",
    ]
    return "|".join(fields) + "|\n"


def test_umls_gives_the_english_preferred_names_of_the_concepts_in_the_data(folder):
    (folder / "string_concepts.csv").unlink()
    lines = [
        umls_line("C0000001", language="GER", name="Lunge"),
        umls_line("C0000001", status="S", name="lungs"),
        umls_line("C0000001", form="VC", name="LUNG"),
        umls_line("C0000001", preferred="N", name="Pulmo"),
        umls_line("C0000001", name="Lung"),
        umls_line("C0000002", name="X-Ray, chest"),
        umls_line("C9999999", name="Elsewhere"),
    ]
    path = write(folder / "MRCONSO.RRF", "".join(lines))
    assert read_names(path) == {**NAMES, "C9999999": "Elsewhere"}
    assert read_dataset(folder).names == NAMES


def test_a_file_of_names_can_be_given(folder, tmp_path):
    path = write(tmp_path / "mine.txt", "C0000003;Heart\nC0000009;Nowhere\n")
    assert read_dataset(folder, names=path).names == {"C0000003": "Heart"}
    with pytest.raises(FileNotFoundError, match=r"no file .*lost\.txt; expected lines `CUI<TAB>name`"):
        read_dataset(folder, names=tmp_path / "lost.txt")


def test_a_file_without_any_cui_is_reported_and_does_not_stop_training(folder):
    write(folder / "string_concepts.csv", "lung\theart\n")
    what = "no line begins with a CUI and a separator; expected lines `CUI<TAB>name`."
    assert problems_of(folder) == [("string_concepts.csv:1", what, False)]
    with pytest.raises(ValueError, match=r"DRCT_CLEF_Train\.csv:1: no line begins with a CUI"):
        read_dataset(folder, names=folder / TRAIN_CT)


def test_lines_that_name_nothing_and_names_that_differ_are_counted(folder):
    lines = ["CUI\tname", "C0000001\tLung", "C12\tnothing", "", "C0000002\tBone", "C0000002\tX-Ray"]
    write(folder / "string_concepts.csv", "\n".join(lines))
    assert read_dataset(folder).names == {"C0000001": "Lung", "C0000002": "X-Ray"}
    assert problems_of(folder) == [
        ("string_concepts.csv", "1 lines are not of the form `CUI<TAB>name`; ignored.", False),
        ("string_concepts.csv", "1 CUIs have more than one name, such as C0000002; the last is used.", False),
    ]


def test_an_empty_file_of_names_is_reported(folder):
    write(folder / "string_concepts.csv", "")
    ((where, what, serious),) = problems_of(folder)
    assert where == "string_concepts.csv:1" and what.startswith("no line begins with a CUI") and not serious


def test_names_that_are_not_utf_8_are_found_and_do_not_stop_training(folder):
    write(folder / "string_concepts.csv", b"C0000001\tR\xf6ntgen\n")
    sentence = "byte 10 is not UTF-8 but looks like Latin-1 (Windows-1252); save the file as UTF-8 and try again."
    assert problems_of(folder) == [("string_concepts.csv:1", sentence, False)]
    assert read_dataset(folder).name_of("C0000001") == "C0000001"
    with pytest.raises(ValueError, match=r"string_concepts\.csv:1: byte 10 is not UTF-8"):
        read_names(folder / "string_concepts.csv")
