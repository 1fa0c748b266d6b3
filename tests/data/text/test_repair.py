import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.text.repair import RepairedText, repair


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d", "x<b and c>d", "I <3 you", "<name@example.org>", "List<String> x", "AT&T", "?a=1&copy=2",
        "<unknown>", "</nothing>", "5 <p 6", "<<<>>>", "&bogus;", "tab\tand\nnewline", "\u0e01\u200d\U0001f468",
    ],
)  # fmt: skip
def test_mend_leaves_text_that_only_looks_like_markup(text: str) -> None:
    assert repair(text) == RepairedText(text)


@pytest.mark.parametrize(
    ("text", "made", "num_tags", "num_entities"),
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
        ("&lt;b&gt;", "<b>", 0, 2),  # what was escaped is text
        ("&#xD800;&#0;", "\ufffd\ufffd", 0, 2),
    ],
)
def test_mend_takes_markup_out(text: str, made: str, num_tags: int, num_entities: int) -> None:
    assert repair(text) == RepairedText(made, "", num_tags, num_entities)
    assert repair(text, markup=False) == RepairedText(text)


def test_mend_takes_control_characters_out() -> None:
    assert repair("\ufeffa\x00b\x0bc") == RepairedText("ab c", "\ufeff\x00\x0b")
    assert repair("\ufeffa\x00b", controls=False) == RepairedText("\ufeffa\x00b")


def test_mend_gives_cp1252_read_as_latin1_its_meaning() -> None:
    assert repair("I\x92m \x93here\x94\x85 \x81").text == "I\u2019m \u201chere\u201d\u2026"


def test_mend_always_normalises_and_calls_it_no_repair() -> None:
    assert repair(" fiance\u0301\r\nb\rc\n", controls=False, markup=False) == RepairedText("fianc\u00e9\nb\nc")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece", ["<script>", "<!--", "<a x=", '<a x="', "<", "<a b=c ", "<a b ", "&", "<div\n", "<a b='"]
)
def test_mend_of_hostile_text_takes_no_longer_than_of_other(piece: str) -> None:
    made = repair(piece * 200_000)  # by the square of its length it would take hours
    assert len(made.text) <= len(piece) * 200_000


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("<>&;/=\"'abp!-# \n"), max_size=60))
def test_mend_never_fails_and_tells_every_change(text: str) -> None:
    made = repair(text)
    if not (made.controls or made.num_tags or made.num_entities):
        assert made == repair(text, controls=False, markup=False)
    assert not any(character < " " and character not in "\t\n" for character in made.text)
