"""PyTorch's side of the comparison: the same rows, weights and data, in its ordinary ways.

    runner.py ROW.json DATA.safetensors    then a JSON object a line on stdin, as elman's side answers them

Ways to train: eager; bf16 (autocast); compile (torch.compile). Optimizers are fused, gradients set to None.
Ways to sample: module (nn.LSTM), plain (the same with oneDNN off), cell (nn.LSTMCell).
"""

import json
import resource
import sys
import time
import warnings

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

TOGETHER = 32  # steps of sampling that are timed together
CHECKED_STEPS = 6


class Model(nn.Module):
    def __init__(self, row):
        super().__init__()
        self.row = row
        width = row["embed"] or row["vocab"]
        if row["embed"]:
            self.encoder = nn.Embedding(row["vocab"], row["embed"])
        make = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[row["cell"]]
        self.rnn = make(width, row["hidden"], row["layers"])
        self.decoder = nn.Linear(row["hidden"], row["vocab"])

    def read(self, tokens):
        return self.encoder(tokens) if self.row["embed"] else F.one_hot(tokens, self.row["vocab"]).float()

    def forward(self, tokens, state=None):
        y, state = self.rnn(self.read(tokens), state)
        return self.decoder(y), state


def weights_of(data):
    return {name: tensor for name, tensor in data.items() if name not in ("inputs", "targets")}


class Training:
    def __init__(self, row, data, way):
        self.row, self.way = row, way
        self.model = Model(row)
        self.model.load_state_dict(weights_of(data))
        shape = (row["seq_len"], row["batch"])
        self.inputs, self.targets = data["inputs"].view(shape), data["targets"].view(-1)
        make = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "adagrad": torch.optim.Adagrad}[row["optimizer"]]
        self.optimizer = make(self.model.parameters(), lr=row["lr"], fused=True)
        self.run = torch.compile(self.model) if way == "compile" else self.model

    def loss(self):
        logits, _ = self.run(self.inputs)
        return F.cross_entropy(logits.view(-1, self.row["vocab"]), self.targets)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        if self.way == "bf16":
            with torch.autocast("cpu", torch.bfloat16):
                loss = self.loss()
        else:
            loss = self.loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.row["clip"])
        self.optimizer.step()
        return loss.item()

    def check(self):
        return [self.step() for _ in range(CHECKED_STEPS)]


class Sampling:
    def __init__(self, row, data, way):
        self.row, self.way, self.data = row, way, data
        self.model = Model(row).eval()
        self.model.load_state_dict(weights_of(data))
        self.tokens = torch.arange(row["streams"]) % row["vocab"]
        if way == "cell":
            self.cells = []
            for layer in range(row["layers"]):
                cell = nn.LSTMCell(row["vocab"] if layer == 0 else row["hidden"], row["hidden"])
                names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                cell.load_state_dict({name: data[f"rnn.{name}_l{layer}"] for name in names})
                self.cells.append(cell.eval())
            zeros = torch.zeros(row["streams"], row["hidden"])
            self.state = [(zeros, zeros) for _ in self.cells]
        else:
            self.state = None

    def logits(self, tokens):
        if self.way == "cell":
            x = self.model.read(tokens)
            for layer, cell in enumerate(self.cells):
                self.state[layer] = cell(x, self.state[layer])
                x = self.state[layer][0]
            return self.model.decoder(x)
        with torch.backends.mkldnn.flags(enabled=self.way != "plain"):
            logits, self.state = self.model(tokens.unsqueeze(0), self.state)
        return logits[0]

    def step(self):
        self.tokens = self.logits(self.tokens).argmax(1)

    def check(self):
        nats = 0.0
        for token, target in zip(self.data["inputs"], self.data["targets"]):
            logits = self.logits(token.expand(self.row["streams"]))[0].double()
            nats += F.cross_entropy(logits, target).item()
        return [nats / len(self.data["inputs"])]


def main():
    warnings.filterwarnings("ignore")  # of GPUs, where oneDNN is switched
    with open(sys.argv[1]) as file:
        row = json.load(file)
    data = load_file(sys.argv[2])
    train = row["kind"] == "train"
    together = 1 if train else TOGETHER
    work = None
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "prepare":
            torch.set_num_threads(asked["threads"])
            with torch.inference_mode(not train):
                work = (Training if train else Sampling)(row, data, asked["way"])
                answer = {"losses": work.check(), "threads": asked["threads"], "version": torch.__version__}
        elif asked["do"] == "time":
            ms = []
            with torch.inference_mode(not train):
                for _ in range(-(-asked["steps"] // together)):
                    start = time.perf_counter()
                    for _ in range(together):
                        work.step()
                    ms.append((time.perf_counter() - start) * 1e3 / together)
            answer = {"ms": ms}
        else:
            answer = {"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        print(json.dumps(answer), flush=True)


main()
