import numpy as np
from scipy import sparse

from nblib.evaluation.blocks import COLUMNS, columns_of, row_blocks, stack_selected
from nblib.evaluation.expected_f1 import BLOCK


def test_blocks_cover_all_rows_once():
    assert [list(range(7))[rows] for rows in row_blocks(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [list(range(0))[rows] for rows in row_blocks(0, 3)] == [[]], "one empty block, so that results have a shape"


def test_the_default_size_keeps_the_blocks_of_expected_f1():
    assert next(row_blocks(9_999)).stop % BLOCK == 0


def test_selected_blocks_are_one_matrix():
    dense = np.random.default_rng(0).random((3_000, 5)) > 0.7
    stacked = stack_selected(lambda rows: sparse.csr_array(dense[rows].astype(np.uint8)), 3_000)
    assert stacked.dtype == np.uint8 and stacked.indices.dtype == np.int32
    assert np.array_equal(stacked.toarray(), dense)


def test_columns_come_in_order_in_double_precision():
    matrix = np.random.default_rng(0).random((4, 2 * COLUMNS + 3)).astype(np.float16)
    columns = list(columns_of(matrix))
    assert np.array_equal(columns, matrix.T) and columns[0].dtype == np.float64
