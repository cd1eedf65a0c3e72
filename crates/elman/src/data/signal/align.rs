//! By how many samples a device's output is late: the place where the correlation of input and output is largest. Not here: what
//! is read (`pairs.rs`).

/// Samples by which an output may be late or early at most.
pub const MOST: usize = 4096;
/// A shift of fewer samples stays: filters of the device have such delays, and a network learns them.
const LEAST: usize = 16;
/// Samples by which the output stays late, so that a network never has to know the future.
const LATE: i64 = 4;
/// Samples of the loudest part of the input that are correlated.
const WINDOW: usize = 1 << 17;

/// What was found of an output beside its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Samples by which the output is late; below 0 it is early.
    pub late: i64,
    /// The correlation there, -1 to 1; below 0 the output is upside down.
    pub correlation: f64,
    /// Samples of the output that are left out at its beginning to make up for it; below 0, of the input.
    pub removed: i64,
}

impl Shift {
    /// Measures an output. Silence has no shift.
    pub fn of(input: &[f32], output: &[f32]) -> Shift {
        let len = input.len().min(output.len());
        let most = MOST.min(len / 4);
        let window = WINDOW.min(len - 2 * most);
        let start = most + loudest(&input[most..len - most], window);
        let x = centred(&input[start..start + window]);
        let (mut best, mut late) = (0.0_f64, 0);
        for shift in -(most as i64)..=most as i64 {
            let from = (start as i64 + shift) as usize;
            let r = correlation(&x, &output[from..from + window]);
            if r.abs() > best.abs() {
                (best, late) = (r, shift);
            }
        }
        let removed = match late {
            late if late.unsigned_abs() < LEAST as u64 => 0,
            late => late - LATE,
        };
        Shift { late, correlation: best, removed }
    }
}

/// Where a window of the most energy begins.
fn loudest(signal: &[f32], window: usize) -> usize {
    let energy = |x: f32| f64::from(x) * f64::from(x);
    let mut now: f64 = signal[..window].iter().map(|&x| energy(x)).sum();
    let (mut best, mut at) = (now, 0);
    for start in 1..=signal.len() - window {
        now += energy(signal[start + window - 1]) - energy(signal[start - 1]);
        if now > best {
            (best, at) = (now, start);
        }
    }
    at
}

/// The signal less its mean, divided by its length as a vector; zeros of silence.
fn centred(signal: &[f32]) -> Vec<f32> {
    let n = signal.len().max(1) as f64;
    let mean = signal.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let length = libm::sqrt(signal.iter().map(|&x| (f64::from(x) - mean) * (f64::from(x) - mean)).sum());
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    signal.iter().map(|&x| ((f64::from(x) - mean) * scale) as f32).collect()
}

/// The correlation of a centred signal with another. The sums run in 64 lanes, always the same ones.
fn correlation(x: &[f32], y: &[f32]) -> f64 {
    const LANES: usize = 64;
    let (mut products, mut squares, mut sums) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
    for (x, y) in x.chunks_exact(LANES).zip(y.chunks_exact(LANES)) {
        for lane in 0..LANES {
            products[lane] += x[lane] * y[lane];
            squares[lane] += y[lane] * y[lane];
            sums[lane] += y[lane];
        }
    }
    let sum = |lanes: [f32; LANES]| lanes.iter().map(|&x| f64::from(x)).sum::<f64>();
    let n = (x.len() / LANES * LANES).max(1) as f64;
    let spread = sum(squares) - sum(sums) * sum(sums) / n;
    if spread > 0.0 { sum(products) / libm::sqrt(spread) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, generator, uniform};

    fn noise(n: usize) -> Vec<f32> {
        let mut rng = generator(3, Purpose::Sample, 0);
        (0..n).map(|_| (uniform(&mut rng) - 0.5) as f32).collect()
    }

    #[test]
    fn a_late_an_early_and_an_inverted_output_are_found() {
        let x = noise(40_000);
        let moved = |late: i64, gain: f32| -> Vec<f32> {
            (0..x.len() as i64).map(|t| gain * x.get((t - late) as usize).copied().unwrap_or(0.0)).collect()
        };
        for (late, removed) in [(441, 437), (-30, -34), (3, 0), (-15, 0), (16, 12)] {
            let shift = Shift::of(&x, &moved(late, 0.3));
            assert_eq!((shift.late, shift.removed), (late, removed));
            assert!((shift.correlation - 1.0).abs() < 1e-3, "{shift:?}");
        }
        let upside_down = Shift::of(&x, &moved(100, -2.0));
        assert!(upside_down.late == 100 && (upside_down.correlation + 1.0).abs() < 1e-3);
        assert_eq!(Shift::of(&x, &vec![0.0; x.len()]), Shift { late: 0, correlation: 0.0, removed: 0 });
        assert_eq!(Shift::of(&[0.5; 3], &[0.5; 3]).late, 0);
    }
}
