"""Writes distributions.json: losses, gradients and quantiles of distributions and points.

Holds their formulas in the plainest form, evaluated with 60 digits by mpmath; gradients are its derivatives. Quantiles of counts
are scipy's, those of Student's t mpmath's roots of the distribution function. Not here: draws, which the tests compare with
means and covariances.

Made with the versions of requirements.txt. Run: python testdata/make_distributions.py

A case of "losses" has output, levels, raw (one row), targets, units, loss and grad, all as f64; a target of null is missing. A
case of "quantiles" has output, raw, unit, and pairs of level and quantile. A case of "functions" has name, arguments and value.
"""

import json
import math
from pathlib import Path

import mpmath as mp
from scipy import stats

mp.mp.dps = 60
LEAST_SCALE, LEAST_MEAN, LEAST_DISPERSION = mp.mpf(1e-4), mp.mpf(1e-6), mp.mpf(1e-8)
LEVELS = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999]


def softplus(x):
    return mp.log1p(mp.exp(x)) if x < 100 else x + mp.log1p(mp.exp(-x))


def gaussian(raw, y, unit):
    s = LEAST_SCALE + softplus(raw[1])
    return mp.log(2 * mp.pi) / 2 + mp.log(s) + ((y - raw[0]) / s) ** 2 / 2


def student(raw, y, unit):
    s, v = LEAST_SCALE + softplus(raw[1]), 2 + softplus(raw[2])
    gammas = mp.loggamma(v / 2) - mp.loggamma((v + 1) / 2)
    return gammas + mp.log(mp.pi * v) / 2 + mp.log(s) + (v + 1) / 2 * mp.log1p(((y - raw[0]) / s) ** 2 / v)


def count(y, unit):
    return max(mp.mpf(0), mp.nint(mp.mpf(y) * mp.mpf(unit)))


def poisson(raw, y, unit):
    m, k = (LEAST_MEAN + softplus(raw[0])) * unit, count(y, unit)
    return m - k * mp.log(m) + mp.loggamma(k + 1)


def negative_binomial(raw, y, unit):
    m, a, k = (LEAST_MEAN + softplus(raw[0])) * unit, LEAST_DISPERSION + softplus(raw[1]), count(y, unit)
    r = 1 / a
    gammas = mp.loggamma(r) + mp.loggamma(k + 1) - mp.loggamma(r + k)
    return gammas + r * mp.log1p(a * m) - k * mp.log(m / (r + m))


def quantile(raw, y, levels):
    return sum(level * (y - q) if y > q else (1 - level) * (q - y) for level, q in zip(map(mp.mpf, levels), raw))


def joint(raw, targets, columns):
    l = mp.zeros(columns)
    at = columns
    for i in range(columns):
        for j in range(i + 1):
            l[i, j] = raw[at] if j < i else LEAST_SCALE + softplus(raw[at])
            at += 1
    observed = [d for d in range(columns) if targets[d] is not None]
    if not observed:
        return mp.mpf(0)
    covariance = l * l.T
    part = mp.matrix([[covariance[i, j] for j in observed] for i in observed])
    r = mp.matrix([targets[d] - raw[d] for d in observed])
    return len(observed) * mp.log(2 * mp.pi) / 2 + mp.log(mp.det(part)) / 2 + (r.T * mp.inverse(part) * r)[0] / 2


def squared(raw, y, unit):
    return (y - raw[0]) ** 2


def absolute(raw, y, unit):
    return abs(y - raw[0])


def huber(raw, y, unit):
    r = abs(y - raw[0])
    return r ** 2 / 2 if r <= 1 else r - mp.mpf(1) / 2


def bernoulli(raw, y, unit):
    p = 1 / (1 + mp.exp(-raw[0]))
    return -(y * mp.log(p) + (1 - y) * mp.log(1 / (1 + mp.exp(raw[0]))))


ONE = {"gaussian": gaussian, "student": student, "poisson": poisson, "negative-binomial": negative_binomial,
       "squared": squared, "absolute": absolute, "huber": huber, "bernoulli": bernoulli}


def loss(output, levels, raw, targets, units):
    columns = len(targets)
    if output == "joint":
        return joint(raw, targets, columns)
    total = mp.mpf(0)
    for d, y in enumerate(targets):
        if y is not None:
            own = raw[d::columns]
            total += quantile(own, mp.mpf(y), levels) if output == "quantile" else ONE[output](own, mp.mpf(y), mp.mpf(units[d]))
    return total


def of_loss(output, raw, targets, units=None, levels=()):
    raw, targets = [float(x) for x in raw], [y if y is None else float(y) for y in targets]
    units = [float(u) for u in units or [1.0] * len(targets)]
    exact = [mp.mpf(x) for x in raw]

    def slope(at):
        h = mp.mpf(10) ** -20 * max(1, abs(exact[at]))
        ends = [loss(output, levels, exact[:at] + [exact[at] + step] + exact[at + 1:], targets, units) for step in (-h, h)]
        return float((ends[1] - ends[0]) / (2 * h))

    grad = [slope(at) for at in range(len(raw))]
    value = float(loss(output, levels, exact, targets, units))
    case = {"output": output, "levels": list(levels), "raw": raw, "targets": targets, "units": units}
    return case | {"loss": value, "grad": grad}


def inverse_softplus(x):
    return float(mp.log(mp.expm1(mp.mpf(x))))


def losses():
    cases = []
    for raw in [[0.3, -0.5, 0.7], [-2.0, 1.5, -3.0], [1.0, -4.0, 4.0], [0.0, 0.0, 40.0], [0.5, -30.0, 1e4], [2.0, 3.0, 1e12]]:
        for y in [-1.7, 0.25, 3.0, 40.0]:
            cases += [of_loss("gaussian", raw[:2], [y]), of_loss("student", raw, [y])]
    for mean in [0.01, 1.0, 50.0, 1e6]:
        raw = inverse_softplus(mean)
        for k in sorted({0, 1, round(mean), round(mean + 2.5 * math.sqrt(mean)), round(7 * mean)}):
            cases.append(of_loss("poisson", [raw], [k]))
            for a in [1e-5, 0.02, 1.0, 30.0]:
                cases.append(of_loss("negative-binomial", [raw, inverse_softplus(a)], [k]))
    # Units, missing targets, and counts that are not whole or below 0.
    cases.append(of_loss("poisson", [0.4, -1.0, 0.2], [0.75, None, -3.0], [4.0, 2.0, 1.0]))
    cases.append(of_loss("negative-binomial", [0.4, -1.0, 0.2, 0.1, 0.3, -2.0], [0.8, None, 3.0], [4.0, 2.0, 0.5]))
    cases.append(of_loss("gaussian", [0.4, -1.0, 0.2, 0.1], [None, 0.5]))
    cases.append(of_loss("student", [0.4, -1.0, 0.2, 0.1, 0.7, -0.7], [1.5, None]))
    for levels in [[0.5], [0.1, 0.9], [0.05, 0.1, 0.5, 0.9, 0.95]]:
        row = [(at * 5 % 7) / 4.0 - 0.8 for at in range(2 * len(levels))]
        for targets in [[0.3, -0.4], [None, 0.1], [2.0, None]]:
            cases.append(of_loss("quantile", row, targets, levels=levels))
    for columns in [1, 2, 3, 5]:
        width = columns + columns * (columns + 1) // 2
        row = [(at * 7 % 11) / 4.0 - 1.2 for at in range(width)]
        targets = [(d * 3 % 5) / 2.0 - 0.7 for d in range(columns)]
        masks = range(2 ** columns) if columns < 4 else [0b11111, 0b11010, 0b00111, 0b10000]
        for mask in masks:
            seen = [y if mask >> d & 1 else None for d, y in enumerate(targets)]
            cases.append(of_loss("joint", row, seen))
    for output in ["squared", "absolute", "huber"]:
        for raw, y in [(0.3, 0.25), (0.3, -1.7), (-2.0, 40.0), (0.5, 1.5), (1e4, -3.0)]:
            cases.append(of_loss(output, [raw], [y]))
        cases.append(of_loss(output, [0.4, -1.0, 0.2], [0.75, None, -3.0]))
    for raw in [-40.0, -2.5, 0.0, 0.3, 30.0]:
        cases += [of_loss("bernoulli", [raw], [y]) for y in [0.0, 1.0]]
    cases.append(of_loss("bernoulli", [0.4, -1.0, 0.2], [1.0, None, 0.0]))
    return cases


def student_quantile(v, level):
    def cdf(t):
        tail = mp.betainc(v / 2, mp.mpf(1) / 2, 0, v / (v + t * t), regularized=True) / 2
        return 1 - tail if t > 0 else tail

    return mp.findroot(lambda t: cdf(t) - level, mp.mpf(stats.t.ppf(float(level), float(v)))) if level != 0.5 else mp.mpf(0)


def quantiles():
    cases = []

    def add(output, raw, unit, of):
        raw = [float(x) for x in raw]
        values = [[level, float(of(level))] for level in LEVELS]
        cases.append({"output": output, "raw": raw, "unit": float(unit), "quantiles": values})

    normal = lambda level: mp.sqrt(2) * mp.erfinv(2 * mp.mpf(level) - 1)
    for raw in [[0.3, -0.5], [-2.0, 1.5]]:
        add("gaussian", raw, 1.0, lambda level: raw[0] + (LEAST_SCALE + softplus(mp.mpf(raw[1]))) * normal(level))
    for freedom in [-5.0, 0.0, 2.0, 28.0, 1000.0]:
        scale, v = LEAST_SCALE + softplus(mp.mpf(0.5)), 2 + softplus(mp.mpf(freedom))
        add("student", [-0.25, 0.5, freedom], 1.0, lambda level: -0.25 + scale * student_quantile(v, mp.mpf(level)))
    for mean in [0.01, 1.0, 50.0, 1e6]:
        for unit in [1.0, 8.0]:
            raw = inverse_softplus(mean / unit)
            m = float((LEAST_MEAN + softplus(mp.mpf(raw))) * unit)
            add("poisson", [raw], unit, lambda level: stats.poisson.ppf(level, m) / unit)
            for a in [1e-5, 0.02, 1.0, 30.0]:
                a_raw = inverse_softplus(a)
                r = float(1 / (LEAST_DISPERSION + softplus(mp.mpf(a_raw))))
                add("negative-binomial", [raw, a_raw], unit, lambda level: stats.nbinom.ppf(level, r, r / (r + m)) / unit)
    return cases


def functions():
    cases = []

    def add(name, arguments, value):
        cases.append({"name": name, "arguments": [float(x) for x in arguments], "value": float(value)})

    for a, x in [(0.5, 0.1), (3, 2.5), (1, 20), (80, 75), (400, 430), (501, 480), (501, 560), (2000, 1900), (1e6 + 1, 1e6 + 500)]:
        add("upper gamma", (a, x), mp.gammainc(a, x, mp.inf, regularized=True))
    # The two variables, the smaller one exact.
    betas = [(1, 0.5, 0.3, 0.7), (2.5, 0.5, 0.99, 0.01), (0.033, 40, 0.001, 0.999), (30, 400, 0.05, 0.95), (400, 30, 0.95, 0.05),
             (600, 700, 0.47, 0.53), (5000, 600, 0.9, 0.1), (3, 1e8, 2e-8, 1), (3, 1e8, 7e-8, 1), (1e12, 7.5, 1, 9e-12)]
    for a, b, x, y in betas:
        value = mp.betainc(a, b, 0, mp.mpf(x), regularized=True) if x < y else 1 - mp.betainc(b, a, 0, mp.mpf(y), regularized=True)
        add("incomplete beta", (a, b, x if x < y else 1 - y, y if y < x else 1 - x), value)
    for level in [1e-12, 1e-6, 0.02, 0.3, 0.5, 0.9]:
        add("normal quantile", (level,), mp.sqrt(2) * mp.erfinv(2 * mp.mpf(level) - 1))
    for v, level in [(2, 0.001), (3, 0.9), (30, 0.025), (30, 1e-12), (2e5, 0.2), (2e6, 1e-6)]:
        add("student quantile", (v, level), student_quantile(mp.mpf(v), mp.mpf(level)))
    return cases


def main():
    table = {"losses": losses(), "quantiles": quantiles(), "functions": functions()}
    parts = ",\n".join(f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, cases)) + "\n]" for name, cases in table.items())
    Path(__file__).with_name("distributions.json").write_text("{" + parts + "}\n")


main()
