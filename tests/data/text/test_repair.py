import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.text.repair import RepairedText, repair_text


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d", "x<b and c>d", "I <3 you", "<name@example.org>", "List<String> x", "AT&T", "?a=1&copy=2",
        "<unknown>", "</nothing>", "5 <p 6", "<<<>>>", "&bogus;", "tab\tand\nnewline", "\u0e01\u200d\U0001f468",
    ],
)  # fmt: skip
def test_repair_leaves_text_that_resembles_markup(text: str) -> None:
    assert repair_text(text) == RepairedText(text)


@pytest.mark.parametrize(
    ("text", "expected", "num_tags", "num_entities"),
    [
        ("Great.<br /><br />Bad", "Great.\n\nBad", 2, 0),
        ("<p class='x'>Hi <b>you</b>!</p>", "Hi you!", 4, 0),
        ('<a href="a>b" rel=nofollow>c</a>', "c", 2, 0),
        ("<a href=http://x.y/z?a=b>link</a>", "link", 2, 0),
        ("<input disabled/>x", "x", 1, 0),
        ("<SCRIPT>if (a<b) alert(1)</script>ok<style>p{}</style>", "ok", 2, 0),
        ("<!-- hidden -->seen<!-- open", "seen open", 2, 0),
        ("<!DOCTYPE html><body>t</body>", "t", 3, 0),
        ("&lt;#&gt; R&amp;B &#39;&#x27;", "<#> R&B ''", 0, 5),
        ("&lt;b&gt;", "<b>", 0, 2),  # escaped markup is text
        ("&#xD800;&#0;", "\ufffd\ufffd", 0, 2),
    ],
)
def test_repair_removes_markup(text: str, expected: str, num_tags: int, num_entities: int) -> None:
    assert repair_text(text) == RepairedText(expected, "", num_tags, num_entities)
    assert repair_text(text, markup=False) == RepairedText(text)


def test_repair_removes_control_characters() -> None:
    assert repair_text("\ufeffa\x00b\x0bc") == RepairedText("ab c", "\ufeff\x00\x0b")
    assert repair_text("\ufeffa\x00b", controls=False) == RepairedText("\ufeffa\x00b")


def test_repair_restores_cp1252_decoded_as_latin1() -> None:
    assert repair_text("I\x92m \x93here\x94\x85 \x81").text == "I\u2019m \u201chere\u201d\u2026"


def test_repair_always_normalizes_and_does_not_count_it() -> None:
    assert repair_text(" fiance\u0301\r\nb\rc\n", controls=False, markup=False) == RepairedText("fianc\u00e9\nb\nc")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece", ["<script>", "<!--", "<a x=", '<a x="', "<", "<a b=c ", "<a b ", "&", "<div\n", "<a b='"]
)
def test_repair_of_hostile_text_takes_linear_time(piece: str) -> None:
    repaired = repair_text(piece * 200_000)  # quadratic time would be hours
    assert len(repaired.text) <= len(piece) * 200_000


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("<>&;/=\"'abp!-# \n"), max_size=60))
def test_repair_reports_every_change(text: str) -> None:
    repaired = repair_text(text)
    if not (repaired.controls or repaired.num_tags or repaired.num_entities):
        assert repaired == repair_text(text, controls=False, markup=False)
    assert not any(character < " " and character not in "\t\n" for character in repaired.text)


def test_repairs_are_described_by_check():
    assert list(repair_text("<b>a</b>\x00\x01 &amp;").describe()) == [
        ("control_characters", "2 control characters (U+0000, U+0001)"),
        ("markup", "2 HTML tags, 1 entities"),
    ]
    assert list(repair_text(" a < b ").describe()) == []
    assert not repair_text(" a ").is_changed
