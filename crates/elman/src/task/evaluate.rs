//! The measures of a model on a text: its loss over the whole text, read as one stream, and the loss of each line by
//! itself. A text without a prediction in it, and characters the model does not know, are errors.

use elman_kernels::{Cpu, Element, pad, softmax};

use crate::{
    autodiff::tape::Tape,
    data::{Held, Tokens, Vocab, Window},
    error::Error,
    infer::{Precision, Session},
    nn::model::LanguageModel,
};

/// Steps given to the model at once. Fixed, because a measure must not depend on anything but model and text.
const CHUNK: usize = 1024;

/// How well a model predicts a text.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Evaluation {
    /// Mean nats per predicted token.
    pub loss: f64,
    /// Perplexity, exp(loss).
    pub ppl: f64,
    /// Bits per token, loss / ln 2: per character, or per byte where bytes are the tokens.
    pub bpc: f64,
    /// Bits per byte of the predicted tokens' text. None where the tokens are not the whole text: some are unknown, or the
    /// text was cleaned or converted to lower case first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_byte: Option<f64>,
    /// Tokens of the text; one prediction fewer was made.
    pub tokens: usize,
    /// Share of the tokens that are unknown, `<unk>`: 0 to 1. None where the vocabulary has no such token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<f64>,
}

impl Evaluation {
    /// The figures that follow from a mean loss on tokens of which so many are unknown.
    pub(crate) fn of_loss(loss: f64, vocab: &Vocab, (tokens, unknown): (usize, usize)) -> Evaluation {
        Evaluation {
            loss,
            ppl: libm::exp(loss),
            bpc: loss / std::f64::consts::LN_2,
            bits_per_byte: None,
            tokens,
            unknown: vocab.has_unknown().then(|| unknown as f64 / tokens as f64),
        }
    }
}

/// Reads `text` as one stream from the zero state: n-1 predictions for n tokens.
///
/// Errors: fewer than 2 tokens; a character outside the vocabulary; for characters, a text that is not UTF-8.
pub fn evaluate<E: Element>(
    model: &LanguageModel<E>,
    vocab: &Vocab,
    text: impl AsRef<[u8]>,
    tape: &mut Tape<E>,
) -> Result<Evaluation, Error> {
    evaluate_watched(model, vocab, text, tape, &mut |_, _| {})
}

/// As [`evaluate`]; calls `watch` again and again with the number of predictions that are made and that of all.
pub fn evaluate_watched<E: Element>(
    model: &LanguageModel<E>,
    vocab: &Vocab,
    text: impl AsRef<[u8]>,
    tape: &mut Tape<E>,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation, Error> {
    let held = encode(vocab, text.as_ref())?;
    finite(evaluate_ids(model, vocab, &held, tape, &mut counted(&held, watch))?)
}

/// Calls `watch` before each chunk; never ends the measure.
fn counted(held: &Held, watch: &mut dyn FnMut(usize, usize)) -> impl FnMut() -> bool {
    let (mut done, all) = (0, held.ids.len().saturating_sub(1));
    move || {
        watch(done.min(all), all);
        done += CHUNK;
        true
    }
}

/// As [`evaluate`], with the model's weights in `precision`, one step after another, as sampling has them. With full
/// ones the loss has the bits of [`evaluate`]'s.
pub fn evaluate_with<E: Element>(
    model: &LanguageModel<E>,
    vocab: &Vocab,
    text: impl AsRef<[u8]>,
    precision: Precision,
    cpu: &Cpu,
) -> Result<Evaluation, Error> {
    evaluate_with_watched(model, vocab, text, precision, cpu, &mut |_, _| {})
}

/// As [`evaluate_with`]; calls `watch` again and again with the number of predictions that are made and that of all.
pub fn evaluate_with_watched<E: Element>(
    model: &LanguageModel<E>,
    vocab: &Vocab,
    text: impl AsRef<[u8]>,
    precision: Precision,
    cpu: &Cpu,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation, Error> {
    let held = encode(vocab, text.as_ref())?;
    let mut steps = Steps::new(model, precision, cpu)?;
    let whole = measure(vocab, &held, &mut counted(&held, watch), |inputs, targets| {
        steps.read(inputs)?;
        Ok(steps.losses(targets)?.iter().map(|loss| loss.to_f64()).sum())
    })?;
    finite(whole)
}

/// A model that reads a text token by token, and its logits of a chunk.
struct Steps<'a, E> {
    cpu: &'a Cpu,
    session: Session<E>,
    vocab_size: usize,
    /// `[steps, pad(V)]`.
    logits: Vec<E>,
    losses: Vec<E>,
}

impl<'a, E: Element> Steps<'a, E> {
    fn new(model: &LanguageModel<E>, precision: Precision, cpu: &'a Cpu) -> Result<Steps<'a, E>, Error> {
        let session = Session::new(model.network(), 1, precision, cpu)?;
        Ok(Steps { cpu, session, vocab_size: model.vocab_size(), logits: Vec::new(), losses: Vec::new() })
    }

    /// Reads tokens: the logits are those after each of them.
    fn read(&mut self, inputs: &[u32]) -> Result<(), Error> {
        let row = pad(self.vocab_size);
        self.logits.clear();
        self.logits.resize(inputs.len() * row, E::ZERO);
        for (token, logits) in inputs.iter().zip(self.logits.chunks_exact_mut(row)) {
            logits[..self.vocab_size].copy_from_slice(self.session.step_tokens(std::slice::from_ref(token))?);
        }
        Ok(())
    }

    /// The rank of each target among the logits: 1 is the likeliest. Of equal ones the lower id comes first.
    fn ranks(&self, targets: &[u32]) -> Vec<usize> {
        let rank = |(target, logits): (&u32, &[E])| {
            let own = logits[*target as usize];
            let is_before = |(id, &x): (usize, &E)| x > own || (x == own && id < *target as usize);
            1 + logits[..self.vocab_size].iter().enumerate().filter(|&entry| is_before(entry)).count()
        };
        targets.iter().zip(self.logits.chunks_exact(pad(self.vocab_size))).map(rank).collect()
    }

    /// The loss of each target; the logits are overwritten.
    fn losses(&mut self, targets: &[u32]) -> Result<&[E], Error> {
        self.losses.resize(targets.len(), E::ZERO);
        let Steps { cpu, logits, losses, .. } = self;
        softmax::cross_entropy(cpu, self.vocab_size, targets, E::ONE, logits, losses)?;
        Ok(&self.losses)
    }
}

/// What a model thinks of a token.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Predicted {
    /// Tokens before it.
    pub position: usize,
    /// Its id.
    pub id: u32,
    /// Natural logarithm of its probability.
    pub log_prob: f64,
    /// 1 where the model thought it the likeliest token.
    pub rank: usize,
}

/// Reads `text` as [`evaluate`] does, and gives `show` each token that is predicted, all but the first: the mean of their
/// log-probabilities is the loss with the sign changed.
///
/// Errors: as [`evaluate`]; those of `show`.
pub fn evaluate_tokens<E: Element>(
    model: &LanguageModel<E>,
    vocab: &Vocab,
    text: impl AsRef<[u8]>,
    cpu: &Cpu,
    show: &mut dyn FnMut(Predicted) -> Result<(), Error>,
) -> Result<(), Error> {
    let held = encode(vocab, text.as_ref())?;
    let mut steps = Steps::new(model, Precision::Full, cpu)?;
    let mut position = 0;
    let whole = measure(vocab, &held, &mut || true, |inputs, targets| {
        steps.read(inputs)?;
        let ranks = steps.ranks(targets);
        for ((&id, rank), loss) in targets.iter().zip(ranks).zip(steps.losses(targets)?) {
            position += 1;
            let log_prob = 0.0 - loss.to_f64();
            Error::unless_finite("the text", "the log-probability", log_prob)?;
            show(Predicted { position, id, log_prob, rank })?;
        }
        Ok(0.0)
    })?;
    finite(whole).map(|_| ())
}

/// A measure that was not ended. Errors: its loss is no finite number.
fn finite(whole: Option<Evaluation>) -> Result<Evaluation, Error> {
    let whole = whole.expect("nobody ends it");
    Error::unless_finite("the text", "the loss", whole.loss)?;
    Ok(whole)
}

/// The tokens of a text.
fn encode(vocab: &Vocab, text: &[u8]) -> Result<Held, Error> {
    let ids = vocab.encode_bytes("the text", text)?;
    if ids.len() < 2 {
        let (name, got, unit) = ("the text".into(), ids.len(), vocab.unit(ids.len()).into());
        return Err(Error::ShortText { name, got, unit, expected: "2".into() });
    }
    Ok(Held { ids: Tokens::Memory(ids), bytes: vocab.predicted_bytes(text) })
}

/// What a model thinks of a line.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Line {
    /// Which, from 1.
    pub line: usize,
    /// Natural logarithm of the line's probability: the sum over its tokens, 0 for an empty line.
    pub log_prob: f64,
    /// Tokens of the line, all of them predicted; its end is none.
    pub tokens: usize,
}

/// Reads each line of `text` by itself, from the zero state and [`Vocab::start`] (a line's end, where the model knows
/// it): no line depends on another. A carriage return is a part of its line.
///
/// Errors: a character outside the vocabulary; for characters, a text that is not UTF-8.
pub fn evaluate_lines<E: Element>(
    model: &LanguageModel<E>,
    vocab: &Vocab,
    text: impl AsRef<[u8]>,
    tape: &mut Tape<E>,
) -> Result<Vec<Line>, Error> {
    evaluate_lines_watched(model, vocab, text, tape, &mut |_, _| {})
}

/// As [`evaluate_lines`]; calls `watch` before each line with the number of lines that are read and that of all.
pub fn evaluate_lines_watched<E: Element>(
    model: &LanguageModel<E>,
    vocab: &Vocab,
    text: impl AsRef<[u8]>,
    tape: &mut Tape<E>,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Line>, Error> {
    let text = text.as_ref();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let all = 1 + text.iter().filter(|&&byte| byte == b'\n').count();
    let mut lines = Vec::new();
    for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
        watch(at, all);
        let targets = vocab.encode_bytes(&format!("line {} of the text", at + 1), line)?;
        let inputs: Vec<u32> = std::iter::once(vocab.start()).chain(targets.iter().copied()).collect();
        let (mut state, mut nats) = (model.initial_state(1), 0.0);
        for (inputs, targets) in inputs[..targets.len()].chunks(CHUNK).zip(targets.chunks(CHUNK)) {
            nats += model.loss_sum(tape, inputs, targets, &mut state)?;
        }
        Error::unless_finite(&format!("line {} of the text", at + 1), "its nats", nats)?;
        lines.push(Line { line: at + 1, log_prob: 0.0 - nats, tokens: targets.len() });
    }
    Ok(lines)
}

/// The same for tokens of `vocab`. None as soon as `continues`, asked again and again, says no.
pub(crate) fn evaluate_ids<E: Element>(
    model: &LanguageModel<E>,
    vocab: &Vocab,
    held: &Held,
    tape: &mut Tape<E>,
    continues: &mut dyn FnMut() -> bool,
) -> Result<Option<Evaluation>, Error> {
    let mut state = model.initial_state(1);
    measure(vocab, held, continues, |inputs, targets| model.loss_sum(tape, inputs, targets, &mut state))
}

/// Chunk by chunk: `nats` is the sum of the losses of a chunk's predictions. None where `continues` says no before the
/// end.
fn measure(
    vocab: &Vocab,
    held: &Held,
    continues: &mut dyn FnMut() -> bool,
    mut nats_of: impl FnMut(&[u32], &[u32]) -> Result<f64, Error>,
) -> Result<Option<Evaluation>, Error> {
    let Held { ids, bytes } = held;
    let predictions = ids.len().saturating_sub(1);
    if predictions == 0 {
        return Err(Error::ShortText {
            name: "the text".into(),
            got: ids.len(),
            unit: vocab.unit(ids.len()).into(),
            expected: "2".into(),
        });
    }
    let (mut nats, mut unknown, mut read) = (0.0, 0, Window::default());
    for at in (0..predictions).step_by(CHUNK) {
        if !continues() {
            return Ok(None);
        }
        let count = CHUNK.min(predictions - at);
        let chunk = ids.at(at..at + count + 1, &mut read)?;
        let new = if at == 0 { chunk } else { &chunk[1..] };
        unknown += vocab.count_unknown(new);
        nats += nats_of(&chunk[..count], &chunk[1..])?;
    }
    let is_whole = unknown == 0 && vocab.keeps_text();
    let bits_per_byte = is_whole.then(|| nats / std::f64::consts::LN_2 / *bytes as f64);
    let of_loss = Evaluation::of_loss(nats / predictions as f64, vocab, (ids.len(), unknown));
    Ok(Some(Evaluation { bits_per_byte, ..of_loss }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Cell, Config};

    #[test]
    fn one_stream_equals_one_step_at_a_time() {
        let (first, second): (String, String) = ("aé☃ b\n".repeat(200), "ba é".repeat(300));
        let text = first + &second;
        let vocab = Vocab::fit(&text, "");
        let config = Config { hidden_size: 5, ..Config::default() };
        let model: LanguageModel<f64> = LanguageModel::new(&config, vocab.len()).unwrap();
        let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
        let got = evaluate(&model, &vocab, &text, &mut tape).unwrap();

        let ids = vocab.encode("t", &text).unwrap();
        let (mut state, mut logits, mut nats) = (model.initial_state(1), vec![], 0.0);
        for pair in ids.windows(2) {
            model.step(&mut tape, &pair[..1], &mut state, &mut logits).unwrap();
            let sum: f64 = logits.iter().map(|x| x.exp()).sum();
            nats += sum.ln() - logits[pair[1] as usize];
        }
        let n = ids.len() - 1;
        assert!(n > 2 * CHUNK, "the state must be carried over a chunk's end");
        assert_eq!(got.tokens, n + 1);
        assert!((got.loss - nats / n as f64).abs() < 1e-12, "{} {}", got.loss, nats / n as f64);
        assert!((got.ppl - got.loss.exp()).abs() < 1e-12);
        assert!((got.bpc - got.loss / 2.0_f64.ln()).abs() < 1e-12);
        let bytes = (text.len() - 1) as f64;
        assert!((got.bits_per_byte.unwrap() - got.bpc * n as f64 / bytes).abs() < 1e-12);
        assert_eq!(got.unknown, None);
    }

    #[test]
    fn steps_have_the_bits_of_the_whole_and_narrow_weights_come_near() {
        let text = "the sea\nbird. ".repeat(120);
        let vocab = Vocab::fit(&text, "");
        let cpu = Cpu::new(Some(2)).unwrap();
        for (cell, embed) in [(Cell::LSTM, 0), (Cell::GRU, 7), (Cell::RNN_TANH, 0)] {
            let config = Config { cell, embed, hidden_size: 40, ..Config::default() };
            let model: LanguageModel<f32> = LanguageModel::new(&config, vocab.len()).unwrap();
            let full = evaluate(&model, &vocab, &text, &mut Tape::new(&cpu)).unwrap();
            let with = |precision| evaluate_with(&model, &vocab, &text, precision, &cpu).unwrap();
            assert_eq!(with(Precision::Full), full, "{cell:?}");
            for precision in [Precision::Bf16, Precision::Int8] {
                // Weights of 1/sqrt(40) and below move by a 256th at most, logits by a hundredth or so.
                let difference = (with(precision).loss - full.loss).abs();
                assert!(difference > 0.0 && difference < 0.01, "{cell:?} {precision:?}: {difference}");
            }
        }
        let error = |text| evaluate_with(&zeros(&vocab), &vocab, text, Precision::Int8, &cpu).unwrap_err().to_string();
        assert_eq!(error("t"), "the text has 1 character, expected at least 2");
    }

    fn zeros(vocab: &Vocab) -> LanguageModel<f32> {
        LanguageModel::zeros(&Config::default(), vocab.len()).unwrap()
    }

    #[test]
    fn a_line_is_scored_by_itself() {
        let vocab = Vocab::fit("ab\n", "");
        let config = Config { hidden_size: 5, ..Config::default() };
        let model: LanguageModel<f64> = LanguageModel::new(&config, 3).unwrap();
        let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
        let long = "ab".repeat(CHUNK);
        let lines = evaluate_lines(&model, &vocab, format!("ab\n\nb\nab\n{long}\n"), &mut tape).unwrap();
        let tokens: Vec<_> = lines.iter().map(|line| (line.line, line.tokens)).collect();
        assert_eq!(tokens, [(1, 2), (2, 0), (3, 1), (4, 2), (5, 2 * CHUNK)]);
        assert_eq!((lines[1].log_prob, lines[0].log_prob), (0.0, lines[3].log_prob), "no line depends on another");
        // Each is the stream that begins with a newline.
        for (line, text) in [(0, "\nab"), (2, "\nb"), (4, &format!("\n{long}"))] {
            let whole = evaluate(&model, &vocab, text, &mut tape).unwrap();
            let want = -whole.loss * lines[line].tokens as f64;
            assert!((lines[line].log_prob - want).abs() < 1e-9, "{text} {} {want}", lines[line].log_prob);
        }
        assert_eq!(evaluate_lines(&model, &vocab, "a", &mut tape).unwrap().len(), 1);
        let error = evaluate_lines(&model, &vocab, "a\nac", &mut tape).unwrap_err().to_string();
        assert!(error.starts_with("character 'c' (U+0063) at position 1 of line 2 of the text is not"), "{error}");
    }

    #[test]
    fn tokens_are_scored_and_ranked() {
        let vocab = Vocab::fit("abc\n", "");
        let config = Config { hidden_size: 5, ..Config::default() };
        let model: LanguageModel<f64> = LanguageModel::new(&config, 4).unwrap();
        let cpu = Cpu::new(Some(1)).unwrap();
        let mut tape = Tape::new(&cpu);
        let text = "abca\ncab".repeat(300);
        let mut tokens = Vec::new();
        let show = &mut |token| {
            tokens.push(token);
            Ok(())
        };
        evaluate_tokens(&model, &vocab, &text, &cpu, show).unwrap();
        let whole = evaluate(&model, &vocab, &text, &mut tape).unwrap();
        assert!(tokens.len() == text.len() - 1 && tokens.len() > 2 * CHUNK);
        let sum: f64 = tokens.iter().map(|token| token.log_prob).sum();
        assert!((sum / tokens.len() as f64 + whole.loss).abs() < 1e-12);
        // Each by itself, from the text before it.
        let (ids, mut state, mut logits) = (vocab.encode("t", &text).unwrap(), model.initial_state(1), vec![]);
        for (at, token) in tokens.iter().enumerate().take(20) {
            model.step(&mut tape, &ids[at..at + 1], &mut state, &mut logits).unwrap();
            let own = logits[ids[at + 1] as usize];
            let rank = 1 + logits.iter().filter(|&&x| x > own).count();
            let log_prob = own - logits.iter().map(|x| x.exp()).sum::<f64>().ln();
            assert_eq!((token.position, token.id, token.rank), (at + 1, ids[at + 1], rank));
            assert!((token.log_prob - log_prob).abs() < 1e-12, "{at}");
        }
        // Of equal ones the lower id comes first.
        let flat: LanguageModel<f64> = LanguageModel::zeros(&config, 4).unwrap();
        let mut ranks = Vec::new();
        let show = &mut |token: Predicted| {
            ranks.push(token.rank as u32 - token.id);
            Ok(())
        };
        evaluate_tokens(&flat, &vocab, "abc\nab", &cpu, show).unwrap();
        assert_eq!(ranks, [1; 5]);
    }

    #[test]
    fn a_loss_that_is_no_number_is_an_error() {
        let vocab = Vocab::fit("ab", "");
        let config = Config { hidden_size: 2, ..Config::default() };
        let mut model: LanguageModel<f32> = LanguageModel::new(&config, 2).unwrap();
        model.params_mut().set("decoder.bias", &[f32::MAX, -f32::MAX]).unwrap();
        model.params_mut().set("decoder.weight", &[f32::MAX; 4]).unwrap();
        let cpu = Cpu::new(Some(1)).unwrap();
        let error = evaluate(&model, &vocab, "abba", &mut Tape::new(&cpu)).unwrap_err().to_string();
        assert!(error.starts_with("the loss is ") && error.contains("expected a finite number"), "{error}");
        assert!(evaluate_with(&model, &vocab, "abba", Precision::Full, &cpu).is_err());
        assert!(evaluate_lines(&model, &vocab, "ab", &mut Tape::new(&cpu)).is_err());
    }

    #[test]
    fn too_little_text_and_unknown_characters_are_refused() {
        let vocab = Vocab::fit("ab", "");
        let config = Config { hidden_size: 2, ..Config::default() };
        let model: LanguageModel<f32> = LanguageModel::new(&config, 2).unwrap();
        let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
        let mut message = |text| evaluate(&model, &vocab, text, &mut tape).unwrap_err().to_string();
        assert_eq!(message("a"), "the text has 1 character, expected at least 2");
        assert_eq!(message(""), "the text has 0 characters, expected at least 2");
        assert!(message("abc").starts_with("character 'c' (U+0063) at position 2 of the text is not"));
    }
}
