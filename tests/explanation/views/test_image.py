import numpy as np

from headrace.explanation.views.image import ImageView

VIEW = ImageView({"mean": [10 / 255, 20 / 255]})


def test_erase_replaces_pixels_by_the_training_mean():
    inputs = np.full((2, 3, 4, 2), 200, np.uint8)
    places = np.zeros((2, 3, 4), bool)
    places[1, 2, 3] = True
    erased = VIEW.erase(inputs, places)
    assert erased[1, 2, 3].tolist() == [10, 20]
    assert (erased != 200).sum() == 2
    assert (inputs == 200).all()
    assert VIEW.are_places(inputs).shape == places.shape


def test_row_is_shown_as_image_and_map():
    html = ImageView({"mean": [0.0]}).show(np.zeros((4, 4, 1), np.uint8), np.eye(4, dtype=np.float32))
    assert html.count('src="data:image/png;base64,') == 2
    assert html.index('alt="input"') < html.index('alt="map"')


def test_overview_has_the_mean_map_of_each_group():
    maps = np.stack([np.eye(4), -np.eye(4), np.eye(4)]).astype(np.float32)
    groups = {"cat": np.array([True, False, True]), "dog": np.array([False, True, False])}
    html = VIEW.overview(np.zeros((3, 4, 4, 2), np.uint8), maps, groups)
    assert html.count("<img") == 2
    cat, dog = html.split('src="')[1:]
    assert cat.split('"')[0] != dog.split('"')[0]
