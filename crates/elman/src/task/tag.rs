//! Tagging: a class for every step of a sequence; and restoring, which tags characters with what was removed from them.
//! Not here: what it shares with classification (`labels.rs`).

use elman_kernels::Element;

use super::labels::Trained;
use crate::autodiff::tape::Tape;
use crate::data::table::labelled::Items;
use crate::data::text::restore;
use crate::error::Error;
use crate::metrics::Confusion;

pub use super::labels::{Figures, Labels as Tag};

/// Characters on either side of a piece that is restored, so that every one has a surrounding.
const MARGIN: usize = 40;

impl<E: Element> Tag<E> {
    /// Of a text to be restored: the counts of classes if every held-out word stands as it mostly stood in training.
    pub fn by_words(&self) -> Option<&Confusion> {
        self.data.by_words.as_ref()
    }
}

impl<E: Element> Trained<E> {
    /// A text with capitals and marks put back. It is read in pieces of `length` characters that overlap.
    pub fn restore(&self, tape: &mut Tape<E>, name: &str, text: &str, length: usize) -> Result<String, Error> {
        let (bare, _) = restore::taken(text);
        let inner = length.saturating_sub(2 * MARGIN).max(1);
        let starts: Vec<usize> = (0..bare.len()).step_by(inner).collect();
        let piece = |&start: &usize| {
            let (from, to) = (start.saturating_sub(MARGIN), (start + inner + MARGIN).min(bare.len()));
            bare[from..to].iter().collect()
        };
        let all = self.classes(tape, name, &Items::Texts(starts.iter().map(piece).collect()))?;
        let mut classes = Vec::with_capacity(bare.len());
        for (&start, piece) in starts.iter().zip(&all) {
            let skipped = start - start.saturating_sub(MARGIN);
            classes.extend(piece[skipped..].iter().take(inner.min(bare.len() - start)).copied());
        }
        Ok(restore::put_back(&bare, classes.into_iter().map(|class| self.classes[class].as_str())))
    }
}

/// F1 of capitals and of punctuation, each at its exact place.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct RestoreFigures {
    /// F1 of capital letters.
    pub capitals_f1: f64,
    /// F1 of marks.
    pub punctuation_f1: f64,
}

/// The figures of restoring, from the counts of classes.
pub fn restored(confusion: &Confusion, classes: &[String]) -> RestoreFigures {
    let parts: Vec<(bool, Option<char>)> = classes.iter().map(|class| restore::parts(class)).collect();
    // Found, predicted, there.
    let (mut capitals, mut marks) = ([0_u64; 3], [0_u64; 3]);
    for (truth, &(capital, sign)) in parts.iter().enumerate() {
        for (guess, &(guessed_capital, guessed_sign)) in parts.iter().enumerate() {
            let count = confusion.count(truth, guess);
            let each = [
                (&mut capitals, [capital && guessed_capital, guessed_capital, capital]),
                (&mut marks, [sign.is_some() && sign == guessed_sign, guessed_sign.is_some(), sign.is_some()]),
            ];
            for (sums, holds) in each {
                sums.iter_mut().zip(holds).for_each(|(sum, holds)| *sum += if holds { count } else { 0 });
            }
        }
    }
    let f1 = |[found, predicted, there]: [u64; 3]| 2.0 * found as f64 / (predicted + there).max(1) as f64;
    RestoreFigures { capitals_f1: f1(capitals), punctuation_f1: f1(marks) }
}
