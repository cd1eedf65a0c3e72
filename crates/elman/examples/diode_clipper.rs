//! Simulates a diode clipper with a tone control and writes recordings of it: the data of `--task signal`'s measurements. Prints
//! how much of it a linear filter and a static curve explain, so that a network's error can be judged.
//!
//! The circuit: a resistor, then a capacitor with two antiparallel diodes across it, and after a buffer a low-pass of first order
//! whose corner the knob moves. Computed at 8 times the rate by the trapezoidal rule, each step by Newton's method to 1e-9 V.
//! Source of the circuit: Yeh, Abel, Smith 2007, "Simplified, physically-informed models of distortion and overdrive guitar
//! effects pedals".
//!
//! Run: `cargo run --locked --release -p elman --example diode_clipper -- FOLDER [SECONDS]`

use std::error::Error;
use std::f64::consts::{PI, TAU};
use std::fs;
use std::path::Path;

use elman::data::signal::{Format, WavWriter};
use elman::rng::{ChaCha8Rng, Purpose, generator, uniform};

const RATE: usize = 44_100;
const SECONDS: usize = 180;
/// Steps of the simulation for each sample.
const OVER: usize = 8;
/// Taps of the filters between the two rates, on either side of the middle, in samples of the low rate.
const REACH: usize = 32;
/// Volts that an input of 1 is.
const DRIVE: f64 = 9.0;
/// Ohms and farads of the clipper.
const R: f64 = 2200.0;
const C: f64 = 10e-9;
/// Saturation current in amperes, and the diodes' emission coefficient times the thermal voltage in volts.
const SATURATION: f64 = 2.52e-9;
const THERMAL: f64 = 1.752 * 0.025_85;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("expected the folder to write to")?;
    let seconds = arguments.next().map_or(Ok(SECONDS), |word| word.parse::<usize>())?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    let input = input(seconds * RATE, 1);
    let target = device(&input, 0.5);
    report("tone 0.5", &input, &target);
    write(&folder.join("input.wav"), &input)?;
    write(&folder.join("target.wav"), &target)?;
    // The same device at five places of its knob, a sixth of the time each, with other inputs; and at a place between, to test on.
    let mut table = String::from("input,target,tone\n");
    for (at, tone) in [0.0, 0.25, 0.5, 0.75, 1.0, 0.4].into_iter().enumerate() {
        let input = self::input(seconds * RATE / 6, 2 + at as u64);
        let names = [format!("input-{tone}.wav"), format!("target-{tone}.wav")];
        write(&folder.join(&names[0]), &input)?;
        write(&folder.join(&names[1]), &device(&input, tone))?;
        let row = format!("{},{},{tone}\n", names[0], names[1]);
        if tone == 0.4 {
            fs::write(folder.join("between.csv"), format!("input,target,tone\n{row}"))?;
        } else {
            table += &row;
        }
    }
    fs::write(folder.join("recordings.csv"), table)?;
    Ok(())
}

fn write(path: &Path, samples: &[f64]) -> Result<(), Box<dyn Error>> {
    let mut writer = WavWriter::create(path, Format { rate: RATE as u32, bits: None })?;
    writer.write(&samples.iter().map(|&x| x as f32).collect::<Vec<f32>>())?;
    writer.finish()?;
    Ok(())
}

/// Notes of strings that are plucked, chords, glides and noise, at many levels.
fn input(samples: usize, seed: u64) -> Vec<f64> {
    let mut rng = generator(seed, Purpose::Sample, 0);
    let mut signal = Vec::with_capacity(samples);
    while signal.len() < samples {
        let length = ((0.15 + 0.9 * uniform(&mut rng)) * RATE as f64) as usize;
        let level = 0.9 * libm::pow(10.0, -1.2 * uniform(&mut rng));
        let event = match uniform(&mut rng) {
            kind if kind < 0.70 => chord(length, &mut rng),
            kind if kind < 0.85 => glide(length, &mut rng),
            _ => noise(length, &mut rng),
        };
        signal.extend(event.iter().map(|x| level * x));
    }
    signal.truncate(samples);
    signal
}

/// One to four plucked strings by Karplus and Strong's loop: a delay, and the mean of two neighbours.
fn chord(length: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let notes = 1 + (uniform(rng) * 4.0) as usize;
    let mut sum = vec![0.0; length];
    for _ in 0..notes {
        let period = (RATE as f64 / (70.0 * libm::pow(2.0, 3.2 * uniform(rng)))) as usize;
        let mut string: Vec<f64> = (0..period).map(|_| 2.0 * uniform(rng) - 1.0).collect();
        let keep = 0.990 + 0.009 * uniform(rng);
        for (t, sum) in sum.iter_mut().enumerate() {
            let (at, next) = (t % period, (t + 1) % period);
            *sum += string[at] / notes as f64;
            string[at] = keep * 0.5 * (string[at] + string[next]);
        }
    }
    sum
}

/// A sine whose frequency rises or falls.
fn glide(length: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let [from, to] = [0, 1].map(|_| 50.0 * libm::pow(2.0, 7.0 * uniform(rng)));
    let mut phase = 0.0;
    let sample = |t: usize| {
        phase += TAU * from * libm::pow(to / from, t as f64 / length as f64) / RATE as f64;
        libm::sin(phase)
    };
    (0..length).map(sample).collect()
}

/// Noise through a low-pass of first order.
fn noise(length: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (share, mut y) = (0.05 + 0.5 * uniform(rng), 0.0);
    let sample = |_| {
        y += share * (2.0 * uniform(rng) - 1.0 - y);
        2.0 * y
    };
    (0..length).map(sample).collect()
}

/// What the device makes of an input, with its knob from 0, dark, to 1.
fn device(input: &[f64], tone: f64) -> Vec<f64> {
    let filter = low_pass();
    let step = 1.0 / (RATE * OVER) as f64;
    let corner = 700.0 * libm::pow(10.0, 1.1 * tone);
    let share = 1.0 - libm::exp(-TAU * corner * step);
    let (mut v, mut slope, mut y) = (0.0, 0.0, 0.0);
    let mut fast = vec![0.0; input.len() * OVER];
    for (t, out) in fast.iter_mut().enumerate() {
        (v, slope) = clipper(DRIVE * between(input, &filter, t), v, slope, step);
        y += share * (v - y);
        *out = y;
    }
    // About 0.6 V at most: two of them are 1.
    (0..input.len()).map(|t| 1.5 * decimated(&fast, &filter, t)).collect()
}

/// The voltage after a step, and its derivative: (u - v) / RC - 2 I/C sinh(v / V).
fn clipper(u: f64, before: f64, slope_before: f64, step: f64) -> (f64, f64) {
    let slope = |v: f64| (u - v) / (R * C) - 2.0 * SATURATION / C * libm::sinh(v / THERMAL);
    let mut v = before;
    for _ in 0..100 {
        let error = v - before - 0.5 * step * (slope_before + slope(v));
        let by_v = 1.0 + 0.5 * step * (1.0 / (R * C) + 2.0 * SATURATION / (C * THERMAL) * libm::cosh(v / THERMAL));
        // Far above the knee a full step would overshoot by orders of magnitude.
        let change = (error / by_v).clamp(-0.1, 0.1);
        v -= change;
        if change.abs() < 1e-9 {
            return (v, slope(v));
        }
    }
    panic!("Newton's method did not end at {u} V");
}

/// A low-pass for the high rate at the end of the low rate's band: sinc under a Blackman window.
fn low_pass() -> Vec<f64> {
    let reach = (REACH * OVER) as f64;
    let tap = |at: usize| {
        let t = at as f64 - reach;
        let sinc = if t == 0.0 { 1.0 } else { libm::sin(PI * t / OVER as f64) / (PI * t / OVER as f64) };
        let window = 0.42 + 0.5 * libm::cos(PI * t / reach) + 0.08 * libm::cos(TAU * t / reach);
        sinc * window
    };
    (0..=2 * REACH * OVER).map(tap).collect()
}

/// The input at a step of the high rate.
fn between(input: &[f64], filter: &[f64], t: usize) -> f64 {
    let middle = t / OVER;
    let samples = middle.saturating_sub(REACH)..(middle + REACH + 1).min(input.len());
    let tap = |at: usize| filter.get((REACH * OVER + t).wrapping_sub(at * OVER)).copied().unwrap_or(0.0);
    samples.map(|at| input[at] * tap(at)).sum()
}

/// The output at a sample of the low rate.
fn decimated(fast: &[f64], filter: &[f64], t: usize) -> f64 {
    let (middle, reach) = (t * OVER, REACH * OVER);
    let first = middle.saturating_sub(reach);
    let last = (middle + reach + 1).min(fast.len());
    let sum: f64 = (first..last).map(|at| fast[at] * filter[reach + at - middle]).sum();
    sum / OVER as f64
}

/// Prints what a linear filter and a static curve, fitted on the first four fifths, leave of the last tenth.
fn report(name: &str, x: &[f64], y: &[f64]) {
    let (fitted, tested) = (x.len() * 8 / 10, x.len() * 9 / 10);
    let taps = best_filter(&x[..fitted], &y[..fitted]);
    let linear = |t: usize| taps.iter().enumerate().map(|(k, tap)| tap * x[t - k]).sum::<f64>();
    let curve = best_curve(&x[..fitted], &y[..fitted]);
    let ratio = |predict: &dyn Fn(usize) -> f64| {
        let test = tested..x.len();
        let error: f64 = test.clone().map(|t| (y[t] - predict(t)) * (y[t] - predict(t))).sum();
        error / test.map(|t| y[t] * y[t]).sum::<f64>()
    };
    println!("{name}: the best linear filter of {TAPS} taps leaves an error-to-signal ratio of {:.4}", ratio(&linear));
    println!("{name}: the best static curve leaves an error-to-signal ratio of {:.4}", ratio(&|t| curve[bin(x[t])]));
}

const TAPS: usize = 512;
const BINS: usize = 512;

/// The filter of the least squares: the normal equations with the input's autocorrelation, by Levinson's recursion.
fn best_filter(x: &[f64], y: &[f64]) -> Vec<f64> {
    let product = |a: &[f64], b: &[f64], lag: usize| a[lag..].iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let r: Vec<f64> = (0..TAPS).map(|lag| product(x, x, lag)).collect();
    let c: Vec<f64> = (0..TAPS).map(|lag| product(y, x, lag)).collect();
    let mut back = vec![1.0 / r[0]];
    let mut taps = vec![c[0] / r[0]];
    for n in 1..TAPS {
        let dot = |list: &[f64]| (0..n).map(|k| r[n - k] * list[k]).sum::<f64>();
        // The last column of the inverse, from that of the smaller matrix and its mirror image.
        let forward: Vec<f64> = back.iter().rev().copied().collect();
        let off = dot(&forward);
        let scale = 1.0 / (1.0 - off * off);
        let padded = |list: &[f64], at: usize| if at < list.len() { list[at] } else { 0.0 };
        back = (0..=n).map(|k| scale * (if k > 0 { back[k - 1] } else { 0.0 } - off * padded(&forward, k))).collect();
        let rest = c[n] - dot(&taps);
        taps.push(0.0);
        taps.iter_mut().zip(&back).for_each(|(tap, b)| *tap += rest * b);
    }
    taps
}

/// The mean output at each level of the input.
fn best_curve(x: &[f64], y: &[f64]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); BINS];
    for (&x, &y) in x.iter().zip(y) {
        let (sum, count) = &mut sums[bin(x)];
        *sum += y;
        *count += 1.0;
    }
    sums.into_iter().map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 }).collect()
}

fn bin(x: f64) -> usize {
    (((x + 1.0) / 2.0 * BINS as f64) as usize).min(BINS - 1)
}
