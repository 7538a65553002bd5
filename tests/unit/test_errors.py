"""What messages say of paths that are not there."""

from unlearning.assets.gguf import gguf_problems
from unlearning.errors import seen_from


def test_a_relative_path_is_shown_with_the_folder_that_it_starts_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path) in seen_from("forget.jsonl")
    assert seen_from(tmp_path / "forget.jsonl") == ""
    (line,) = gguf_problems("model.gguf")
    assert "'model.gguf'" in line and str(tmp_path) in line
