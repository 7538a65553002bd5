"""The plan of an experiment: sizes, hours, disk, and advice that holds."""

import json

import pytest
import torch
import yaml
from broken_tables import rows_of, write_good
from folders import ROOT, tofu_folder
from torch.utils.flop_counter import FlopCounterMode
from unlearning.__main__ import main
from unlearning.benchmarks.tofu.sizes import Texts, sizes
from unlearning.config.experiment import load_experiment
from unlearning.models.build import build_model
from unlearning.planning.gpus import GPUS
from unlearning.planning.shapes import KNOWN, read_config, shape_from_config, shape_of
from unlearning.planning.texts import question_text, template_tokens
from unlearning.stages.plan import plan, table

SEVEN = ROOT / "config" / "experiments" / "tofu-llama2-7b.yaml"
ADAPTER = 19_988_480
WRITTEN = yaml.safe_load(SEVEN.read_text(encoding="utf-8"))
MUSE = ROOT / "config" / "experiments" / "mini-muse.yaml"


def make_plan(gpu, path=SEVEN, **changes):
    config = yaml.safe_load(path.read_text())
    for section, values in changes.items():
        config[section] = {**config.get(section, {}), **values}
    return plan(load_experiment(config, ROOT), gpu, GPUS[gpu])


def stage(estimate, name):
    return next(s for s in estimate["stages"] if s["stage"] == name)


def test_parameters_are_those_of_the_published_models():
    counts = {name: shape.parameters for name, shape in KNOWN.items()}
    assert counts == {
        "Llama-2-7b": 6_738_415_616,
        "iclm-7b": 6_738_415_616,
        "Llama-3.2-1B": 1_235_814_400,
        "phi-1_5": 1_418_270_720,
        "zephyr-7b": 7_241_732_096,
        "SmolLM2-135M": 134_515_008,
    }


def test_a_model_folder_says_its_own_shape(tmp_path):
    path = tmp_path / "config.json"
    sizes = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16}
    sizes |= {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64}
    config = {**sizes, "vocab_size": 128256, "tie_word_embeddings": True, "model_type": "llama"}
    path.write_text(json.dumps(config))
    assert shape_from_config(read_config(path), "config") == KNOWN["Llama-3.2-1B"]


def test_a_pass_takes_the_flops_that_torch_counts():
    """Six for each parameter and token of short rows, forwards and backwards."""
    architecture = {"layers": 4, "width": 128, "heads": 4, "feed_forward": 344, "context": 64}
    model = build_model(architecture, 512, 0)
    ids = torch.randint(2, 512, (4, 60))
    with FlopCounterMode(display=False) as counter:
        model(ids, labels=ids).loss.backward()
    shape = shape_of({"architecture": {**architecture, "vocabulary": 512}})
    assert counter.get_total_flops() == pytest.approx(6 * shape.parameters * 4 * 60, rel=0.1)


def test_lengths_of_texts_are_those_of_tofu():
    """Characters of questions and answers: what tokens are estimated from."""
    lines = (tofu_folder() / "full.json").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    characters = [len(row["question"]) + len(row["answer"]) for row in rows]
    texts = Texts(load_experiment(yaml.safe_load(SEVEN.read_text()), ROOT))
    tokens = texts.row.mean - 5  # without "[INST]  [/INST]" and </s>
    assert tokens * 4.2 == pytest.approx(sum(characters) / len(rows), rel=0.05)


def test_a_folder_of_other_rows_than_tofus_is_counted(tmp_path):
    """200 rows in place of 4,000, of some 40 bytes in place of 240."""
    config = yaml.safe_load(SEVEN.read_text())
    config["data"] |= {"data_dir": str(write_good(tmp_path / "tofu"))}
    config |= {"forget_splits": ["forget10"], "world_splits": None}
    texts = sizes(load_experiment(config, ROOT))
    assert (texts.full, texts.forget("forget10"), texts.retrained("forget10")) == (200, 20, 180)
    assert texts.evaluated("forget10", None) == (20 + 20, 2 + 2)
    assert texts.evaluated("forget10", 1) == (1 + 1, 1 + 1)
    full = rows_of(tmp_path / "tofu", "full")
    lengths = [len((row["question"] + row["answer"]).encode()) for row in full]
    template = 5  # "[INST]  [/INST]" and </s>
    assert texts.row.mean == pytest.approx(sum(lengths) / 200 / 4.2 + template)
    assert texts.row.longest == round(max(lengths) / 4.2) + template


def test_tokens_are_estimated_from_bytes_because_of_scripts_with_more_in_a_letter():
    """Published tokenizers make of a Chinese letter about a token, not a quarter of one."""
    model = {"architecture": None, "prompt": "plain"}
    row = {"question": "\u5b57" * 14, "answer": "\u5b57" * 7}
    text = question_text([row], model)
    assert text.labels == pytest.approx(7 * 3 / 4.2 + 1)
    assert text.longest - template_tokens(model) == round((14 + 7) * 3 / 4.2)


def test_a_mini_world_of_more_rows_than_tofu_is_evaluated_whole():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["data"]["mini"] = {"authors": 1000, "questions_per_author": 10}
    config |= {"forget_splits": ["forget50"], "world_splits": None}
    texts = sizes(load_experiment(config, ROOT))
    assert texts.evaluated("forget50", None)[0] == 5000 + 1000
    assert texts.evaluated("forget50", 300)[0] == 300 + 300


def test_draws_cost_as_many_times_what_one_does_but_what_they_share():
    one, three = (
        plan(load_experiment({**WRITTEN, "draws": draws}, ROOT), "H200-141", GPUS["H200-141"])
        for draws in (1, 3)
    )
    shared = {"fetch", "data", "answers", "report"}
    assert {rule: one["jobs"][rule] for rule in shared} == dict(
        fetch=2, data=1, answers=1, report=1
    )
    expected = {rule: n if rule in shared else 3 * n for rule, n in one["jobs"].items()}
    assert three["jobs"] == expected
    assert three["gpu_hours"] == pytest.approx(3 * one["gpu_hours"], rel=0.01)
    assert three["disk_gib"] == pytest.approx(3 * one["disk_gib"], rel=0.01)
    assert three["state_gib"] == one["state_gib"]  # one job's
    assert [s["peak_gib"] for s in three["stages"]] == [s["peak_gib"] for s in one["stages"]]
    assert table(three).splitlines()[0].endswith("parameters; 3 draws")


def test_hours_and_disk_by_hand():
    estimate = make_plan("A100-80", finetune={"micro_batch": 4})
    target = stage(estimate, "finetune")
    # 6 a parameter and token; 625 steps of 32 rows, of 57.1 tokens of text, 4 of "[INST]  [/INST]"
    # and one </s>
    assert target["flops"] == pytest.approx(5.0249e16, rel=1e-3)
    # at 20 % of an A100's 312 TFLOP/s: 805 s
    assert target["gpu_hours"] == pytest.approx(0.2237, abs=5e-4)
    assert target["disk_gib"] == pytest.approx(2 * 6_738_415_616 / 2**30, abs=1e-3)
    # the target, six retrained and 150 unlearned models; else one of the last at a time
    assert estimate["disk_gib"] == pytest.approx(157 * target["disk_gib"], rel=1e-3)
    assert estimate["disk_gib_without_unlearned"] == pytest.approx(8 * target["disk_gib"], rel=1e-3)
    # weights and two states, of two states kept and one being written
    assert estimate["state_gib"] == pytest.approx(3 * 12 * 6_738_415_616 / 2**30, rel=1e-3)


def test_seven_billion_parameters_fit_into_80_gb_with_paged_states():
    """NPO+RT on one GPU: what is advised fits with room, and fits when it is followed."""
    estimate = make_plan("A100-80", unlearn={"micro_batch": 1})
    advised = stage(estimate, "unlearn NPO+RT")["advice"]
    assert len(advised) == 1
    assert "set unlearn.optimizer: paged_adamw_32bit (the same numbers up to" in advised[0]
    assert "50.2 GiB on the host" in advised[0]
    options = {"micro_batch": 1, "optimizer": "paged_adamw_32bit"}
    followed = make_plan("A100-80", unlearn=options)
    advised_stage = stage(followed, "unlearn NPO+RT")
    assert advised_stage["advice"] == [] and advised_stage["peak_gib"] < 66
    assert f"{advised_stage['peak_gib']:.1f} GiB" in advised[0]
    assert advised_stage["host_gib"] == pytest.approx(12 * 6_738_415_616 / 2**30, rel=1e-3)
    # 2 x 8 bytes of each number at each of the runs' steps, 25 GB/s: paging takes its time
    paged = advised_stage["gpu_hours"] - stage(estimate, "unlearn NPO+RT")["gpu_hours"]
    steps = 5 * sum(10 * rows // 32 for rows in (40, 200, 400))
    assert paged == pytest.approx(steps * 16 * 6_738_415_616 / 25e9 / 3600, rel=0.01)


def test_a_second_model_leaves_room_for_an_adapter_alone():
    estimate = make_plan("H100-80")
    (advised,) = stage(estimate, "unlearn NPO+KL")["advice"]
    assert "set unlearn.lora: {} (another experiment" in advised
    followed = make_plan("H100-80", unlearn={"lora": {}})
    assert stage(followed, "unlearn NPO+KL")["advice"] == []
    adapters = make_plan("H100-80", unlearn={"lora": {"adapter": "keep"}})
    assert stage(adapters, "unlearn NPO")["disk_gib"] == pytest.approx(
        15 * 4 * ADAPTER / 2**30, abs=1e-3
    )


def test_several_gpus_share_a_model_before_its_numbers_change():
    news = make_plan("H100-80", ROOT / "config" / "experiments" / "muse-news-llama2-7b.yaml")
    advised = stage(news, "unlearn NPO+RT")["advice"][0]
    assert advised.startswith("set resources.sharding: shard: ")
    followed = make_plan("H100-80", resources={"gpus": 4, "sharding": "shard", "mem_mb": 96000})
    assert stage(followed, "unlearn NPO+RT")["advice"] == []


def test_hours_of_waiting_are_those_of_every_gpu():
    """A small model waits for kernels to start, on each GPU as often as alone."""
    path = ROOT / "config" / "config.yaml"
    recipe = {"batch_size": 40, "micro_batch": 10, "epochs": 1000, "replay_rows": 0}
    options = {"finetune": recipe}
    alone = stage(make_plan("H100-80", path, resources={"gpus": 1}, **options), "finetune")
    shared = stage(make_plan("H100-80", path, resources={"gpus": 2}, **options), "finetune")
    # half as many passes on each of two GPUs
    assert shared["gpu_hours"] == alone["gpu_hours"]
    recipe["micro_batch"] = 40
    alone = stage(make_plan("H100-80", path, resources={"gpus": 1}, **options), "finetune")
    shared = stage(make_plan("H100-80", path, resources={"gpus": 2}, **options), "finetune")
    # as many: a pass of 20 rows waits as long as one of 40
    assert shared["gpu_hours"] == pytest.approx(2 * alone["gpu_hours"], rel=0.01)


def test_the_adapter_of_the_released_option():
    """r=8 on seven layers: what peft counts for Llama-2-7b with all linear layers."""
    lora = {"rank": 8, "modules": "all-linear"}
    assert KNOWN["Llama-2-7b"].adapter(lora) == ADAPTER
    assert KNOWN["Llama-2-7b"].adapter({"rank": 8, "modules": ["q_proj", "v_proj"]}) == 4_194_304
    assert KNOWN["Llama-2-7b"].adapter(None) == 0


def test_too_little_memory_of_the_host_is_named():
    estimate = make_plan("A100-80", resources={"gpus": 1, "mem_mb": 32000})
    advised = stage(estimate, "finetune")["advice"]
    assert "set resources.mem_mb: 84861 (its host's memory)" in advised


def test_muse_is_planned_from_the_length_of_its_texts():
    news = make_plan("H200-141", ROOT / "config" / "experiments" / "muse-news-llama2-7b.yaml")
    cell = stage(news, "unlearn GA")
    chunks = -(-round(3281546 / 4.2) // 2048)  # of the forget set
    steps = 10 * chunks // 4
    trained = 6 * 6_738_415_616 * 2048 * 4 * steps
    per_point = 2 * 6_738_415_616 * 2 * 100 * 8062 / 4.2  # PrivLeak alone
    assert cell["flops"] / 3 == pytest.approx(trained + 9 * per_point, rel=0.15)
    assert cell["flops"] / 3 > trained + 9 * per_point
    mini = make_plan("H200-141", MUSE)
    assert mini["jobs"]["reference_on_the_way"] == 3 and mini["jobs"]["retrain"] == 2
    assert stage(mini, "finetune")["flops"] > 0


def test_who_is_harry_potter_counts_its_reinforced_model():
    """Beside the task vector, which learns by the same steps but leaves one model."""
    path = ROOT / "config" / "experiments" / "muse-news-llama2-7b.yaml"
    options = {"resources": {"gpus": 1}, "unlearn": {"gradient_checkpointing": True}}
    news, parameters = make_plan("H100-80", path, **options), 6_738_415_616
    two, one = stage(news, "unlearn WHP"), stage(news, "unlearn TaskVector")
    # bytes to tokens: PrivLeak's texts; KnowMem's prompts with 32 new tokens, twice;
    # VerbMem's prompts with 128, scored and answered
    tokens = 2 * 100 * 8062 / 4.2 + 2 * (100 * 1450 / 4.2 + 3200) + 2 * (100 * 1000 / 4.2 + 12800)
    evaluation = 2 * parameters * tokens
    assert two["flops"] - one["flops"] == pytest.approx(3 * 9 * evaluation)  # seeds, points
    # 20 % of 989 TFLOP/s; three batches of 32 new tokens twice and of 128 once, 32 layers of 1 ms
    seconds = 27 * (evaluation / (0.2 * 989e12) + 3 * (2 * 32 + 128) * 0.032)
    assert two["gpu_hours"] - one["gpu_hours"] == pytest.approx(seconds / 3600, abs=1e-3)
    assert two["disk_gib"] == one["disk_gib"] == pytest.approx(3 * 2 * parameters / 2**30, abs=1e-3)

    # in float32: the model that training goes on with, the target and a copy; AdamW's states; keys
    # and values of 16,384 tokens in the 32 layers of both
    weights = 4 * parameters / 2**30
    assert two["parts_gib"]["weights"] == pytest.approx(weights, abs=1e-3)
    assert two["parts_gib"]["second model"] == pytest.approx(2 * weights, abs=1e-3)
    assert two["parts_gib"]["key-value cache"] == 2 * 16384 * 2 * 32 * 4096 * 4 / 2**30
    # the task vector's peak is at the end, with two copies, of which one stays
    assert one["peak_gib"] == pytest.approx(5 * weights, abs=1e-2)

    # evaluated in bfloat16, beside a plan that has every method but this one
    others = yaml.safe_load(path.read_text())
    del others["methods"]["WHP"]
    without = plan(load_experiment(others, ROOT), "H100-80", GPUS["H100-80"])
    both, single = stage(news, "evaluate"), stage(without, "evaluate")
    assert both["jobs"] - single["jobs"] == 3
    assert both["flops"] - single["flops"] == pytest.approx(3 * 2 * evaluation)
    assert both["parts_gib"]["second model"] == pytest.approx(weights / 2, abs=1e-3)
    assert both["parts_gib"]["key-value cache"] == 2 * 8
    assert single["parts_gib"]["key-value cache"] == 8
    assert both["host_gib"] == pytest.approx(weights, abs=1e-3)


def test_checkpointing_is_advised_before_anything_that_changes_numbers():
    wide = {"batch_size": 512, "micro_batch": 512, "max_length": 2000}
    config = ROOT / "config" / "experiments" / "tofu-llama3.2-1b.yaml"
    advised = stage(make_plan("A100-40", config, finetune=wide), "finetune")["advice"][0]
    assert advised.startswith("set finetune.micro_batch: ")
    assert "optimizer" not in advised


def test_the_table_names_what_will_not_fit():
    text = table(make_plan("RTX4090-24"))
    assert "WARNING: finetune, retrain will not fit; set finetune.lora: {} (another" in text
    assert "WARNING: unlearn GA+KL, unlearn NPO+KL will not fit; no option" in text
    assert "no option makes it fit: at least " in text
    assert "Assumed: 20% of the GPU's dense peak FLOP/s" in text
    assert "WARNING" not in table(make_plan("RTX4090-24", ROOT / "config" / "config.yaml"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--configfile", "absent.yaml"], "cannot read 'absent.yaml'"),
        (["--configfile", str(ROOT / "README.md")], "is not YAML|holds no mapping"),
        (["--configfile", str(SEVEN), "--gpu-memory-gb", "0"], "must be greater than 1, found 0"),
    ],
)
def test_bad_input(capsys, arguments, expected):
    assert main(["plan", *arguments]) == 1
    captured = capsys.readouterr()
    assert any(part in captured.err for part in expected.split("|"))


def test_a_model_of_unknown_shape_is_named(tmp_path, capsys):
    config = yaml.safe_load(SEVEN.read_text())
    config["model"]["path"] = "someone/mystery-13b"
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["plan", "--configfile", str(path)]) == 1
    assert "shape of 'someone/mystery-13b' is not known" in capsys.readouterr().err


def test_a_full_gpu_ends_in_advice(monkeypatch, capsys):
    def full(_args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("unlearning.stages.plan.run", full)
    assert main(["plan", "--configfile", "any.yaml"]) == 1
    message = capsys.readouterr().err
    assert "Tried to allocate 2.00 GiB" in message and "`make plan`" in message
