"""How paths spell values that no path can hold."""

import re

import pytest
from unlearning.config.layout import path_id, spelled


@pytest.mark.parametrize("value", ["base", "noise=0.05", "epoch"])
def test_plain_words_stand_as_they_are(value):
    assert spelled(value) == value


def test_a_regular_expression_is_spelled_by_its_words_and_a_checksum():
    """No letter is left that a shell, Snakemake's wildcards or a file system reads otherwise."""
    texts = [
        ".*",
        ".+",
        r"model\.layers\.(5|6|7)\.mlp\.down_proj\.weight",
        "a/b",
        "..",
        "{x},$HOME",
        "",
    ]
    texts += [r"model\.layers\.(5|6|8)\.mlp\.down_proj\.weight"]
    spellings = [spelled(text) for text in texts]
    assert len(set(spellings)) == len(texts)
    assert all(re.fullmatch(r"[A-Za-z0-9-]+", spelling) for spelling in spellings)
    path = path_id({"trained": texts[2], "layer": 7})
    assert path.startswith("trained=model-layers-5-6-7-mlp-down-proj-weight-")
    assert path.endswith("_layer=7")
