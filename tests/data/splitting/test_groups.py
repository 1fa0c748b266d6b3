import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.groups import build_row_groups

IDS = np.array([f"{number:032x}" for number in range(30)], "S32")


def test_rows_of_no_cluster_are_groups_of_their_own():
    groups = build_row_groups(IDS, [])
    assert groups.group_of_row.tolist() == list(range(30))
    assert groups.keys == [bytes(row_id) for row_id in IDS]
    assert groups.is_single.all()


def test_no_rows_have_no_groups():
    assert build_row_groups(IDS[:0], []).keys == []


def test_chain_of_clusters_is_one_group():
    groups = build_row_groups(IDS[:8], [(None, [0, 3]), (None, [5, 3]), (None, [6, 7])])
    assert groups.group_of_row[[0, 3, 5]].tolist() == [groups.group_of_row[0]] * 3
    assert groups.group_of_row[6] == groups.group_of_row[7]
    assert groups.sizes.tolist() == [3, 1, 1, 1, 2]
    assert groups.is_single.tolist() == [False, True, True, False, True, False, False, False]


def test_key_of_near_duplicates_is_their_smallest_row_id():
    groups = build_row_groups(IDS[:4], [(None, [3, 1])])
    assert groups.keys[groups.group_of_row[3]] == IDS[1]


def test_key_of_joined_groups_is_their_first_name():
    groups = build_row_groups(IDS[:6], [("b", [0, 1]), ("c", [4, 5]), ("a", [2]), (None, [1, 2])])
    assert groups.keys[groups.group_of_row[0]] == b"group:a"
    assert groups.keys[groups.group_of_row[3]] == IDS[3]
    assert groups.keys[groups.group_of_row[5]] == b"group:c"


def test_key_of_a_group_of_one_row_is_its_name():
    assert build_row_groups(IDS[:2], [("a", [1])]).keys == [IDS[0], b"group:a"]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 29), min_size=1, max_size=5, unique=True), max_size=12))
def test_groups_are_the_connected_components(clusters):
    component = list(range(30))  # the slow way: the smallest row spreads until nothing changes
    for _ in range(30):
        for rows in clusters:
            lowest = min(component[row] for row in rows)
            for row in rows:
                component[row] = lowest
    groups = build_row_groups(IDS, [(None, rows) for rows in clusters])
    assert [groups.keys[group] for group in groups.group_of_row] == [IDS[row] for row in component]
    assert groups.sizes.tolist() == np.bincount(groups.group_of_row).tolist()
