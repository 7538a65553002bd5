"""Digests of files from outside follow their content, and large ones are read once."""

import hashlib
import json
import os

import pytest
from unlearning import outside

OLD = 1_700_000_000  # seconds: long before the test


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(outside, "SETTLED", -1)
    (tmp_path / "weights").write_bytes(b"one")
    return tmp_path / "weights"


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that are read from now on."""
    names = []
    sha256 = outside.sha256
    monkeypatch.setattr(outside, "sha256", lambda path: names.append(path.name) or sha256(path))
    return names


def digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def test_a_file_is_read_once(file, reads):
    expected = {str(file): digest(b"one")}
    assert [outside.digests([file]) for _ in range(3)] == [expected] * 3
    assert reads == ["weights"]


def test_a_touch_changes_no_digest(file, reads):
    before = outside.digests([file])
    os.utime(file, (OLD, OLD))
    assert outside.digests([file]) == before
    assert reads == ["weights"] * 2


def test_another_content_of_the_same_size_and_time_has_another_digest(file):
    os.utime(file, (OLD, OLD))
    outside.digests([file])
    file.write_bytes(b"two")
    os.utime(file, (OLD, OLD))
    assert outside.digests([file]) == {str(file): digest(b"two")}


def test_what_has_just_changed_is_read_again(file, reads, monkeypatch):
    """Within a tick of the file system's clock a second change would have the same times."""
    monkeypatch.setattr(outside, "SETTLED", 3600)
    outside.digests([file])
    outside.digests([file])
    assert reads == ["weights"] * 2


def test_a_folder_stands_for_its_files(file):
    (file.parent / "saved" / "deep").mkdir(parents=True)
    (file.parent / "saved" / "deep" / "rows.arrow").write_bytes(b"rows")
    digests = json.loads(outside.digests_text([file.parent / "saved", file]))
    rows = str(file.parent / "saved" / "deep" / "rows.arrow")
    assert digests == {rows: digest(b"rows"), str(file): digest(b"one")}


def test_a_damaged_cache_is_written_anew(file):
    outside.digests([file])
    outside.CACHE_FILE.write_text("{")
    assert outside.digests([file]) == {str(file): digest(b"one")}
