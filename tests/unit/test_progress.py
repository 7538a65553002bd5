"""Lines of progress: when they come, and what they say of the time left."""

import pytest
import torch
from families import ROWS, TOKENIZER, family_model
from unlearning import progress
from unlearning.evaluation.generation import Generator, Limit
from unlearning.evaluation.likelihood import Likelihood
from unlearning.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only where a test adds them."""
    seconds = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds[0])
    return seconds


def test_lines_come_every_ten_seconds_and_at_the_end(clock, capsys):
    shown = Progress("training", 8, start=2)
    for count in (3, 4, 5, 8):
        clock[0] += 6
        shown.update(count, f"loss {count}")
    # 2 steps in 12 s, so 4 more take 24 s
    assert capsys.readouterr().err.splitlines() == [
        "training: 4/8, 0:12 gone, 0:24 left, loss 4",
        "training: 8/8, 0:24 gone, 0:00 left, loss 8",
    ]


def test_brief_work_is_shown_once_it_is_long(clock, capsys):
    short = Progress("scoring", 2, brief=True)
    clock[0] += 9
    short.advance(2)
    assert capsys.readouterr().err == ""
    long = Progress("scoring", 3, brief=True)
    clock[0] += 11
    long.advance(1)
    clock[0] += 1
    long.advance(2)
    assert capsys.readouterr().err.splitlines() == [
        "scoring: 1/3, 0:11 gone, 0:22 left",
        "scoring: 3/3, 0:12 gone, 0:00 left",
    ]


def test_an_evaluation_shows_its_progress(monkeypatch, capsys):
    monkeypatch.setattr(Progress, "SECONDS_BETWEEN_LINES", 0)
    model = family_model("Llama")
    Likelihood(model, batch_tokens=64)(ROWS)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1 and lines[-1].startswith(f"scoring: {len(ROWS)}/{len(ROWS)}, ")
    prompts = [list(row.ids[: row.start]) for row in ROWS]
    Generator(model, TOKENIZER, torch.device("cpu"), Limit(5, "new"), 40)(prompts)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1 and lines[-1].startswith(f"answering: {len(ROWS)}/{len(ROWS)}, ")
