//! What a decoder needs to write token by token: the encoded input and the current state, which no tape keeps. Not here:
//! the choice of tokens (`infer/search.rs`).

use elman_kernels::{Element, pad};

use super::{Encoded, Seq2Seq};
use crate::autodiff::tape::{Tape, Var};
use crate::data::table::sequences::Padded;
use crate::error::Error;
use crate::infer::search::Writer;
use crate::nn::layer::Layer;
use crate::nn::state::{State, StatePart};

/// What was read of some texts.
#[derive(Clone, Debug)]
pub struct Memory<E> {
    rows: usize,
    /// Keys and values, a row for each step of each text.
    steps: State<E>,
    mask: Vec<bool>,
}

/// A part without a learned start.
fn part(name: &str, width: usize) -> StatePart {
    StatePart { name: name.to_string(), width, initial: None }
}

impl<E: Element> Seq2Seq<E> {
    /// Reads texts: what is attended to while they are written, and how far each is written: the decoder's state before
    /// the first token, and its last output.
    pub fn read(&self, tape: &mut Tape<E>, batch: &Padded<E>) -> Result<(Memory<E>, State<E>), Error> {
        tape.start(false);
        let (encoded, mut before) = self.encode(tape, batch, None)?;
        let (keys, values) = (encoded.keys, encoded.values);
        let mut steps = State::new(&[part("keys", keys.cols()), part("values", values.cols())], values.rows());
        steps.from_tape(tape, &[keys, values]);
        let parts = [self.layers.rnn.states(), &[part("output", self.layers.output)]].concat();
        let mut carried = State::new(&parts, batch.rows);
        before.push(tape.zeros(batch.rows, self.layers.output));
        carried.from_tape(tape, &before);
        Ok((Memory { rows: batch.rows, steps, mask: batch.mask.clone() }, carried))
    }

    /// Writes one token more: logits `[R, V]` of the next, with R a multiple of the texts that were read and row r
    /// going with text r modulo their number. `carried` becomes the state after `tokens` `[R]`.
    ///
    /// `weights` is given what each row looked at, `[R, Ts]`. The logits stay on the tape until it starts again.
    pub fn write(
        &self,
        tape: &mut Tape<E>,
        memory: &Memory<E>,
        tokens: &[u32],
        carried: &mut State<E>,
        weights: Option<&mut Vec<E>>,
    ) -> Result<Var, Error> {
        tape.start(false);
        let (layers, params) = (&self.layers, &self.params);
        let steps = memory.steps.to_tape(tape, false);
        let encoded = Encoded { keys: steps[0], values: steps[1], mask: &memory.mask, rows: memory.rows };
        let mut before = carried.to_tape(tape, false);
        let output = before.pop();
        let x = layers.embed(tape, params, tokens)?;
        let (output, mut after) = self.step(tape, &encoded, x, before, output, weights)?;
        after.push(output);
        carried.from_tape(tape, &after);
        tape.linear(params, layers.head, layers.sizes[1], output)
    }
}

/// Writes texts that were read, for a search.
pub struct Decoder<'a, E> {
    model: &'a Seq2Seq<E>,
    tape: &'a mut Tape<E>,
    memory: Memory<E>,
    carried: State<E>,
    /// The first token that is text.
    first: usize,
    /// The attention weights of each step's rows, `[R, Ts]`, where they are requested.
    pub looks: Option<Vec<Vec<E>>>,
}

impl<'a, E: Element> Decoder<'a, E> {
    /// Reads the texts. Tokens below `first` represent no text (`<unk>`, `<bos>`) and are never chosen: their
    /// probability is nobody's.
    pub fn new(model: &'a Seq2Seq<E>, tape: &'a mut Tape<E>, batch: &Padded<E>, first: usize) -> Result<Self, Error> {
        let (memory, carried) = model.read(tape, batch)?;
        Ok(Decoder { model, tape, memory, carried, first, looks: None })
    }
}

impl<E: Element> Writer for Decoder<'_, E> {
    fn texts(&self) -> usize {
        self.memory.rows
    }

    fn write(&mut self, tokens: &[u32], from: &[usize], count: usize) -> Result<Vec<Vec<(u32, f64)>>, Error> {
        self.carried = self.carried.pick(from)?;
        let mut weights = Vec::new();
        let look = self.looks.is_some().then_some(&mut weights);
        let logits = self.model.write(self.tape, &self.memory, tokens, &mut self.carried, look)?;
        if let Some(looks) = &mut self.looks {
            looks.push(weights);
        }
        let shares = self.tape.softmax(logits)?;
        let (logits, shares) = (self.tape.value(logits), self.tape.value(shares));
        let (width, cols) = (pad(self.model.layers.sizes[1]), self.model.layers.sizes[1]);
        let rows = logits.chunks_exact(width).zip(shares.chunks_exact(width));
        Ok(rows.map(|(logits, shares)| likeliest(&logits[..cols], shares, self.first, count)).collect())
    }
}

/// The `count` largest of a row's logits from token `first` on, with the logarithms of their probabilities; of equals
/// the lower token first.
fn likeliest<E: Element>(logits: &[E], shares: &[E], first: usize, count: usize) -> Vec<(u32, f64)> {
    let mut best: Vec<(u32, E)> = Vec::with_capacity(count + 1);
    for (token, &logit) in logits.iter().enumerate().skip(first) {
        if best.len() == count && best.last().is_some_and(|last| last.1 >= logit) {
            continue;
        }
        let place = best.partition_point(|other| other.1 >= logit);
        best.insert(place, (token as u32, logit));
        best.truncate(count);
    }
    let Some(&(likeliest, top)) = best.first() else { return Vec::new() };
    let log_probability = libm::log(shares[likeliest as usize].to_f64());
    best.into_iter().map(|(token, logit)| (token, log_probability + (logit.to_f64() - top.to_f64()))).collect()
}
