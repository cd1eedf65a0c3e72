"""Recomputes the figures that elman prints from what it predicts, with scikit-learn, seqeval, sacrebleu and NumPy.

Trains a small model of each task, measures it by `elman eval --json`, predicts the same data, and compares every figure. Needs the
program, and scikit-learn, seqeval, sacrebleu, scipy and numpy. Run: python testdata/check_figures.py target/release/elman
"""

import json
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import sacrebleu
from scipy.io import wavfile
from seqeval.metrics import f1_score as span_f1, precision_score, recall_score
from sklearn import metrics

ELMAN = str(Path(sys.argv[1]).resolve())
SMALL = ["--hidden", "12", "--lr", "0.02", "--quiet"]
compared = 0


def run(*words):
    done = subprocess.run([ELMAN, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"elman {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def objects(*words):
    return [json.loads(line) for line in run(*words).splitlines()]


def same(task, name, got, want, bound=1e-9):
    global compared
    compared += 1
    if not math.isclose(got, want, rel_tol=bound, abs_tol=bound):
        sys.exit(f"{task}: {name} is {got}, recomputed {want}")


def language(folder, rng):
    text = "".join(rng.choice(["the cat ", "a dog ", "sleeps. ", "runs. "]) for _ in range(800))
    (folder / "a.txt").write_text(text)
    run("train", folder / "a.txt", "--layers", 1, "--batch", 4, "--seq-len", 16, "--steps", 40, "--out", folder / "lm", *SMALL)
    told = json.loads(run("eval", folder / "lm", folder / "a.txt", "--json"))
    tokens = objects("eval", folder / "lm", folder / "a.txt", "--per-token", "--json")
    nats = -np.mean([token["log_prob"] for token in tokens])
    same("lm", "loss", told["loss"], nats, 1e-6)
    if "ppl" in told:
        same("lm", "perplexity", told["ppl"], math.exp(nats), 1e-5)


def classify(folder, rng):
    rows = [(rng.choice("abc") + "".join(rng.choice("xyz") for _ in range(4))) for _ in range(200)]
    labels = [{"a": "left", "b": "right", "c": rng.choice(["left", "right", "up"])}[row[0]] for row in rows]
    (folder / "c.csv").write_text("text,label\n" + "".join(f"{x},{y}\n" for x, y in zip(rows, labels)))
    run("train", folder / "c.csv", "--task", "classify", "--embed", 8, "--steps", 60, "--keep-duplicates", "--out", folder / "c", *SMALL)
    told = json.loads(run("eval", folder / "c", folder / "c.csv", "--json"))
    predicted = objects("predict", folder / "c", folder / "c.csv")
    guess = [line["label"] for line in predicted]
    classes = told["classes"]
    same("classify", "accuracy", told["accuracy"], metrics.accuracy_score(labels, guess))
    same("classify", "macro F1", told["macro_f1"], metrics.f1_score(labels, guess, average="macro", labels=sorted(set(labels) | set(guess))))
    for name, function in [("precision", metrics.precision_score), ("recall", metrics.recall_score), ("f1", metrics.f1_score)]:
        want = function(labels, guess, average=None, labels=classes, zero_division=0)
        for got, value in zip(told[name], want):
            same("classify", name, got, value)
    rows = [[line["probabilities"][c] for c in classes] for line in predicted]
    same("classify", "loss", told["loss"], metrics.log_loss(labels, np.array(rows), labels=classes), 1e-6)
    if told["confusion"] != metrics.confusion_matrix(labels, guess, labels=classes).tolist():
        sys.exit("classify: another confusion matrix")


def tag(folder, rng):
    lines, truth = [], []
    for _ in range(80):
        words, tags = [], []
        for _ in range(rng.randint(2, 8)):
            if rng.random() < 0.3:
                words += [rng.choice(["Ada", "Alan"]), rng.choice(["Byron", "Turing"])]
                tags += ["B-PER", "I-PER" if rng.random() < 0.9 else "O"]
            else:
                words.append(rng.choice(["saw", "met", "Rome"]))
                tags.append("B-LOC" if words[-1] == "Rome" else "O")
        lines += [f"{w} {t}" for w, t in zip(words, tags)] + [""]
        truth.append(tags)
    (folder / "t.conll").write_text("\n".join(lines) + "\n")
    for crf in [[], ["--crf"]]:
        out = folder / f"t{len(crf)}"
        run("train", folder / "t.conll", "--task", "tag", "--embed", 8, "--steps", 20, "--out", out, *crf, *SMALL)
        told = json.loads(run("eval", out, folder / "t.conll", "--json"))
        guess = [line["labels"] for line in objects("predict", out, folder / "t.conll")]
        flat, flat_guess = sum(truth, []), sum(guess, [])
        same("tag", "accuracy", told["accuracy"], metrics.accuracy_score(flat, flat_guess))
        others = [c for c in told["classes"] if c != max(told["classes"], key=flat.count)]
        same("tag", "micro F1", told["micro_f1"], metrics.f1_score(flat, flat_guess, average="micro", labels=others))
        same("tag", "span precision", told["span_precision"], precision_score(truth, guess))
        same("tag", "span recall", told["span_recall"], recall_score(truth, guess))
        same("tag", "span F1", told["span_f1"], span_f1(truth, guess))


def regress(folder, rng):
    rows, truth = ["run,x,y,z"], []
    for r in range(80):
        level = rng.uniform(-1, 1)
        truth.append((100 * level, 3 - level))
        rows += [f"{r},{level + rng.gauss(0, 0.2)},{truth[-1][0]},{truth[-1][1]}" for _ in range(rng.randint(3, 9))]
    (folder / "r.csv").write_text("\n".join(rows) + "\n")
    truth = np.array(truth)
    run("train", folder / "r.csv", "--task", "regress", "--group", "run", "--labels", "y,z", "--output", "quantile", "--steps", 60, "--out", folder / "r", *SMALL)
    told = json.loads(run("eval", folder / "r", folder / "r.csv", "--json"))
    lines = objects("predict", folder / "r", folder / "r.csv")
    guess = np.array([[line["prediction"][name] for name in "yz"] for line in lines])
    same("regress", "MAE", told["mae"], metrics.mean_absolute_error(truth, guess))
    same("regress", "RMSE", told["rmse"], metrics.root_mean_squared_error(truth, guess))
    same("regress", "R2", told["r2"], metrics.r2_score(truth, guess))
    low, high = (np.array([[line["quantiles"][name][level] for name in "yz"] for line in lines]) for level in ["0.1", "0.9"])
    same("regress", "coverage", told["coverage"], np.mean((low <= truth) & (truth <= high)))


def multilabel(folder, rng):
    rows, truth = ["song,a,b,c"], []
    for song in range(60):
        frames = [[int(rng.random() < 0.4), int(t % 3 == 0), int(rng.random() < 0.1)] for t in range(12)]
        rows += [f"{song}," + ",".join(map(str, frame)) for frame in frames]
        truth += frames[1:]
    (folder / "m.csv").write_text("\n".join(rows) + "\n")
    run("train", folder / "m.csv", "--task", "multilabel", "--group", "song", "--labels", "a,b,c", "--features", "a,b,c", "--every-step", "--ahead", 1,
        "--steps", 60, "--out", folder / "m", *SMALL)
    told = json.loads(run("eval", folder / "m", folder / "m.csv", "--json"))
    lines = [line for line in objects("predict", folder / "m", folder / "m.csv") if line["step"] < 12]
    guess = np.array([[name in line["labels"] for name in "abc"] for line in lines])
    p = np.array([[line["probabilities"][name] for name in "abc"] for line in lines])
    truth = np.array(truth)
    for average in ["micro", "macro"]:
        same("multilabel", f"{average} F1", told[f"{average}_f1"], metrics.f1_score(truth, guess, average=average, zero_division=0))
    same("multilabel", "NLL", told["nll"], -np.mean(np.sum(truth * np.log(p) + (1 - truth) * np.log(1 - p), 1)), 1e-6)


def signal(folder, rng):
    x = np.convolve([rng.uniform(-1, 1) for _ in range(20_000)], [0.3, 0.3, 0.2], "same").astype(np.float32)
    y = np.tanh(3 * x).astype(np.float32)
    wavfile.write(folder / "x.wav", 8000, x)
    wavfile.write(folder / "y.wav", 8000, y)
    run("train", folder / "x.wav", folder / "y.wav", "--task", "signal", "--seq-len", 200, "--windows", 4, "--steps", 60, "--out", folder / "s", *SMALL)
    told = json.loads(run("eval", folder / "s", folder / "x.wav", folder / "y.wav", "--json"))
    run("predict", folder / "s", folder / "x.wav", "--out", folder / "p.wav")
    error = wavfile.read(folder / "p.wav")[1].astype(float) - y
    same("signal", "ESR", told["esr"], np.sum(error ** 2) / np.sum(y.astype(float) ** 2), 1e-6)
    filtered = [z[1:] - 0.85 * z[:-1] for z in (error, y.astype(float))]
    same("signal", "ESR after pre-emphasis", told["esr_filtered"], np.sum(filtered[0] ** 2) / np.sum(filtered[1] ** 2), 1e-6)
    same("signal", "MAE", told["mae"], np.mean(np.abs(error)), 1e-6)


def translate(folder, rng):
    nouns = {"cat": "chat", "dog": "chien", "king": "roi", "house": "toit"}
    verbs = {"sees": "voit", "loves": "aime", "wants": "veut"}
    pairs = []
    for _ in range(300):
        a, v, b = rng.choice(list(nouns)), rng.choice(list(verbs)), rng.choice(list(nouns))
        pairs.append((f"the {a} sees the {b} and {v} it", f"le {nouns[a]} voit le {nouns[b]} et le {verbs[v]}"))
    (folder / "p.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in dict.fromkeys(pairs)))
    run("train", folder / "p.tsv", "--task", "translate", "--embed", 12, "--hidden", 24, "--steps", 120, "--lr", 0.01, "--min-freq", 1, "--out", folder / "p", "--quiet")
    told = json.loads(run("eval", folder / "p", folder / "p.tsv", "--json"))
    unique = dict.fromkeys(pairs)
    (folder / "from.txt").write_text("".join(a + "\n" for a, _ in unique))
    guess = [line for line in run("predict", folder / "p", folder / "from.txt").splitlines()]
    if guess and guess[0].startswith("{"):
        guess = [json.loads(line)["text"] for line in guess]
    want = sacrebleu.corpus_bleu(guess, [[b for _, b in unique]], tokenize="none").score
    same("translate", "BLEU", told["bleu"], want, 1e-6)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for task in [language, classify, tag, regress, multilabel, signal, translate]:
            before = compared
            task(Path(folder), random.Random(1))
            print(f"{task.__name__}: {compared - before} figures are the same")


main()
