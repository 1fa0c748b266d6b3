from pathlib import Path

import pytest

from headrace.data.cleaning.contract.settings import read_contract
from headrace.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    (folder / "contract.yaml").write_text(text, encoding="utf-8")
    return folder / "contract.yaml"


def test_rules_have_actions_with_defaults(tmp_path: Path) -> None:
    contract = read_contract(
        write(
            tmp_path,
            "columns:\n"
            "  age: {range: {min: 0, max: 120, action: repair}, missing: {max_share: 0.1}}\n"
            "  seen: {range: {min: 2024-01-31}}\n"
            "  id: {unique: {action: drop}, required: {action: stop}, kind: {expected: categorical}}\n",
        )
    )
    assert (contract.missing_columns, contract.unknown_columns) == ("stop", "warn")
    age, seen, row_id = (contract.columns[name] for name in ("age", "seen", "id"))
    assert age.range is not None
    assert (age.range.min, age.range.max, age.range.action) == (0, 120, "repair")
    assert age.missing is not None
    assert age.missing.action == "warn"
    assert seen.range is not None
    assert (seen.range.min, seen.range.max) == ("2024-01-31", None)
    assert (row_id.unique, row_id.required) != (None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns: {a: {rang: {min: 1}}}", r"contract.yaml: columns\.a\.rang: unknown key; .*did you mean 'range'"),
        ("columns: {a: {range: {action: drop}}}", r"columns\.a\.range: must have min or max"),
        ("columns: {a: {range: {min: 1, action: fix}}}", r"action: got 'fix'; choose one of \['drop', 'repair'"),
        ("columns: {a: {unique: {action: repair}}}", r"unique\.action: got 'repair'; choose one of \['drop', 'stop'"),
        ("columns: {a: {missing: {max_share: 2}}}", r"max_share: got 2; must be less than or equal to 1"),
        ("columns: {a: {missing: {max_share: 0, action: drop}}}", r"missing\.action: got 'drop'"),
        ("columns: {a: {pattern: {regex: '['}}}", r"pattern\.regex: got '\['; must be a regular expression of RE2"),
        ("columns: {a: {values: {allowed: []}}}", r"allowed: got \[\]; must be of length 1 or more"),
        ("columns: {a: {values: {allowed: [true]}}}", r"allowed\.0: got True; must be a valid string or a valid"),
        ("target: {range: {min: 0, action: repair}}", r"target\.range\.action: got 'repair'"),
        ("drift: {max_psi: -1}", r"drift\.max_psi: got -1; must be greater than or equal to 0"),
        ("unknown_columns: drop", r"unknown_columns: got 'drop'; choose one of \['stop', 'warn'\]"),
        ("columns: {a: {range: {min: 1}", r"contract.yaml: .*not YAML"),
        ("- a", r"must have sections"),
    ],
)
def test_mistakes_are_named_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_contract(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_contract(
            write(tmp_path, "columns: {a: {kind: {expected: number}, unique: {actoin: drop}}}\ndrift: {max_psi: x}")
        )
    assert str(caught.value).count("; and ") == 2
