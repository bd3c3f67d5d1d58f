from nblib import figures
from nblib.figures.style import shortened


def test_neighbours_are_drawn_with_their_cosine_and_a_tick_at_each_concept_that_is_shared(sample_dataset):
    images = sample_dataset.split("train")
    query, *others = images["image_id"].iloc[:4]
    figure = figures.draw_neighbours(sample_dataset, query, others, [0.9, 0.85, 0.8])
    concepts = images.set_index("image_id")["concepts"]
    titles = [ax.get_title() for ax in figure.axes]
    assert [title.split()[0] for title in titles] == [query, *others]
    assert titles[0].endswith("query image") and titles[1].endswith("cosine 0.900")
    for ax, image_id in zip(figure.axes[1:], others, strict=True):
        ticked = {text.get_text() for text in ax.texts if text.get_text().startswith("✓")}
        shared = set(concepts[query]) & set(concepts[image_id])
        assert ticked == {f"✓ {shortened(sample_dataset.name_of(concept), 30)}" for concept in shared}
    assert len(figure.axes[0].texts) == min(len(concepts[query]), 10)
    assert not any(text.get_text().startswith("✓") for text in figure.axes[0].texts)
