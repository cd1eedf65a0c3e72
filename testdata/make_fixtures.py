"""Writes the PyTorch fixtures: values and all gradients of recurrent layers, in f64.

Holds the table of cases, the fill formula, the call into PyTorch, and the equations of the cells that PyTorch
has no module for, whose gradients are autograd's. Refuses to write anything where the fill formula does not give
the words pinned in KNOWN_HASHES, or where the installed torch is not the version below.

Made with torch 2.15.0 (requirements.txt). Run: python testdata/make_fixtures.py [CELL ...]
Writes <cell>.safetensors next to this script, one file for each key of CASES, and the files of "Cross-entropy" and "A
state dict" below; or only those named: a key of CASES, cross_entropy or state_dict.

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
    c0         3   2   [L*D, B, H]          cells with c, only where initial_state is "given"
    dy         4   1   [T, B, D*H]          gradient of the loss by y
    dhn        5   1   [L*D, B, H]          gradient of the loss by h_n
    dcn        6   1   [L*D, B, H]          gradient of the loss by c_n, cells with c
    n0         7   1   [L*D, B, H]          sLSTM only, as h0: 2 - |fill|, in [1, 2]
    m0         8   1   [L*D, B, H]          sLSTM only, as h0
    dnn        9   1   [L*D, B, H]          gradient of the loss by n_n, sLSTM only
    dmn       10   1   [L*D, B, H]          gradient of the loss by m_n, sLSTM only

    parameters: tag = 256 + 16*(D*k + d) + p, with k the layer, D the number of directions (1 or 2),
    d the direction (0 forward, 1 reverse) and p, s as follows. G is 4 for the LSTMs, 3 for GRU, 2 for minGRU, 1 for RNN.
    weight_ih  p = 0   s = 1   (RNN: 0)   [G*H, I] for layer 0, else [G*H, D*H]
    weight_hh  p = 1   s = 1   (RNN: 0)   [G*H, H]
    bias_ih    p = 2   s = 0   [G*H]
    bias_hh    p = 3   s = 0   [G*H]
    gain_ih    p = 4   s = 1   [G*H]       layer-norm LSTM only, and so on
    gain_hh    p = 5   s = 1   [G*H]
    gain_c     p = 6   s = 1   [H]
    bias_c     p = 7   s = 0   [H]

The minGRU has no weight_hh and no bias_hh, the layer-norm LSTM no bias_hh.
Here the range is [-1, 1) for s = 1, [-2, 2) for s = 2, [-0.5, 0.5) for s = 0. Gates are in PyTorch's order
(LSTM i f g o, GRU r z n); the equations below name those of the other cells.

What is stored
==============
The loss is sum(y*dy) + sum(h_n*dhn) + sum(c_n*dcn) + sum(n_n*dnn) + sum(m_n*dmn), as far as the cell has these
states: h; c in the LSTMs and the sLSTM; n and m in the sLSTM. All tensors are F64 and
are named `{case:02}.{name}`:

    y, h_n, c_n, n_n, m_n                the layer's outputs
    grad.x                               gradient of the loss by x
    grad.h0, grad.c0, ...                only where initial_state is "given"
    grad.weight_ih_l0, ...               by every parameter, under PyTorch's name of it

Cross-entropy
=============
cross_entropy.safetensors holds torch.nn.CrossEntropyLoss, reduction "mean", over rows N of C classes. In case n, with
index i the flat row-major index and row r:

    logits      tag 1024, s = 3, [N, C]
    targets     hash(n, 1025, r) modulo C + 1, of row 0 modulo C again; C means ignore_index
    weights     1.5 + fill(n, 1026, i) with s = 1, [C], in [0.5, 2.5): only where "weighted" is true

Stored are loss, a scalar, and grad.logits. `cases` holds case, rows, classes, weighted and smoothing, PyTorch's
label_smoothing.

A state dict
============
state_dict.safetensors is the state dict of a module with a torch.nn.GRU(3, 5) called `gru` and a
torch.nn.Linear(5, 2) called `fc`, in f32, as safetensors.torch.save_file writes it: without metadata.
state_dict_f16.safetensors is the same rounded to f16. state_dict_runs.safetensors holds x [T, 3], and y and y_f16
[T, 2], the outputs in f32 with each file's weights. The parameters, in the order of named_parameters, have the tags
512, 513, ... and s = 0 in case 0; x has tag 1 and s = 1.

The one metadata key of the cells' files, `cases`, is a JSON list with an object per case: case, cell, num_layers, seq_len, batch,
input_size, hidden_size, initial_state ("zero" or "given"), and "bidirectional": true where the layer is.

Two runs give the same bytes on one machine. Another processor may differ in the last bits, because PyTorch
picks its vector code by processor: compare with a tolerance.

To add cases: append rows to a table (a row's number is its place, so never insert or delete), or add a table
under a new key of CASES. The formula and the tags stay as they are.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

TORCH_VERSION = "2.15.0"


def min_gru(p, x, h):
    """Feng et al. 2024; gates z, h; g of the log-space form."""
    z, a = (x @ p["weight_ih"].T + p["bias_ih"]).chunk(2, -1)
    z = torch.sigmoid(z)
    n = torch.where(a >= 0, a + 0.5, torch.sigmoid(a))
    return ((1 - z) * h + z * n,)


def slstm(p, x, h, c, n, m):
    """Beck et al. 2024, one head; gates i, f, z, o. The first step, where n is 0, has no m before it."""
    i, f, z, o = (x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]).chunk(4, -1)
    kept = torch.nn.functional.logsigmoid(f) + m
    m = torch.where(n > 0, torch.maximum(i, kept), i)
    i, f = torch.exp(i - m), torch.exp(kept - m)
    c, n = f * c + i * torch.tanh(z), f * n + i
    return torch.sigmoid(o) * c / n, c, n, m


def layer_norm_lstm(p, x, h, c):
    """Ba et al. 2016; gates i, f, g, o; each norm of a product over all 4H units; the carried c is not normalised."""
    norm = torch.nn.functional.layer_norm
    products = [(x @ p["weight_ih"].T, p["gain_ih"]), (h @ p["weight_hh"].T, p["gain_hh"])]
    a = sum(norm(product, product.shape[-1:], gain) for product, gain in products) + p["bias_ih"]
    i, f, g, o = a.chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(norm(c, c.shape[-1:], p["gain_c"], p["bias_c"])), c


class Written(torch.nn.Module):
    """Stacked layers of equations that PyTorch has no module for, called as torch.nn.LSTM is."""

    def __init__(self, input_size, hidden_size, num_layers, *, bidirectional, dtype, equations, states, gates, kinds):
        super().__init__()
        self.equations, self.states, self.kinds, self.hidden_size = equations, states, kinds, hidden_size
        self.names = [[f"_l{k}{end}" for end in ("", "_reverse")[: 1 + bidirectional]] for k in range(num_layers)]
        for k, directions in enumerate(self.names):
            inputs = input_size if k == 0 else len(directions) * hidden_size
            shapes = {"weight_ih": (gates * hidden_size, inputs), "weight_hh": (gates * hidden_size, hidden_size)}
            shapes.update({"gain_c": (hidden_size,), "bias_c": (hidden_size,)})
            for name in directions:
                for kind in kinds:
                    empty = torch.empty(shapes.get(kind, (gates * hidden_size,)), dtype=dtype)
                    self.register_parameter(kind + name, torch.nn.Parameter(empty))

    def forward(self, x, state):
        y, last = x, []
        for k, directions in enumerate(self.names):
            outputs = []
            for d, name in enumerate(directions):
                parameters = {kind: getattr(self, kind + name) for kind in self.kinds}
                if state is None:
                    now = (x.new_zeros(x.shape[1], self.hidden_size),) * self.states
                else:
                    now = tuple(part[k * len(directions) + d] for part in state)
                steps = [None] * len(y)
                for t in reversed(range(len(y))) if d == 1 else range(len(y)):
                    now = self.equations(parameters, y[t], *now)
                    steps[t] = now[0]
                outputs.append(torch.stack(steps))
                last.append(now)
            y = torch.cat(outputs, -1)
        return y, tuple(torch.stack(part) for part in zip(*last, strict=True))


class Cell(NamedTuple):
    """How PyTorch builds a cell: its module, the module's own arguments, and the letters of its states."""

    module: type
    arguments: dict
    states: str
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
    "lstm": Cell(torch.nn.LSTM, {}, "hc"),
    "gru": Cell(torch.nn.GRU, {}, "h"),
    "rnn": Cell(torch.nn.RNN, {"nonlinearity": "tanh"}, "h", smaller_weights=1),
    "rnn_relu": Cell(torch.nn.RNN, {"nonlinearity": "relu"}, "h", smaller_weights=1),
    "min_gru": Cell(
        Written, {"equations": min_gru, "states": 1, "gates": 2, "kinds": ["weight_ih", "bias_ih"]}, "h"
    ),
    "slstm": Cell(
        Written,
        {
            "equations": slstm,
            "states": 4,
            "gates": 4,
            "kinds": ["weight_ih", "weight_hh", "bias_ih", "bias_hh"],
        },
        "hcnm",
    ),
    "layer_norm_lstm": Cell(
        Written,
        {
            "equations": layer_norm_lstm,
            "states": 2,
            "gates": 4,
            "kinds": ["weight_ih", "weight_hh", "gain_ih", "gain_hh", "bias_ih", "gain_c", "bias_c"],
        },
        "hc",
    ),
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
# A norm over one or two units, and one of a product with a single input, is constant up to its sign, and what is left of
# its gradient by x is the difference of rounded numbers: H is at least 3, I at least 2.
CASES["min_gru"] = CASES["slstm"] = CASES["layer_norm_lstm"] = [
    Case(1, 1, 1, 3, 4, ZERO),
    Case(1, 1, 2, 5, 3, GIVEN),
    Case(1, 2, 3, 4, 5, ZERO),
    Case(1, 3, 2, 3, 7, GIVEN),
    Case(1, 7, 1, 2, 3, GIVEN),
    Case(1, 5, 2, 2, 17, ZERO),
    Case(2, 1, 3, 2, 3, GIVEN),
    Case(2, 4, 2, 3, 5, ZERO),
    Case(2, 7, 1, 2, 3, GIVEN),
    Case(1, 6, 3, 4, 3, GIVEN, True),
    Case(2, 4, 2, 3, 3, GIVEN, True),
    Case(2, 3, 1, 3, 4, ZERO, True),
]

# name: (tag, log2 of the scale)
TENSOR_TAGS = {"x": (1, 1), "h0": (2, 1), "c0": (3, 2), "dy": (4, 1), "dhn": (5, 1), "dcn": (6, 1)}
TENSOR_TAGS.update({"n0": (7, 1), "m0": (8, 1), "dnn": (9, 1), "dmn": (10, 1)})
PARAMETER_TAGS = {"weight_ih": (0, 1), "weight_hh": (1, 1), "bias_ih": (2, 0), "bias_hh": (3, 0)}
PARAMETER_TAGS.update({"gain_ih": (4, 1), "gain_hh": (5, 1), "gain_c": (6, 1), "bias_c": (7, 0)})

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
            if name.startswith("weight"):
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

    made["n0"] = 2 - made["n0"].abs()  # a sum of positive weights

    leaves = {"x": made["x"].requires_grad_()}
    state = None
    if case.initial_state == GIVEN:
        leaves.update((f"{letter}0", made[f"{letter}0"].requires_grad_()) for letter in cell.states)
        state = tuple(leaves[f"{letter}0"] for letter in cell.states)
        if isinstance(layer, torch.nn.RNNBase) and cell.states == "h":
            (state,) = state

    y, last = layer(made["x"], state)
    last = last if isinstance(last, tuple) else (last,)
    outputs = {"y": y, **{f"{letter}_n": part for letter, part in zip(cell.states, last, strict=True)}}
    upstream = {"y": made["dy"], **{f"{letter}_n": made[f"d{letter}n"] for letter in cell.states}}
    loss = sum((value * upstream[name]).sum() for name, value in outputs.items())

    leaves.update(layer.named_parameters())
    grads = torch.autograd.grad(loss, list(leaves.values()))

    tensors = dict(outputs)
    tensors.update((f"grad.{name}", grad) for name, grad in zip(leaves, grads, strict=True))
    description = {"case": number, "cell": cell_name, **case._asdict()}
    if not case.bidirectional:
        del description["bidirectional"]
    return description, tensors


class LossCase(NamedTuple):
    """One row of cross-entropies: N, C, whether classes have weights, PyTorch's label_smoothing."""

    rows: int
    classes: int
    weighted: bool
    smoothing: float = 0.0


LOSS_CASES = [
    LossCase(1, 2, True),
    LossCase(3, 2, True),
    LossCase(7, 5, True),
    LossCase(20, 17, True),
    LossCase(64, 3, True),
    LossCase(5, 70, True),
    LossCase(7, 5, False),
    LossCase(20, 17, False),
    LossCase(7, 5, False, 0.1),
    LossCase(20, 17, False, 0.3),
    LossCase(5, 70, False, 0.2),
]


def loss_case(number, case):
    """PyTorch's loss and its gradient by the logits; the first row counts in every case."""
    logits = fill(number, 1024, 3, (case.rows, case.classes)).requires_grad_()
    targets = (hash_words(number, 1025, case.rows) % np.uint64(case.classes + 1)).astype(np.int64)
    targets[0] %= case.classes
    weights = 1.5 + fill(number, 1026, 1, (case.classes,)) if case.weighted else None
    loss = torch.nn.CrossEntropyLoss(weights, ignore_index=case.classes, label_smoothing=case.smoothing)
    value = loss(logits, torch.from_numpy(targets))
    (grad,) = torch.autograd.grad(value, [logits])
    return {"loss": value, "grad.logits": grad}


class WithHead(torch.nn.Module):
    """A GRU under an affine head."""

    def __init__(self):
        super().__init__()
        self.gru = torch.nn.GRU(3, 5)
        self.fc = torch.nn.Linear(5, 2)

    def forward(self, x):
        return self.fc(self.gru(x)[0])


def write_state_dict(folder):
    """Writes a module's state dict as users do, and what the module gives."""
    model = WithHead()
    x = fill(0, 1, 1, (9, 3)).float()
    with torch.no_grad():
        for place, parameter in enumerate(model.parameters()):
            parameter.copy_(fill(0, 512 + place, 0, tuple(parameter.shape)))
        runs = {"x": x, "y": model(x)}
        save_torch_file(model.state_dict(), folder / "state_dict.safetensors")
        model = model.half()
        save_torch_file(model.state_dict(), folder / "state_dict_f16.safetensors")
        runs["y_f16"] = model.float()(x)
    save_torch_file(runs, folder / "state_dict_runs.safetensors")
    print("state_dict: 3 files")


def write_cases(name, cases):
    """Writes the descriptions and tensors of all cases of a file."""
    tensors = {}
    for number, (_, values) in enumerate(cases):
        for tensor, value in values.items():
            tensors[f"{number:02}.{tensor}"] = value.detach().contiguous().numpy()
    path = Path(__file__).parent / f"{name}.safetensors"
    descriptions = [description for description, _ in cases]
    metadata = {"cases": json.dumps(descriptions, sort_keys=True, separators=(",", ":"))}
    save_file(dict(sorted(tensors.items())), path, metadata)
    print(f"{path.name}: {len(cases)} cases, {len(tensors)} tensors, {path.stat().st_size} bytes")


def main():
    version = torch.__version__.split("+")[0]
    if version != TORCH_VERSION:
        raise SystemExit(f"torch is {version}, these fixtures are made with {TORCH_VERSION} (requirements.txt)")
    for (case, tag, index), want in KNOWN_HASHES.items():
        got = int(hash_words(case, tag, index + 1)[index])
        if got != want:
            raise SystemExit(f"hash({case}, {tag}, {index}) is {got:#018x}, expected {want:#018x}")
    torch.set_num_threads(1)

    known = [*CASES, "cross_entropy", "state_dict"]
    asked = sys.argv[1:] or known
    if unknown := [name for name in asked if name not in known]:
        raise SystemExit(f"no fixture is called {' or '.join(unknown)}, expected {', '.join(known)}")
    if "state_dict" in asked:
        write_state_dict(Path(__file__).parent)
    if "cross_entropy" in asked:
        cases = enumerate(LOSS_CASES)
        write_cases("cross_entropy", [({"case": n, **case._asdict()}, loss_case(n, case)) for n, case in cases])
    for cell_name in (name for name in asked if name in CASES):
        write_cases(cell_name, [run_case(number, cell_name, case) for number, case in enumerate(CASES[cell_name])])


if __name__ == "__main__":
    main()
