import base64
import io

import numpy as np
from PIL import Image

from headrace.explanation.views.image import MAX_SIDE, ImageView

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


def test_row_is_shown_as_image_and_named_maps():
    maps = {"integrated_gradients": np.eye(4, dtype=np.float32), "grad_cam": np.ones((4, 4), np.float32)}
    html = ImageView({"mean": [0.0]}).show(np.zeros((4, 4, 1), np.uint8), maps)
    assert html.count('src="data:image/png;base64,') == 3
    places = [html.index(f'alt="{text}"') for text in ("the row's image", "map of integrated gradients")]
    assert places == sorted(places)
    assert "Grad-CAM</span>" in html


def test_row_alone_is_shown_small():
    html = ImageView({"mean": [0.0] * 3}).show_input(np.zeros((MAX_SIDE * 3, MAX_SIDE, 3), np.uint8))
    uri = html.split('src="data:image/png;base64,')[1].split('"')[0]
    assert Image.open(io.BytesIO(base64.b64decode(uri))).size == (MAX_SIDE // 3, MAX_SIDE)


def test_overview_has_the_mean_map_of_each_group():
    maps = np.stack([np.eye(4), -np.eye(4), np.eye(4)]).astype(np.float32)
    groups = {"cat": np.array([True, False, True]), "dog": np.array([False, True, False])}
    html = VIEW.overview(np.zeros((3, 4, 4, 2), np.uint8), maps, groups)
    assert html.count("<img") == 2
    cat, dog = html.split('src="')[1:]
    assert cat.split('"')[0] != dog.split('"')[0]
