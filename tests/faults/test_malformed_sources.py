"""Sources that are missing, truncated, hostile or of another kind: one line each, and nothing unpacked."""

import gzip
import io
import lzma
import os
import re
import struct
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import zstandard

from headrace.data.sources.fetch import fetch
from headrace.data.sources.transfer import resume
from headrace.errors import ConfigError, DataError

Maker = Callable[[Path], object]
ZIP = io.BytesIO()
with zipfile.ZipFile(ZIP, "w", zipfile.ZIP_DEFLATED) as _archive:
    for _name in ("cat/1.png", "dog/1.png"):
        _archive.writestr(_name, _name * 500)
PAGE = b"\r\n<!DOCTYPE html><title>Log in</title>"


def tar(*members: tarfile.TarInfo | str, name: str = "a.tar", mode: str = "w") -> Maker:
    """An archive with two valid files and those members."""

    def make(folder: Path) -> str:
        with tarfile.open(folder / name, mode) as archive:
            for member in ("cat/1.png", "dog/1.png", *members):
                header = tarfile.TarInfo(member) if isinstance(member, str) else member
                header.size = 3 if header.isreg() else 0
                archive.addfile(header, io.BytesIO(b"abc"))
        return name

    return make


def special(kind: bytes, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo("odd")
    member.type, member.linkname = kind, link
    return member


def zipped(*names: str, mode: int = 0o100644, content: bytes = b"abc") -> Maker:
    def make(folder: Path) -> str:
        with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                info = zipfile.ZipInfo(name)
                info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
                archive.writestr(info, content)
        return "a.zip"

    return make


def raw(name: str, content: bytes) -> Maker:
    def make(folder: Path) -> str:
        (folder / name).write_bytes(content)
        return name

    return make


def encrypted(folder: Path) -> str:
    content = bytearray(ZIP.getvalue())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(magic)
        content[at + offset] |= 1
    return str(raw("a.zip", bytes(content))(folder))


def odd_method(folder: Path) -> str:
    content = bytearray(ZIP.getvalue())
    for magic, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", content, content.index(magic) + offset, 9)  # Deflate64
    return str(raw("a.zip", bytes(content))(folder))


def wrong_sum(folder: Path) -> str:
    content = bytearray(ZIP.getvalue())
    for magic, offset in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        content[content.index(magic) + offset] ^= 1
    return str(raw("a.zip", bytes(content))(folder))


def tar_bomb(folder: Path) -> str:
    member = tarfile.TarInfo("zeros")
    member.size = 30_000_000
    return str(raw("a.tar.zst", zstandard.compress(member.tobuf() + bytes(30_001_152)))(folder))


def sparse(folder: Path) -> str:
    with (folder / "hole").open("wb") as file:
        file.truncate(2**33)
    subprocess.run(["tar", "-S", "-cf", "a.tar", "hole"], cwd=folder, check=True)
    return "a.tar"


def long_chain(folder: Path) -> str:
    """A tar of headers that each announce another one."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1
    return str(raw("a.tar", (member.tobuf(tarfile.GNU_FORMAT) + b"y".ljust(512, b"\0")) * 3000)(folder))


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return "pipe"


LOCAL: dict[str, tuple[Maker, str]] = {
    "missing": (lambda _: "nothing/here", r"'nothing/here': no such file or folder \(/.*nothing/here\)"),
    "missing below a file": (raw("a", b"x"), r"no such file or folder \(.*a/b\)"),
    "name too long": (lambda _: "x" * 300, "no such file or folder"),
    "zero byte": (lambda _: "a\0b", "no such file or folder"),
    "no user's home": (lambda _: "~nobody-here/a", "no such file or folder"),
    "a pipe": (pipe, "a device or pipe, not a file or folder"),
    "empty zip file": (raw("a.zip", b""), "is empty, though its name says so"),
    "zip that is a page": (raw("a.zip", PAGE), "is no such archive by its content"),
    "tar.gz that is a page": (raw("a.tar.gz", PAGE), "is no such archive by its content"),
    "gz that is text": (raw("a.csv.gz", b"a,b\n"), "is no such archive by its content"),
    "tgz of a table": (raw("a.tgz", gzip.compress(b"a,b\n")), "is no such archive by its content"),
    "zip cut off": (raw("a.zip", ZIP.getvalue()[:-30]), r"damaged or truncated \(File is not a zip file\)"),
    "gz cut off": (raw("a.csv.gz", gzip.compress(b"a,b\n" * 9999)[:-12]), "damaged or truncated .Compressed file"),
    "xz cut off": (raw("a.csv.xz", lzma.compress(b"a,b\n" * 9999)[:-12]), "damaged or truncated .Compressed file"),
    "zst cut off": (raw("a.csv.zst", zstandard.compress(b"a,b\n" * 9999)[:-2]), r"damaged or truncated \(Truncated"),
    "gz of wrong sum": (raw("a.csv.gz", gzip.compress(b"a,b\n")[:-8] + bytes(8)), r"damaged or truncated \(CRC check"),
    "zip of wrong sum": (wrong_sum, r"damaged or truncated \(Bad CRC-32 for file 'cat/1.png'\)"),
    "7z": (raw("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(99)), "7z archives are not supported; pack it as one of"),
    "rar": (raw("a.rar", b"Rar!\x1a\x07\x01" + bytes(99)), "rar archives are not supported"),
    "zip without files": (zipped("cat/"), "contains no files"),
    "tar without files": (raw("a.tar", bytes(10_240)), "contains no files"),
    "zip, encrypted": (encrypted, "'cat/1.png' is encrypted"),
    "zip, odd method": (odd_method, r"cannot be unpacked \(That compression method is not supported\); pack it again"),
    "zip, absolute": (zipped("/etc/cron.d/x"), "the name '/etc/cron.d/x' is an absolute path"),
    "zip, drive": (zipped("C:\\x.png"), "is an absolute path"),
    "zip, parent": (zipped("a/../../x"), r"the name 'a/../../x' leads outside the folder with '..'"),
    "zip, parent by Windows": (zipped("a\\..\\..\\x"), "leads outside"),
    "zip, link": (zipped("x", mode=0o120777, content=b"/etc/passwd"), "'x' is a symbolic link"),
    "zip, pipe": (zipped("x", mode=0o010644), "'x' is a pipe, device or of an unknown kind"),
    "zip, Unicode twice": (zipped("\u00e9.png", "e\u0301.png"), "occurs twice"),
    "zip, folder twice": (zipped("\u00e9/a.png", "e\u0301/b.png"), "is in a folder that occurs twice"),
    "zip, file as folder": (zipped("a", "a/b"), "is below 'a', which is a file"),
    "zip, folder as file": (zipped("a/b", "a"), "occurs twice"),
    "zip, long name": (zipped("x" * 300), "is too long"),
    "zip, line break in a name": (zipped("../a\nb"), r"the name '../a\\nb' leads outside"),
    "zip, bomb": (zipped("zeros", content=bytes(30_000_000)), r"unpacks to more than 200 times its [\d,]+ bytes"),
    "gz, bomb": (raw("a.csv.gz", gzip.compress(bytes(30_000_000))), "unpacks to more than 200 times its"),
    "tar, bomb": (tar_bomb, "unpacks to more than 200 times its"),
    "tar, absolute": (tar("/tmp/x"), "is an absolute path"),
    "tar, parent": (tar("../x"), "leads outside"),
    "tar, twice": (tar("cat/1.png"), "'cat/1.png' occurs twice"),
    "tar, symbolic link": (tar(special(tarfile.SYMTYPE, "/etc")), "'odd' is a symbolic link"),
    "tar, hard link": (tar(special(tarfile.LNKTYPE, "cat/1.png")), "'odd' is a hard link"),
    "tar, pipe": (tar(special(tarfile.FIFOTYPE)), "'odd' is a pipe"),
    "tar, device": (tar(special(tarfile.CHRTYPE), name="a.tar.xz", mode="w:xz"), "'odd' is a device"),
    "tar, sparse": (sparse, "'hole' is a sparse file"),
    "tar, endless headers": (long_chain, "damaged or truncated"),
}  # fmt: skip

WEB: dict[str, tuple[str, str]] = {
    "gone": ("/404/a.zip?key=s3cret", r"/404/a.zip': the server answered 404"),
    "not allowed": ("/401/a.zip", "the server answered 401 .*; access is denied"),
    "a teapot": ("/418/a.zip", "the server answered 418"),
    "broken server": ("/500/a.zip", "the server answered 500"),
    "a page": ("/page/a.zip", "returns a web page, not a file"),
    "cut off each time": ("/cut/a.zip", "got 0 of 1,000,000 bytes|the connection broke"),
    "round in a circle": ("/circle/a.zip", "cannot be requested .*redirects"),
    "to a file": ("/tofile/a.zip", "cannot be requested"),
}

OTHERS: dict[str, tuple[str, type[Exception], str]] = {
    "no host": ("http:///a.zip", ConfigError, "has no host"),
    "no address": ("http://[::1/a.zip", ConfigError, "not a valid URL"),
    "refused": (
        "http://u:pw@127.0.0.1:9/a.zip",
        DataError,
        r"'http://127.0.0.1:9/a.zip': cannot be reached \(.*refused",
    ),
    "unknown scheme": ("quantum://h/a", ConfigError, "choose one of"),
    "chained": ("zip://a.csv::http://h/a.zip", ConfigError, "chains URLs"),
    "no client": ("hdfs://u:pw@127.0.0.1:9/a", (ConfigError, DataError), "hdfs"),
    "empty memory": ("memory://nothing/here", DataError, "no such file or folder there"),
    "missing by file": ("file:///nothing/here.zip", DataError, "no such file or folder"),
}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind.isdigit():
            self.send_error(int(kind))
            return
        self.send_response(302 if kind in {"circle", "tofile"} else 200)
        self.send_header("Location", "file:///etc/passwd" if kind == "tofile" else self.path)
        self.send_header("Content-Length", "1000000" if kind == "cut" else str(len(PAGE)))
        self.end_headers()
        self.wfile.write(b"" if kind == "cut" else PAGE)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "WAITS_S", (0.0,))


def refusal(source: str, folder: Path, kinds: type[Exception] | tuple[type[Exception], ...] = DataError) -> str:
    """Returns the error line for a source, after checking that nothing is unpacked or half-written."""
    cache = folder / "cache"
    with pytest.raises(kinds) as caught:
        fetch(source, folder, cache)
    line = str(caught.value)
    assert line.startswith("params.yaml: ingest.source: ")
    assert "\n" not in line
    assert len(line) < 1000
    assert list(cache.glob("*/*unpacked*")) == []
    left = {path.name for path in cache.rglob("*") if path.is_file()}
    assert left <= {".lock", ".a.zip.part", ".a.zip.part.json", ".a.zip.json"}
    assert [path.name for path in folder.parent.iterdir() if path.name == "x"] == []
    return line


@pytest.mark.parametrize("name", LOCAL)
def test_malformed_local_source_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    make, words = LOCAL[name]
    source = str(make(folder)) + ("/b" if name == "missing below a file" else "")
    line = refusal(source, folder)
    assert re.search(words, line), line


@pytest.mark.parametrize("name", WEB)
def test_malformed_web_source_is_refused_in_one_line(tmp_path: Path, address: str, name: str) -> None:
    path, words = WEB[name]
    line = refusal(address + path, tmp_path, (ConfigError, DataError))
    assert re.search(words, line), line
    assert "s3cret" not in line


@pytest.mark.parametrize("name", OTHERS)
def test_malformed_url_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    url, kinds, words = OTHERS[name]
    line = refusal(url, tmp_path, kinds)
    assert re.search(words, line), line
    assert "pw" not in line


@pytest.mark.parametrize("checksum", ["", "sha256:12", "crc32:00000000", "md5:" + "g" * 32, "0" * 64])
def test_malformed_checksum_is_refused_before_anything_is_fetched(tmp_path: Path, checksum: str) -> None:
    with pytest.raises(ConfigError, match="^params.yaml: ingest.checksum: got [^\n]*; must be 'sha256:' and 64"):
        fetch("http://127.0.0.1:9/a.zip", tmp_path, tmp_path / "cache", checksum=checksum)
    assert not (tmp_path / "cache").exists()
