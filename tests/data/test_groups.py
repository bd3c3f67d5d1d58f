import pandas as pd
import pytest
from data.filing import write

from nblib.data.groups import find_groups, join_groups
from nblib.data.reading import inspect_dataset, read_dataset


def groups_of(folder):
    groups = find_groups(inspect_dataset(folder))
    return groups.name, groups.to_dict()


def test_without_a_file_no_group_is_known(folder):
    assert groups_of(folder) == (None, {})


@pytest.mark.parametrize("header", ["", "image_id,group\n"])
def test_your_own_file_names_groups(folder, header):
    write(folder / "groups.csv", f"{header}A,p1\nC.PNG, p1\nE,p2\nelsewhere,p3\n")
    assert groups_of(folder) == ("groups.csv", {"A": "p1", "C": "p1", "E": "p2"})


def test_the_article_is_found_in_files_of_licences(folder):
    write(folder / "license_information.csv", (
        "ID,Attribution,Link\nA,CC BY [Doe et al. (2020)],https://example.org/pmc/articles/PMC123/\n"
        'B,"CC BY, Roe",https://doi.org/10.1000/xyz.7\nC,CC BY,\nD,"CC BY-NC, PMC123",none\n'
    ))  # fmt: skip
    expected = {"A": "PMC123", "B": "10.1000/xyz.7", "D": "PMC123"}
    assert groups_of(folder) == ("license_information.csv", expected)


def test_a_file_that_names_no_article_says_nothing(folder):
    write(folder / "attribution.csv", "ID,licence\nA,CC BY\nB,CC BY\n")
    assert groups_of(folder) == (None, {})


def test_a_manifest_names_the_case(folder):
    lines = ["image_id,split,source,source_id", "A,train,MedPix,MPX1_a", "B,train,MedPix,MPX1_b", "C,train,NIH,MPX1_a"]
    write(folder / "manifest.csv", "\n".join([*lines, "D,val,PET,PET_30071", "E,test,,", ""]))
    expected = {"A": "MedPix MPX1", "B": "MedPix MPX1", "C": "NIH MPX1", "D": "PET PET_30071"}
    assert groups_of(folder) == ("manifest.csv", expected)


def test_lines_that_are_no_group_are_refused(folder):
    write(folder / "groups.csv", "A,p1\nB\n")
    with pytest.raises(ValueError, match=r"groups\.csv:2: expected two columns, image_id,group; received 'B'"):
        groups_of(folder)
    write(folder / "groups.csv", "A,p1\nB,p1\nA,p2\n")
    with pytest.raises(ValueError, match=r"groups\.csv:3: A is in group 'p1' and in 'p2'"):
        groups_of(folder)


def test_near_duplicates_join_groups():
    groups = pd.Series({"a": "x", "b": "x", "c": "y", "elsewhere": "y"}, dtype=object)
    pairs = pd.DataFrame({"image_id": ["b", "e", "a"], "other_id": ["c", "f", "not here"], "distance": 1})
    assert join_groups([*"abcdef"], groups).tolist() == [0, 0, 1, 2, 3, 4]
    assert join_groups([*"abcdef"], groups, pairs).tolist() == [0, 0, 0, 1, 2, 2]
    assert join_groups([*"fdb"], groups, pairs).tolist() == [0, 1, 2]
    assert join_groups([*"ab"], groups.iloc[:0]).tolist() == [0, 1]


def test_the_groups_of_real_data(real_data):
    openrad = find_groups(read_dataset(real_data / "openrad"))
    assert (openrad.name, len(openrad)) == ("manifest.csv", 4073)
    roco = find_groups(read_dataset(real_data / "roco"))
    assert (roco.name, len(roco), roco.nunique()) == ("licences.txt", 8180, 7417)
