//! The layers of a sequence-to-sequence network: its parameters by name, and the small maps between its layers. Not
//! here: loops over steps (`mod.rs`) and state.
//!
//! Names: `source.encoder.weight`, `source.rnn.*` read; `bridge.{h,c}_l*.*` go from the encoder's last state to the
//! decoder's first; `target.encoder.weight` (absent where it is tied to `decoder.weight`), `target.rnn.*` write;
//! `attention.*`, `combine.*`; `decoder.weight`, `decoder.bias` are the head.

use elman_kernels::Element;
use rand_chacha::ChaCha8Rng;

use crate::autodiff::nodes::LinearIds;
use crate::autodiff::params::{Declaration, ParamId, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Attention, Config};
use crate::error::Error;
use crate::nn::dropout::Dropout;
use crate::nn::embedding::Embedding;
use crate::nn::layer::Layer;
use crate::nn::model::Declared;
use crate::nn::model::first_state::FirstState;
use crate::nn::model::reader::Reader;
use crate::nn::network::Input;
use crate::nn::stack::{Recurrent, Stack};

/// A network without the memory of its parameters.
#[derive(Clone, Debug)]
pub struct Layers<E> {
    /// Tokens to read and to write.
    pub(super) sizes: [usize; 2],
    pub(super) reader: Reader<E>,
    bridge: FirstState,
    pub(super) rnn: Stack<E>,
    /// The embedding of what is written.
    table: Embedding,
    pub(super) attention: Option<Look>,
    /// v of the additive score.
    pub(super) score: Option<ParamId>,
    combine: LinearIds,
    /// O, columns of the input of the head.
    pub(super) output: usize,
    input_dropout: Dropout,
    pub(super) output_dropout: f64,
    pub(super) input_feeding: bool,
    pub(super) head: LinearIds,
}

/// The maps of queries and keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    query: Option<ParamId>,
    keys: Option<LinearIds>,
    depth: usize,
}

impl<E: Element> Declared for Layers<E> {
    type Sizes = [usize; 2];

    fn declare(config: &Config, sizes: [usize; 2]) -> Result<(Layers<E>, Declaration), Error> {
        let settings = config.translate()?;
        let mut declaration = Declaration::default();
        let d = &mut declaration;
        let units = settings.encoder_hidden(config);
        let encoder = Config { hidden_size: units, hidden_sizes: None, ..config.clone() };
        let reader = Reader::declare(d, "source.", &encoder, Input::Tokens(sizes[0]), settings.bidirectional);
        let read = reader.outputs();
        let hidden_sizes = config.hidden_sizes();
        let hidden = hidden_sizes.last().copied().unwrap_or_default();
        let bridge = FirstState::declare(d, "bridge", config, read);
        let embed = if config.embed > 0 { config.embed } else { hidden };
        let output = if config.tied { embed } else { hidden };
        let own_table = (!config.tied).then(|| Embedding::declare(d, "target.encoder", sizes[1], embed));
        let input_dropout = Dropout { p: config.dropout, locked: config.locked_dropout };
        let recurrent = Recurrent {
            cell: config.cell,
            input_size: embed + if settings.input_feeding { output } else { 0 },
            hidden_sizes: &hidden_sizes,
            bidirectional: false,
            learned_state: false,
            dropout: input_dropout,
        };
        let rnn = recurrent.declare(d, "target.rnn.");
        let (attention, score) = match settings.attention {
            Attention::None => (None, None),
            Attention::Dot => (Some(Look { query: None, keys: None, depth: hidden }), None),
            Attention::General => {
                let query = Some(d.weight("attention.query.weight", read, hidden));
                (Some(Look { query, keys: None, depth: read }), None)
            }
            Attention::Additive => {
                let query = Some(d.weight("attention.query.weight", hidden, hidden));
                let keys = Some(LinearIds::declare(d, "attention.keys", read, hidden));
                (Some(Look { query, keys, depth: hidden }), Some(d.table("attention.score", 1, hidden)))
            }
        };
        let context = if attention.is_some() { read } else { 0 };
        let combine = LinearIds::declare(d, "combine", context + hidden, output);
        let head = LinearIds::declare(d, "decoder", output, sizes[1]);
        let layers = Layers {
            sizes,
            reader,
            bridge,
            rnn,
            table: own_table.unwrap_or_else(|| Embedding::of(head.weight, sizes[1], embed)),
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
}

impl<E: Element> Layers<E> {
    /// Tokens to be written before, embedded: `[tokens, E]`.
    pub fn embed(&self, tape: &mut Tape<E>, params: &Params<E>, tokens: &[u32]) -> Result<Var, Error> {
        self.table.rows(tape, params, tokens)
    }

    /// Dropout on what the decoder reads.
    pub fn drop_input(
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
    pub fn bridge(&self, tape: &mut Tape<E>, params: &Params<E>, after: &[Var]) -> Result<Vec<Var>, Error> {
        let ends: Vec<_> = self.reader.states().iter().zip(after).collect();
        let rows = after.first().map_or(1, Var::rows);
        self.bridge.of(tape, params, self.rnn.states(), rows, |tape, part| {
            // `h_l0` follows from `h_l0` and `h_l0_reverse`.
            let is_end = |name: &str| name == part.name || name.strip_suffix("_reverse") == Some(&part.name[..]);
            let both: Vec<Var> = ends.iter().filter(|(end, _)| is_end(&end.name)).map(|end| *end.1).collect();
            tape.concat(&both)
        })
    }

    /// The keys that queries are compared with.
    pub fn keys(&self, tape: &mut Tape<E>, params: &Params<E>, output: Var) -> Result<Var, Error> {
        match self.attention {
            Some(Look { keys: Some(keys), depth, .. }) => tape.linear(params, keys, depth, output),
            _ => Ok(output),
        }
    }

    /// The queries of h; None without attention.
    pub fn query(&self, tape: &mut Tape<E>, params: &Params<E>, h: Var) -> Result<Option<Var>, Error> {
        match self.attention {
            None => Ok(None),
            Some(Look { query: Some(query), .. }) => tape.matmul(params, query, h).map(Some),
            Some(_) => Ok(Some(h)),
        }
    }

    /// The attentional output: tanh(W [context, h] + b).
    pub fn combine(&self, tape: &mut Tape<E>, params: &Params<E>, h: Var, context: Option<Var>) -> Result<Var, Error> {
        let both = match context {
            Some(context) => tape.concat(&[context, h])?,
            None => h,
        };
        let output = tape.linear(params, self.combine, self.output, both)?;
        tape.tanh(output)
    }
}
