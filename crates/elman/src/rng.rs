//! The only source of random numbers: counter-based generators keyed by (seed, purpose), one stream for each step.
//! There is no hidden state: a draw depends on seed, purpose, step and position in the stream, never on what ran
//! before.

pub use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a generator is for. Part of its key, so that two purposes never share a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial parameters.
    Init,
    /// Dropout masks of a step.
    Dropout,
    /// Text drawn from a model.
    Sample,
    /// Random windows of a step, the order of lines in an epoch.
    Batches,
    /// Which examples are held out.
    Split,
    /// Where a decoder reads what it wrote itself.
    Forcing,
    /// Which tokens of a step are hidden.
    Hidden,
}

impl Purpose {
    /// The number in the key. Changing one changes every result: add, never renumber.
    fn code(self) -> u8 {
        match self {
            Purpose::Init => 1,
            Purpose::Dropout => 2,
            Purpose::Sample => 3,
            Purpose::Batches => 4,
            Purpose::Split => 5,
            Purpose::Forcing => 8,
            Purpose::Hidden => 9,
        }
    }
}

/// The generator of (`seed`, `purpose`, `step`): the key is made of the first two, the stream is `step`.
pub fn generator(seed: u64, purpose: Purpose, step: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = purpose.code();
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(step);
    rng
}

/// Uniform in [0, 1), a multiple of 2^-53.
pub fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// Uniform in [0, 1), a multiple of 2^-24: all an f32 can hold, from half the bits of [`uniform`].
pub fn uniform_f32(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 * (1.0 / (1_u32 << 24) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, purpose: Purpose, step: u64) -> u64 {
        generator(seed, purpose, step).next_u64()
    }

    #[test]
    fn seed_purpose_and_step_each_change_the_draws() {
        let base = first(1, Purpose::Init, 0);
        assert_eq!(base, first(1, Purpose::Init, 0));
        assert_ne!(base, first(2, Purpose::Init, 0));
        assert_ne!(base, first(1, Purpose::Dropout, 0));
        assert_ne!(base, first(1, Purpose::Sample, 0));
        assert_ne!(base, first(1, Purpose::Init, 1));
        assert_ne!(base, first(1 << 63, Purpose::Init, 0));
    }

    #[test]
    fn uniform_has_the_right_range_and_mean() {
        let mut rng = generator(7, Purpose::Sample, 3);
        let (mut sum, mut low, mut high) = (0.0, 1.0_f64, 0.0_f64);
        for _ in 0..20_000 {
            let (a, b) = (uniform(&mut rng), f64::from(uniform_f32(&mut rng)));
            for x in [a, b] {
                sum += x;
                low = low.min(x);
                high = high.max(x);
            }
        }
        // The standard error of the mean of 40,000 draws is 0.0014.
        assert!((sum / 40_000.0 - 0.5).abs() < 0.006, "{}", sum / 40_000.0);
        assert!((0.0..0.001).contains(&low) && (0.999..1.0).contains(&high), "{low} {high}");
    }
}
