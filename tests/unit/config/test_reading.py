"""A config's sources: files, each over the one before, and values of the command line."""

import json
import math

import pytest
import yaml
from folders import ROOT
from project import MICRO
from unlearning.__main__ import main
from unlearning.config.entries import typed_values
from unlearning.config.reading import read_experiment, ready_experiment, typed
from unlearning.config.scalars import core
from unlearning.config.schema import ConfigError, schema_for
from unlearning.errors import UserError

SCHEMA = schema_for({"data": {"source": "tofu"}}, ROOT)


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-5", 1e-5),
        ("1.0e-4", 1e-4),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("012", 12),
        ("-7", -7),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        (".inf", math.inf),
    ],
)
def test_scalars_of_yaml_s_core_schema(text, value):
    scalar = core(text)
    assert scalar == value and type(scalar) is type(value)


@pytest.mark.parametrize("text", ["yes", "on", "1_000", "1:30", "0x10x", "e5", "noise=0.05", ""])
def test_other_text_stays(text):
    assert core(text) == text


@pytest.mark.parametrize(
    "entry, values",
    [
        ('unlearn={"lr": 1.0e-4}', {"unlearn": {"lr": 1e-4}}),
        ("unlearn={lr: 1e-4}", {"unlearn": {"lr": 1e-4}}),
        ('unlearn={"seeds": [1,2]}', {"unlearn": {"seeds": [1, 2]}}),
        ("unlearn={'clip_norm': null}", {"unlearn": {"clip_norm": None}}),
        ("keep_models=false", {"keep_models": False}),
        ("keep_models=False", {"keep_models": False}),
        ("rehearsal=true", {"rehearsal": True}),
        ("model={revision: 1234567}", {"model": {"revision": "1234567"}}),  # a commit, no number
        ("data={data_dir: null}", {"data": {"data_dir": None}}),
        ("data={data_dir: 2024}", {"data": {"data_dir": "2024"}}),
        ("methods={NPO: {beta: [1e-1, 2]}}", {"methods": {"NPO": {"beta": [0.1, 2]}}}),
        ("methods={NPO: [{reference: base}]}", {"methods": {"NPO": [{"reference": "base"}]}}),
        ("world_splits=[forget10]", {"world_splits": ["forget10"]}),
        ("world_splits=null", {"world_splits": None}),
        ("relearn={fraction: 5e-1}", {"relearn": {"fraction": 0.5}}),
        ("unlearn={lora: {rank: 4}}", {"unlearn": {"lora": {"rank": 4}}}),
        ("results=a b", {"results": "a b"}),
        ("experiment=007", {"experiment": "007"}),
        ("world=1e3", {"world": "1e3"}),
        ("results=", {"results": None}),
        ("draws=[1, 3]", {"draws": [1, 3]}),
        ("draws=2", {"draws": 2}),
        ("unknown=2", {"unknown": 2}),
    ],
)
def test_values_of_the_command_line_have_their_types(entry, values):
    assert typed(typed_values([entry]), SCHEMA) == values


@pytest.mark.parametrize("entry", ["unlearn", "=3", "a b=3", "un-learn=1"])
def test_an_entry_that_is_none(entry):
    with pytest.raises(UserError, match="KEY=VALUE, found"):
        typed_values([entry])


def test_a_dotted_entry_is_shown_as_it_should_be():
    with pytest.raises(UserError, match=r"found 'unlearn.lr=1e-4' .*'unlearn=\{lr: 1e-4\}'"):
        typed_values(["unlearn.lr=1e-4"])


def test_files_lie_over_one_another_and_the_command_line_over_all(tmp_path):
    (tmp_path / "a.yaml").write_text("unlearn: {epochs: 3, lr: 2.0e-3}\nmethods: {GA: {}}\n")
    (tmp_path / "b.yaml").write_text("unlearn: {epochs: 4}\nretrain: {seeds: [5]}\n")
    files = [MICRO, tmp_path / "a.yaml", tmp_path / "b.yaml"]
    config = read_experiment(files, {"unlearn": {"lr": "1e-2"}}, ROOT).config
    assert (config["unlearn"]["epochs"], config["unlearn"]["lr"]) == (4, 0.01)
    assert config["unlearn"]["seeds"] == [1] and config["retrain"]["seeds"] == [5]
    assert set(config["methods"]) == {"NPO+RT", "SimNPO+RT", "GA"}


def test_json_and_a_byte_order_mark_are_read(tmp_path):
    config = {**yaml.safe_load(MICRO.read_text(encoding="utf-8"))}
    config["unlearn"]["lr"] = 0.00001
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8-sig")
    assert '"lr": 1e-05' in path.read_text(encoding="utf-8-sig")
    assert read_experiment([path], {}, ROOT).config["unlearn"]["lr"] == 1e-5


def test_json_may_have_tabs(tmp_path):
    path = tmp_path / "config.json"
    config = {**yaml.safe_load(MICRO.read_text(encoding="utf-8")), "experiment": "tabs"}
    path.write_text(json.dumps(config, indent="\t"), encoding="utf-8")
    assert read_experiment([path], {}, ROOT).config["experiment"] == "tabs"
    path.write_text(path.read_text(encoding="utf-8").replace("{", '{"world": 1, "world": 2,', 1))
    with pytest.raises(ConfigError, match="line 1: the key 'world' stands in line 1"):
        read_experiment([path], {}, ROOT)


def test_a_file_that_is_not_there(tmp_path):
    (tmp_path / "mine.yaml").touch()
    with pytest.raises(UserError, match=r"cannot read .*mien.yaml.*did you mean .*mine.yaml"):
        read_experiment([tmp_path / "mien.yaml"], {}, ROOT)


def test_anchors_and_merges_are_no_repetitions(tmp_path):
    path = tmp_path / "config.yaml"
    text = MICRO.read_text(encoding="utf-8").replace("retrain:\n", "retrain: &seeds\n")
    path.write_text(text + "folds: {<<: *seeds, seeds: null}\n", encoding="utf-8")
    config = read_experiment([path], {}, ROOT).config
    assert config["folds"]["seeds"] is None and config["retrain"]["seeds"] == [1, 2]


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"experiment: caf\xe9\n", ["line 1 is not UTF-8"]),
        (b"a: 1\nb: [1\n", ["is not YAML", "line 3"]),
        (b"a: 2024-13-01\n", ["is not YAML", "month"]),
        (b"- a\n", ["holds no mapping", "list"]),
        (b"", ["holds no mapping", "nothing"]),
        (b"{" * 100_000, ["nested too deeply"]),
        (b"[" * 100_000 + b"]" * 100_000, ["nested too deeply"]),
        ("a: 1".encode("utf-16"), ["line 1 is not UTF-8"]),
        (b"a: 1\n---\nb: 1\n", ["another document"]),
        (b"a: !!python/object:x.y {}\n", ["is not YAML", "line 1"]),
        (b"? [1, 2]\n: 3\n", ["is not YAML", "unhashable"]),
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path, content, expected):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_experiment([path], {}, ROOT)
    message = str(caught.value)
    assert [part for part in (str(path), *expected) if part not in message] == [], message


def test_plan_takes_several_files_and_values(tmp_path, capsys):
    (tmp_path / "more.yaml").write_text("retrain: {seeds: [5]}\n")
    arguments = ["plan", "--json", "--configfile", str(MICRO), str(tmp_path / "more.yaml")]
    assert main([*arguments, "--config", "unlearn={seeds: [1, 2]}", "keep_models=false"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["jobs"]["retrain"], plan["jobs"]["unlearn"]) == (1, 4)
    assert plan["keep_models"] is False
    twice = ["--config", "unlearn={seeds: [1, 2]}", "--config", "unlearn={epochs: 3}"]
    assert main([*arguments, *twice]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"]["unlearn"] == 4
    assert main([*arguments, "--config", "unlearn={batch_size: 999}"]) == 1
    assert "- unlearn.batch_size: 2 epochs of 4 rows" in capsys.readouterr().err
    assert main([*arguments, "--config", "unlearn={seed: 1}"]) == 1
    assert "did you mean 'seeds'" in capsys.readouterr().err


def test_assets_takes_several_files_and_values(tmp_path, capsys):
    (tmp_path / "more.yaml").write_text("data: {source: tofu, retain_authors: 20}\n")
    folder = tmp_path / "tofu"
    folder.mkdir()
    arguments = ["assets", "--configfile", str(MICRO), str(tmp_path / "more.yaml")]
    assert main([*arguments, "--config", f"data={{data_dir: {folder}}}"]) == 0
    assert f"data: folder {folder}" in capsys.readouterr().out


def test_a_config_s_mistakes_and_what_is_missing_come_together():
    values = {"data": {"source": "tofu", "data_dir": "no/tofu", "retain_authors": 20}}
    values |= {"methods": {"NPO+TR": {}}, "results": "/proc/nowhere"}
    with pytest.raises(ConfigError) as caught:
        ready_experiment([MICRO], values, ROOT)
    message = str(caught.value)
    for part in ("did you mean 'NPO+RT'", "no folder 'no/tofu'", "cannot write to '/proc/nowhere'"):
        assert part in message
    values |= {"results": "", "data": 3}  # nothing can be looked for
    with pytest.raises(ConfigError, match="did you mean 'NPO.RT'"):
        ready_experiment([MICRO], values, ROOT)
