//! Generation as a task: texts with the class or the vector they are written for, a conditioned language model, its
//! loss and its draws. A condition that it was not trained on is an error.

use elman_kernels::softmax::IGNORED;
use elman_kernels::{Cpu, Element};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::evaluate::Evaluation;
use super::supervised::{Batch, Objective, Supervised};
use super::{Loss, Validation};
use crate::autodiff::tape::Tape;
use crate::config::Config;
use crate::data::Vocab;
use crate::data::table::encoding::{Encoding, Features};
use crate::data::table::held_out::{HeldOut, distinct};
use crate::data::table::labelled::Items;
use crate::data::table::scale::Scaler;
use crate::data::table::sequences::{Padded, Sequences, read_by_length};
use crate::error::Error;
use crate::files::model_file::Stored;
use crate::infer::{Settings, choose};
use crate::nn::model::conditioned::{Conditioned, Conditions, Layers};
use crate::nn::model::{Input, Model};
use crate::rng::{ChaCha8Rng, Purpose, generator};
use crate::train::report::Shape;

pub use crate::data::table::written::{GivenOf, Written};

/// What begins a text and ends it.
const END: &str = "\n";
/// Texts that are read side by side where nothing is learned.
const READ_AT_ONCE: usize = 256;

/// One to many: texts for a class or a vector.
pub type Generate<E> = Supervised<E, TrainedWriter<E>>;

/// What a model file holds of it: all that writing needs.
#[derive(Clone, Debug)]
pub struct TrainedWriter<E> {
    /// The tokens.
    pub vocab: Vocab,
    /// The conditions it knows.
    pub knows: Knows,
    /// The network.
    pub model: Conditioned<E>,
}

/// The conditions a model knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Knows {
    /// One of these classes.
    Classes(Vec<String>),
    /// A number for each of these columns.
    Columns(Vec<String>, Scaler),
}

/// Texts as tokens, and what they are written for.
#[derive(Clone, Debug)]
struct Examples<E> {
    /// Each text's tokens, its end last.
    sequences: Vec<Vec<u32>>,
    given: Conditions<E>,
}

impl<E: Element> Examples<E> {
    /// Encodes the texts at `places`. The second number is how many were cut, for they are longer than `seq_len`.
    fn encode(
        (vocab, knows): (&Vocab, &Knows),
        seq_len: usize,
        data: &Written,
        places: &[usize],
    ) -> Result<(Examples<E>, usize), Error> {
        let (name, end) = (&data.fingerprint.name, vocab.line_end().unwrap_or_default());
        let (mut sequences, mut cut) = (Vec::with_capacity(places.len()), 0);
        for &at in places {
            let mut tokens = vocab.encode(name, data.texts[at].trim_end())?;
            tokens.retain(|&token| token != end);
            cut += usize::from(tokens.len() >= seq_len);
            tokens.truncate(seq_len.saturating_sub(1));
            tokens.push(end);
            sequences.push(tokens);
        }
        let given = match (&data.given, knows) {
            (GivenOf::Vectors { rows, .. }, Knows::Columns(_, scaler)) => {
                Conditions::Vectors(places.iter().flat_map(|&at| scaled(scaler, &rows[at])).collect())
            }
            (GivenOf::Classes { labels, .. }, Knows::Classes(_)) => {
                Conditions::Classes(places.iter().map(|&at| labels[at]).collect())
            }
            (GivenOf::Classes { .. }, Knows::Columns(columns, _)) => {
                return Err(another_condition(name, "classes", columns));
            }
            (GivenOf::Vectors { .. }, Knows::Classes(classes)) => {
                return Err(another_condition(name, "rows of numbers", classes));
            }
        };
        Ok((Examples { sequences, given }, cut))
    }

    fn steps(&self) -> usize {
        self.sequences.iter().map(Vec::len).sum()
    }
}

/// How well texts are predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Number of texts.
    pub texts: usize,
    /// The figures of all tokens, the end of each text among them.
    pub figures: Evaluation,
    /// What was changed in the texts, a sentence each.
    pub notes: Vec<String>,
}

/// Texts to train on and held-out ones.
#[derive(Clone, Debug)]
pub struct Data<E> {
    train: Examples<E>,
    held: Examples<E>,
}

impl<E: Element> Generate<E> {
    /// The task of `config` on `data`; a share of the texts of every class is held out, after those that come twice.
    ///
    /// Errors: an impossible configuration, or one of another task; no characters.
    pub fn new(config: &Config, data: Written) -> Result<Generate<E>, Error> {
        config.generate()?;
        data.check()?;
        let Written { texts, given, fingerprint } = &data;
        let labels = match given {
            GivenOf::Classes { labels, .. } => labels.clone(),
            GivenOf::Vectors { rows, .. } => vec![0; rows.len()],
        };
        let mut notes = Vec::new();
        let items = Items::Texts(texts.clone());
        let kept = match given {
            GivenOf::Classes { .. } => distinct(&items, &labels),
            GivenOf::Vectors { .. } => (0..texts.len()).collect(),
        };
        if kept.len() < texts.len() {
            let twice = texts.len() - kept.len();
            notes.push(format!("examples left out that come twice with the same class: {twice}"));
        }
        let split = HeldOut::stratified(&labels, &kept, config.val_frac, config.seed);
        let train_texts: Vec<String> = split.train.iter().map(|&at| texts[at].clone()).collect();
        // A line's end is a token, and the commonest: it ends every text.
        let fitted: Vec<String> = train_texts.iter().map(|text| format!("{text}{END}")).collect();
        let vocab = Vocab::of_texts(config, &fingerprint.name, &fitted)?;
        if vocab.line_end().is_none() {
            let expected = "char, byte, or word with eos = true: a text has an end".to_string();
            return Err(Error::Setting { name: "tokenizer", got: format!("{:?}", config.tokenizer), expected });
        }
        let knows = match given {
            GivenOf::Classes { names, .. } => Knows::Classes(names.clone()),
            GivenOf::Vectors { columns, rows } => {
                let train = split.train.iter().map(|&at| rows[at].as_slice());
                Knows::Columns(columns.clone(), Scaler::fit(columns.len(), train))
            }
        };
        let examples = |places: &[usize]| Examples::encode((&vocab, &knows), config.seq_len, &data, places);
        let ((train, cut), (held, cut_of_held)) = (examples(&split.train)?, examples(&split.held)?);
        notes.extend(note_of_cut(cut + cut_of_held, config.seq_len));
        let model = Conditioned::new(config, (vocab.len(), knows.input()))?;
        let lengths: Vec<usize> = train.sequences.iter().map(Vec::len).collect();
        let shape = Shape {
            train_tokens: train.steps(),
            val_tokens: held.steps(),
            vocab_size: vocab.len(),
            seq_len: lengths.iter().max().copied().unwrap_or_default(),
            notes,
            ..Shape::default()
        };
        let of = Data { train, held };
        Ok(Supervised::of(config, data.fingerprint, (TrainedWriter { vocab, knows, model }, of), lengths, shape))
    }
}

/// Says how many texts were cut.
fn note_of_cut(cut: usize, seq_len: usize) -> Option<String> {
    (cut > 0).then(|| format!("texts cut after seq_len = {seq_len} tokens: {cut}"))
}

fn another_condition(name: &str, got: &str, known: &[String]) -> Error {
    let problem = format!("the texts are written for {got}, expected those of the model: {}", known.join(", "));
    Error::Data { name: name.to_string(), problem }
}

fn scaled<E: Element>(scaler: &Scaler, row: &[f64]) -> Vec<E> {
    row.iter().enumerate().map(|(column, &x)| E::from_f64(scaler.scale(column, x))).collect()
}

impl Knows {
    /// What a condition is: one of a number of classes, or a vector of a number of values.
    pub fn input(&self) -> Input {
        match self {
            Knows::Classes(names) => Input::Tokens(names.len()),
            Knows::Columns(columns, _) => Input::Vectors(columns.len()),
        }
    }
}

/// The entry `task` of a model file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    #[serde(default)]
    classes: Vec<String>,
    #[serde(default)]
    features: Option<Features>,
}

impl<E: Element> TrainedWriter<E> {
    /// The writer in a model file, with its settings. Errors: a model of another task; one at odds with itself.
    pub fn load(stored: &Stored) -> Result<(Config, TrainedWriter<E>), Error> {
        let config = stored.config().clone();
        config.generate().map_err(|error| stored.refusal(error))?;
        let Meta { classes, features } = stored.task()?;
        let Encoding::Tokens(vocab) = stored.encoding(None)? else { unreachable!("no features were given") };
        let knows = match features {
            Some(Features { columns, scaler }) if scaler.fits(columns.len()) => Knows::Columns(columns, scaler),
            Some(_) => return Err(stored.refusal("task.features has no fair scaler for its columns")),
            None if classes.is_empty() => return Err(stored.refusal("the model lists no classes, expected at least 1")),
            None => Knows::Classes(classes),
        };
        if vocab.line_end().is_none() {
            return Err(stored.refusal("tokenizer.vocab has no line's end, expected one"));
        }
        let model = stored.model((vocab.len(), knows.input()))?;
        Ok((config, TrainedWriter { vocab, knows, model }))
    }

    /// Inputs, targets, conditions and mask of some texts.
    fn batch(&self, texts: &Examples<E>, places: &[usize]) -> (Padded<E>, Vec<u32>, Conditions<E>) {
        let (end, width) = (self.vocab.line_end().unwrap_or_default(), self.knows.input().size());
        let input = |&at: &usize| [&[end], &texts.sequences[at][..texts.sequences[at].len() - 1]].concat();
        let (inputs, all) = (Sequences::Tokens(places.iter().map(input).collect()), Vec::from_iter(0..places.len()));
        let padded: Padded<E> = Padded::new(&inputs, &all, 0).expect("tokens at places that were counted");
        let target = |t: usize, at: usize| texts.sequences[at].get(t).copied().unwrap_or(IGNORED);
        let targets = (0..padded.steps).flat_map(|t| places.iter().map(move |&at| target(t, at))).collect();
        let given = match &texts.given {
            Conditions::Classes(all) => Conditions::Classes(places.iter().map(|&at| all[at]).collect()),
            Conditions::Vectors(all) => {
                Conditions::Vectors(places.iter().flat_map(|&at| all[at * width..(at + 1) * width].to_vec()).collect())
            }
        };
        (padded, targets, given)
    }

    /// How well it predicts texts, given what each is written for. What is longer than in training is cut. None once
    /// `continues` says no.
    ///
    /// Errors: no texts; conditions that do not fit the texts or the model; a text that its vocabulary rejects; a loss
    /// that is not finite.
    pub fn evaluate(
        &self,
        tape: &mut Tape<E>,
        config: &Config,
        data: Written,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Evaluated>, Error> {
        data.check()?;
        let data = match &self.knows {
            Knows::Classes(names) => data.with_classes(names)?,
            Knows::Columns(..) => data,
        };
        let name = &data.fingerprint.name;
        let refuse = |problem: String| Err(Error::Data { name: name.clone(), problem });
        if let (GivenOf::Vectors { columns: got, .. }, Knows::Columns(columns, _)) = (&data.given, &self.knows)
            && got != columns
        {
            return refuse(format!("its features are {}, expected {}", got.join(", "), columns.join(", ")));
        }
        if data.texts.is_empty() {
            return refuse("there are no texts, expected at least 1".to_string());
        }
        let all: Vec<usize> = (0..data.texts.len()).collect();
        let (examples, cut) = Examples::encode((&self.vocab, &self.knows), config.seq_len, &data, &all)?;
        let Some(loss) = self.loss_of(tape, &examples, continues)? else { return Ok(None) };
        Error::unless_finite(name, "the loss", loss)?;
        let unknown = examples.sequences.iter().map(|ids| self.vocab.count_unknown(ids)).sum();
        let figures = Evaluation::of_loss(loss, &self.vocab, (examples.steps(), unknown));
        let notes = note_of_cut(cut, config.seq_len).into_iter().collect();
        Ok(Some(Evaluated { texts: all.len(), figures, notes }))
    }

    /// The mean loss of texts in nats a token. None once `continues` says no.
    fn loss_of(
        &self,
        tape: &mut Tape<E>,
        examples: &Examples<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, Error> {
        let mut nats = 0.0;
        let lengths: Vec<usize> = examples.sequences.iter().map(Vec::len).collect();
        let read = read_by_length(&lengths, READ_AT_ONCE, continues, |places| {
            let (batch, targets, given) = self.batch(examples, places);
            let tokens = [&batch.tokens[..], &targets[..]];
            nats += self.model.loss(tape, tokens, &given, &batch.mask, batch.rows, None)?.1;
            Ok(())
        })?;
        Ok(read.map(|()| nats / examples.steps().max(1) as f64))
    }

    /// The condition that `NAME=VALUE` pairs ask for. Errors: a class or a column that it does not know, or lacks; no
    /// number.
    pub fn condition(&self, given: &[(String, String)], label: &str) -> Result<Conditions<E>, Error> {
        let refuse = |got: String, expected: String| Error::Setting { name: "given", got, expected };
        match &self.knows {
            Knows::Classes(names) => {
                let value = match given {
                    [(name, value)] if name == label => value,
                    _ => {
                        let got: Vec<String> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
                        return Err(refuse(got.join(" "), format!("{label}=CLASS, one of {}", names.join(", "))));
                    }
                };
                let place = names.iter().position(|name| name == value);
                let place =
                    place.ok_or_else(|| refuse(format!("{label}={value}"), format!("one of {}", names.join(", "))))?;
                Ok(Conditions::Classes(vec![place as u32]))
            }
            Knows::Columns(columns, scaler) => {
                let mut row = Vec::with_capacity(columns.len());
                for column in columns {
                    let value = given.iter().find(|(name, _)| name == column).map(|(_, value)| value);
                    let value = value.ok_or_else(|| refuse("nothing".into(), format!("{column}=NUMBER")))?;
                    let number = value.parse::<f64>().ok().filter(|x| x.is_finite());
                    row.push(number.ok_or_else(|| refuse(format!("{column}={value}"), "a finite number".into()))?);
                }
                if let Some((name, _)) = given.iter().find(|(name, _)| !columns.contains(name)) {
                    return Err(refuse(name.clone(), format!("one of {}", columns.join(", "))));
                }
                Ok(Conditions::Vectors(scaled(scaler, &row)))
            }
        }
    }

    /// `count` texts for a condition of one row, drawn in one batch; each ends with its end token, or after `longest`
    /// tokens. Text i is drawn by stream i of `seed`, whatever the others are.
    pub fn write(
        &self,
        tape: &mut Tape<E>,
        condition: &Conditions<E>,
        count: usize,
        settings: Settings,
        seed: u64,
        longest: usize,
    ) -> Result<Vec<String>, Error> {
        settings.check()?;
        let given = match condition {
            Conditions::Classes(one) => Conditions::Classes(one.repeat(count)),
            Conditions::Vectors(one) => Conditions::Vectors(one.repeat(count)),
        };
        let end = self.vocab.line_end().unwrap_or_default();
        let mut rngs: Vec<ChaCha8Rng> = (0..count).map(|row| generator(seed, Purpose::Sample, row as u64)).collect();
        let mut state = self.model.initial_state(tape, &given, count)?;
        let (mut tokens, mut texts) = (vec![end; count], vec![Vec::new(); count]);
        let (mut before, mut is_over) = (vec![None; count], vec![false; count]);
        for _ in 0..longest {
            let mut logits = self.model.step(tape, &tokens, &given, &mut state)?;
            for (row, logits) in logits.chunks_exact_mut(self.vocab.len()).enumerate() {
                if is_over[row] {
                    continue;
                }
                // What is reserved is no text, but for a line's end.
                for id in (0..self.vocab.reserved()).filter(|&id| id as u32 != end) {
                    logits[id] = E::from_f64(f64::NEG_INFINITY);
                }
                let token = choose(logits, &settings, &mut rngs[row]) as u32;
                is_over[row] = token == end;
                if !is_over[row] {
                    texts[row].extend(self.vocab.write(token, before[row]));
                    before[row] = Some(token);
                }
                tokens[row] = token;
            }
            if is_over.iter().all(|&over| over) {
                break;
            }
        }
        Ok(texts.into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect())
    }
}

impl<E: Element> Objective<E> for TrainedWriter<E> {
    type Layers = Layers<E>;
    type Data = Data<E>;

    fn model(&self) -> &Model<E, Layers<E>> {
        &self.model
    }

    fn model_mut(&mut self) -> &mut Model<E, Layers<E>> {
        &mut self.model
    }

    fn learn(&self, data: &Data<E>, tape: &mut Tape<E>, batch: Batch<'_, E>) -> Result<Loss, Error> {
        let (read, targets, given) = self.batch(&data.train, batch.places);
        let dropout = Some(batch.draws(Purpose::Dropout));
        let tokens = [&read.tokens[..], &targets[..]];
        let learn = Some((batch.grads, dropout));
        let (mean, _) = self.model.loss(tape, tokens, &given, &read.mask, read.rows, learn)?;
        Ok(Loss { mean, predictions: read.lengths.iter().sum(), rows: read.rows })
    }

    fn held_loss(
        &self,
        data: &Data<E>,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Validation>, Error> {
        Ok(self.loss_of(tape, &data.held, continues)?.map(Validation::from))
    }

    /// A text for each of the first classes.
    fn sample(
        &self,
        _: &Data<E>,
        (config, step): (&Config, u64),
        cpu: &Cpu,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<String>, Error> {
        let mut tape = Tape::new(cpu);
        let mut lines = Vec::new();
        let Knows::Classes(names) = &self.knows else { return Ok(Some(String::new())) };
        for (class, name) in names.iter().enumerate().take(8) {
            if !continues() {
                return Ok(None);
            }
            let given = Conditions::Classes(vec![class as u32]);
            let seed = config.seed.wrapping_add(step);
            let text = self.write(&mut tape, &given, 1, Settings::default(), seed, config.sample_length)?;
            lines.push(format!("{name}: {}", text[0]));
        }
        Ok(Some(lines.join("\n")))
    }

    fn metrics(&self, loss: f64) -> Vec<(&'static str, f64)> {
        vec![("ppl", libm::exp(loss))]
    }

    fn meta(&self, config: &Config) -> Map<String, Value> {
        let task = match &self.knows {
            Knows::Classes(classes) => json!({ "classes": classes }),
            Knows::Columns(columns, scaler) => {
                json!({ "features": Features { columns: columns.clone(), scaler: scaler.clone() } })
            }
        };
        Encoding::Tokens(self.vocab.clone()).meta(config, task)
    }
}
