"""BibTeX of papers and of this software: well formed, and none forgotten."""

import re

import pytest
import yaml
from folders import ROOT
from unlearning.benchmark import SOURCES, WITHOUT_DATA, room
from unlearning.methods.registry import FORGET_LOSSES
from unlearning.reporting.citations import entries, of_methods, software, text_of

# losses whose papers still want an entry in config/citations.yaml


def parsed(text: str) -> tuple[str, str, dict[str, str]]:
    """Kind, key and fields of one entry whose braces close; fails for anything else."""
    whole = re.fullmatch(r"@(\w+)\{([\w:-]+),\n(.*)\}\n", text, re.S)
    assert whole, text
    kind, key, body = whole.groups()
    fields = {}
    for line in body.splitlines():
        name, value = re.fullmatch(r"  (\w+) = \{(.*)\},", line).groups()
        assert name not in fields
        depth = 0
        for character in value:
            depth += {"{": 1, "}": -1}.get(character, 0)
            assert depth >= 0, line
        assert depth == 0, line
        fields[name] = value
    return kind, key, fields


@pytest.mark.parametrize("key", entries())
def test_an_entry_is_well_formed(key):
    kind, name, fields = parsed(text_of(key))
    assert (kind, name) == ("misc", key)
    assert {"title", "author", "year", "url"} <= set(fields)
    assert fields["title"].startswith("{") and fields["title"].endswith("}")  # capitals stay
    assert re.fullmatch(r"(19|20)\d\d", fields["year"])
    authors = fields["author"].split(" and ")
    assert all(re.fullmatch(r"[^,{}]+, [^,{}]+|others", author) for author in authors)
    assert "others" not in authors[:-1]
    if "eprint" in fields:
        assert re.fullmatch(r"\d{4}\.\d{5}", fields["eprint"])
        assert fields["url"] == f"https://arxiv.org/abs/{fields['eprint']}"
        # an arXiv number starts with the year and month of the first version
        assert fields["eprint"][:2] == fields["year"][2:]
    assert not re.search(r"(?<!\\)[&%#$_]", " ".join(fields[k] for k in ("title", "author")))


def test_keys_are_unique():
    text = (ROOT / "config" / "citations.yaml").read_text("utf-8")
    keys = re.findall(r"^([\w-]+):$", text, re.M)
    assert len(keys) == len(set(keys)) == len(entries())
    numbers = [entry["arxiv"] for entry in entries().values() if "arxiv" in entry]
    assert len(numbers) == len(set(numbers))


def test_this_software_is_cited_as_its_own_file_says():
    kind, key, fields = parsed(software())
    stated = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert kind == "software"
    assert fields["title"] == f"{{{stated['title']}}}"
    assert fields["version"] == stated["version"] and fields["license"] == "MIT"
    assert fields["author"] == "{The unlearning-reproduction authors}"
    for reference in stated["references"]:
        (entry,) = [e for e in entries().values() if e["title"] == reference["title"]]
        names = [f"{a['family-names']}, {a['given-names']}" for a in reference["authors"]]
        assert entry["authors"] == names and entry["year"] == reference["year"]


def test_every_published_method_has_an_entry():
    losses = [name.partition("+")[0] for name in FORGET_LOSSES]
    assert [loss for loss in losses if not of_methods([loss])] == []


def test_entries_name_methods_that_exist():
    losses = {name.partition("+")[0] for name in FORGET_LOSSES}
    named = [method for entry in entries().values() for method in entry.get("methods", [])]
    assert set(named) <= losses and len(named) == len(set(named))


def test_benchmarks_cite_what_is_there():
    for benchmark in (*SOURCES, *WITHOUT_DATA):
        assert set(room(benchmark, "columns").CITED) <= set(entries())


def test_a_retain_term_or_a_variant_cites_the_loss():
    assert of_methods(["NPO+RT", "NPO", "SimNPO+KL"]) == ["npo", "simnpo"]
    assert of_methods(["GA+RT", "IDK+RT"]) == ["tofu"]
    assert of_methods(["target", "retrain", "mine+RT"]) == []


def test_a_report_cites_its_benchmark_methods_tools_and_itself(contents):
    keys = re.findall(r"^@\w+\{([\w-]+),$", contents["cite"].words["bibtex"], re.M)
    assert keys == ["tofu", "npo", "simnpo", "lm-evaluation-harness", "unlearning-workflow"]
