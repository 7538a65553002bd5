"""Bibliography of benchmarks, methods and tools, as BibTeX."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def entries() -> dict[str, dict]:
    """Key -> entry of config/citations.yaml."""
    text = (ROOT / "config" / "citations.yaml").read_text(encoding="utf-8")
    return yaml.load(text, yaml.CSafeLoader)


def of_methods(methods: list[str]) -> list[str]:
    """The papers of methods, by the loss on the forget set: NPO+RT cites NPO."""
    bibliography = entries()
    keys = []
    for method in methods:
        loss = method.partition("+")[0]  # a loss of the user's is in no paper here
        for key, entry in bibliography.items():
            if loss in entry.get("methods", []) and key not in keys:
                keys.append(key)
    return keys


def text_of(key: str) -> str:
    """An entry of a paper, as BibTeX."""
    entry = entries()[key]
    fields = {
        "title": f"{{{entry['title']}}}",  # in braces, or styles lower its capitals
        "author": " and ".join(entry["authors"]),
        "year": str(entry["year"]),
    }
    if "arxiv" in entry:
        fields |= {"eprint": entry["arxiv"], "archivePrefix": "arXiv"}
        fields["url"] = f"https://arxiv.org/abs/{entry['arxiv']}"
    else:
        fields["url"] = entry["url"]
    return _bibtex("misc", key, fields)


def software() -> str:
    """This software, from CITATION.cff."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    fields = {
        "title": f"{{{citation['title']}}}",
        "author": " and ".join(f"{{{author['name']}}}" for author in citation["authors"]),
        "version": citation["version"],
        "license": citation["license"],
    }
    return _bibtex("software", "unlearning-workflow", fields)


def _bibtex(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])
