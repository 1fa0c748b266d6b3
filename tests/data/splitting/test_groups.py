import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.groups import build_row_groups

IDS = np.array([f"{number:032x}" for number in range(30)], "S32")


def test_rows_of_no_cluster_are_units_of_their_own():
    made = build_row_groups(IDS, [])
    assert made.group_of_row.tolist() == list(range(30))
    assert made.keys == [bytes(row_id) for row_id in IDS]
    assert made.is_single.all()


def test_no_rows_are_no_units():
    assert build_row_groups(IDS[:0], []).keys == []


def test_chain_of_clusters_is_one_unit():
    made = build_row_groups(IDS[:8], [(None, [0, 3]), (None, [5, 3]), (None, [6, 7])])
    assert made.group_of_row[[0, 3, 5]].tolist() == [made.group_of_row[0]] * 3
    assert made.group_of_row[6] == made.group_of_row[7]
    assert made.sizes.tolist() == [3, 1, 1, 1, 2]
    assert made.is_single.tolist() == [False, True, True, False, True, False, False, False]


def test_cluster_is_placed_by_its_smallest_row_id():
    made = build_row_groups(IDS[:4], [(None, [3, 1])])
    assert made.keys[made.group_of_row[3]] == IDS[1]


def test_unit_is_placed_by_the_first_name_of_its_groups():
    made = build_row_groups(IDS[:6], [("b", [0, 1]), ("c", [4, 5]), ("a", [2]), (None, [1, 2])])
    assert made.keys[made.group_of_row[0]] == b"group:a"
    assert made.keys[made.group_of_row[3]] == IDS[3]
    assert made.keys[made.group_of_row[5]] == b"group:c"


def test_group_of_one_row_is_placed_by_its_name():
    assert build_row_groups(IDS[:2], [("a", [1])]).keys == [IDS[0], b"group:a"]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 29), min_size=1, max_size=5, unique=True), max_size=12))
def test_units_are_the_components(clusters):
    component = list(range(30))  # the slow way: names that spread until none changes
    for _ in range(30):
        for rows in clusters:
            lowest = min(component[row] for row in rows)
            for row in rows:
                component[row] = lowest
    made = build_row_groups(IDS, [(None, rows) for rows in clusters])
    assert [made.keys[unit] for unit in made.group_of_row] == [IDS[row] for row in component]
    assert made.sizes.tolist() == np.bincount(made.group_of_row).tolist()
