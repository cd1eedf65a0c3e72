"""A PyTorch network of signals on the recordings of the example diode_clipper, trained as `elman train --task signal` trains:
the same sizes, segments, warm-up, loss, optimizer and schedule.

Prints the error-to-signal ratio of the test part, plain, and the minutes. Run: python bench/peers/pytorch/recordings.py FOLDER [--hidden N]
[--steps N] [--threads N]. Reads WAV of 32-bit floats, as the example writes them.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from scipy.io import wavfile


class Network(torch.nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.rnn = torch.nn.LSTM(1, hidden)
        self.decoder = torch.nn.Linear(hidden, 1)

    def forward(self, x, state=None):
        y, state = self.rnn(x, state)
        return self.decoder(y), state


def loss_of(y, target, a=0.85):
    error = y - target
    filtered = error[1:] - a * error[:-1]
    signal = target[1:] - a * target[:-1]
    ratio = (filtered ** 2).sum() / (signal ** 2).sum().clamp(min=1e-5 * signal.numel())
    mean = (error.mean(0) ** 2).mean() / (target ** 2).mean().clamp(min=1e-5)
    return ratio + mean


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hidden", type=int, default=40)
    parser.add_argument("--steps", type=int, default=970)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    x, y = (torch.from_numpy(wavfile.read(args.folder / f"{name}.wav")[1]) for name in ["input", "target"])
    samples = len(x)
    train, test = int(samples * 0.8), int(samples * 0.9)
    batch, window, windows, settle, rate = 32, 2048, 10, 1024, 5e-3
    network = Network(args.hidden)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    draws = np.random.default_rng(args.seed)
    begun, state = time.time(), None
    for step in range(args.steps):
        if step % windows == 0:
            starts = draws.integers(settle, train - window * windows, batch)
            cut = lambda first, length: tuple(
                torch.stack([z[s + first:s + first + length] for s in starts], 1).unsqueeze(2) for z in (x, y))
            with torch.no_grad():
                _, state = network(cut(-settle, settle)[0])
        inputs, targets = cut(step % windows * window, window)
        out, state = network(inputs, tuple(part.detach() for part in state))
        loss = loss_of(out, targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        optimizer.step()
        if (step + 1) % 97 == 0:
            print(f"step {step + 1}: loss {loss.item():.4f}, {(time.time() - begun) / 60:.2f} min", flush=True)
    minutes = (time.time() - begun) / 60
    with torch.no_grad():
        error = energy = 0.0
        state = None
        for first in range(0, samples, 1 << 16):
            out, state = network(x[first:first + (1 << 16)].view(-1, 1, 1), state)
            truth = y[first:first + (1 << 16)]
            part = slice(max(0, test - first), None)
            difference = (out.view(-1) - truth)[part].double()
            error += (difference ** 2).sum().item()
            energy += (truth[part].double() ** 2).sum().item()
    print(f"LSTM 1x{args.hidden}: test ESR {error / energy:.5f} after {args.steps} steps in {minutes:.2f} minutes")


main()
