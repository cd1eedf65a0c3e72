"""Writes the PyTorch fixtures: values and all gradients of recurrent layers, in f64.

Holds the table of cases, the fill formula and the call into PyTorch. Refuses to write anything where
the fill formula does not give the words pinned in KNOWN_HASHES, or where the installed torch is not
the version below.

Made with torch 2.15.0 (requirements.txt). Run: python testdata/make_fixtures.py
Writes <cell>.safetensors next to this script, one file for each key of CASES.

Inputs are not stored
=====================
Every input tensor is made by an exact formula, so that a reader in any language gets the same bits.
All arithmetic on words is on unsigned 64-bit integers and wraps; `^` is exclusive or, `>>` a logical shift.

    mix(z):   z = z + 0x9E3779B97F4A7C15
              z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
              z = (z ^ (z >> 27)) * 0x94D049BB133111EB
              return z ^ (z >> 31)                        (one step of splitmix64)

    hash(case, tag, index) = mix(mix(mix(case) ^ tag) ^ index)

    fill(case, tag, index) = ((hash >> 40) - 2^23) / 2^24 * 2^s

`hash >> 40` is the top 24 bits, an integer k in [0, 2^24); k - 2^23 is signed. So the value before scaling is a
multiple of 2^-24 in [-0.5, 0.5), and the scale is a power of two: each step is exact, in f64 and in f32 alike.
`case` is the case's number in its file, `index` the flat row-major index in the tensor, from 0. Tags and scales:

    tensor   tag   s   shape (time-major)
    x          1   1   [T, B, I]
    h0         2   1   [L*D, B, H]          only where initial_state is "given"
    c0         3   2   [L*D, B, H]          LSTM only, only where initial_state is "given"
    dy         4   1   [T, B, D*H]          gradient of the loss by y
    dhn        5   1   [L*D, B, H]          gradient of the loss by h_n
    dcn        6   1   [L*D, B, H]          gradient of the loss by c_n, LSTM only

    parameters: tag = 256 + 16*(D*k + d) + p, with k the layer, D the number of directions (1 or 2),
    d the direction (0 forward, 1 reverse) and p, s as follows. G is 4 for LSTM, 3 for GRU, 1 for RNN.
    weight_ih  p = 0   s = 1   (RNN: 0)   [G*H, I] for layer 0, else [G*H, D*H]
    weight_hh  p = 1   s = 1   (RNN: 0)   [G*H, H]
    bias_ih    p = 2   s = 0   [G*H]
    bias_hh    p = 3   s = 0   [G*H]

Here the range is [-1, 1) for s = 1, [-2, 2) for s = 2, [-0.5, 0.5) for s = 0. Gates are in PyTorch's order
(LSTM i f g o, GRU r z n).

What is stored
==============
The loss is sum(y*dy) + sum(h_n*dhn) + sum(c_n*dcn), the last term for LSTM only. All tensors are F64 and
are named `{case:02}.{name}`:

    y, h_n, c_n                          the layer's outputs (c_n for LSTM only)
    grad.x                               gradient of the loss by x
    grad.h0, grad.c0                     only where initial_state is "given"
    grad.weight_ih_l0, ...               by every parameter, under PyTorch's name of it

The one metadata key, `cases`, is a JSON list with an object per case: case, cell, num_layers, seq_len, batch,
input_size, hidden_size, initial_state ("zero" or "given"), and "bidirectional": true where the layer is.

Two runs give the same bytes on one machine. Another processor may differ in the last bits, because PyTorch
picks its vector code by processor: compare with a tolerance.

To add cases: append rows to a table (a row's number is its place, so never insert or delete), or add a table
under a new key of CASES. The formula and the tags stay as they are.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.numpy import save_file

TORCH_VERSION = "2.15.0"


class Cell(NamedTuple):
    """How PyTorch builds a cell: its module, the module's own arguments, and whether it has a cell state."""

    module: type
    arguments: dict
    has_c: bool
    smaller_weights: int = 0  # halvings: without gates, larger weights make 40 steps chaotic


class Case(NamedTuple):
    """One row: sizes as in the header (L, T, B, I, H), initial state, directions."""

    num_layers: int
    seq_len: int
    batch: int
    input_size: int
    hidden_size: int
    initial_state: str
    bidirectional: bool = False


CELLS = {
    "lstm": Cell(torch.nn.LSTM, {}, has_c=True),
    "gru": Cell(torch.nn.GRU, {}, has_c=False),
    "rnn": Cell(torch.nn.RNN, {"nonlinearity": "tanh"}, has_c=False, smaller_weights=1),
    "rnn_relu": Cell(torch.nn.RNN, {"nonlinearity": "relu"}, has_c=False, smaller_weights=1),
}

ZERO, GIVEN = "zero", "given"

# Every (num_layers, seq_len, initial_state) once, then sizes around and past the widths of vectors and tiles.
CASES = {
    "lstm": [
        #    L   T  B   I   H
        Case(1, 1, 1, 1, 1, ZERO),
        Case(1, 1, 3, 5, 8, GIVEN),
        Case(1, 2, 2, 3, 7, ZERO),
        Case(1, 2, 5, 8, 3, GIVEN),
        Case(1, 3, 7, 2, 5, ZERO),
        Case(1, 3, 1, 16, 7, GIVEN),
        Case(1, 5, 3, 7, 16, ZERO),
        Case(1, 5, 2, 1, 17, GIVEN),
        Case(1, 12, 5, 3, 2, ZERO),
        Case(1, 12, 1, 3, 20, GIVEN),
        Case(1, 40, 1, 5, 7, ZERO),
        Case(1, 40, 3, 2, 3, GIVEN),
        Case(2, 1, 2, 7, 5, ZERO),
        Case(2, 1, 5, 1, 2, GIVEN),
        Case(2, 2, 1, 7, 8, ZERO),
        Case(2, 2, 3, 13, 5, GIVEN),
        Case(2, 3, 5, 5, 1, ZERO),
        Case(2, 3, 2, 3, 8, GIVEN),
        Case(2, 5, 7, 16, 3, ZERO),
        Case(2, 5, 2, 2, 13, GIVEN),
        Case(2, 12, 2, 5, 7, ZERO),
        Case(2, 12, 3, 1, 5, GIVEN),
        Case(2, 40, 1, 1, 2, ZERO),
        Case(2, 40, 2, 3, 5, GIVEN),
        Case(3, 1, 3, 2, 3, ZERO),
        Case(3, 1, 1, 17, 5, GIVEN),
        Case(3, 2, 7, 1, 5, ZERO),
        Case(3, 2, 2, 20, 2, GIVEN),
        Case(3, 3, 1, 13, 3, ZERO),
        Case(3, 3, 5, 7, 1, GIVEN),
        Case(3, 5, 2, 3, 8, ZERO),
        Case(3, 5, 3, 5, 3, GIVEN),
        Case(3, 12, 1, 8, 2, ZERO),
        Case(3, 12, 2, 2, 5, GIVEN),
        Case(3, 40, 1, 3, 3, ZERO),
        Case(3, 40, 1, 2, 7, GIVEN),
        Case(1, 2, 2, 2, 33, GIVEN),
        Case(1, 3, 2, 1, 64, GIVEN),
        Case(1, 2, 7, 33, 5, GIVEN),
        # Both directions.
        Case(1, 1, 2, 3, 4, GIVEN, True),
        Case(1, 2, 3, 5, 7, ZERO, True),
        Case(1, 5, 2, 2, 17, GIVEN, True),
        Case(1, 12, 1, 3, 3, ZERO, True),
        Case(2, 1, 3, 1, 3, ZERO, True),
        Case(2, 3, 2, 7, 4, GIVEN, True),
        Case(2, 5, 1, 3, 6, GIVEN, True),
        Case(2, 12, 2, 2, 3, ZERO, True),
        Case(3, 2, 2, 3, 2, GIVEN, True),
        Case(3, 5, 3, 2, 3, ZERO, True),
        Case(3, 12, 1, 5, 2, GIVEN, True),
        Case(3, 40, 2, 1, 2, ZERO, True),
    ],
}
CASES["gru"] = CASES["rnn"] = CASES["lstm"]
# Without a bound on h, a long relu network leaves the range where sums compare well: short ones only.
CASES["rnn_relu"] = [case for case in CASES["lstm"] if case.seq_len <= 5 and case.num_layers <= 2]

# name: (tag, log2 of the scale)
TENSOR_TAGS = {"x": (1, 1), "h0": (2, 1), "c0": (3, 2), "dy": (4, 1), "dhn": (5, 1), "dcn": (6, 1)}
PARAMETER_TAGS = {"weight_ih": (0, 1), "weight_hh": (1, 1), "bias_ih": (2, 0), "bias_hh": (3, 0)}

# (case, tag, index): hash
KNOWN_HASHES = {
    (0, 1, 0): 0x44E5B98100C67FB0,
    (7, 256, 5): 0xB40F09FE0ACDB96F,
    (35, 291, 27): 0xA7024BB49A6D3413,
}


def mix(z):
    """One step of splitmix64 on an array of uint64."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hash_words(case, tag, count):
    """The hashes of the indices 0..count."""
    row = np.array([case], dtype=np.uint64)
    return mix(mix(mix(row) ^ np.uint64(tag)) ^ np.arange(count, dtype=np.uint64))


def fill(case, tag, scale_log2, shape):
    """An input tensor by the formula of the header."""
    words = hash_words(case, tag, int(np.prod(shape)))
    k = (words >> np.uint64(40)).astype(np.int64) - 2**23
    values = k.astype(np.float64) / 2.0**24 * 2.0**scale_log2
    return torch.from_numpy(values.reshape(shape))


def parameter_tag(name, directions):
    """Tag and scale of a parameter by PyTorch's name, such as `bias_hh_l1_reverse`."""
    direction = int(name.endswith("_reverse"))
    kind, layer = name.removesuffix("_reverse").rsplit("_l", 1)
    place, scale_log2 = PARAMETER_TAGS[kind]
    return 256 + 16 * (directions * int(layer) + direction) + place, scale_log2


def run_case(number, cell_name, case):
    """Runs one case. Returns its description and its tensors by name, without the case's prefix."""
    cell = CELLS[cell_name]
    directions = 2 if case.bidirectional else 1
    layer = cell.module(
        case.input_size,
        case.hidden_size,
        case.num_layers,
        bidirectional=case.bidirectional,
        dtype=torch.float64,
        **cell.arguments,
    )
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            tag, scale_log2 = parameter_tag(name, directions)
            if not name.startswith("bias"):
                scale_log2 -= cell.smaller_weights
            parameter.copy_(fill(number, tag, scale_log2, tuple(parameter.shape)))

    state_shape = (case.num_layers * directions, case.batch, case.hidden_size)
    shapes = {
        "x": (case.seq_len, case.batch, case.input_size),
        "dy": (case.seq_len, case.batch, directions * case.hidden_size),
    }
    made = {
        name: fill(number, tag, scale_log2, shapes.get(name, state_shape))
        for name, (tag, scale_log2) in TENSOR_TAGS.items()
    }

    leaves = {"x": made["x"].requires_grad_()}
    state = None
    if case.initial_state == GIVEN:
        leaves["h0"] = state = made["h0"].requires_grad_()
        if cell.has_c:
            leaves["c0"] = made["c0"].requires_grad_()
            state = (leaves["h0"], leaves["c0"])

    y, last = layer(made["x"], state)
    outputs = {"y": y, "h_n": last[0], "c_n": last[1]} if cell.has_c else {"y": y, "h_n": last}
    upstream = {"y": made["dy"], "h_n": made["dhn"], "c_n": made["dcn"]}
    loss = sum((value * upstream[name]).sum() for name, value in outputs.items())

    leaves.update(layer.named_parameters())
    grads = torch.autograd.grad(loss, list(leaves.values()))

    tensors = dict(outputs)
    tensors.update((f"grad.{name}", grad) for name, grad in zip(leaves, grads, strict=True))
    description = {"case": number, "cell": cell_name, **case._asdict()}
    if not case.bidirectional:
        del description["bidirectional"]
    return description, tensors


def main():
    version = torch.__version__.split("+")[0]
    if version != TORCH_VERSION:
        raise SystemExit(f"torch is {version}, these fixtures are made with {TORCH_VERSION} (requirements.txt)")
    for (case, tag, index), want in KNOWN_HASHES.items():
        got = int(hash_words(case, tag, index + 1)[index])
        if got != want:
            raise SystemExit(f"hash({case}, {tag}, {index}) is {got:#018x}, expected {want:#018x}")
    torch.set_num_threads(1)

    for cell_name, cases in CASES.items():
        descriptions, tensors = [], {}
        for number, case in enumerate(cases):
            description, values = run_case(number, cell_name, case)
            descriptions.append(description)
            for name, value in values.items():
                tensors[f"{number:02}.{name}"] = value.detach().contiguous().numpy()
        path = Path(__file__).parent / f"{cell_name}.safetensors"
        metadata = {"cases": json.dumps(descriptions, sort_keys=True, separators=(",", ":"))}
        save_file(dict(sorted(tensors.items())), path, metadata)
        print(f"{path.name}: {len(cases)} cases, {len(tensors)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
