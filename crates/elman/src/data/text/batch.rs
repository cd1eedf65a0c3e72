//! The tokens of one training step. Not here: how a text is cut into them (`batches.rs`, `lines.rs`).

use elman_kernels::softmax::IGNORED;

/// The tokens of one step, time-major: place t*rows + b holds row b, step t.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// B, rows of this batch.
    pub rows: usize,
    /// What is read.
    pub inputs: Vec<u32>,
    /// The token after each input; [`IGNORED`] where a row has ended.
    pub targets: Vec<u32>,
}

impl Batch {
    /// Targets that count.
    pub fn predictions(&self) -> usize {
        self.targets.iter().filter(|&&target| target != IGNORED).count()
    }
}
