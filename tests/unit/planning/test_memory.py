"""Predicted memory, by hand. Against what a step really takes: end_to_end/test_memory.py."""

from dataclasses import replace

import pytest
from unlearning.planning.memory import (
    SAFE,
    Pass,
    Step,
    activation_bytes,
    host_bytes,
    inference,
    largest_micro_batch,
    layer_activations,
    training,
)
from unlearning.planning.shapes import KNOWN, Shape

LLAMA = KNOWN["Llama-2-7b"]
SMALL = Shape(2, 8, 2, 4, 16, 100, tied=True)


def test_parts_by_hand():
    # 2 layers of 2·64 + 2·32 + 3·128 + 16 numbers, 800 of the tied embedding, 8 of the last norm
    assert SMALL.parameters == 2 * 592 + 808 == 1992
    # float32: 8 x 8 of the norms and the attention's query and output, 2 x 4 key and value,
    # 4 x 16 feed-forward, 2 sums of the softmax
    assert layer_activations(SMALL, half=False) == 4 * (64 + 8 + 64 + 2)
    step = Step(micro_batch=50, roles=2, width=10, labels=6, half=False)
    assert activation_bytes(SMALL, step) == 50 * 2 * 10 * (2 * 552 + 3 * 4 * 8)
    parts = training(SMALL, step)
    assert parts["weights"] == parts["gradients"] == 4 * 1992
    assert parts["optimiser"] == 8 * 1992
    assert parts["logits"] == 2 * 4 * 50 * 2 * 6 * 100
    assert parts["total"] == sum(value for key, value in parts.items() if key != "total")


def test_pure_half_precision_has_two_bytes_of_everything():
    # half: 6 x 8 of norms, query and output, 2 x 4 key and value, 4 x 16; float32: norms' inputs
    assert layer_activations(SMALL, half=False, pure=True) == 2 * (48 + 8 + 64) + 4 * (16 + 2)
    parts = training(SMALL, Step(50, 2, 10, 6, half=False, pure=True))
    assert parts["weights"] == parts["gradients"] == 2 * 1992
    assert parts["optimiser"] == 4 * 1992


def test_a_process_that_shares_a_model_holds_its_part_and_what_is_gathered():
    step = Step(50, 2, 10, 6, half=False, processes=4, sharded=True, teacher=True)
    parts = training(SMALL, step)
    assert parts["weights"] == parts["gradients"] == parts["second model"] == 1992
    assert parts["optimiser"] == 2 * 1992
    # the tied embedding and two layers: the model's, their gradients, the second model's
    assert parts["gathered"] == 3 * 4 * 1992


def test_the_update_is_the_peak_of_a_large_model_on_few_tokens():
    step = Step(micro_batch=1, roles=1, width=64, labels=32, accumulates=False)
    parts = training(LLAMA, step)
    # weights, gradients, two states; two temporaries of the largest tensor, 32000 x 4096
    assert parts["total"] == 16 * LLAMA.parameters + 8 * 32000 * 4096
    eight = training(
        LLAMA, Step(micro_batch=1, roles=1, width=64, labels=32, optimizer="adamw8bit")
    )
    assert eight["optimiser"] == pytest.approx(2 * LLAMA.parameters, rel=0.02)


def test_an_adapter_leaves_frozen_layers_in_half_precision():
    step = Step(micro_batch=1, roles=2, width=10, labels=5, adapter=1000, accumulates=False)
    parts = training(SMALL, step)
    # the tied embedding stays float32, with the copy that autocast makes of it
    assert parts["weights"] == 4 * (800 + 1000) + 2 * (1992 - 800)
    assert parts["optimiser"] == 8 * 1000
    assert parts["autocast copies"] == 2 * (1000 + 800)
    float32 = training(SMALL, replace(step, half=False))
    assert float32["weights"] == 4 * (1992 + 1000)


def test_paged_states_lie_on_the_host():
    step = Step(micro_batch=1, roles=2, width=160, labels=80, optimizer="paged_adamw_32bit")
    plain = training(LLAMA, replace(step, optimizer="adamw"))
    assert plain["total"] - training(LLAMA, step)["total"] == 8 * LLAMA.parameters
    assert host_bytes(LLAMA, step) == 12 * LLAMA.parameters


def test_generation_keeps_keys_and_values():
    parts = inference(LLAMA, Pass(tokens=16384, labels=100, weight_bytes=2, cached=16384))
    assert parts["key-value cache"] == 16384 * 2 * 32 * 4096 * 2  # 8 GiB


def test_two_models_that_answer_as_one_are_both_there():
    batch = Pass(tokens=20, labels=6, weight_bytes=4, cached=20, models=2)
    parts = inference(SMALL, batch)
    assert parts["weights"] == parts["second model"] == 4 * 1992
    # both models' logits and two of what combines them: more than float32 ones and their logs
    assert parts["logits"] == 4 * 4 * 6 * 100
    # one model after the other computes its layers
    assert parts["activations"] == inference(SMALL, replace(batch, models=1))["activations"]
    answering = inference(SMALL, replace(batch, labels=1))
    assert answering["key-value cache"] == 2 * 20 * 2 * 2 * 4 * 4  # models, tokens, layers
    # half-precision logits of both are fewer bytes than one's in float32
    halved = inference(SMALL, replace(batch, weight_bytes=2))
    assert halved["logits"] == (2 * 4 + 2) * 6 * 100
    assert inference(SMALL, replace(batch, gradients=True))["gradients"] == 2 * 4 * 1992


def test_an_unlearned_model_is_made_of_two_copies():
    step = Step(1, 1, 2, 1, half=False, accumulates=False, copies=2)
    parts = training(SMALL, step)
    # weights and two states; gradients are gone
    assert parts == {"weights": 7968, "optimiser": 15936, "copies": 15936, "total": 20 * 1992}
    pure = training(SMALL, replace(step, pure=True))
    assert pure["copies"] == 2 * 2 * 1992
    # of shares they are put together on the host, where 8-bit states are smaller
    shares = replace(step, processes=4, sharded=True, optimizer="adamw8bit")
    assert "copies" not in training(SMALL, shares)
    assert host_bytes(SMALL, shares) == 3 * 4 * 1992


def test_the_largest_micro_batch_that_fits():
    step = Step(micro_batch=1, roles=2, width=200, labels=100)

    for micro_batch in (2, 5):
        larger = replace(step, micro_batch=micro_batch, accumulates=True)
        room = 1.000001 * training(LLAMA, larger)["total"] / SAFE  # beyond rounding
        assert largest_micro_batch(LLAMA, step, 16, room) == micro_batch
    assert largest_micro_batch(LLAMA, step, 16, 1e15) == 16
    assert largest_micro_batch(LLAMA, replace(step, processes=2), 16, 1e15) == 8
    assert largest_micro_batch(LLAMA, step, 16, 0) == 1
