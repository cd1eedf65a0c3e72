//! What a decoder needs to write token by token: the encoded input and the current state, as plain data that no tape
//! keeps. Not here: the choice of tokens (`infer/search.rs`).

use elman_kernels::{Element, pad};

use super::{Encoded, Seq2Seq};
use crate::autodiff::tape::{Tape, Var};
use crate::data::table::sequences::Padded;
use crate::error::Error;
use crate::infer::search::Writer;

/// Values of a tape, taken off it: rows padded.
#[derive(Clone, Debug)]
struct Rows<E> {
    cols: usize,
    values: Vec<E>,
}

impl<E: Element> Rows<E> {
    fn of(tape: &Tape<E>, var: Var) -> Rows<E> {
        Rows { cols: var.cols(), values: tape.value(var).to_vec() }
    }

    fn put(&self, tape: &mut Tape<E>) -> Var {
        tape.leaf(self.cols, &self.values, false)
    }

    /// The rows at `from`.
    fn pick(&self, from: &[usize]) -> Rows<E> {
        let width = pad(self.cols);
        let values = from.iter().flat_map(|&row| &self.values[row * width..(row + 1) * width]);
        Rows { cols: self.cols, values: values.copied().collect() }
    }
}

/// What was read of some texts.
#[derive(Clone, Debug)]
pub struct Memory<E> {
    rows: usize,
    values: Rows<E>,
    /// None where they are the values.
    keys: Option<Rows<E>>,
    mask: Vec<bool>,
}

/// How far some texts were written: the decoder's state, whether it has a cell, and its last output.
#[derive(Clone, Debug)]
pub struct Carried<E> {
    states: Vec<Rows<E>>,
    output: Rows<E>,
}

impl<E: Element> Carried<E> {
    /// The rows at `from`, in that order.
    pub fn pick(&self, from: &[usize]) -> Carried<E> {
        Carried { states: self.states.iter().map(|rows| rows.pick(from)).collect(), output: self.output.pick(from) }
    }
}

impl<E: Element> Seq2Seq<E> {
    /// Reads texts: what is attended to while they are written, and the state before the first token.
    pub fn read(&self, tape: &mut Tape<E>, batch: &Padded<E>) -> Result<(Memory<E>, Carried<E>), Error> {
        tape.start(false);
        let (encoded, before) = self.encode(tape, batch, None)?;
        let keys = (encoded.keys != encoded.values).then(|| Rows::of(tape, encoded.keys));
        let values = Rows::of(tape, encoded.values);
        let memory = Memory { rows: batch.rows, values, keys, mask: batch.mask.clone() };
        let width = self.layers.output;
        let output = Rows { cols: width, values: vec![E::ZERO; batch.rows * pad(width)] };
        Ok((memory, Carried { states: taken(tape, &before), output }))
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
        carried: &mut Carried<E>,
        weights: Option<&mut Vec<E>>,
    ) -> Result<Var, Error> {
        tape.start(false);
        let (layers, params) = (&self.layers, &self.params);
        let values = memory.values.put(tape);
        let keys = memory.keys.as_ref().map_or(values, |keys| keys.put(tape));
        let encoded = Encoded { values, keys, mask: &memory.mask, rows: memory.rows };
        let before: Vec<Var> = carried.states.iter().map(|rows| rows.put(tape)).collect();
        let output = carried.output.put(tape);
        let x = layers.embed(tape, params, tokens)?;
        let (output, after) = self.step(tape, &encoded, x, before, Some(output), weights)?;
        (carried.states, carried.output) = (taken(tape, &after), Rows::of(tape, output));
        tape.linear(params, layers.head, layers.sizes[1], output)
    }
}

fn taken<E: Element>(tape: &Tape<E>, state: &[Var]) -> Vec<Rows<E>> {
    state.iter().map(|&var| Rows::of(tape, var)).collect()
}

/// Writes texts that were read, for a search.
pub struct Decoder<'a, E> {
    model: &'a Seq2Seq<E>,
    tape: &'a mut Tape<E>,
    memory: Memory<E>,
    carried: Carried<E>,
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
        self.carried = self.carried.pick(from);
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
