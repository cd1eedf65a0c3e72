//! An estimate of the memory a training run takes. It is not exact: it counts what grows with the configuration. Not here:
//! the memory there is (`available_memory.rs`).

use elman_kernels::{head, pad};

use crate::config::{Config, Dtype};
use crate::nn::layer::Sizes;
use crate::nn::shards;

/// Rows that an evaluation gives to the model at once.
const EVALUATION_ROWS: usize = 1024;

/// Bytes that a run of `config` takes at most on a network of `sizes`, validating on `validation` more tokens, beside
/// the program and the text. Saturates.
///
/// Parameters, gradients and moments; the buffers of a step and of a validation, which are kept; and the larger of what
/// comes and goes with a step and with a save.
pub(crate) fn training_bytes(config: &Config, sizes: &Sizes, validation: usize) -> usize {
    let moments = config.optimizer.moments().len();
    let rows = config.seq_len.saturating_mul(config.batch);
    // Gradients of shards beyond the first.
    let more = shards::count(rows, config.batch, sizes.packed) - 1;
    let held = sizes.packed.saturating_mul(2 + more + moments);
    // The file, and a tensor on its way into it: as numbers, as bytes.
    let saved = sizes.logical.saturating_mul(1 + moments).saturating_add(sizes.largest.saturating_mul(2));
    let logits = |rows: usize| head::rows_at_once(rows, sizes.outputs).saturating_mul(pad(sizes.outputs));
    // Each shard has memory for its own logits.
    let of_step = match more {
        0 => logits(rows),
        _ => logits(config.seq_len.saturating_mul(config.batch.div_ceil(2))).saturating_mul(2),
    };
    let dropped = sizes.layers.dropped.saturating_add(pad(sizes.output_dropped));
    // Gradients are passed down: of a layer's output and of what dropout left of the one below, or of two outputs.
    let gradients = if dropped > 0 || config.num_layers > 1 { 2 } else { 1 };
    let layers = sizes.layers.kept.saturating_add(pad(sizes.output_dropped));
    let outputs = sizes.layers.widest.saturating_mul(gradients).saturating_add(pad(sizes.embed).saturating_mul(2));
    let step = rows.saturating_mul(layers.saturating_add(outputs)).saturating_add(of_step);
    let draws = rows.saturating_mul(dropped / 2);
    // Pieces of one length, and a last one of another.
    let (predictions, whole) = (validation.saturating_sub(1), EVALUATION_ROWS);
    let evaluated = if predictions > whole { whole + predictions % whole } else { predictions };
    // A validation's logits reuse the memory of a step's, if they fit and the step was not done in shards.
    let more_logits = if more > 0 || logits(evaluated) > logits(rows) { logits(evaluated) } else { 0 };
    let evaluation = sizes.layers.output.saturating_add(sizes.layers.working).saturating_add(pad(sizes.embed));
    let evaluation = evaluated.saturating_mul(evaluation).saturating_add(more_logits);
    let kept = held.saturating_add(step).saturating_add(evaluation);
    // A step's weights stand across for its way back, and this memory is kept, as the draws are.
    let kept = kept.saturating_add(draws).saturating_add(sizes.largest.saturating_mul(2 + 2 * more));
    // Pairs of bfloat16, half as many as numbers: of the weight and of the one across, of the rows on both sides of it.
    let of_rows = sizes.layers.working.saturating_add(sizes.layers.widest) / 2;
    let paired = rows.saturating_mul(of_rows).saturating_add(of_step / 2);
    let kept = match config.dtype {
        Dtype::Bf16 => kept.saturating_add(paired).saturating_add(sizes.largest.saturating_mul(1 + more)),
        Dtype::F32 | Dtype::F64 => kept,
    };
    kept.saturating_add(saved).saturating_mul(config.dtype.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::available_memory::needs;
    use crate::error::Error;
    use crate::{
        config::OptimizerKind,
        nn::model::{Declared, language_model::Layers},
    };

    #[test]
    fn the_estimate_grows_with_every_size_and_never_wraps() {
        let bytes = |config: &Config, vocab_size, validation| {
            let (layers, declaration) = Layers::<f32>::declare(config, vocab_size).unwrap();
            training_bytes(config, &layers.sizes(&declaration), validation)
        };
        let base = bytes(&Config::default(), 65, 8000);
        // Two layers of 256 over 64 x 64: 18 MB of parameters, moments and two shards' gradients, 12 of a save, 76 of a
        // step, 15 of a validation.
        assert!((115_000_000..130_000_000).contains(&base), "{base}");
        assert!(bytes(&Config::default(), 65, 0) < base - 10_000_000);
        let more = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            bytes(&config, 65, 8000)
        };
        assert!(more(|c| c.seq_len *= 2) > base);
        assert!(more(|c| c.batch *= 2) > base);
        assert!(more(|c| c.num_layers *= 2) > base);
        assert!(more(|c| c.hidden_size *= 2) > base);
        assert!(more(|c| c.optimizer = OptimizerKind::Sgd) < base);
        assert!(more(|c| (c.dropout, c.output_dropout) = (0.0, 0.0)) < base);
        let huge =
            Config { seq_len: 1 << 24, batch: 1 << 20, num_layers: 64, hidden_size: 1 << 16, ..Config::default() };
        assert!(bytes(&huge, usize::MAX / 2, usize::MAX) == usize::MAX);
        assert!(matches!(needs(bytes(&huge, 65, 9)), Err(Error::Memory { .. })));
    }
}
