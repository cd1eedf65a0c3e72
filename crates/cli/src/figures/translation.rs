//! The figures of translations against their references. Not here: the search for translations.

use elman::task::translate::Figures;
use serde::Serialize;

/// The figures of translations.
#[derive(Serialize)]
pub struct Scores {
    sentences: u64,
    /// Against all reference translations.
    bleu: f64,
    /// Against the first of them.
    bleu_first: f64,
    exact_match: f64,
    /// Tokens of the translations divided by tokens of the references.
    length_ratio: f64,
}

impl Scores {
    /// The figures to print and to write.
    pub fn of(Figures { all, first }: &Figures) -> Scores {
        let (sentences, exact_match, length_ratio) = (all.sentences(), all.exact_match(), all.length_ratio());
        Scores { sentences, bleu: all.score(), bleu_first: first.score(), exact_match, length_ratio }
    }

    /// The figures in a line.
    pub fn words(&self) -> String {
        let Scores { sentences, bleu, bleu_first, exact_match, length_ratio } = self;
        let exact = 100.0 * exact_match;
        format!(
            "BLEU {bleu:.2} against all, {bleu_first:.2} against the first, exact {exact:.1} %, length {length_ratio:.3}, \
             of {sentences} sentences"
        )
    }
}
