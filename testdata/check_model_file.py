"""Reads a language model's file into PyTorch's own modules, by name, and measures its loss on a text.

    python testdata/check_model_file.py MODEL.safetensors TEXT [--json]

Holds a reader that shares no code with elman: where its loss agrees with `elman eval`, the names, the
shapes, the gate order and the vocabulary in the file mean what PyTorch takes them to mean. Refuses (exit
code 1) a file with a name missing or too many, a wrong shape or type, an unknown cell, another
tokenizer than `char`, and a text with a character outside the vocabulary. Wrong usage gives exit code 2.

The file's metadata key `elman` is a JSON object. Used here: config.hidden_size and config.num_layers or, where it is
there, config.hidden_sizes; config.embed (0 means one-hot), config.tied, config.initial_state, config.cell
(`lstm`, `gru`, `rnn`, `rnn-relu`), config.dtype (`f32`, also where it is not there, or `f64`), and tokenizer
{"kind": "char", "vocab": [...]}, the strings in id order. Tensors, all of that type:

    encoder.weight [V, E]                              only where embed > 0
    rnn.weight_ih_l{k}, rnn.weight_hh_l{k}, rnn.bias_ih_l{k}, rnn.bias_hh_l{k}
    rnn.initial_h_l{k}, rnn.initial_c_l{k} [1, H]      only where the initial state is learned; c for LSTM only
    decoder.weight [V, H]                              not where tied: the encoder's then
    decoder.bias [V]

Layers of one width are one module of PyTorch's, under these very names. Layers of several widths are a module each,
the k-th with the names of layer k.

The text is one stream from the initial state: n - 1 predictions for n tokens. With --json, stdout is one object:

    loss       mean nats per predicted token, computed in the file's type (the sum over tokens is f64)
    loss_f64   the same with weights and computation in f64
    tokens     n
"""

import argparse
import json
import sys
from functools import partial

import torch
from safetensors import SafetensorError, safe_open
from torch.nn import functional

CHUNK_STEPS = 4096  # steps run at once; the state is carried, so it changes memory and not the result


class Refused(Exception):
    """The file or the text is not what this reader accepts; the message says why."""


class LanguageModel(torch.nn.Module):
    """An optional embedding, the recurrent layers and nn.Linear, under the names of the file."""

    def __init__(self, rnn, vocab_size, embed, widths, tied, learned):
        super().__init__()
        self.vocab_size, self.tied, self.learned = vocab_size, tied, learned
        self.encoder = torch.nn.Embedding(vocab_size, embed) if embed > 0 else None
        inputs = [embed or vocab_size, *widths]
        alike = len(set(widths)) == 1
        stacks = [(inputs[0], widths[0], len(widths))] if alike else [(i, h, 1) for i, h in zip(inputs, widths)]
        self.rnns = torch.nn.ModuleList([rnn(*stack) for stack in stacks])
        parts = ("h", "c") if rnn is torch.nn.LSTM else ("h",)
        names = [f"initial_{part}_l{k}" for part in parts for k in range(len(widths))] if learned else []
        self.initial = torch.nn.ParameterDict({name: torch.zeros(1, widths[int(name[11:])]) for name in names})
        self.decoder = torch.nn.Linear(widths[-1], vocab_size)
        if tied:
            self.decoder.weight = self.encoder.weight

    def names_in_file(self):
        """The file's name of each parameter, by its name here."""
        names = {name: name for name in self.state_dict() if name.startswith(("encoder.", "decoder."))}
        if self.tied:
            del names["decoder.weight"]
        for k, rnn in enumerate(self.rnns):
            for name in rnn.state_dict():
                names[f"rnns.{k}.{name}"] = f"rnn.{name}" if len(self.rnns) == 1 else f"rnn.{name[:-1]}{k}"
        names.update({f"initial.{name}": f"rnn.{name}" for name in self.initial})
        return names

    def begin(self):
        """The initial state of each module: None for zero."""
        if not self.learned:
            return [None] * len(self.rnns)
        states, first = [], 0
        for rnn in self.rnns:
            layers = range(first, first + rnn.num_layers)
            first += rnn.num_layers
            parts = [
                torch.stack([self.initial[f"initial_{part}_l{k}"] for k in layers])
                for part in ("h", "c")
                if f"initial_{part}_l0" in self.initial
            ]
            states.append(tuple(parts) if len(parts) == 2 else parts[0])
        return states

    def forward(self, ids, states):
        """ids [T] -> logits [T, V] and the states after step T."""
        if self.encoder is None:
            x = functional.one_hot(ids, self.vocab_size).to(self.decoder.weight.dtype)
        else:
            x = self.encoder(ids)
        y, after = x.unsqueeze(1), []
        for rnn, state in zip(self.rnns, states):
            y, state = rnn(y, state)
            after.append(state)
        return self.decoder(y.squeeze(1)), after


def read_file(path):
    """The `elman` object and the tensors by name."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise Refused(f"{path} cannot be read: {error}") from error
    if "elman" not in metadata:
        raise Refused(f"metadata has the keys {sorted(metadata)}, expected `elman` ({path})")
    try:
        return json.loads(metadata["elman"]), tensors
    except json.JSONDecodeError as error:
        raise Refused(f"metadata key `elman` is not JSON: {error} ({path})") from error


def size_of(config, key, least):
    """A whole number of the config, at least `least`."""
    value = config.get(key)
    if type(value) is not int or value < least:
        raise Refused(f"config.{key} is {value!r}, expected a whole number of at least {least}")
    return value


def read_vocab(about):
    """The list of characters in id order."""
    tokenizer = about.get("tokenizer")
    if not isinstance(tokenizer, dict) or tokenizer.get("kind") != "char":
        raise Refused(f"tokenizer is {str(tokenizer)[:80]}, expected an object with kind `char`")
    vocab = tokenizer.get("vocab")
    if not isinstance(vocab, list) or not vocab or not all(isinstance(entry, str) for entry in vocab):
        raise Refused("tokenizer.vocab is not a list of strings with at least one entry")
    if len(set(vocab)) != len(vocab):
        raise Refused(f"tokenizer.vocab repeats entries: {len(vocab)} in all, {len(set(vocab))} that differ")
    return vocab


def build_model(about, tensors, vocab_size):
    """The model with the file's weights; every name, shape and type must be the expected one."""
    config = about.get("config")
    if not isinstance(config, dict):
        raise Refused("metadata key `elman` has no object `config`")
    cell = config.get("cell", "lstm")
    relu = partial(torch.nn.RNN, nonlinearity="relu")
    modules = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN, "rnn-relu": relu}
    if cell == "gru-reset-before":
        reason = "it resets before the recurrent product, torch.nn.GRU after it: no weights make them equal"
        raise Refused(f"config.cell is 'gru-reset-before', which PyTorch has no module for: {reason}")
    if cell not in modules:
        raise Refused(f"config.cell is {cell!r}, expected one of {sorted(modules)}")
    model = LanguageModel(
        modules[cell],
        vocab_size,
        size_of(config, "embed", 0),
        config.get("hidden_sizes") or [size_of(config, "hidden_size", 1)] * size_of(config, "num_layers", 1),
        config.get("tied", False),
        config.get("initial_state", "zero") == "learned",
    )
    types = {"f32": torch.float32, "f64": torch.float64}
    if config.get("dtype", "f32") not in types:
        raise Refused(f"config.dtype is {config['dtype']!r}, expected one of {sorted(types)}")
    model = model.to(types[config.get("dtype", "f32")])
    names, parameters = model.names_in_file(), model.state_dict()
    expected = {in_file: parameters[name] for name, in_file in names.items()}
    missing = sorted(expected.keys() - tensors.keys())
    extra = sorted(tensors.keys() - expected.keys())
    if missing or extra:
        raise Refused(f"tensor names differ: missing {missing or 'none'}, extra {extra or 'none'}")
    for name, want in expected.items():
        got = tensors[name]
        if got.shape != want.shape:
            raise Refused(f"{name} has shape {list(got.shape)}, expected {list(want.shape)}")
        if got.dtype != want.dtype:
            raise Refused(f"{name} has type {got.dtype}, expected {want.dtype}")
    values = {name: tensors[in_file] for name, in_file in names.items()}
    if model.tied:
        values["decoder.weight"] = values["encoder.weight"]
    model.load_state_dict(values, strict=True)
    return model.eval()


def read_ids(path, vocab):
    """The text as token ids, one for each Unicode scalar value."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}") from error
    ids = {entry: number for number, entry in enumerate(vocab)}
    for place, character in enumerate(text):
        if character not in ids:
            raise Refused(f"character {character!r} at position {place} is outside the vocabulary ({path})")
    if len(text) < 2:
        raise Refused(f"text has {len(text)} tokens, expected at least 2 ({path})")
    return torch.tensor([ids[character] for character in text])


@torch.inference_mode()
def mean_loss(model, ids):
    """Mean nats per predicted token, in the model's own type."""
    total, state = 0.0, model.begin()
    for start in range(0, len(ids) - 1, CHUNK_STEPS):
        targets = ids[start + 1 : start + 1 + CHUNK_STEPS]
        logits, state = model(ids[start : start + len(targets)], state)
        total += functional.cross_entropy(logits, targets, reduction="none").double().sum().item()
    return total / (len(ids) - 1)


def main():
    parser = argparse.ArgumentParser(description="Loss of an elman model file on a text, computed by PyTorch.")
    parser.add_argument("model", metavar="MODEL.safetensors")
    parser.add_argument("text", metavar="TEXT")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    try:
        about, tensors = read_file(arguments.model)
        if not isinstance(about, dict):
            raise Refused("metadata key `elman` is not a JSON object")
        vocab = read_vocab(about)
        model = build_model(about, tensors, len(vocab))
        ids = read_ids(arguments.text, vocab)
        loss = mean_loss(model, ids)
        loss_f64 = mean_loss(model.double(), ids)
    except Refused as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps({"loss": loss, "loss_f64": loss_f64, "tokens": len(ids)}))
    else:
        print(f"loss {loss:.6f} nats per token in the file's type, {loss_f64:.6f} in f64, {len(ids)} tokens")
    return 0


if __name__ == "__main__":
    sys.exit(main())
