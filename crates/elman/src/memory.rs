//! Holds an estimate of the memory a training run takes, and asks the system for it before work begins.
//! Refuses to be exact: it counts what grows with the configuration.

use elman_kernels::pad;

use crate::config::Config;
use crate::error::Error;

/// Bytes of parameters with their gradients and moments, and of what one step of training holds. Saturates.
fn training_bytes(config: &Config, vocab_size: usize, parameters: usize) -> usize {
    let rows = config.seq_len.saturating_mul(config.batch);
    // A row of a layer: gates, states, gradient of the states, dropped copy with draws and gradient.
    let layer = |hidden: usize| pad(hidden) * (4 + 2 + 1 + 3);
    let layers = config.hidden_sizes().into_iter().map(layer).fold(0, usize::saturating_add);
    let row = layers.saturating_add(pad(config.embed) * 2).saturating_add(pad(vocab_size));
    let numbers = parameters.saturating_mul(4).saturating_add(rows.saturating_mul(row));
    numbers.saturating_mul(size_of::<f32>())
}

/// Asks the system for the memory of a run and gives it back at once. Errors: the system does not have it.
pub(crate) fn check(config: &Config, vocab_size: usize, parameters: usize) -> Result<(), Error> {
    let bytes = training_bytes(config, vocab_size, parameters);
    let mut memory: Vec<u8> = Vec::new();
    memory.try_reserve_exact(bytes).map_err(|_| Error::Memory { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_with_every_size_and_never_wraps() {
        let base = training_bytes(&Config::default(), 65, 873_793);
        // Two layers of 256 over 64 x 64: 14 MB of parameters, 88 MB of activations.
        assert!((90_000_000..120_000_000).contains(&base), "{base}");
        let more = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            training_bytes(&config, 65, 873_793)
        };
        assert!(more(|c| c.seq_len *= 2) > base);
        assert!(more(|c| c.batch *= 2) > base);
        assert!(more(|c| c.num_layers *= 2) > base);
        assert!(more(|c| c.hidden_size *= 2) > base);
        let huge =
            Config { seq_len: 1 << 24, batch: 1 << 20, num_layers: 64, hidden_size: 1 << 16, ..Config::default() };
        assert_eq!(training_bytes(&huge, 65, usize::MAX), usize::MAX);
        assert!(matches!(check(&huge, 65, usize::MAX), Err(Error::Memory { .. })));
    }
}
