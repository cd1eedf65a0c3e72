"""A PyTorch network of numbers on a data set of the UEA and UCR archives, trained as `elman train --task regress` trains: the
same sizes, batches, loss, optimizer, schedule and choice of the best model.

The data set, named before anything was measured, is Covid3Month of the PyPI package aeon 1.6.0 (aeon/datasets/data/Covid3Month).
Run: python bench/peers/pytorch/archive.py FOLDER [--hidden N] [--epochs N] [--seeds N]; FOLDER has Covid3Month_TRAIN.ts and
Covid3Month_TEST.ts. Prints RMSE of the test part and seconds of training for each seed.
"""

import argparse
import hashlib
import math
import statistics
import time
from pathlib import Path

import numpy as np
import torch

HASHES = {"TRAIN": "8a58e6186143714d47dfeb2a24e954ef1fb5e7a1d72344b6bb9bbce10ccdfd6f",
          "TEST": "5bf6d4ce5cce67735f0893673221c86f10effe284cf4555a162060329b388bea"}


def read(folder, part):
    data = (folder / f"Covid3Month_{part}.ts").read_bytes()
    if hashlib.sha256(data).hexdigest() != HASHES[part]:
        raise SystemExit(f"Covid3Month_{part}.ts is another file than the one that was named")
    rows = data.decode().split("@data\n")[1].strip().splitlines()
    pairs = [row.rsplit(":", 1) for row in rows]
    x = np.array([[float(v) for v in values.split(",")] for values, _ in pairs], dtype=np.float32)
    return x, np.array([float(y) for _, y in pairs], dtype=np.float32)


class Network(torch.nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.rnn = torch.nn.LSTM(1, hidden, bidirectional=True)
        self.dropout = torch.nn.Dropout(0.1)
        self.decoder = torch.nn.Linear(2 * hidden, 1)

    def forward(self, x):
        _, (h, _) = self.rnn(x)
        return self.decoder(self.dropout(torch.cat([h[0], h[1]], 1))).squeeze(1)


def train(x, y, hidden, epochs, seed):
    torch.manual_seed(seed)
    draws = np.random.default_rng(seed)
    order = draws.permutation(len(x))
    held, used = order[:round(0.1 * len(x))], order[round(0.1 * len(x)):]
    scale = [x[used].mean(), x[used].std(), y[used].mean(), y[used].std()]
    inputs = torch.from_numpy((x - scale[0]) / scale[1]).T.unsqueeze(2)
    targets = torch.from_numpy((y - scale[2]) / scale[3])
    network = Network(hidden)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    batches = math.ceil(len(used) / 32)
    steps, best, step, begun = epochs * batches, (math.inf, None), 0, time.time()
    for _ in range(epochs):
        shuffled = draws.permutation(used)
        for at in range(batches):
            places = shuffled[32 * at:32 * at + 32]
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = 3e-3 * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
            loss = ((network(inputs[:, places]) - targets[places]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        network.eval()
        with torch.no_grad():
            of_held = ((network(inputs[:, held]) - targets[held]) ** 2).mean().item()
        network.train()
        if of_held < best[0]:
            best = (of_held, {name: value.clone() for name, value in network.state_dict().items()})
    seconds = time.time() - begun
    network.load_state_dict(best[1])
    network.eval()
    return network, scale, seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(2)
    (x, y), (test_x, test_y) = read(args.folder, "TRAIN"), read(args.folder, "TEST")
    errors, times = [], []
    for seed in range(1, args.seeds + 1):
        network, scale, seconds = train(x, y, args.hidden, args.epochs, seed)
        with torch.no_grad():
            told = network(torch.from_numpy((test_x - scale[0]) / scale[1]).T.unsqueeze(2)).numpy()
        errors.append(float(np.sqrt(np.mean((told * scale[3] + scale[2] - test_y) ** 2))))
        times.append(seconds)
        print(f"seed {seed}: RMSE {errors[-1]:.6f}, {seconds:.2f} s", flush=True)
    print(f"median RMSE {statistics.median(errors):.6f}, median {statistics.median(times):.2f} s")


main()
