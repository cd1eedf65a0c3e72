"""Writes the figures of forecasts as utilsforecast, GluonTS and NumPy compute them (forecast_figures.json), and the
forecasts of statsforecast's AutoETS (ets.json). Not here: tests (crates/elman/src/metrics)."""

import json
import math
import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np

SEASON, HORIZON = 4, 6
LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]


def draw(index):
    """A number in [-0.5, 0.5) by an exact formula."""
    return (index * 2654435761 % 2**32) / 2**32 - 0.5


def write(name, value):
    text = json.dumps(value, separators=(",", ":")).replace('{"name"', '\n{"name"')
    (Path(__file__).parent / name).write_text(text + "\n")


def cases():
    """Three series with two origins each: known values, then for each origin the truth, points and quantiles."""
    for series in range(3):
        scale = [1.0, 100.0, 0.01][series]
        value = lambda i: scale * (2 + math.sin(i) + 2 * draw(97 * series + i + 1))
        train = [value(i) for i in range(30)]
        origins = []
        for origin in range(2):
            actual = [value(30 + origin + h) for h in range(HORIZON)]
            point = [y + scale * draw(1000 * (series + 1) + 10 * origin + h) for h, y in enumerate(actual)]
            widths = [-0.4, -0.2, 0.0, 0.25, 0.3]
            quantiles = [[f + scale * width for f in point] for width in widths]
            origins.append({"actual": actual, "point": point, "quantiles": quantiles})
        yield {"name": f"series {series}", "train": train, "origins": origins}


def figures():
    import pandas as pd
    from gluonts.evaluation.metrics import quantile_loss
    from utilsforecast import losses

    known, future = [], []
    data = list(cases())
    for series in data:
        known += [{"unique_id": series["name"], "ds": t, "y": y} for t, y in enumerate(series["train"])]
        for origin in series["origins"]:
            for h, y in enumerate(origin["actual"]):
                low, high = origin["quantiles"][0][h], origin["quantiles"][-1][h]
                row = {"unique_id": series["name"], "y": y, "f": origin["point"][h]}
                future.append(row | {"f-lo-80": low, "f-hi-80": high})
    known, future = pd.DataFrame(known), pd.DataFrame(future)
    mean = lambda table: float(table["f"].mean())
    train = {"seasonality": SEASON, "train_df": known}
    each = lambda key: np.array([origin[key] for series in data for origin in series["origins"]])
    y, points, quantiles = each("actual"), each("point"), each("quantiles")
    losses_by_level = [quantile_loss(y, quantiles[:, k], level) for k, level in enumerate(LEVELS)]
    deviations = np.array([np.std(series["train"]) for series in data for _ in series["origins"]])[:, None]
    errors = (points - y) / deviations
    want = {
        "points": len(future),
        "mae": mean(losses.mae(future, ["f"])),
        "mse": mean(losses.mse(future, ["f"])),
        "rmse": float(np.sqrt(np.mean((y - points) ** 2))),
        "smape": 200 * mean(losses.smape(future, ["f"])),
        "mase": mean(losses.mase(future, ["f"], **train)),
        "rmsse": mean(losses.rmsse(future, ["f"], **train)),
        "weighted_quantile_loss": float(np.mean(losses_by_level) / np.abs(y).sum()),
        "pinball": float(np.mean(losses_by_level) / 2 / y.size),
        "coverage": mean(losses.coverage(future, ["f"], level=80)),
        "standardised_mae": float(np.abs(errors).mean()),
        "standardised_mse": float((errors**2).mean()),
        "excluded": 0,
    }
    write("forecast_figures.json", {"season": SEASON, "levels": LEVELS, "series": data, "figures": want})


def ets_series():
    """Name, season and values: one real series, and exact formulas."""
    from statsforecast.utils import AirPassengers

    noise = lambda t, seed: draw(7919 * seed + 31 * t + 5) + draw(104729 * seed + 17 * t + 3)
    walk = lambda n, seed: np.cumsum([noise(t, seed) for t in range(n)])
    over = lambda n, value: [float(value(t)) for t in range(n)]
    wave = lambda t, m: math.sin(2 * math.pi * t / m)
    steps, other = walk(80, 5), walk(90, 9)
    yield "air passengers", 12, [float(y) for y in AirPassengers]
    yield "noise around a level", 1, over(60, lambda t: 50 + 4 * noise(t, 1))
    yield "random walk", 1, over(80, lambda t: 100 + 6 * steps[t])
    yield "line with noise", 1, over(60, lambda t: 20 + 1.5 * t + 3 * noise(t, 2))
    yield "growth with proportional noise", 1, over(70, lambda t: (10 + 0.8 * t) * (1 + 0.2 * noise(t, 3)))
    yield "saturating growth", 1, over(40, lambda t: 80 - 60 * 0.9**t + 0.6 * noise(t, 4))
    yield "quarters, additive", 4, over(60, lambda t: 40 + [6, -2, -9, 5][t % 4] + 2 * noise(t, 6))
    yield "quarters, multiplicative", 4, over(64, lambda t: (30 + t) * [1.2, 0.9, 0.6, 1.3][t % 4] * (1 + 0.05 * noise(t, 7)))
    yield "weeks with negative values", 7, over(91, lambda t: 5 * wave(t, 7) + 1.5 * noise(t, 8))
    yield "weeks on a random walk", 7, over(90, lambda t: 60 + 3 * other[t] + 8 * wave(t, 7) + noise(t, 10))
    yield "short", 4, over(14, lambda t: 9 + 3 * wave(t, 4) + noise(t, 11))


def ets():
    from statsforecast.ets import ets_f, forecast_ets

    horizon = 8
    forms = [e + t + s for e in "AM" for t in "NAD" for s in "NAM" if e + s != "AM"]

    def fitted(y, season, form, damped):
        fit = ets_f(y, season, form, damped=damped)
        forecast = forecast_ets(fit, horizon, level=[95])
        found = {"model": fit["method"], "aicc": float(fit["aicc"])}
        found["smoothing"] = [0.0 if np.isnan(x) else float(x) for x in fit["par"][:4]]
        found["states"] = [float(x) for x in fit["par"][4:]]
        found["deviance"] = -2 * float(fit["loglik"])
        found["forecast"] = [float(x) for x in forecast["mean"]]
        if form[0] == "A":
            deviation = math.sqrt(fit["sigma2"]) * NormalDist().inv_cdf(0.975)
            width = (forecast["hi-95"] - forecast["mean"]) / deviation
            found["widths"] = [float(x) for x in width]
        return found

    rows = []
    for name, season, values in ets_series():
        y, is_positive = np.array(values), min(values) > 0
        row = {"name": name, "season": season, "values": values, "chosen": fitted(y, season, "ZZZ", None), "fits": []}
        for form in forms:
            if (form[2] != "N" and season == 1) or ("M" in form and not is_positive):
                continue
            row["fits"].append(fitted(y, season, form.replace("D", "A"), form[1] == "D"))
        print(name, row["chosen"]["model"], row["chosen"]["aicc"])
        rows.append(row)
    write("ets.json", rows)


if __name__ == "__main__":
    for name in sys.argv[1:] or ["figures", "ets"]:
        {"figures": figures, "ets": ets}[name]()
