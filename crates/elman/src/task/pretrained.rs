//! A trained network that a new run starts from: a model of this library, or a PyTorch state dict of a language model. Not
//! here: runs that continue (`train/resume.rs`), which have moments and a position, too.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use elman_kernels::{Cpu, Element};

use super::{Language, Task};
use crate::{
    autodiff::params::Params,
    config::{Cell, Config, TokenizerKind},
    data::{Corpus, Vocab},
    error::Error,
    files::model_file::{Stored, lists_of},
    files::weights::Weights,
    nn::model::Declared,
    nn::model::language_model::Layers,
    train::Trainer,
};

/// Settings that a new run shares with the model that it starts from, by their keys: those of the network, and those that
/// make tokens of a text.
const OF_MODEL: &[&str] = &[
    "cell",
    "hidden_size",
    "hidden_sizes",
    "num_layers",
    "initial_state",
    "embed",
    "tied",
    "tokenizer",
    "unk",
    "words",
    "eos",
    "reserve",
    "clean",
    "lowercase",
    "task",
];
/// Of these, what the tensors of a state dict and its list of tokens show.
const OF_STATE_DICT: &[&str] =
    &["cell", "hidden_size", "hidden_sizes", "num_layers", "embed", "tied", "tokenizer", "unk", "eos", "task"];

/// A trained network.
pub struct Pretrained {
    path: PathBuf,
    weights: Weights,
    config: Config,
    /// The tokens of a language model.
    vocab: Option<Vocab>,
    /// The metadata of a model's task, and its tokens; None of a state dict.
    stored: Option<Stored>,
}

impl Pretrained {
    /// Reads the best model of a run directory, a model file, or a state dict in safetensors with the names of PyTorch's
    /// `nn.LSTM`, `nn.GRU` or `nn.RNN`; `tokens` are those of a state dict, in id order, and the path
    /// of the file that lists them.
    ///
    /// Errors: a file that is neither; `tokens` of a model, which has its own; a state dict whose layers cannot be told.
    pub fn read(path: impl AsRef<Path>, tokens: Option<(Vec<String>, &Path)>) -> Result<Pretrained, Error> {
        let path = path.as_ref();
        let is_model = path.is_dir() || Weights::read(path)?.is_model()?;
        match (is_model, tokens) {
            (true, None) => Pretrained::of_model(Stored::read_best(path)?.0),
            (true, Some(_)) => {
                Err(Error::file(path, "a model with tokens of its own, expected a state dict for a vocabulary"))
            }
            (false, tokens) => Pretrained::of_state_dict(path, tokens),
        }
    }

    fn of_model(stored: Stored) -> Result<Pretrained, Error> {
        let vocab = stored.contents()?.vocab.filter(|_| stored.config().task.is_none());
        let (path, config) = (stored.path().to_path_buf(), stored.config().clone());
        Ok(Pretrained { weights: Weights::read(&path)?, path, config, vocab, stored: Some(stored) })
    }

    fn of_state_dict(path: &Path, tokens: Option<(Vec<String>, &Path)>) -> Result<Pretrained, Error> {
        let weights = Weights::read(path)?;
        let found = Found::of(&weights.shapes()?).map_err(|problem| Error::file(path, problem))?;
        let mut config = Config { cell: found.cell, embed: found.embed, ..Config::default() };
        (config.hidden_size, config.num_layers, config.tied) = (found.hidden, found.layers, found.is_tied);
        let vocab = match tokens {
            Some((tokens, list)) if tokens.len() == found.outputs => vocab_of(&mut config, tokens, list)?,
            Some((tokens, _)) => {
                let (listed, outputs) = (tokens.len(), found.outputs);
                return Err(Error::file(path, format!("{outputs} outputs, expected the {listed} of the vocabulary")));
            }
            None => {
                return Err(Error::NoTokens { path: path.to_path_buf() });
            }
        };
        let weights = found.rules.into_iter().fold(weights, |weights, (from, to)| weights.rename(from, to));
        Ok(Pretrained { path: path.to_path_buf(), weights, config, vocab: Some(vocab), stored: None })
    }

    /// The settings of the model, and the keys of those that a new run shares with it.
    pub fn settings(&self) -> (&Config, &'static [&'static str]) {
        let keys = if self.stored.is_some() { OF_MODEL } else { OF_STATE_DICT };
        (&self.config, keys)
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives a task the weights. Errors: other tokens, classes or columns; another network.
    pub fn start<T: Task>(&self, config: &Config, task: &mut T) -> Result<(), Error> {
        let meta = task.meta(config);
        let refuse = |what: &str| {
            let problem = format!(
                "the {what} of the model and of the data differ, expected the same; only a language model gets new tokens"
            );
            Err(Error::file(&self.path, problem))
        };
        let Some(stored) = &self.stored else { return refuse("tokens") };
        if stored.tokenizer() != meta.get("tokenizer").cloned() {
            return refuse("vocabulary");
        }
        let (of_model, of_data) = (stored.lists(), lists_of(meta.get("task")));
        if let Some((what, _)) =
            of_model.iter().chain(&of_data).find(|list| !(of_model.contains(list) && of_data.contains(list)))
        {
            return refuse(what);
        }
        self.weights.copy_into(task.params_mut())
    }

    /// The model's tokens, with those of the text that it lacks after them if `extend`.
    fn tokens_for(&self, config: &Config, corpus: &Corpus, extend: bool) -> Result<Vocab, Error> {
        let Some(known) = &self.vocab else {
            return Err(Error::file(&self.path, "the model of a task, expected a language model"));
        };
        if !extend || !matches!(known.kind(), TokenizerKind::Char | TokenizerKind::Word) {
            return Ok(known.clone());
        }
        let of_text = Vocab::of_corpus(config, corpus)?;
        let there: HashSet<&String> = known.tokens().iter().collect();
        let new = of_text.tokens().iter().filter(|token| !there.contains(token));
        let tokens = known.tokens().iter().chain(new).cloned().collect();
        Vocab::from_file(config, Some(tokens), None, &self.path)
    }
}

impl<E: Element> Trainer<Language<E>> {
    /// A new run of `config` on `corpus` from the weights of `model`, whose tokens keep their ids. With `extend` the tokens of
    /// characters or words that only the corpus has follow them: each of their rows starts as the mean of the model's, so
    /// that the logit of a new token is the mean of the others'.
    ///
    /// Errors: as [`Trainer::new`]; a model of another task or network; unknown characters without `extend`.
    pub fn start_from(
        mut config: Config,
        corpus: &Corpus,
        cpu: &Cpu,
        model: &Pretrained,
        extend: bool,
    ) -> Result<Self, Error> {
        config.check()?;
        config.dtype.check::<E>()?;
        let vocab = model.tokens_for(&config, corpus, extend)?;
        let (old, new, unit) = (model.vocab.as_ref().map_or(0, Vocab::len), vocab.len(), vocab.unit(2));
        let mut task = Language::new(&mut config, corpus, Some(vocab), |_, _| Ok(()))?;
        let (_, declaration) = Layers::<E>::declare(&config, old)?;
        let weights: Params<E> = model.weights.params(declaration)?;
        for name in weights.names() {
            let extended = extended(&weights, name, task.params().shape(name).unwrap_or_default());
            task.params_mut().set(name, &extended)?;
        }
        let mut note = format!("the weights start from {}", model.path.display());
        if new > old {
            note += &format!("; {unit} that it lacks: {}, whose rows start as the mean of the others", new - old);
        }
        task.note(note);
        Trainer::of(config, task, cpu)
    }
}

/// A tensor of the model in the shape `[rows, cols]`, or `[rows]`, that is wanted: rows or columns that are new are the mean of
/// the others.
fn extended<E: Element>(weights: &Params<E>, name: &str, wanted: &[usize]) -> Vec<E> {
    let (values, shape) = (weights.get(name).unwrap_or_default(), weights.shape(name).unwrap_or_default());
    if shape == wanted {
        return values;
    }
    let sides = |shape: &[usize]| (shape[0], shape.get(1).copied().unwrap_or(1));
    let ((rows, cols), (all_rows, all_cols)) = (sides(shape), sides(wanted));
    let mean = |of: &mut dyn Iterator<Item = E>, n: usize| E::from_f64(of.map(E::to_f64).sum::<f64>() / n as f64);
    let mut out = Vec::with_capacity(all_rows * all_cols);
    for row in values.chunks(cols) {
        out.extend_from_slice(row);
        let new = mean(&mut row.iter().copied(), cols);
        out.extend(std::iter::repeat_n(new, all_cols - cols));
    }
    let new: Vec<E> =
        (0..all_cols).map(|col| mean(&mut (0..rows).map(|row| out[row * all_cols + col]), rows)).collect();
    out.extend((rows..all_rows).flat_map(|_| new.iter().copied()));
    out
}

/// The vocabulary of the list of tokens in the file `list`: characters if each is one, but for `<unk>`; else words.
fn vocab_of(config: &mut Config, tokens: Vec<String>, list: &Path) -> Result<Vocab, Error> {
    let has_unknown = tokens.first().is_some_and(|token| token == "<unk>");
    let are_characters = tokens.iter().skip(usize::from(has_unknown)).all(|token| token.chars().count() == 1);
    config.tokenizer = if are_characters { TokenizerKind::Char } else { TokenizerKind::Word };
    config.unk = are_characters && has_unknown;
    config.eos = tokens.iter().any(|token| token == "<eos>");
    let distinct = tokens.iter().collect::<HashSet<_>>().len();
    if distinct != tokens.len() {
        let problem = format!("{} tokens of which {distinct} differ, expected each once", tokens.len());
        return Err(Error::file(list, problem));
    }
    if !are_characters && !has_unknown {
        let long = tokens.iter().find(|token| token.chars().count() != 1).cloned().unwrap_or_default();
        let problem = format!(
            "{long:?} is not one character, expected characters only, or <unk> as the first of a list of words"
        );
        return Err(Error::file(list, problem));
    }
    Vocab::from_file(config, Some(tokens), None, list)
}

/// What the names and shapes of a state dict say.
struct Found {
    cell: Cell,
    hidden: usize,
    layers: usize,
    /// Width of the embedding; 0 for one-hot tokens.
    embed: usize,
    outputs: usize,
    /// One matrix is embedding and head.
    is_tied: bool,
    /// What names begin with, and with what ours do.
    rules: Vec<(String, String)>,
}

impl Found {
    /// Errors: a sentence about what is missing or there twice.
    fn of(shapes: &[(String, Vec<usize>)]) -> Result<Found, String> {
        const FIRST: &str = "weight_hh_l0";
        let all = || {
            let list: Vec<String> = shapes.iter().map(|(name, shape)| format!("{name} {shape:?}")).collect();
            list.join(", ")
        };
        let shape_of = |name: &str| shapes.iter().find(|(known, _)| known == name).map(|(_, shape)| &shape[..]);
        let firsts: Vec<(&str, &[usize])> =
            shapes.iter().filter_map(|(name, shape)| Some((name.strip_suffix(FIRST)?, &shape[..]))).collect();
        let &[(prefix, &[gates_units, hidden])] = &firsts[..] else {
            return Err(format!("expected one tensor whose name ends with {FIRST}, found {}: {}", firsts.len(), all()));
        };
        let cell = match gates_units.checked_div(hidden).filter(|gates| gates * hidden == gates_units) {
            Some(1) => Cell::RNN_TANH,
            Some(3) => Cell::GRU,
            Some(4) => Cell::LSTM,
            _ => {
                return Err(format!(
                    "{prefix}{FIRST} has shape [{gates_units}, {hidden}], expected 1, 3 or 4 times {hidden} rows"
                ));
            }
        };
        let layers = (0..).take_while(|layer| shape_of(&format!("{prefix}weight_hh_l{layer}")).is_some()).count();
        if shape_of(&format!("{prefix}{FIRST}_reverse")).is_some() {
            return Err("it reads in both directions, expected one: it is no language model".to_string());
        }
        // A module that is no recurrent layer: its weight is a matrix, with a bias or without.
        let matrix = |with_bias: bool| {
            let mut found = shapes.iter().filter_map(|(name, shape)| {
                let module = name.strip_suffix("weight")?;
                let has_bias = shape_of(&format!("{module}bias")).is_some();
                let &[rows, cols] = &shape[..] else { return None };
                (has_bias == with_bias).then_some((module, rows, cols))
            });
            (found.next(), found.next().is_some())
        };
        let (Some((head, outputs, head_inputs)), false) = matrix(true) else {
            return Err(format!("expected one linear layer with weight and bias after the recurrent ones: {}", all()));
        };
        let inputs = shape_of(&format!("{prefix}weight_ih_l0")).and_then(|shape| shape.get(1)).copied();
        let rule = |from: String, to: &str| (from, to.to_string());
        let mut rules = vec![rule(format!("{head}bias"), "decoder.bias")];
        // Without a weight of its own the embedding is that of the head, or tokens are one-hot.
        let (embed, is_tied) = match matrix(false) {
            (Some((module, _, width)), false) => {
                rules.push(rule(format!("{module}weight"), "encoder.weight"));
                (width, false)
            }
            (Some(_), true) => {
                return Err(format!("expected at most one embedding, a weight without a bias: {}", all()));
            }
            (None, _) if inputs == Some(head_inputs) && inputs == Some(outputs) => {
                return Err(format!(
                    "{outputs} inputs, units and outputs and no embedding: tokens may be one-hot or share the head's weight, expected an embedding's weight, without a bias, beside it"
                ));
            }
            (None, _) if inputs == Some(head_inputs) => (head_inputs, true),
            (None, _) => (0, false),
        };
        rules.push(rule(format!("{head}weight"), if is_tied { "encoder.weight" } else { "decoder.weight" }));
        // The first rule that fits counts: a head called `weight` does not take the recurrent layers' names.
        let of_layers = ["weight_", "bias_"].map(|of| rule(format!("{prefix}{of}"), &format!("rnn.{of}")));
        rules.splice(0..0, of_layers);
        // Only the two rules of the recurrent layers stand for several names.
        let is_known = |name: &str| {
            rules.iter().any(|(from, _)| name == from || (from.ends_with('_') && name.starts_with(from.as_str())))
        };
        if let Some((name, shape)) = shapes.iter().find(|(name, _)| !is_known(name)) {
            return Err(format!(
                "{name} {shape:?} belongs to no embedding, recurrent layer or linear layer with a bias"
            ));
        }
        Ok(Found { cell, hidden, layers, embed, is_tied, outputs, rules })
    }
}
