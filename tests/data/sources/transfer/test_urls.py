import pytest

from headrace.data.sources.transfer.urls import get_scheme, make_cache_key, make_file_name, redact_message, redact_url


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://me:pw@h.org:80/a@2x.zip?k=v#f", "https://h.org:80/a@2x.zip"),
        ("sftp://me:p/w?@h.org/a", "sftp://h.org/a"),
        ("s3://bucket/a b/c", "s3://bucket/a b/c"),
        ("http://h.org:8000/x?mail=a@b", "http://h.org:8000/x"),
    ],
)
def test_redact_url_removes_user_password_and_query(url: str, public: str) -> None:
    assert redact_url(url) == public
    assert redact_message(f"cannot get {url}, sorry", url) == f"cannot get {public}, sorry"


def test_make_cache_key_depends_on_containers_but_not_on_passwords() -> None:
    assert make_cache_key("abfss://a@account/x") != make_cache_key("abfss://b@account/x")
    assert make_cache_key("http://me:1@h/x") == make_cache_key("http://me:2@h/x") != make_cache_key("http://h/x?id=1")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.zip?x=/c", "b.zip"),
        ("http://h/..%2F..%2Fetc%2Fpasswd", "_.._etc_passwd"),
        ("http://h/%2e%2e", "download"),
        ("http://h", "download"),
        ("s3://bucket/photos/", "photos"),
        ("http://h/" + "a" * 300 + ".zip", "a" * 196 + ".zip"),
    ],
)
def test_make_file_name_is_safe(url: str, name: str) -> None:
    assert make_file_name(url) == name


@pytest.mark.parametrize(
    ("source", "scheme"), [("s3://bucket/a", "s3"), ("HTTPS://h/a", "https"), ("photos/a", None), ("C:/photos", None)]
)
def test_get_scheme(source: str, scheme: str | None) -> None:
    assert get_scheme(source) == scheme
