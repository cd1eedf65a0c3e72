//! Sequences of any length in batches: which of them make a batch, and a batch laid out time-major with a mask. Nothing
//! is remembered: batch n is a function of lengths, settings and n.

use elman_kernels::Element;

use crate::data::table::held_out::shuffle;
use crate::error::Error;
use crate::rng::{ChaCha8Rng, Purpose, generator, uniform};

/// Sequences of tokens or of vectors.
#[derive(Clone, Debug, PartialEq)]
pub enum Sequences {
    /// Tokens.
    Tokens(Vec<Vec<u32>>),
    /// Vectors of `width` numbers, row after row.
    Vectors {
        /// Numbers in a vector.
        width: usize,
        /// The numbers of each sequence.
        rows: Vec<Vec<f64>>,
    },
}

impl Sequences {
    /// Number of sequences.
    pub fn count(&self) -> usize {
        match self {
            Sequences::Tokens(all) => all.len(),
            Sequences::Vectors { rows, .. } => rows.len(),
        }
    }

    /// Steps of a sequence.
    pub fn steps(&self, at: usize) -> usize {
        match self {
            Sequences::Tokens(all) => all[at].len(),
            Sequences::Vectors { width, rows } => rows[at].len() / (*width).max(1),
        }
    }

    /// Steps of each.
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.count()).map(|at| self.steps(at)).collect()
    }

    /// Errors: there is no sequence `at`; its vectors are not whole; a number that is not finite.
    fn check(&self, at: usize) -> Result<(), Error> {
        if at >= self.count() {
            let expected = format!("a place below {}", self.count());
            return Err(Error::Setting { name: "place of a sequence", got: at.to_string(), expected });
        }
        let Sequences::Vectors { width, rows } = self else { return Ok(()) };
        if !rows[at].len().is_multiple_of((*width).max(1)) || (*width == 0 && !rows[at].is_empty()) {
            let got = format!("{} numbers", rows[at].len());
            let expected = format!("whole vectors of {width} numbers in sequence {at}");
            return Err(Error::Setting { name: "sequence", got, expected });
        }
        match rows[at].iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(place) => {
                let (step, column) = (place / width, place % width);
                let got = format!("{} in sequence {at}, step {step}, column {column}", rows[at][place]);
                Err(Error::Setting { name: "number of a sequence", got, expected: "a finite number".into() })
            }
        }
    }

    /// The same in pieces of at most `most` steps each, in order.
    pub fn pieces(self, most: usize) -> Sequences {
        match self {
            Sequences::Tokens(all) => Sequences::Tokens(pieces(all, most)),
            Sequences::Vectors { width, rows } => Sequences::Vectors { width, rows: pieces(rows, most * width) },
        }
    }

    /// Cuts what is longer than `most` steps; how many were.
    pub fn cut(&mut self, most: usize) -> usize {
        let long = (0..self.count()).filter(|&at| self.steps(at) > most).count();
        match self {
            Sequences::Tokens(all) => all.iter_mut().for_each(|tokens| tokens.truncate(most)),
            Sequences::Vectors { width, rows } => rows.iter_mut().for_each(|row| row.truncate(most * *width)),
        }
        long
    }
}

/// Lists cut into lists of at most `most` entries, in order; an empty one stays.
pub(crate) fn pieces<T: Clone>(all: Vec<Vec<T>>, most: usize) -> Vec<Vec<T>> {
    let of = |list: Vec<T>| match list.len() <= most {
        true => vec![list],
        false => list.chunks(most).map(<[T]>::to_vec).collect(),
    };
    all.into_iter().flat_map(of).collect()
}

/// Some sequences side by side, time-major: place t*rows + b is step t of sequence b.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Padded<E> {
    /// B.
    pub rows: usize,
    /// T, the steps of the longest, and 1 at least.
    pub steps: usize,
    /// `[T*B]` tokens; 0 where a sequence has ended. Empty for vectors.
    pub tokens: Vec<u32>,
    /// `[T*B, width]` numbers; 0 where a sequence has ended. Empty for tokens.
    pub vectors: Vec<E>,
    /// Numbers in a vector; 0 for tokens.
    pub width: usize,
    /// `[T*B]`: where a sequence has a step.
    pub mask: Vec<bool>,
    /// `[B]`: the steps of each.
    pub lengths: Vec<usize>,
}

impl<E: Element> Padded<E> {
    /// The sequences at `places`, padded at the end to the longest of them and `padding` steps more.
    ///
    /// Errors: a place without a sequence; vectors that are not whole; a number that is not finite, by sequence, step
    /// and column.
    pub fn new(sequences: &Sequences, places: &[usize], padding: usize) -> Result<Padded<E>, Error> {
        places.iter().try_for_each(|&at| sequences.check(at))?;
        let lengths: Vec<usize> = places.iter().map(|&at| sequences.steps(at)).collect();
        let (rows, steps) = (places.len(), lengths.iter().max().copied().unwrap_or(0).max(1) + padding);
        let mask = (0..steps).flat_map(|t| lengths.iter().map(move |&length| t < length)).collect();
        let mut padded = Padded { rows, steps, mask, lengths, ..Padded::empty() };
        match sequences {
            Sequences::Tokens(all) => {
                let token = |t: usize, at: usize| all[at].get(t).copied().unwrap_or(0);
                padded.tokens = (0..steps).flat_map(|t| places.iter().map(move |&at| token(t, at))).collect();
            }
            Sequences::Vectors { width, rows: all } => {
                padded.width = *width;
                padded.vectors = vec![E::ZERO; steps * rows * width];
                for (b, &at) in places.iter().enumerate() {
                    for (t, vector) in all[at].chunks_exact((*width).max(1)).enumerate() {
                        let to = (t * rows + b) * width;
                        let to = &mut padded.vectors[to..to + width];
                        to.iter_mut().zip(vector).for_each(|(to, &from)| *to = E::from_f64(from));
                    }
                }
            }
        }
        Ok(padded)
    }

    /// Puts token 0, `<unk>` where it is reserved, in the place of a share of the tokens, each drawn by itself (Bowman
    /// et al. 2016, section 3.1). Padding takes no draw.
    pub fn hide(&mut self, share: f64, rng: &mut ChaCha8Rng) {
        let tokens = self.tokens.iter_mut().zip(&self.mask).filter(|(_, read)| **read);
        for (token, _) in tokens {
            if uniform(rng) < share {
                *token = 0;
            }
        }
    }

    fn empty() -> Padded<E> {
        Padded {
            rows: 0,
            steps: 0,
            tokens: Vec::new(),
            vectors: Vec::new(),
            width: 0,
            mask: Vec::new(),
            lengths: Vec::new(),
        }
    }
}

/// Sequences sorted into batches of like length: an epoch takes each once, in an order drawn for the epoch. Of every
/// [`Buckets::POOL`] batches in a row the sequences are sorted by length and cut into batches, and then all batches of
/// the epoch are shuffled.
#[derive(Clone, Debug)]
pub struct Buckets {
    lengths: Vec<usize>,
    batch: usize,
    seed: u64,
    /// An epoch and its batches: a function of seed and epoch, kept for the next step.
    epoch: Option<(u64, Vec<Vec<usize>>)>,
}

impl Buckets {
    /// Batches whose sequences are sorted among themselves.
    pub const POOL: usize = 32;

    /// Batches of at most `batch` sequences, at least one of each.
    pub fn new(lengths: Vec<usize>, batch: usize, seed: u64) -> Buckets {
        Buckets { batch: batch.clamp(1, lengths.len().max(1)), lengths, seed, epoch: None }
    }

    /// Sequences of a batch at most.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Batches in an epoch.
    pub fn count(&self) -> u64 {
        self.lengths.len().div_ceil(self.batch).max(1) as u64
    }

    /// The sequences of batch `index`, counted from 0 over all epochs.
    pub fn places(&mut self, index: u64) -> &[usize] {
        let (epoch, batch) = (index / self.count(), (index % self.count()) as usize);
        if self.epoch.as_ref().is_none_or(|(kept, _)| *kept != epoch) {
            let batches = self.draw(epoch);
            self.epoch = Some((epoch, batches));
        }
        let batches = self.epoch.as_ref().map(|(_, batches)| batches.as_slice()).unwrap_or_default();
        batches.get(batch).map(Vec::as_slice).unwrap_or_default()
    }

    fn draw(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut rng = generator(self.seed, Purpose::Batches, epoch);
        let mut order: Vec<usize> = (0..self.lengths.len()).collect();
        shuffle(&mut order, &mut rng);
        order.chunks_mut(self.batch * Buckets::POOL).for_each(|pool| pool.sort_by_key(|&at| self.lengths[at]));
        let mut batches: Vec<Vec<usize>> = order.chunks(self.batch).map(<[usize]>::to_vec).collect();
        shuffle(&mut batches, &mut rng);
        batches
    }
}

/// All places in batches of at most `batch`, by rising length: for what is computed once, in any order.
fn by_length(lengths: &[usize], batch: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&at| lengths[at]);
    order.chunks(batch.max(1)).map(<[usize]>::to_vec).collect()
}

/// Gives the indices of sequences, grouped by similar length, to `read`, batch after batch; None once `continues`
/// says no.
pub fn read_by_length(
    lengths: &[usize],
    batch: usize,
    continues: &mut dyn FnMut() -> bool,
    mut read: impl FnMut(&[usize]) -> Result<(), Error>,
) -> Result<Option<()>, Error> {
    for places in by_length(lengths, batch) {
        if !continues() {
            return Ok(None);
        }
        read(&places)?;
    }
    Ok(Some(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sequence_comes_once_an_epoch_among_its_like() {
        let lengths: Vec<usize> = (0..997).map(|at| at * 7919 % 40).collect();
        let mut buckets = Buckets::new(lengths.clone(), 8, 3);
        assert_eq!(buckets.count(), 125);
        let mut orders = Vec::new();
        for epoch in 0..2 {
            let mut seen = Vec::new();
            let mut padding = 0;
            for index in 0..buckets.count() {
                let places = buckets.places(epoch * 125 + index).to_vec();
                let longest = places.iter().map(|&at| lengths[at]).max().unwrap();
                padding += places.iter().map(|&at| longest - lengths[at]).sum::<usize>();
                seen.extend(places);
            }
            orders.push(seen.clone());
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..997));
            // Unsorted batches of 8 would have 16 steps of padding a sequence, sorted pools of 256 have about one.
            assert!(padding < 3 * 997, "{padding}");
        }
        assert_ne!(orders[0], orders[1]);
        let mut again = Buckets::new(lengths, 8, 3);
        assert_eq!(again.places(130), buckets.places(130));
    }

    #[test]
    fn a_share_of_the_tokens_is_hidden_and_no_padding() {
        let sequences = Sequences::Tokens((0..400).map(|at| vec![7; at % 50]).collect());
        let places: Vec<usize> = (0..400).collect();
        let hidden = |share: f64, padding: usize| {
            let mut batch: Padded<f32> = Padded::new(&sequences, &places, padding).unwrap();
            let mut rng = generator(3, Purpose::Hidden, 1);
            batch.hide(share, &mut rng);
            let seen = batch.tokens.iter().zip(&batch.mask).filter(|(_, read)| **read);
            (seen.map(|(&token, _)| token).collect::<Vec<u32>>(), uniform(&mut rng))
        };
        let count = |tokens: &[u32]| tokens.iter().filter(|&&token| token == 0).count() as f64;
        let ((some, drawn_next), all) = (hidden(0.2, 0), 9800.0);
        assert_eq!((some.len() as f64, count(&hidden(0.0, 0).0)), (all, 0.0));
        // Four deviations of a binomial count.
        assert!((count(&some) - 0.2 * all).abs() < 4.0 * libm::sqrt(0.2 * 0.8 * all), "{}", count(&some));
        assert_eq!((some, drawn_next), hidden(0.2, 3), "padding takes no draw");
    }

    #[test]
    fn padding_is_at_the_end_and_marked() {
        let sequences = Sequences::Tokens(vec![vec![5], vec![], vec![7, 8]]);
        let padded: Padded<f32> = Padded::new(&sequences, &[2, 0, 1], 1).unwrap();
        assert_eq!((padded.rows, padded.steps), (3, 3));
        assert_eq!(padded.tokens, [7, 5, 0, 8, 0, 0, 0, 0, 0]);
        let (yes, no) = (true, false);
        assert_eq!(padded.mask, [yes, yes, no, yes, no, no, no, no, no]);
        let vectors = Sequences::Vectors { width: 2, rows: vec![vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0]] };
        let padded: Padded<f32> = Padded::new(&vectors, &[0, 1], 0).unwrap();
        assert_eq!(padded.vectors, [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 0.0, 0.0]);
        assert_eq!(Padded::<f32>::new(&Sequences::Tokens(vec![vec![]]), &[0], 0).unwrap().mask, [false]);
    }
}
