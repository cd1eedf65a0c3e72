#!/usr/bin/env python3
"""Elman against PyTorch, candle and burn: the same rows, weights and data, interleaved, as a table of ratios.

    python3 bench/peers/compare.py [--rows WORDS] [--threads N] [--avx2] [--compile] [--peers ...] [--json FILE]

The script installs what it needs under bench/peers/.work: cargo target directories, and a virtual environment with
PyTorch, unless the environment variable PYTHON names a python that has torch and safetensors. It changes no other files.

For every row: the losses of both sides are compared first, and a row that differs is not timed. For PyTorch, a
short trial selects the fastest of its usual variants (1 or all threads; for sampling nn.LSTM, nn.LSTM without oneDNN,
nn.LSTMCell). Then new processes alternate, A B A B; the waiting one is stopped, so that its idle threads take no time from
the other. A ratio is the peer's time divided by elman's: above 1 elman is faster.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"
LOSS = {"f32": 1e-4, "bf16": 0.05, "int8": 0.05}  # largest difference of the losses of the first steps, in nats
TRIAL_SECONDS, BURST_SECONDS = 0.5, 0.7


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def build(peer):
    """The peer's program, built in a folder of its own."""
    target = WORK / peer
    environment = dict(os.environ)
    if peer != "elman":  # candle and burn choose their instructions when they are compiled
        environment["RUSTFLAGS"] = "-C target-cpu=native"
    command = ["cargo", "build", "--release", "--quiet", "--target-dir", str(target)]
    subprocess.run(command, cwd=HERE / peer, check=True, env=environment)
    return [str(target / "release" / f"peer-{peer}")]


def python():
    """A python with torch and safetensors."""
    if os.environ.get("PYTHON"):
        return os.environ["PYTHON"]
    there = WORK / "venv" / "bin" / "python"
    if not there.exists():
        subprocess.run([sys.executable, "-m", "venv", str(WORK / "venv")], check=True)
        subprocess.run([str(there), "-m", "pip", "install", "--quiet", "torch", "safetensors", "numpy"], check=True)
    return str(there)


class Side:
    """A process that prepares and times one row. It is stopped while nobody waits for its answer."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        self.process.send_signal(signal.SIGSTOP)

    def ask(self, **what):
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(what) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(f"{self.process.args[0]} gave no answer to {what}")
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(answer)

    def steps(self, seconds):
        """Steps that take about so long: found by a few, which also warm up."""
        start = time.perf_counter()
        count, spent = 0, 0.0
        while spent < seconds / 4:
            count += max(1, count)
            self.ask(do="time", steps=max(1, count))
            spent = time.perf_counter() - start
        ms = statistics.median(self.ask(do="time", steps=max(1, count))["ms"])
        return max(1, round(seconds * 1e3 / ms)), ms

    def end(self):
        try:
            self.process.send_signal(signal.SIGCONT)
            self.process.stdin.close()
            self.process.wait(timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def best_way(open_side, ways, threads):
    """The fastest of the ways and numbers of threads, by a short trial."""
    trials, side = [], open_side()
    for way in ways:
        for count in sorted({1, threads}):
            try:
                side.ask(do="prepare", way=way, threads=count)
                _, ms = side.steps(TRIAL_SECONDS)
                trials.append((ms, way, count))
            except RuntimeError as error:
                say(f"  {way}: {error}")
                side.end()
                side = open_side()
    side.end()
    if not trials:
        raise RuntimeError(f"no way worked: {', '.join(ways)}")
    return min(trials)[1:]


def differing(ours, theirs, limit):
    """Why two lists of losses are not the same work, or None. Training drifts apart by rounding: its first loss is held
    to the limit, the others to ten times that."""
    for step, (a, b) in enumerate(zip(ours, theirs)):
        if abs(a - b) > limit * (1 if step == 0 else 10):
            return f"loss {step} is {a:.6f} here and {b:.6f} there"
    return None


def turns(ours, theirs, rounds, threads):
    """Times by step of both sides, burst by burst in turns, and the peak at those moments: a machine's rate changes from
    second to second, so times and peak are medians of the same seconds."""
    (mine, _), (other, _) = ours.steps(BURST_SECONDS), theirs.steps(BURST_SECONDS)
    a, b, peaks = [], [], []
    for _ in range(rounds):
        a += ours.ask(do="time", steps=mine)["ms"]
        peaks.append(ours.ask(do="peak", threads=threads)["flops"])
        b += theirs.ask(do="time", steps=other)["ms"]
    return a, b, statistics.median(peaks)


def compared(row, peer, open_ours, open_theirs, ways, args, known):
    """One row against one peer. `known` keeps the best ways: narrow weights of ours change nothing there."""
    work = json.dumps([peer, ways, {key: row[key] for key in row if key not in ("name", "weights")}])
    if work not in known:
        known[work] = best_way(open_theirs, ways, args.threads)
    way, threads = known[work]
    ours, theirs = open_ours(), open_theirs()
    try:
        mine = ours.ask(do="prepare", threads=args.threads)
        other = theirs.ask(do="prepare", way=way, threads=threads)
        limit = 0.05 if way == "bf16" else LOSS[row.get("weights", "f32")]
        why_not = differing(mine["losses"], other["losses"], limit)
        result = {"row": row["name"], "peer": peer, "way": way, "threads": threads, "our_threads": mine["threads"]}
        result |= {"our_losses": mine["losses"], "losses": other["losses"]}
        if why_not:
            return result | {"refused": why_not}
        a, b, peak = turns(ours, theirs, args.rounds, mine["threads"])
        reading = ours.ask(do="reading", threads=mine["threads"])
        ours_ms, theirs_ms = statistics.median(a), statistics.median(b)
        result |= {
            "our_ms": ours_ms, "our_ms_min": min(a), "ms": theirs_ms, "ms_min": min(b),
            "ratio": theirs_ms / ours_ms, "ratio_min": min(b) / min(a),
            "our_tokens_per_sec": row["tokens"] / ours_ms * 1e3, "tokens_per_sec": row["tokens"] / theirs_ms * 1e3,
            "peak_gflops": peak / 1e9,
            "our_share": row["flops"] / ours_ms * 1e3 / peak,
            "share": row["flops_with_one_hot"] / theirs_ms * 1e3 / peak,
        }
        if reading["bytes"]:
            result["our_bandwidth_share"] = reading["weights"] / ours_ms * 1e3 / reading["bytes"]
        return result | {"our_mb": ours.ask(do="memory")["mb"], "mb": theirs.ask(do="memory")["mb"]}
    finally:
        ours.end()
        theirs.end()


def ways_of(row, peer, args):
    """What is compared with a row: (column, ways)."""
    if peer != "pytorch":
        return [(peer, ["eager"])]
    if row["kind"] == "sample":
        return [("PyTorch", ["module", "plain", "cell"])]
    if row["dtype"] == "bf16":
        return [("PyTorch bf16", ["bf16"])]
    return [("PyTorch", ["eager"])] + ([("PyTorch compiled", ["compile"])] if args.compile else [])


def serves(row, peer):
    """Whether a peer has the row's work: PyTorch has modules for three cells; candle and burn train stacks of one-directional
    LSTMs here."""
    if peer == "pytorch":
        return row["cell"] in ("lstm", "gru", "rnn")
    return row["kind"] == "train" and row["dtype"] == "f32" and row["cell"] == "lstm" and row["optimizer"] == "adam"


def line(r):
    if "refused" in r:
        return f"| {r['row']} | {r['column']} | | | | | | {r['refused']} | |"
    share = f"{100 * r['our_share']:.0f} % / {100 * r['share']:.0f} %"
    if "our_bandwidth_share" in r:
        share = f"bandwidth {100 * r['our_bandwidth_share']:.0f} %"
    return (
        f"| {r['row']} | {r['column']}: {r['way']}, {r['threads']} thr | {r['our_ms']:.4g} ({r['our_ms_min']:.4g}) | "
        f"{r['ms']:.4g} ({r['ms_min']:.4g}) | {'**' if r['ratio'] >= 1 else ''}{r['ratio']:.2f}"
        f"{'**' if r['ratio'] >= 1 else ' (behind)'} | {r['ratio_min']:.2f} | {share} | "
        f"{abs(r['our_losses'][0] - r['losses'][0]):.0e} | {r['our_mb']:.0f} / {r['mb']:.0f} |"
    )


HEAD = (
    "| row | peer | ours, ms (min) | theirs, ms (min) | ratio | of minima | share of peak, ours / theirs "
    "| loss differs by | peak MB, ours / theirs |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="only rows whose name holds one of these words, by commas")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of both sides (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--peers", default="pytorch,candle,burn", help="which, by commas")
    parser.add_argument("--avx2", action="store_true", help="hold elman and PyTorch to AVX2")
    parser.add_argument("--compile", action="store_true", help="torch.compile as one more column")
    parser.add_argument("--json", metavar="FILE", help="write everything measured there")
    args = parser.parse_args()
    words = [word for word in args.rows.split(",") if word]
    peers = args.peers.split(",")
    if args.avx2:
        peers = ["pytorch"]
    WORK.mkdir(exist_ok=True)
    program = build("elman")
    here = {"ELMAN_BACKEND": "avx2"} if args.avx2 else {}
    there = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"} if args.avx2 else {}
    # Their thread pools: as many as there may be, so that a number of threads can be asked for later.
    there |= {"OMP_NUM_THREADS": str(args.threads), "RAYON_NUM_THREADS": str(args.threads)}
    programs = {}
    for peer in peers:
        say(f"making {peer} ready")
        programs[peer] = [python(), str(HERE / "pytorch" / "runner.py")] if peer == "pytorch" else build(peer)
    rows = json.loads(subprocess.run(program + ["list"], check=True, capture_output=True, text=True).stdout)
    results, known = [], {}
    print(HEAD, flush=True)
    for row in rows:
        if words and not any(word in row["name"] for word in words):
            continue
        if args.avx2 and row["dtype"] == "bf16":
            say(f"{row['name']}: not with AVX2, which has no products of bfloat16")
            continue
        files = [WORK / "row.json", WORK / "row.safetensors"]
        files[0].write_text(json.dumps(row))
        subprocess.run(program + ["export", row["name"], str(files[1])], check=True)
        for peer in peers:
            if not serves(row, peer):
                continue
            for column, ways in ways_of(row, peer, args):
                say(f"{row['name']} against {column}")
                command = programs[peer] + [str(file) for file in files]
                try:
                    result = compared(
                        row, peer,
                        lambda: Side(program + ["serve", row["name"]], here), lambda: Side(command, there), ways, args,
                        known,
                    )
                except RuntimeError as error:
                    result = {"row": row["name"], "peer": peer, "refused": f"not timed: {error}"}
                results.append(result | {"column": column})
                print(line(results[-1]), flush=True)
                if args.json:
                    report = {"threads": args.threads, "avx2": args.avx2, "results": results}
                    Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


main()
