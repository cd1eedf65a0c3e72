//! How a training text is cut into lines, each an example of its own, padded to the longest of its batch. A text
//! without a line to learn is an error.

use crate::data::table::held_out::shuffle;
use crate::data::text::batch::Batch;
use crate::error::Error;
use crate::rng::{Purpose, generator};
use elman_kernels::softmax::IGNORED;

/// Lines as examples. Each is read from the newline before it, which begins every line, to its own, which ends it; a
/// newline is put before the first line and after the last where the text has none. Empty lines are skipped.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    ids: Vec<u32>,
    newline: u32,
    /// First token of each example (a newline) and its predictions.
    examples: Vec<(usize, usize)>,
    /// Lines that were cut.
    pub cut: usize,
    seed: u64,
    /// An epoch and the order of the examples in it: a function of seed and epoch, kept for the next batch.
    order: (u64, Vec<usize>),
}

impl Lines {
    /// The lines of `ids`; `newline` is its token, None where the vocabulary has none. A line of more than `seq_len`
    /// predictions is cut there. Errors: no newline, no line with anything on it.
    pub fn new(name: &str, mut ids: Vec<u32>, newline: Option<u32>, seq_len: usize, seed: u64) -> Result<Lines, Error> {
        let refuse = |got, unit| {
            let expected = "2 for batches = lines".to_string();
            Err(Error::ShortText { name: name.to_string(), got, unit, expected })
        };
        let Some(newline) = newline else {
            return refuse(1, "line".into());
        };
        if ids.first() != Some(&newline) {
            ids.insert(0, newline);
        }
        if ids.last() != Some(&newline) {
            ids.push(newline);
        }
        let ends: Vec<usize> = (0..ids.len()).filter(|&at| ids[at] == newline).collect();
        let lines = || ends.windows(2).map(|w| (w[0], w[1] - w[0])).filter(|&(_, len)| len > 1);
        let examples: Vec<(usize, usize)> = lines().map(|(at, len)| (at, len.min(seq_len))).collect();
        if examples.is_empty() {
            return refuse(0, "lines with anything on them".into());
        }
        let cut = lines().filter(|&(_, len)| len > seq_len).count();
        Ok(Lines { ids, newline, examples, cut, seed, order: (u64::MAX, Vec::new()) })
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.examples.len()
    }

    /// Writes batch `window` of `epoch`, at most `rows` lines in the epoch's order; what a line lacks to the longest is
    /// newlines as inputs and [`IGNORED`] as targets.
    pub fn fill(&mut self, epoch: u64, window: usize, rows: usize, batch: &mut Batch) {
        if self.order.0 != epoch {
            self.order = (epoch, shuffled(self.examples.len(), self.seed, epoch));
        }
        let first = window * rows;
        let order = &self.order.1[first..(first + rows).min(self.examples.len())];
        let longest = order.iter().map(|&i| self.examples[i].1).max().unwrap_or(0);
        batch.rows = order.len();
        for t in 0..longest {
            for &i in order {
                let (at, len) = self.examples[i];
                let (input, target) =
                    if t < len { (self.ids[at + t], self.ids[at + t + 1]) } else { (self.newline, IGNORED) };
                batch.inputs.push(input);
                batch.targets.push(target);
            }
        }
    }
}

/// The numbers below n in an order drawn for the epoch.
fn shuffled(n: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut order, &mut generator(seed, Purpose::Batches, epoch));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const NL: u32 = 0;

    #[test]
    fn lines_are_padded_masked_and_each_read_once_an_epoch() {
        // Five lines and an empty one; the first and the last lack a newline, one is longer than five predictions.
        let ids = vec![1, 2, NL, 3, NL, NL, 4, 5, 6, NL, 7, 8, 9, 10, 11, 12, NL, 13, 14];
        let mut lines = Lines::new("t", ids, Some(NL), 5, 3).unwrap();
        assert_eq!((lines.len(), lines.cut), (5, 1));
        let whole: [&[u32]; 5] = [&[0, 1, 2, 0], &[0, 3, 0], &[0, 4, 5, 6, 0], &[0, 7, 8, 9, 10, 11], &[0, 13, 14, 0]];
        let mut orders = vec![];
        for epoch in 0..3 {
            let mut read = vec![];
            for window in 0..3 {
                let mut batch = Batch::default();
                lines.fill(epoch, window, 2, &mut batch);
                assert_eq!(batch.rows, if window == 2 { 1 } else { 2 });
                for row in 0..batch.rows {
                    let column = |ids: &[u32]| ids.iter().copied().skip(row).step_by(batch.rows).collect::<Vec<_>>();
                    let (inputs, targets) = (column(&batch.inputs), column(&batch.targets));
                    let len = targets.iter().position(|&t| t == IGNORED).unwrap_or(targets.len());
                    assert!(targets[len..].iter().all(|&t| t == IGNORED) && inputs[len..].iter().all(|&x| x == NL));
                    assert_eq!(inputs[1..len], targets[..len - 1]);
                    read.push([&inputs[..1], &targets[..len]].concat());
                }
            }
            orders.push(read.clone());
            read.sort();
            let mut want = whole.to_vec();
            want.sort();
            assert_eq!(read, want);
        }
        assert!(orders[0] != orders[1] || orders[1] != orders[2], "the order changes");
        let mut again = Batch::default();
        lines.fill(0, 0, 5, &mut again);
        let first: Vec<u32> = orders[0].iter().map(|line| line[1]).collect();
        assert_eq!(again.targets[..5], first, "an epoch's order does not depend on what was read before");
    }

    #[test]
    fn a_text_without_lines_is_refused() {
        let message = |ids, newline| Lines::new("t", ids, newline, 5, 1).unwrap_err().to_string();
        assert_eq!(message(vec![1, 2], None), "t has 1 line, expected at least 2 for batches = lines");
        assert!(message(vec![NL, NL], Some(NL)).starts_with("t has 0 lines with anything on them"));
        assert!(message(vec![], Some(NL)).starts_with("t has 0 lines"));
    }
}
