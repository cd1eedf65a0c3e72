//! The likeliest next tokens after a prompt. Not here: how a sampler chooses among them (`choose.rs`).

use elman_kernels::{Cpu, Element};

use super::session::{Precision, Session};
use crate::data::Vocab;
use crate::error::Error;
use crate::nn::model::LanguageModel;

/// A token that may come next.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Next {
    /// Its id.
    pub id: u32,
    /// The model's probability of it, 0 to 1.
    pub probability: f64,
}

/// The `count` likeliest tokens after `prompt`, the likeliest first; of equal ones the lower id. An empty prompt means
/// [`Vocab::start`].
///
/// Errors: as [`Vocab::encode_prompt`]; as [`Session::new`]; logits that are no finite numbers.
pub fn next_tokens<E: Element>(
    model: &LanguageModel<E>,
    vocab: &Vocab,
    prompt: &[u8],
    count: usize,
    precision: Precision,
    cpu: &Cpu,
) -> Result<Vec<Next>, Error> {
    let mut ids = vocab.encode_prompt(prompt)?;
    if ids.is_empty() {
        ids.push(vocab.start());
    }
    let mut session = Session::new(model.network(), 1, precision, cpu)?;
    for id in ids {
        session.step_tokens(&[id])?;
    }
    let logits: Vec<f64> = session.outputs_mut().iter().map(|x| x.to_f64()).collect();
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|x| libm::exp(x - highest)).sum();
    Error::unless_finite("the prompt", "the sum of the probabilities", sum)?;
    let mut all: Vec<Next> =
        (0..).zip(&logits).map(|(id, x)| Next { id, probability: libm::exp(x - highest) / sum }).collect();
    all.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.id.cmp(&b.id)));
    all.truncate(count);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_likeliest_come_first_with_their_probabilities() {
        let vocab = Vocab::fit("aab\n", "");
        let config = Config { hidden_size: 4, ..Config::default() };
        let mut model: LanguageModel<f64> = LanguageModel::zeros(&config, 3).unwrap();
        let cpu = Cpu::new(Some(1)).unwrap();
        let next = |model: &_, prompt: &[u8], count| next_tokens(model, &vocab, prompt, count, Precision::Full, &cpu);
        let ids = |next: Vec<Next>| next.iter().map(|next| next.id).collect::<Vec<_>>();
        assert_eq!(ids(next(&model, b"", 9).unwrap()), [0, 1, 2], "equal ones by id");
        let bias = [1.0, 3.0, 2.0];
        model.params_mut().set("decoder.bias", &bias).unwrap();
        let two = next(&model, b"ab", 2).unwrap();
        let sum: f64 = bias.iter().map(|x| x.exp()).sum();
        assert!((two[0].probability - bias[1].exp() / sum).abs() < 1e-15, "{two:?}");
        assert_eq!(ids(two), [1, 2]);
        assert!(matches!(next(&model, b"x", 2), Err(Error::UnknownPrompt { .. })));
    }
}
