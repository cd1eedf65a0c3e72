//! The sequence-to-sequence network: an encoder, a bridge from its last state to the decoder's first, a decoder with or
//! without attention, a head. Attention without input feeding reads all steps of the decoder at once; with input
//! feeding each step waits for the one before, in a scan. Not here: texts and search; it sees tokens.
//! Source: Sutskever, Vinyals, Le 2014; Luong, Pham, Manning 2015 (the decoder's order of state, attention, output).

mod layers;
mod write;

use elman_kernels::Element;
use elman_kernels::softmax::IGNORED;
use rand_chacha::ChaCha8Rng;

use super::Model;
use crate::autodiff::nodes::{Sequence, Targets};
use crate::autodiff::params::Params;
use crate::autodiff::tape::{Tape, Var};
use crate::data::table::parallel::PairBatch;
use crate::data::table::sequences::Padded;
use crate::error::Error;
use crate::nn::layer::Pass as LayerPass;

pub use layers::Layers;
pub use write::{Decoder, Memory};

/// What the number of rows before the head is a multiple of.
pub const HEAD_ROWS: usize = 64;

/// A network that reads and writes, and its parameters: made for the numbers of tokens to read and to write.
pub type Seq2Seq<E> = Model<E, Layers<E>>;

/// What was read, on a tape.
struct Encoded<'a> {
    /// The encoder's output `[Ts*B, W]`: what attention takes its means of.
    values: Var,
    /// The keys that the decoder's queries are compared with `[Ts*B, D]`.
    keys: Var,
    mask: &'a [bool],
    rows: usize,
}

/// How a pass is made.
pub struct Pass<'a> {
    /// The generator of its dropout masks; None turns dropout off.
    pub dropout: Option<ChaCha8Rng>,
    /// Share of the targets' probability that is spread over all tokens.
    pub smoothing: f64,
    /// What is fed instead of the batch's own inputs `[T*B]`.
    pub inputs: Option<&'a [u32]>,
}

impl<E: Element> Seq2Seq<E> {
    /// Whether it looks at what it read.
    pub fn attends(&self) -> bool {
        self.layers.attention.is_some()
    }

    /// Logits `[n, V]` of the targets that count, in the order of the batch, and of the last of them again up to a
    /// whole number of [`HEAD_ROWS`]: the buffers of all batches then have few sizes.
    pub fn forward(&self, tape: &mut Tape<E>, batch: &PairBatch<E>, pass: &mut Pass<'_>) -> Result<Var, Error> {
        let output = self.output(tape, batch, pass)?;
        tape.linear(&self.params, self.layers.head, self.layers.sizes[1], output)
    }

    /// What the head reads `[n, O]`, with the rows of [`Seq2Seq::forward`].
    fn output(&self, tape: &mut Tape<E>, batch: &PairBatch<E>, pass: &mut Pass<'_>) -> Result<Var, Error> {
        let (layers, params, rows) = (&self.layers, &self.params, batch.from.rows);
        let inputs = pass.inputs.unwrap_or(&batch.inputs);
        if rows == 0 || !inputs.len().is_multiple_of(rows) || inputs.len() != batch.targets.len() {
            let (name, expected) = ("inputs of a decoder".to_string(), vec![batch.targets.len()]);
            return Err(Error::Shape { name, got: vec![inputs.len()], expected });
        }
        let (encoded, before) = self.encode(tape, &batch.from, pass.dropout.as_mut())?;
        let x = layers.embed(tape, params, inputs)?;
        let x = layers.drop_input(tape, pass.dropout.as_mut(), x, rows)?;
        let counts: Vec<bool> = batch.targets.iter().map(|&target| target != IGNORED).collect();
        let mut at: Vec<usize> = (0..counts.len()).filter(|&at| counts[at]).collect();
        let last = at.last().copied().unwrap_or_default();
        at.resize(at.len().next_multiple_of(HEAD_ROWS), last);
        let output = if layers.input_feeding {
            let y = self.fed(tape, &encoded, x, before, inputs.len() / rows)?;
            tape.select(y, &at)?
        } else {
            let dropout = pass.dropout.as_mut();
            let mut pass = LayerPass { batch: rows, mask: Some(&counts), dropout };
            let (h, _) = layers.rnn.as_layer().run(tape, params, Sequence::Dense(x), &before, &mut pass)?;
            let context = self.attend(tape, &encoded, h, None)?;
            let context = context.map(|context| tape.select(context, &at)).transpose()?;
            let h = tape.select(h, &at)?;
            layers.combine(tape, params, h, context)?
        };
        match &mut pass.dropout {
            Some(rng) => tape.dropout(layers.output_dropout, rng, output),
            None => Ok(output),
        }
    }

    /// Mean loss in nats of a target, without smoothing's part where there is none; `grads` is overwritten.
    pub fn loss_and_grads(
        &self,
        tape: &mut Tape<E>,
        batch: &PairBatch<E>,
        mut pass: Pass<'_>,
        grads: &mut Params<E>,
    ) -> Result<f64, Error> {
        tape.start(true);
        let output = self.output(tape, batch, &mut pass)?;
        let targets = counted(batch);
        let output = tape.rows(output, 0, targets.len())?;
        tape.memory.clear(grads.values_mut());
        let (params, head, size) = (&self.params, self.layers.head, self.layers.sizes[1]);
        let mut sum = tape.linear_cross_entropy(
            params,
            head,
            size,
            output,
            Targets { tokens: &targets, batch: 1, counted: Targets::counted(&targets) },
            Some(&mut *grads),
        )?;
        if pass.smoothing > 0.0 {
            sum += tape.linear_smoothing(params, head, output, &targets, pass.smoothing, grads)?;
        }
        tape.backward_seeded(params, grads)?;
        Ok(sum / targets.len().max(1) as f64)
    }

    /// Sum of the losses of a batch in nats, without dropout and smoothing.
    pub fn loss(&self, tape: &mut Tape<E>, batch: &PairBatch<E>) -> Result<f64, Error> {
        tape.start(false);
        let output = self.output(tape, batch, &mut Pass { dropout: None, smoothing: 0.0, inputs: None })?;
        let targets = counted(batch);
        let output = tape.rows(output, 0, targets.len())?;
        let counted = Targets::counted(&targets);
        let (head, targets) = (self.layers.head, Targets { tokens: &targets, batch: 1, counted });
        tape.linear_cross_entropy(&self.params, head, self.layers.sizes[1], output, targets, None)
    }

    /// The likeliest token after each of the batch's inputs `[T*B]`, without dropout; 0 where the target does not count.
    pub fn guesses(&self, tape: &mut Tape<E>, batch: &PairBatch<E>) -> Result<Vec<u32>, Error> {
        tape.start(false);
        let logits = self.forward(tape, batch, &mut Pass { dropout: None, smoothing: 0.0, inputs: None })?;
        let mut rows = tape.value(logits).chunks_exact(logits.stride()).map(|row| largest(&row[..logits.cols()]));
        let guess = |&target: &u32| if target == IGNORED { 0 } else { rows.next().unwrap_or(0) };
        Ok(batch.targets.iter().map(guess).collect())
    }

    /// Reads: what is attended to, and the decoder's first state.
    fn encode<'a>(
        &self,
        tape: &mut Tape<E>,
        batch: &'a Padded<E>,
        dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<(Encoded<'a>, Vec<Var>), Error> {
        let (layers, params) = (&self.layers, &self.params);
        let read = layers.reader.read(tape, params, batch, dropout)?;
        let before = layers.bridge(tape, params, &read.after)?;
        let keys = layers.keys(tape, params, read.output)?;
        Ok((Encoded { values: read.output, keys, mask: &batch.mask, rows: batch.rows }, before))
    }

    /// What the queries of the decoder's h `[T*B, H]` find; None without attention. `weights` is given where it looked.
    fn attend(
        &self,
        tape: &mut Tape<E>,
        encoded: &Encoded<'_>,
        h: Var,
        weights: Option<&mut Vec<E>>,
    ) -> Result<Option<Var>, Error> {
        let Some(query) = self.layers.query(tape, &self.params, h)? else { return Ok(None) };
        let (places, rows) = ([encoded.keys, encoded.values], encoded.rows);
        match self.layers.score {
            None => tape.attention(query, places, rows, encoded.mask, weights).map(Some),
            Some(score) => {
                let score = tape.param(&self.params, score)?;
                tape.additive_attention(query, score, places, rows, encoded.mask, weights).map(Some)
            }
        }
    }

    /// The attentional outputs `[T*B, O]` of a decoder that is fed the one of the step before.
    fn fed(
        &self,
        tape: &mut Tape<E>,
        encoded: &Encoded<'_>,
        x: Var,
        before: Vec<Var>,
        steps: usize,
    ) -> Result<Var, Error> {
        let layers = &self.layers;
        let widths: Vec<usize> = before.iter().map(Var::cols).collect();
        let packed = tape.concat(&before)?;
        let first = tape.zeros(encoded.rows, layers.output);
        let states = [packed, first, encoded.keys, encoded.values];
        let (y, _) = tape.scan(steps, x, states, |tape, x, [packed, output, keys, values]| {
            let (mut state, mut start) = (Vec::with_capacity(widths.len()), 0);
            for &width in &widths {
                state.push(tape.slice(packed, start, width)?);
                start += width;
            }
            let encoded = Encoded { values, keys, mask: encoded.mask, rows: encoded.rows };
            let (output, after) = self.step(tape, &encoded, x, state, Some(output), None)?;
            Ok((output, [tape.concat(&after)?, output, keys, values]))
        })?;
        Ok(y)
    }

    /// One step of the decoder over embedded tokens x `[R, E]`: the attentional output `[R, O]` and the state after it.
    /// `output`: that of the step before, where it is fed.
    fn step(
        &self,
        tape: &mut Tape<E>,
        encoded: &Encoded<'_>,
        x: Var,
        before: Vec<Var>,
        output: Option<Var>,
        weights: Option<&mut Vec<E>>,
    ) -> Result<(Var, Vec<Var>), Error> {
        let (layers, params) = (&self.layers, &self.params);
        let x = match output.filter(|_| layers.input_feeding) {
            Some(output) => tape.concat(&[x, output])?,
            None => x,
        };
        let mut pass = LayerPass::plain(x.rows());
        let (h, after) = layers.rnn.as_layer().run(tape, params, Sequence::Dense(x), &before, &mut pass)?;
        let context = self.attend(tape, encoded, h, weights)?;
        Ok((layers.combine(tape, params, h, context)?, after))
    }
}

/// The targets that count.
fn counted<E>(batch: &PairBatch<E>) -> Vec<u32> {
    batch.targets.iter().copied().filter(|&target| target != IGNORED).collect()
}

/// The first of the largest.
pub(crate) fn largest<E: Element>(row: &[E]) -> u32 {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best }) as u32
}
