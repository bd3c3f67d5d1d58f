import pytest
from data.test_counting import SIX, A, B, C, D

from nblib.data.examples import labelled_splits
from nblib.data.label_space import choose_concepts
from nblib.data.table import Dataset
from nblib.data.vocabulary import ConceptVocabulary

# Train has A 2, B 2, C 1, D 0. The lines are as UMLS has them; C also has a second type.
MRSTY = f"""{A}|T023|A1.2.3.1|Body Part, Organ, or Organ Component|AT1|256|
{B}|T060|B1.3.1.2|Diagnostic Procedure|AT2||
{C}|T047|B2.2.1.2.1|Disease or Syndrome|AT3||
{C}|T060|B1.3.1.2|Diagnostic Procedure|AT4||
C9999999|T047|B2.2.1.2.1|Disease or Syndrome|AT5||
"""


@pytest.fixture
def mrsty(tmp_path):
    path = tmp_path / "MRSTY.RRF"
    path.write_text(MRSTY, encoding="utf-8")
    return path


def chosen(**conditions):
    return "".join({A: "A", B: "B", C: "C", D: "D"}[each] for each in choose_concepts(SIX, **conditions).concepts)


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        ({}, "ABCD"),
        ({"min_images": 1}, "ABC"),
        ({"min_images": 2}, "AB"),
        ({"min_images": 3}, ""),
        ({"top_concepts": 3}, "ABC"),
        ({"top_concepts": 1}, "A"),
        ({"top_concepts": 9}, "ABCD"),
        ({"min_images": 2, "top_concepts": 3}, "AB"),
    ],
)
def test_concepts_are_chosen_by_their_number_of_train_images(conditions, kept):
    assert chosen(**conditions) == kept


@pytest.mark.parametrize(
    "text", [f"{D}\n{B}\n", f'CUI,Canonical name\n{B},"x, y"\n{D},z\n', f"{D};1\n\n{B};2\n{A[:-1]}9\n"]
)
def test_concepts_are_chosen_by_a_file(text, tmp_path):
    path = tmp_path / "concepts.csv"
    path.write_text(text, encoding="utf-8")
    assert chosen(concepts=path) == "BD" and chosen(concepts=path, top_concepts=1) == "B"


def test_a_line_of_the_file_without_a_concept_is_named(tmp_path):
    path = tmp_path / "concepts.txt"
    path.write_text(f"{A}\nlung\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"concepts\.txt:2: expected a CUI such as C0040405, received 'lung'"):
        chosen(concepts=path)


@pytest.mark.parametrize(
    ("types", "kept"),
    [("T023", "A"), ("t060", "BC"), ("Disease or Syndrome", "C"), ("T023; diagnostic procedure", "ABC")],
)
def test_concepts_are_chosen_by_their_semantic_types(types, kept, mrsty):
    assert chosen(semantic_types=types, mrsty=mrsty) == kept


def test_a_semantic_type_that_the_file_lacks_and_a_missing_file_are_errors(mrsty):
    with pytest.raises(ValueError, match=r"MRSTY\.RRF has no semantic type 't999'; expected TUIs or names"):
        chosen(semantic_types="T023;T999", mrsty=mrsty)
    with pytest.raises(ValueError, match=r"semantic_types needs mrsty, the path of"):
        chosen(semantic_types="T023")
    with pytest.raises(FileNotFoundError):
        chosen(semantic_types="T023", mrsty=mrsty.with_name("absent"))


def test_concepts_that_the_label_space_lacks_are_counted_and_their_images_stay(tmp_path):
    dataset = Dataset(tmp_path, "imageclef", SIX.assign(path=None))
    splits = labelled_splits(dataset, ConceptVocabulary((A, B)))
    train = splits["train"]
    assert train.image_ids.tolist() == ["u", "v", "w"] and train.left_out.tolist() == [0, 0, 1]
    assert train.labels.toarray().tolist() == [[1, 1], [1, 0], [0, 1]]
    halves = {image_id: count for half in ("val1", "val2")
              for image_id, count in zip(splits[half].image_ids, splits[half].left_out, strict=True)}  # fmt: skip
    assert halves == {"y": 1, "z": 1}  # z has C only
    assert train.take([2]).left_out.tolist() == [1]
    assert labelled_splits(dataset)["train"].left_out is None
