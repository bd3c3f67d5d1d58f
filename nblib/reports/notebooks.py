"""Executed notebooks, validated where they are read: by nbformat's schema, and papermill's record by pydantic."""

import json
import warnings
from pathlib import Path
from typing import Annotated, Any

import nbformat
from nbformat import NotebookNode
from nbformat.reader import NotJSONError
from pydantic import BaseModel, Field, ValidationError

LARGEST = 2**27  # bytes; a notebook of this project has less than 5 MB


class Papermill(BaseModel, strict=True):
    """What papermill writes into the metadata of a notebook, as far as pages show it."""

    input_path: str | None = None
    output_path: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    duration: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    parameters: dict[str, Any] | None = None


def read_notebook(path: Path) -> NotebookNode:
    """The notebook in a file.

    Raises:
        ValueError: it is no notebook, or a damaged one; the message says what is wrong.
    """
    if not path.is_file():
        raise ValueError("it is not a file")  # to read a pipe would wait for ever
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"it has {size:,} bytes; at most {LARGEST:,} are read")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # older notebooks have cells without an id
        try:
            notebook = nbformat.reads(path.read_bytes().decode("utf-8"), as_version=4)
            nbformat.validate(notebook)
            json.dumps(notebook, ensure_ascii=False, allow_nan=False).encode()
            Papermill.model_validate(notebook.metadata.get("papermill", {}))
        except NotJSONError:
            raise ValueError("it is not JSON, or cut short") from None
        except UnicodeError:
            raise ValueError("it has characters that are not Unicode") from None
        except nbformat.ValidationError as error:
            raise ValueError(f"it is not a valid notebook: {error.message}") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, ("papermill", *first["loc"])))
            raise ValueError(f"its metadata are not papermill's: {place}: {first['msg']}") from None
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"it is not a notebook: {error}") from None
    return notebook
