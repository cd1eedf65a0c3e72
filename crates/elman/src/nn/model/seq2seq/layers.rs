//! Holds what a network that reads and writes is made of: its parameters by name, and the small maps between its layers.
//! Refuses loops over steps (see `mod.rs`) and memory.
//!
//! Names: `source.encoder.weight`, `source.rnn.*` read; `bridge.{h,c}_l*.*` go from the encoder's last state to the decoder's
//! first; `target.encoder.weight` (absent where it is tied to `decoder.weight`), `target.rnn.*` write; `attention.*`,
//! `combine.*`; `decoder.weight`, `decoder.bias` are the head.

use elman_kernels::{Element, linear};
use rand_chacha::ChaCha8Rng;

use crate::autodiff::nodes::{LinearIds, StateVars};
use crate::autodiff::params::{Declaration, ParamId, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Attention, Config};
use crate::error::Error;
use crate::nn::model::reader::{Input, Reader};
use crate::nn::recurrent::{Dropout, Recurrent, Stack};
use crate::nn::state::TapeState;

/// A network without the memory of its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    /// Tokens to read and to write.
    pub sizes: [usize; 2],
    pub reader: Reader,
    /// Directions of the encoder.
    ways: usize,
    /// For each layer of the decoder, the maps to its h and c.
    bridge: Vec<(LinearIds, Option<LinearIds>)>,
    hidden_sizes: Vec<usize>,
    pub rnn: Recurrent,
    /// The embedding of what is written, `embed` wide.
    table: ParamId,
    embed: usize,
    pub attention: Option<Look>,
    /// v of the additive score.
    pub score: Option<ParamId>,
    combine: LinearIds,
    /// O, columns of what goes into the head.
    pub output: usize,
    input_dropout: Dropout,
    pub output_dropout: f64,
    pub input_feeding: bool,
    pub head: LinearIds,
}

/// The maps of queries and keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    query: Option<ParamId>,
    keys: Option<LinearIds>,
    depth: usize,
}

impl Layers {
    /// Declares the parameters. Errors: settings of another task.
    pub fn declare(config: &Config, sizes: [usize; 2]) -> Result<(Layers, Declaration), Error> {
        let settings = config.translate()?;
        let mut declaration = Declaration::default();
        let d = &mut declaration;
        let units = settings.encoder_hidden(config);
        let encoder = Config { hidden_size: units, hidden_sizes: None, ..config.clone() };
        let reader = Reader::declare(d, "source.", &encoder, Input::Tokens(sizes[0]), settings.bidirectional);
        let (ways, read) = (if settings.bidirectional { 2 } else { 1 }, reader.outputs());
        let hidden_sizes = config.hidden_sizes();
        let hidden = hidden_sizes.last().copied().unwrap_or_default();
        let affine = |d: &mut Declaration, name: &str, outputs: usize, inputs: usize| LinearIds {
            weight: d.weight(format!("{name}.weight"), outputs, inputs),
            bias: d.bias(format!("{name}.bias"), outputs),
        };
        let bridge = hidden_sizes.iter().enumerate().map(|(l, &width)| {
            let h = affine(d, &format!("bridge.h_l{l}"), width, read);
            (h, config.cell.has_cell().then(|| affine(d, &format!("bridge.c_l{l}"), width, read)))
        });
        let bridge = bridge.collect();
        let embed = if config.embed > 0 { config.embed } else { hidden };
        let output = if config.tied { embed } else { hidden };
        let own_table = (!config.tied).then(|| d.table("target.encoder.weight", sizes[1], embed));
        let input_dropout = Dropout { p: config.dropout, locked: config.locked_dropout };
        let stack = Stack {
            cell: config.cell,
            input_size: embed + if settings.input_feeding { output } else { 0 },
            hidden_sizes: &hidden_sizes,
            bidirectional: false,
            learned_state: false,
            dropout: input_dropout,
        };
        let rnn = Recurrent::declare(d, "target.rnn.", &stack);
        let (attention, score) = match settings.attention {
            Attention::None => (None, None),
            Attention::Dot => (Some(Look { query: None, keys: None, depth: hidden }), None),
            Attention::General => {
                let query = Some(d.weight("attention.query.weight", read, hidden));
                (Some(Look { query, keys: None, depth: read }), None)
            }
            Attention::Additive => {
                let query = Some(d.weight("attention.query.weight", hidden, hidden));
                let keys = Some(affine(d, "attention.keys", hidden, read));
                (Some(Look { query, keys, depth: hidden }), Some(d.table("attention.score", 1, hidden)))
            }
        };
        let context = if attention.is_some() { read } else { 0 };
        let combine = affine(d, "combine", output, context + hidden);
        let shape = linear::Dims { rows: 0, inputs: output, outputs: sizes[1] };
        let head = LinearIds {
            weight: d.matrix("decoder.weight", shape.weight()),
            bias: d.vector("decoder.bias", shape.bias()),
        };
        let layers = Layers {
            sizes,
            reader,
            ways,
            bridge,
            hidden_sizes,
            rnn,
            table: own_table.unwrap_or(head.weight),
            embed,
            attention,
            score,
            combine,
            output,
            input_dropout,
            output_dropout: config.output_dropout,
            input_feeding: settings.input_feeding,
            head,
        };
        Ok((layers, declaration))
    }

    /// Tokens to be written before, embedded: `[tokens, E]`.
    pub fn embed<E: Element>(&self, tape: &mut Tape<E>, params: &Params<E>, tokens: &[u32]) -> Result<Var, Error> {
        tape.embed(params, self.table, self.sizes[1], self.embed, tokens)
    }

    /// Dropout on what the decoder reads.
    pub fn drop_input<E: Element>(
        &self,
        tape: &mut Tape<E>,
        rng: Option<&mut ChaCha8Rng>,
        x: Var,
        rows: usize,
    ) -> Result<Var, Error> {
        rng.map_or(Ok(x), |rng| self.input_dropout.apply(tape, rng, x, rows))
    }

    /// The decoder's first state: h = tanh(W h' + b), c = W c' + b of the encoder's last one of the same layer, both
    /// directions side by side.
    pub fn bridge<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        after: &TapeState,
    ) -> Result<TapeState, Error> {
        let mut state = TapeState::with_capacity(self.bridge.len());
        for ((ends, &(h, c)), &width) in after.chunks(self.ways).zip(&self.bridge).zip(&self.hidden_sizes) {
            let hidden: Vec<Var> = ends.iter().map(|end| end.hidden).collect();
            let hidden = tape.concat(&hidden)?;
            let hidden = tape.linear(params, h, width, hidden)?;
            let hidden = tape.tanh(hidden)?;
            let cells: Vec<Var> = ends.iter().filter_map(|end| end.cell).collect();
            let cell = match c {
                None => None,
                Some(c) => {
                    let cells = tape.concat(&cells)?;
                    Some(tape.linear(params, c, width, cells)?)
                }
            };
            state.push(StateVars { hidden, cell });
        }
        Ok(state)
    }

    /// What queries are held against.
    pub fn keys<E: Element>(&self, tape: &mut Tape<E>, params: &Params<E>, output: Var) -> Result<Var, Error> {
        match self.attention {
            Some(Look { keys: Some(keys), depth, .. }) => tape.linear(params, keys, depth, output),
            _ => Ok(output),
        }
    }

    /// The queries of h; None without attention.
    pub fn query<E: Element>(&self, tape: &mut Tape<E>, params: &Params<E>, h: Var) -> Result<Option<Var>, Error> {
        match self.attention {
            None => Ok(None),
            Some(Look { query: Some(query), .. }) => tape.matmul(params, query, h).map(Some),
            Some(_) => Ok(Some(h)),
        }
    }

    /// The attentional output: tanh(W [context, h] + b).
    pub fn combine<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        h: Var,
        context: Option<Var>,
    ) -> Result<Var, Error> {
        let both = match context {
            Some(context) => tape.concat(&[context, h])?,
            None => h,
        };
        let output = tape.linear(params, self.combine, self.output, both)?;
        tape.tanh(output)
    }
}
