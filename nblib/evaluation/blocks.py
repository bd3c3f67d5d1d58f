"""Work on matrices of N images x K concepts in blocks of images, so that memory holds one block's intermediate results.

Nothing here depends on where a block ends: results are the same bits as of all images at once.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

ROWS = 1024  # images of a block; a multiple of `nblib.evaluation.expected_f1.BLOCK`
COLUMNS = 32  # concepts of a block: what is read from memory at once


def row_blocks(rows: int, size: int = ROWS) -> Iterator[slice]:
    """Slices that cover so many rows in order; one empty slice where there is no row."""
    return (slice(start, start + size) for start in range(0, max(rows, 1), size))


def stack_selected(select: Callable[[slice], sparse.csr_array], rows: int) -> sparse.csr_array:
    """`select` of each block of rows, one below the other, (N, K) sparse."""
    parts = [select(block) for block in row_blocks(rows)]
    return parts[0] if len(parts) == 1 else sparse.vstack(parts, format="csr")


def columns_of(matrix: np.ndarray) -> Iterator[np.ndarray]:
    """The columns of a matrix, (N, K), one after the other, (N,) float64."""
    for block in row_blocks(matrix.shape[1], COLUMNS):
        yield from np.array(matrix[:, block].T, dtype=np.float64, order="C")
