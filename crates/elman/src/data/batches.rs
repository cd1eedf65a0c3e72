//! Holds the cut of a training text into contiguous rows and windows, so that a state can be carried along each row.
//! Refuses shuffling and overlap: row b is one unbroken stretch of text, window w follows window w-1.

use crate::error::Error;

/// Windows over the training tokens.
///
/// The n-1 predictions of n tokens are cut into `batch` rows of equal length (at most batch-1 at the end of the text
/// stay out), each row into windows of `seq_len` steps. The last window of an epoch is shorter where the row's length
/// is no multiple of `seq_len`: nothing is dropped. The carried state is to be reset before window 0.
#[derive(Clone, Debug)]
pub struct Batches {
    ids: Vec<u32>,
    batch: usize,
    seq_len: usize,
    row: usize,
}

impl Batches {
    /// Rows over `ids`, `batch` of them or as many as give each row one full window.
    ///
    /// Errors: fewer than seq_len + 1 tokens, in the name of the text.
    pub fn new(name: &str, ids: Vec<u32>, batch: usize, seq_len: usize) -> Result<Batches, Error> {
        let predictions = ids.len().saturating_sub(1);
        let batch = batch.min(predictions / seq_len);
        if batch == 0 {
            return Err(Error::ShortText {
                name: name.to_string(),
                got: ids.len(),
                unit: if ids.len() == 1 { "character to train on" } else { "characters to train on" },
                expected: format!("seq_len + 1 = {}", seq_len + 1),
            });
        }
        Ok(Batches { row: predictions / batch, ids, batch, seq_len })
    }

    /// B, rows.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Training tokens.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Windows in an epoch.
    pub fn windows(&self) -> u64 {
        self.row.div_ceil(self.seq_len) as u64
    }

    /// Writes window `index` (below [`Batches::windows`]) time-major: place t*B + b holds row b, step t; the target is
    /// the token after the input. Allocates: nothing once the two vectors have grown.
    pub fn window(&self, index: u64, inputs: &mut Vec<u32>, targets: &mut Vec<u32>) {
        let start = index as usize * self.seq_len;
        let end = (start + self.seq_len).min(self.row);
        inputs.clear();
        targets.clear();
        for t in start..end {
            for b in 0..self.batch {
                let at = b * self.row + t;
                inputs.push(self.ids[at]);
                targets.push(self.ids[at + 1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_contiguous_and_windows_follow() {
        // 15 predictions, 2 rows of 7, windows of 3 + 3 + 1.
        let batches = Batches::new("t", (0..16).collect(), 2, 3).unwrap();
        assert_eq!((batches.batch(), batches.windows()), (2, 3));
        let (mut x, mut y) = (vec![], vec![]);
        batches.window(0, &mut x, &mut y);
        assert_eq!(x, [0, 7, 1, 8, 2, 9]);
        assert_eq!(y, [1, 8, 2, 9, 3, 10]);
        batches.window(1, &mut x, &mut y);
        assert_eq!(x, [3, 10, 4, 11, 5, 12]);
        batches.window(2, &mut x, &mut y);
        assert_eq!((&x[..], &y[..]), (&[6, 13][..], &[7, 14][..]));
    }

    #[test]
    fn every_size_covers_its_rows_once_and_stays_inside() {
        for n in 2..40_u32 {
            for batch in 1..6 {
                for seq_len in 1..8 {
                    let Ok(batches) = Batches::new("t", (0..n).collect(), batch, seq_len) else {
                        assert!((n as usize) < seq_len + 1);
                        continue;
                    };
                    let mut seen = vec![0; n as usize];
                    let (mut x, mut y) = (vec![], vec![]);
                    for w in 0..batches.windows() {
                        batches.window(w, &mut x, &mut y);
                        assert!(!x.is_empty() && x.len() <= seq_len * batches.batch());
                        assert!(w > 0 || x.len() == seq_len * batches.batch(), "one full window at least");
                        for (a, b) in x.iter().zip(&y) {
                            assert_eq!(a + 1, *b);
                            seen[*b as usize] += 1;
                        }
                    }
                    let left_out = seen[1..].iter().filter(|&&s| s == 0).count();
                    assert!(seen.iter().all(|&s| s <= 1) && left_out < batches.batch());
                }
            }
        }
    }

    #[test]
    fn a_small_text_shrinks_the_batch_and_a_smaller_one_is_refused() {
        assert_eq!(Batches::new("t", vec![0; 31], 64, 10).unwrap().batch(), 3);
        assert_eq!(Batches::new("t", vec![0; 30], 64, 10).unwrap().batch(), 2);
        assert_eq!(Batches::new("t", vec![0; 11], 64, 10).unwrap().batch(), 1);
        let error = Batches::new("poem.txt", vec![0; 10], 64, 10).unwrap_err().to_string();
        assert_eq!(error, "poem.txt has 10 characters to train on, expected at least seq_len + 1 = 11");
        assert!(Batches::new("t", vec![], 1, 1).is_err());
    }
}
