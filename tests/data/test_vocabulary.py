import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import MultiLabelBinarizer

from nblib.data.vocabulary import ConceptVocabulary, label_cardinality, label_density, label_statistics
from nblib.experiments import LABEL_STATISTICS

CONCEPT_LISTS = [("C0000003", "C0000001"), (), ("C0000002",), ("C0000001", "C0000004", "C0000003")]


@pytest.fixture
def vocabulary():
    return ConceptVocabulary.of(CONCEPT_LISTS)


def random_concept_lists(seed):
    rng = np.random.default_rng(seed)
    concepts = np.array([f"C{number:07}" for number in rng.choice(10**7, rng.integers(1, 60), replace=False)])
    return [tuple(rng.choice(concepts, rng.integers(0, len(concepts) + 1), replace=False)) for _ in range(40)]


def test_a_vocabulary_has_each_concept_once_and_sorted(vocabulary):
    assert vocabulary.concepts == ("C0000001", "C0000002", "C0000003", "C0000004")
    assert len(vocabulary) == 4
    assert vocabulary.index["C0000003"] == 2


@pytest.mark.parametrize("concepts", [("C0000002", "C0000001"), ("C0000001", "C0000001")])
def test_a_vocabulary_that_is_not_sorted_or_not_unique_is_refused(concepts):
    with pytest.raises(ValueError, match="each concept once, sorted"):
        ConceptVocabulary(concepts)


# Table 2 of the paper: what its plain-text copy has of two rows; the columns before are not printed.
TABLE_2 = {"ROCO2_CLEF_76012": "0,1,0,0,1,0,0,0,1", "ROCO2_CLEF_45763": "0,1,0,0,1,0,1,0,0"}


def test_labels_are_the_rows_of_table_2():
    """3,047 columns in alphabetical order of the CUIs, and 1 where the image has the concept."""
    columns = [f"C{number:07}" for number in range(1, 3_048)]
    vocabulary = ConceptVocabulary.of([columns[::-1]])
    printed = [[0] * (3_047 - 9) + [int(cell) for cell in row.split(",")] for row in TABLE_2.values()]
    concept_lists = [("C0003047", "C0003040", "C0003043"), ("C0003045", "C0003043", "C0003040")]
    assert vocabulary.encode(concept_lists).toarray().tolist() == printed


def test_the_concepts_of_figure_1_are_marked_at_their_alphabetical_positions():
    figure_1 = ("C0022742", "C0043299", "C1260920", "C0030647")
    vocabulary = ConceptVocabulary.of([figure_1, ("C0040405", "C0000726")])
    assert vocabulary.encode([figure_1]).toarray().tolist() == [[0, 1, 1, 0, 1, 1]]


def test_labels_of_several_images_are_bytes_0_and_1(vocabulary):
    labels = vocabulary.encode(CONCEPT_LISTS)
    assert labels.dtype == np.uint8
    assert labels.toarray().tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 1]]


@pytest.mark.parametrize("seed", range(5))
def test_encode_equals_multi_label_binarizer(seed):
    concept_lists = random_concept_lists(seed)
    binarizer = MultiLabelBinarizer().fit(concept_lists)
    vocabulary = ConceptVocabulary.of(concept_lists)
    assert vocabulary.concepts == tuple(binarizer.classes_)
    assert (vocabulary.encode(concept_lists).toarray() == binarizer.transform(concept_lists)).all()


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_decode_is_the_inverse_of_encode(seed, dense):
    concept_lists = random_concept_lists(seed)
    vocabulary = ConceptVocabulary.of(concept_lists)
    labels = vocabulary.encode(concept_lists)
    decoded = vocabulary.decode(labels.toarray() if dense else labels)
    assert decoded == [tuple(sorted(concepts)) for concepts in concept_lists]


def test_decode_takes_a_stored_zero_for_nothing(vocabulary):
    labels = vocabulary.encode([("C0000001", "C0000002")])
    labels.data[0] = 0
    assert vocabulary.decode(labels) == [("C0000002",)]
    assert labels.nnz == 2, "what was passed in is not changed"


def test_a_concept_named_twice_counts_once(vocabulary):
    assert vocabulary.encode([("C0000002", "C0000002")]).toarray().tolist() == [[0, 1, 0, 0]]


def test_no_images_have_no_labels(vocabulary):
    assert vocabulary.encode([]).shape == (0, 4)
    assert vocabulary.decode(vocabulary.encode([])) == []


def test_an_unknown_concept_is_refused_by_name(vocabulary):
    with pytest.raises(ValueError, match="concept 'C9999999' is not in this vocabulary of 4 concepts"):
        vocabulary.encode([("C0000001",), ("C9999999",)])


def test_padding_adds_sigmoids_that_no_image_has(vocabulary):
    padded = vocabulary.padded(7)
    assert padded.concepts == (*vocabulary.concepts, "UNUSED0001", "UNUSED0002", "UNUSED0003")
    labels = padded.encode(CONCEPT_LISTS)
    assert (labels[:, :4] != vocabulary.encode(CONCEPT_LISTS)).nnz == 0
    assert labels[:, 4:].nnz == 0


def test_padding_to_the_label_space_of_the_paper_keeps_the_order(vocabulary):
    assert len(vocabulary.padded(3047)) == 3047


@pytest.mark.parametrize("size", [None, 4])
def test_padding_to_nothing_or_to_its_own_size_changes_nothing(vocabulary, size):
    assert vocabulary.padded(size) == vocabulary


def test_padding_below_the_concepts_of_the_data_is_refused(vocabulary):
    with pytest.raises(ValueError, match="at least the 4 concepts of the data; received 3"):
        vocabulary.padded(3)


def test_cardinality_and_density_worked_out_by_hand(vocabulary):
    labels = vocabulary.encode(CONCEPT_LISTS)  # 2 + 0 + 1 + 3 concepts on 4 images, 4 in the vocabulary
    assert label_cardinality(labels) == 6 / 4
    assert label_density(labels) == 6 / 4 / 4


def test_cardinality_of_many_labels_does_not_overflow_a_byte():
    labels = ConceptVocabulary(("C0000001",)).encode([("C0000001",)] * 300)
    assert label_cardinality(labels) == 1


def test_statistics_leave_images_without_concepts_out():
    assert label_statistics(CONCEPT_LISTS).to_dict() == {
        "images": 3,
        "concept occurrences": 6,
        "unique concepts": 4,
        "label cardinality": 2.0,
        "label density": 0.5,
    }


def test_statistics_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no image has a concept"):
        label_statistics([(), ()])


def test_selecting_nothing_is_as_accurate_as_the_labels_are_sparse():
    """Of the paper's 80,723 x 3,047 cells 907,718 are true; its network's accuracy is above 0.9966."""
    labelled = [concepts for concepts in CONCEPT_LISTS if concepts]
    truth = MultiLabelBinarizer().fit_transform(labelled)
    accuracy = accuracy_score(truth.ravel(), np.zeros(truth.size))
    assert accuracy == pytest.approx(1 - label_statistics(labelled)["label density"])
    assert round(1 - LABEL_STATISTICS["label density"], 4) == round(1 - 907_718 / (80_723 * 3_047), 4) == 0.9963


def test_probabilities_are_converted_to_the_columns_of_another_vocabulary():
    small, large = ConceptVocabulary(("C0000002", "C0000004")), ConceptVocabulary(("C0000001", "C0000002", "C0000003"))
    probabilities = np.array([[0.25, 0.5]], "float32")
    converted = small.convert(probabilities, large)
    assert converted.tolist() == [[0, 0.25, 0]] and converted.dtype == np.float32
    assert small.convert(probabilities, small) is probabilities
