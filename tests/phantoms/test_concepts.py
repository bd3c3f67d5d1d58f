from inspect import getmembers, isfunction

from nblib.phantoms import canvas, marks
from nblib.phantoms.concepts import VAGUE, read_categories, read_concepts, read_findings, read_studies
from nblib.phantoms.sample import DRAWINGS

FINDINGS = [finding for study in read_studies() for finding in read_findings(study.drawing)]


def test_the_tables_name_exactly_the_known_concepts():
    phrases = [row.concepts for row in (*read_categories().values(), *read_studies(), *FINDINGS) if row.concepts]
    names = {name.format(side=side) for phrase in phrases for name in phrase.split("; ") for side in ("Right", "Left")}
    assert names | set(VAGUE) == set(read_concepts().values())


def test_every_study_has_a_drawing_a_category_and_findings():
    assert len({study.drawing for study in read_studies()}) == len(read_studies()) == 27
    assert all(callable(DRAWINGS[study.drawing]) and read_findings(study.drawing) for study in read_studies())
    assert {*(study.category for study in read_studies()), "DRCO"} == set(read_categories())


def test_every_mark_is_drawn_for_a_finding():
    drawn = {name for name, _ in getmembers(marks, isfunction)} - {name for name, _ in getmembers(canvas, isfunction)}
    assert {finding.mark for finding in FINDINGS} == {"", *drawn}


def test_the_images_of_the_categories_are_those_of_table_1():
    images = {name: category.train_images for name, category in read_categories().items()}
    assert images == {"DRAN": 4713, "DRCO": 487, "DRCT": 20031, "DRMR": 11447, "DRPE": 502, "DRUS": 8629, "DRXR": 18944}
