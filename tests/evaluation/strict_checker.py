"""A checker of submissions to the task of 2026, written from its published rules and from nothing of nblib."""

import csv
import io
import string
import zipfile


def accepts(path, ids):
    """Whether the file is a zip archive with a list of these IDs, in this order, that breaks no rule."""
    try:
        with zipfile.ZipFile(path) as archive:
            (only,) = archive.namelist()
            content = archive.read(only)
        return only == "submission.csv" and follows_the_rules(content, ids)
    except (zipfile.BadZipFile, ValueError):
        return False


def follows_the_rules(content, ids):
    text = content.decode("utf-8")
    rows = list(csv.reader(io.StringIO(text), strict=True))
    return (
        not text.startswith("\ufeff")
        and text.splitlines()[0] == "ID,CUIs"
        and all(len(row) == 2 for row in rows)
        and all(column == column.strip() for row in rows for column in row)
        and [image_id for image_id, _ in rows[1:]] == list(ids)
        and all(may_be_submitted(cuis) for _, cuis in rows[1:])
    )


def may_be_submitted(cuis):
    entries = cuis.split(";") if cuis else []
    are_cuis = all(entry[:1] == "C" and len(entry) > 1 and set(entry[1:]) <= set(string.digits) for entry in entries)
    return are_cuis and len(set(entries)) == len(entries) <= 100
