//! How a training text is cut into batches: contiguous rows with a carried state, chunks and random windows that start
//! from the zero state, lines. Nothing is remembered: batch n is a function of settings, text and n.

use crate::config::{BatchKind, Config, RandomEpoch};
use crate::data::text::batch::Batch;
use crate::data::text::lines::Lines;
use crate::data::text::tokens::{Tokens, Window};
use crate::error::Error;
use crate::rng::{Purpose, generator, uniform};

/// Batches over the training tokens. The text has n-1 predictions for n tokens.
///
/// * Rows: the predictions are cut into `batch` rows of equal length (at most batch-1 at the end of the text stay out),
///   each row into windows of `seq_len` steps; the last window of an epoch is shorter where the row's length is no
///   multiple of `seq_len`, or stays out with `drop_last`. The state is carried along the rows, unless it is not to be, and
///   reset at an epoch's start. With `random_offset` the rows of each epoch begin 0 to seq_len tokens into the text.
/// * Chunks: consecutive chunks of `seq_len` predictions, `batch` of them at a time, fewer in the last batch of an epoch
///   (at most seq_len-1 predictions at the end of the text stay out).
/// * Random: `batch` windows that begin anywhere, drawn anew for each step, with replacement. An epoch is as many steps
///   as have the predictions of the text, or as have a window for each of its tokens.
/// * Lines: every line once an epoch, in an order drawn for the epoch.
#[derive(Clone, Debug)]
pub struct Batches {
    ids: Tokens,
    read: Window,
    tokens: usize,
    batch: usize,
    seq_len: usize,
    stateful: bool,
    cut: Cut,
}

#[derive(Clone, Debug)]
enum Cut {
    Rows {
        row: usize,
        offsets: Option<u64>,
    },
    Chunks {
        count: usize,
    },
    /// `starts` are those of the latest batch.
    Random {
        seed: u64,
        windows: usize,
        starts: Vec<usize>,
    },
    Lines(Box<Lines>),
}

impl Batches {
    /// Batches as configured, of `batch` rows or as many as the text gives; `newline` is that token, if there is one.
    ///
    /// Errors: fewer than seq_len + 1 tokens, or no lines, in the name of the text.
    pub fn new(config: &Config, name: &str, ids: Vec<u32>, newline: Option<u32>) -> Result<Batches, Error> {
        Batches::of(config, name, Tokens::Memory(ids), newline)
    }

    /// As [`Batches::new`], of tokens wherever they are. Lines are taken into memory.
    pub(crate) fn of(config: &Config, name: &str, ids: Tokens, newline: Option<u32>) -> Result<Batches, Error> {
        let Config { batch, seq_len, seed, .. } = *config;
        let tokens = ids.len();
        if config.batches == BatchKind::Lines {
            let lines = Lines::new(name, ids.into_memory()?, newline, seq_len, seed)?;
            let batch = batch.min(lines.len());
            return Ok(Batches {
                ids: Tokens::default(),
                read: Window::default(),
                tokens,
                batch,
                seq_len,
                stateful: false,
                cut: Cut::Lines(Box::new(lines)),
            });
        }
        let offset = if config.random_offset { seq_len } else { 0 };
        let predictions = tokens.saturating_sub(1 + offset);
        let count = predictions / seq_len;
        if count == 0 {
            return Err(Error::ShortText {
                name: name.to_string(),
                got: ids.len(),
                unit: format!("{} to train on", config.tokenizer.units(ids.len())),
                expected: match offset {
                    0 => format!("seq_len + 1 = {}", seq_len + 1),
                    _ => format!("2 seq_len + 1 = {} for random_offset", 2 * seq_len + 1),
                },
            });
        }
        let fewer = batch.min(count);
        let (batch, cut) = match config.batches {
            BatchKind::Random => {
                let windows = match config.random_epoch {
                    RandomEpoch::Predictions => count,
                    RandomEpoch::Starts => tokens,
                };
                (batch, Cut::Random { seed, windows: (windows / batch).max(1), starts: Vec::new() })
            }
            BatchKind::Chunks => (fewer, Cut::Chunks { count }),
            BatchKind::Rows | BatchKind::Lines => {
                let row = if config.drop_last { count / fewer * seq_len } else { predictions / fewer };
                (fewer, Cut::Rows { row, offsets: config.random_offset.then_some(seed) })
            }
        };
        Ok(Batches { ids, read: Window::default(), tokens, batch, seq_len, stateful: config.is_stateful(), cut })
    }

    /// B, rows of a full batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Training tokens.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Lines that were cut for being longer than seq_len predictions.
    pub fn cut_lines(&self) -> usize {
        if let Cut::Lines(lines) = &self.cut { lines.cut } else { 0 }
    }

    /// Batches in an epoch.
    pub fn windows(&self) -> u64 {
        let windows = match &self.cut {
            Cut::Rows { row, .. } => row.div_ceil(self.seq_len),
            Cut::Chunks { count } => count.div_ceil(self.batch),
            Cut::Random { windows, .. } => *windows,
            Cut::Lines(lines) => lines.len().div_ceil(self.batch),
        };
        windows as u64
    }

    /// Whether the batches of an epoch continue from the state of the one before.
    pub fn carries_state(&self) -> bool {
        self.stateful
    }

    /// Writes batch `index`, counted from 0 over all epochs. Allocates: nothing once the vectors have grown.
    ///
    /// Errors: tokens that are in a file, which cannot be read.
    pub fn fill(&mut self, index: u64, batch: &mut Batch) -> Result<(), Error> {
        let (epoch, window) = (index / self.windows(), (index % self.windows()) as usize);
        batch.rows = self.batch;
        let seq_len = self.seq_len;
        let Batches { ids, read, cut, .. } = self;
        match cut {
            Cut::Rows { row, offsets } => {
                let (row, start) = (*row, window * seq_len);
                let draw = |seed| uniform(&mut generator(seed, Purpose::Batches, epoch)) * (seq_len + 1) as f64;
                let offset = offsets.map_or(0, |seed| draw(seed) as usize);
                let steps = seq_len.min(row - start);
                fill_rows(ids, read, steps, (0..self.batch).map(|b| offset + b * row + start), batch)
            }
            Cut::Chunks { count } => {
                let first = window * self.batch;
                batch.rows = self.batch.min(*count - first);
                fill_rows(ids, read, seq_len, (first..first + batch.rows).map(|chunk| chunk * seq_len), batch)
            }
            Cut::Random { seed, starts, .. } => {
                let mut rng = generator(*seed, Purpose::Batches, index);
                let places = ids.len() - seq_len;
                starts.clear();
                starts.extend((0..self.batch).map(|_| (uniform(&mut rng) * places as f64) as usize));
                fill_rows(ids, read, seq_len, starts.iter().copied(), batch)
            }
            Cut::Lines(lines) => {
                batch.inputs.clear();
                batch.targets.clear();
                lines.fill(epoch, window, self.batch, batch);
                Ok(())
            }
        }
    }
}

/// Rows of `steps` predictions, each from its place in the text on.
fn fill_rows(
    ids: &Tokens,
    read: &mut Window,
    steps: usize,
    places: impl Iterator<Item = usize>,
    batch: &mut Batch,
) -> Result<(), Error> {
    let rows = batch.rows;
    batch.inputs.resize(steps * rows, 0);
    batch.targets.resize(steps * rows, 0);
    for (b, at) in places.enumerate() {
        let row = ids.at(at..at + steps + 1, read)?;
        for t in 0..steps {
            batch.inputs[t * rows + b] = row[t];
            batch.targets[t * rows + b] = row[t + 1];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(batches: BatchKind, name: &str, ids: Vec<u32>, batch: usize, seq_len: usize) -> Result<Batches, Error> {
        let config = Config { batches, batch, seq_len, ..Config::default() };
        Batches::new(&config, name, ids, None)
    }

    fn rows(name: &str, ids: Vec<u32>, batch: usize, seq_len: usize) -> Result<Batches, Error> {
        cut(BatchKind::Rows, name, ids, batch, seq_len)
    }

    fn read(batches: &mut Batches, index: u64) -> (Vec<u32>, Vec<u32>) {
        let mut batch = Batch::default();
        batches.fill(index, &mut batch).unwrap();
        assert_eq!(batch.predictions(), batch.targets.len());
        (batch.inputs, batch.targets)
    }

    #[test]
    fn rows_are_contiguous_and_windows_follow() {
        // 15 predictions, 2 rows of 7, windows of 3 + 3 + 1.
        let mut batches = rows("t", (0..16).collect(), 2, 3).unwrap();
        assert_eq!((batches.batch(), batches.windows()), (2, 3));
        let (x, y) = read(&mut batches, 0);
        assert_eq!(x, [0, 7, 1, 8, 2, 9]);
        assert_eq!(y, [1, 8, 2, 9, 3, 10]);
        let (x, _) = read(&mut batches, 1);
        assert_eq!(x, [3, 10, 4, 11, 5, 12]);
        let (x, y) = read(&mut batches, 2);
        assert_eq!((&x[..], &y[..]), (&[6, 13][..], &[7, 14][..]));
    }

    #[test]
    fn every_size_covers_its_rows_once_and_stays_inside() {
        for n in 2..40_u32 {
            for batch in 1..6 {
                for seq_len in 1..8 {
                    let Ok(mut batches) = rows("t", (0..n).collect(), batch, seq_len) else {
                        assert!((n as usize) < seq_len + 1);
                        continue;
                    };
                    let mut seen = vec![0; n as usize];
                    for w in 0..batches.windows() {
                        let (x, y) = read(&mut batches, w);
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
        assert_eq!(rows("t", vec![0; 31], 64, 10).unwrap().batch(), 3);
        assert_eq!(rows("t", vec![0; 30], 64, 10).unwrap().batch(), 2);
        assert_eq!(rows("t", vec![0; 11], 64, 10).unwrap().batch(), 1);
        let error = rows("poem.txt", vec![0; 10], 64, 10).unwrap_err().to_string();
        assert_eq!(error, "poem.txt has 10 characters to train on, expected at least seq_len + 1 = 11");
        assert!(rows("t", vec![], 1, 1).is_err());
    }

    #[test]
    fn chunks_follow_each_other_and_the_last_batch_is_smaller() {
        // 17 predictions: five chunks of 3, two at a time; the last two predictions stay out.
        let mut batches = cut(BatchKind::Chunks, "t", (0..18).collect(), 2, 3).unwrap();
        assert!(!batches.carries_state());
        assert_eq!((batches.batch(), batches.windows()), (2, 3));
        assert_eq!(read(&mut batches, 0), (vec![0, 3, 1, 4, 2, 5], vec![1, 4, 2, 5, 3, 6]));
        assert_eq!(read(&mut batches, 2), (vec![12, 13, 14], vec![13, 14, 15]));
        assert_eq!(read(&mut batches, 3), read(&mut batches, 0), "the next epoch");
        assert_eq!(cut(BatchKind::Chunks, "t", vec![0; 10], 64, 3).unwrap().batch(), 3);
    }

    #[test]
    fn random_windows_reach_every_place_and_depend_on_their_index_alone() {
        // 10 predictions, windows of 4: seven places to begin.
        let mut batches = cut(BatchKind::Random, "t", (0..11).collect(), 3, 4).unwrap();
        assert_eq!((batches.batch(), batches.windows(), batches.carries_state()), (3, 1, false));
        let mut begun = [0; 7];
        for index in 0..700 {
            let (x, y) = read(&mut batches, index);
            assert_eq!(x.len(), 12);
            for b in 0..3 {
                begun[x[b] as usize] += 1;
                assert!((0..4).all(|t| x[3 * t + b] == x[b] + t as u32 && y[3 * t + b] == x[b] + t as u32 + 1));
            }
        }
        // 2,100 draws over 7 places: 300 each, with a deviation of 16.
        assert!(begun.iter().all(|&n| (220..380).contains(&n)), "{begun:?}");
        let fifth = read(&mut batches, 5);
        assert_eq!(read(&mut batches.clone(), 5), fifth);
        assert!((6..12).any(|index| read(&mut batches, index) != fifth));
        let one = read(&mut cut(BatchKind::Random, "t", (0..5).collect(), 2, 4).unwrap(), 9);
        assert_eq!(one.0, [0, 0, 1, 1, 2, 2, 3, 3], "a text of one window");
    }

    #[test]
    fn rows_of_whole_windows_and_rows_that_begin_anywhere() {
        let of = |config: Config, n| Batches::new(&config, "t", (0..n).collect(), None);
        let base = Config { batch: 2, seq_len: 3, ..Config::default() };
        // 15 predictions: five windows, two a row; the rest stays out.
        let mut whole = of(Config { drop_last: true, ..base.clone() }, 16).unwrap();
        assert_eq!(whole.windows(), 2);
        assert_eq!(read(&mut whole, 0).0, [0, 6, 1, 7, 2, 8]);
        assert_eq!(read(&mut whole, 1).0, [3, 9, 4, 10, 5, 11]);
        // 12 predictions after the largest offset: rows of 6 that begin 0 to 3 tokens into the text.
        let offset = Config { random_offset: true, stateful: Some(false), ..base.clone() };
        let mut offset = of(offset, 16).unwrap();
        assert_eq!((offset.windows(), offset.carries_state()), (2, false));
        let mut seen = [0; 4];
        for epoch in 0..200 {
            let first = read(&mut offset, 2 * epoch).0;
            seen[first[0] as usize] += 1;
            assert_eq!(first[1], first[0] + 6);
            assert_eq!(read(&mut offset, 2 * epoch + 1).0[0], first[0] + 3, "one offset an epoch");
        }
        assert!(seen.iter().all(|&n| n > 25), "{seen:?}");
        let short = of(Config { random_offset: true, ..base }, 6).map(|_| ()).unwrap_err().to_string();
        assert!(short.ends_with("expected at least 2 seq_len + 1 = 7 for random_offset"), "{short}");
    }

    #[test]
    fn an_epoch_of_random_windows_may_count_their_places() {
        let config = Config { batches: BatchKind::Random, batch: 3, seq_len: 4, ..Config::default() };
        let starts = Config { random_epoch: RandomEpoch::Starts, ..config.clone() };
        let windows = |config| Batches::new(&config, "t", (0..25).collect(), None).unwrap().windows();
        assert_eq!((windows(config), windows(starts)), (2, 8));
    }
}
