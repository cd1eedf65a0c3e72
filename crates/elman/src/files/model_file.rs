//! The model file: weights in PyTorch's names and layout, with everything that sampling and evaluation need. A file
//! that is truncated, of another kind or inconsistent with its own configuration is an error before anything of the
//! configured size is allocated. Nothing in the file depends on the clock, the machine, paths or threads.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use elman_kernels::{Cpu, Element};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    autodiff::params::{Declaration, Params},
    config::{BatchKind, Config, TokenizerKind},
    data::{
        Vocab,
        table::encoding::{Encoding, Features},
        text::tokenizer::{self, Tokenizer},
    },
    error::Error,
    files::before_checksums::{NO_CHECKSUM, is_before_checksums},
    files::disk::Disk,
    files::regular::Links,
    files::tensor_file::{self, IsOld, Tensor, TensorFile, Tensors},
    infer::{Batch, Generator, Precision, Settings, Start},
    nn::model::{Declared, LanguageModel, Model},
    rng::{Purpose, generator},
};

/// The metadata key that makes a safetensors file a model of ours.
const KEY: &str = "elman";
/// Version of its value. Another number is an error.
const FORMAT: u64 = 1;

/// The key of a model, and which models have no checksum.
pub(crate) const MODEL: (&str, IsOld) = (KEY, is_before_checksums);

/// What training had reached when a model was saved. Nothing in it depends on the clock or the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// Optimizer steps taken.
    pub step: u64,
    /// Passes over the training split, with a fraction.
    pub epoch: f64,
    /// The last reported training loss, nats per token.
    pub train_loss: f64,
    /// The last validation loss, nats per token; None before the first evaluation.
    pub val_loss: Option<f64>,
    /// The lowest validation loss so far.
    pub best_val_loss: Option<f64>,
    /// The step that had it.
    pub best_step: Option<u64>,
}

/// The value of the metadata key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    config: Config,
    format: u64,
    results: Results,
    /// Absent where a task reads no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokenizer: Option<Tokenizer>,
    /// What a task other than a language model needs in addition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<Value>,
}

/// A language model with all that sampling, evaluation and sharing need.
#[derive(Clone, Debug)]
pub struct ModelFile<E> {
    /// The run's resolved configuration.
    pub config: Config,
    /// Tokens and their ids.
    pub vocab: Vocab,
    /// What training had reached.
    pub results: Results,
    /// The weights.
    pub model: LanguageModel<E>,
}

/// A model file that was read, with numbers of a kind the caller did not know before.
pub struct Stored {
    path: PathBuf,
    file: TensorFile,
    meta: Meta,
    note: Option<&'static str>,
}

/// What a model file holds apart from configuration and results.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Contents {
    /// Name and shape of each tensor, by name.
    pub tensors: Vec<(String, Vec<usize>)>,
    /// The vocabulary of a model that reads one kind of text.
    pub vocab: Option<Vocab>,
    /// Names that belong to the task, such as its classes, each list with what it is.
    pub lists: Vec<(&'static str, Vec<String>)>,
}

impl Contents {
    /// Scalars in all tensors.
    pub fn parameters(&self) -> usize {
        self.tensors.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}

/// The lists of names in what a task keeps in its metadata, such as its classes, each with what it is.
pub(crate) fn lists_of(task: Option<&Value>) -> Vec<(&'static str, Vec<String>)> {
    let lists = [
        ("/classes", "classes"),
        ("/targets/columns", "numbers to predict"),
        ("/features/columns", "columns"),
        ("/series/columns", "columns"),
        ("/series/covariates", "covariates"),
        ("/from", "tokens to read"),
        ("/to", "tokens to write"),
    ];
    let found = lists.into_iter().filter_map(|(path, what)| Some((what, task?.pointer(path)?.as_array()?)));
    let name = |entry: &Value| entry.as_str().unwrap_or_default().to_string();
    found.map(|(what, entries)| (what, entries.iter().map(name).collect())).collect()
}

impl Stored {
    /// Reads a model file, or the `model.safetensors` of a run directory. Errors: as [`ModelFile::load`], tensors not
    /// yet looked at.
    pub fn read(path: impl AsRef<Path>) -> Result<Stored, Error> {
        let given = path.as_ref();
        let (path, links) = match given.is_dir() {
            true => (given.join("model.safetensors"), Links::Refuse),
            false => (given.to_path_buf(), Links::Follow),
        };
        Stored::of(TensorFile::read(&path, links)?, &path)
    }

    /// The model of a run directory that is to be used: the best by validation loss, with the step of the latest, or the latest
    /// and None. The latest is used where it is the best, where nothing was validated, and where the task uses no best model
    /// ([`Config::uses_best`]). A model file is read as it is. Errors: as [`Stored::read`].
    pub fn read_best(path: impl AsRef<Path>) -> Result<(Stored, Option<u64>), Error> {
        let run = path.as_ref();
        let latest = Stored::read(run)?;
        let is_used = run.is_dir() && latest.config().uses_best();
        let Some(loss) = latest.results().best_val_loss.filter(|_| is_used) else { return Ok((latest, None)) };
        if latest.results().best_step == Some(latest.results().step) {
            return Ok((latest, None));
        }
        let best = run.join("best.safetensors");
        if best.symlink_metadata().is_err() {
            return Ok((latest, None)); // only the latest was copied
        }
        let best = Stored::of(TensorFile::read(&best, Links::Refuse)?, &best)?;
        // After the validation data has changed, the file of before stays until there is a new best one.
        let is_best = best.results().val_loss.is_some_and(|of_best| of_best <= loss);
        Ok(if is_best { (best, Some(latest.results().step)) } else { (latest, None) })
    }

    fn of(file: TensorFile, path: &Path) -> Result<Stored, Error> {
        let tensors = file.parse()?;
        let meta: Meta = tensors.meta(KEY, "a model of elman", FORMAT, is_before_checksums)?;
        check_config(&meta.config, path)?;
        let note = (!tensors.has_checksum(KEY)).then_some(NO_CHECKSUM);
        drop(tensors);
        Ok(Stored { path: path.to_path_buf(), file, meta, note })
    }

    /// What is to be known of the file before it is used; mostly nothing.
    pub fn note(&self) -> Option<&'static str> {
        self.note
    }

    /// The run's resolved configuration, with the kind of its numbers.
    pub fn config(&self) -> &Config {
        &self.meta.config
    }

    /// What training had reached.
    pub fn results(&self) -> &Results {
        &self.meta.results
    }

    /// What it holds, of any task. Errors: its tokens are not those of the configuration.
    pub fn contents(&self) -> Result<Contents, Error> {
        let tensors = self.file.parse()?;
        let shape = |name: &str| (name.to_string(), tensors.shape(name).unwrap_or_default());
        let vocab = self.meta.tokenizer.as_ref().map(|_| self.vocab()).transpose()?;
        Ok(Contents { tensors: tensors.names().into_iter().map(shape).collect(), vocab, lists: self.lists() })
    }

    /// Names that belong to its task, each list with what it is.
    pub(crate) fn lists(&self) -> Vec<(&'static str, Vec<String>)> {
        lists_of(self.meta.task.as_ref())
    }

    /// Its tokenizer as the metadata has it; None of a model that reads no one kind of text.
    pub(crate) fn tokenizer(&self) -> Option<Value> {
        serde_json::to_value(self.meta.tokenizer.as_ref()?).ok()
    }

    /// Its tokens. Errors: there are none; they are not those of the configuration.
    fn vocab(&self) -> Result<Vocab, Error> {
        let (path, config) = (&self.path, &self.meta.config);
        let Some(tokenizer) = self.meta.tokenizer.clone() else {
            return Err(Error::file(path, "tokenizer is missing in metadata `elman`"));
        };
        if tokenizer.kind != config.tokenizer {
            let problem = format!(
                "tokenizer.kind is {:?}, expected that of the configuration, {:?}",
                tokenizer.kind, config.tokenizer
            );
            return Err(Error::file(path, problem));
        }
        Vocab::from_file(config, tokenizer.vocab, tokenizer.bpe, path)
    }

    /// What a task other than a language model keeps in addition to its weights. Errors: it is missing, or something
    /// else.
    pub(crate) fn task<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let task = self.meta.task.clone().ok_or_else(|| self.refusal("task is missing in metadata `elman`"))?;
        serde_json::from_value(task).map_err(|error| self.refusal(format!("task does not fit: {error}")))
    }

    /// How its sequences become numbers: by its tokens, or by these features. Errors: neither; a scaler of other
    /// columns.
    pub(crate) fn encoding(&self, features: Option<Features>) -> Result<Encoding, Error> {
        match features {
            None => Ok(Encoding::Tokens(self.vocab()?)),
            Some(Features { columns, scaler }) if scaler.fits(columns.len()) && !columns.is_empty() => {
                Ok(Encoding::Vectors { columns, scaler })
            }
            Some(Features { columns, .. }) => {
                Err(self.refusal(format!("task.features has no fair scaler for its {} columns", columns.len())))
            }
        }
    }

    /// The parameters that were declared. Memory is made when every tensor has its right shape and none is left over.
    ///
    /// Errors: a tensor that is missing, one too many, another shape or type; numbers other than `E`.
    pub(crate) fn params<E: Element>(&self, declaration: Declaration) -> Result<Params<E>, Error> {
        let tensors = self.file.parse()?;
        self.meta.config.dtype.check::<E>().map_err(|error| self.refusal(format!("config: {error}")))?;
        check_tensors::<E>(&tensors, "", &declaration)?;
        let is_declared = |name: &str| declaration.shapes().any(|declared| declared.name == name);
        if let Some(name) = tensors.names().into_iter().find(|name| !is_declared(name)) {
            return Err(self.refusal(format!("{name} is not a tensor of this model")));
        }
        let mut params = declaration.zeros()?;
        set_params(&tensors, "", &mut params)?;
        Ok(params)
    }

    /// The model of `sizes` that the configuration asks for. Errors: as [`Stored::params`]; impossible sizes.
    pub(crate) fn model<E: Element, L: Declared>(&self, sizes: L::Sizes) -> Result<Model<E, L>, Error> {
        let (layers, declaration) = L::declare(&self.meta.config, sizes)?;
        Ok(Model::of(layers, self.params(declaration)?))
    }

    /// Puts its weights into the parameters of the same network. Errors: a tensor that is missing or of another shape.
    pub(crate) fn fill<E: Element>(&self, params: &mut Params<E>) -> Result<(), Error> {
        set_params(&self.file.parse()?, "", params)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An error that blames the file.
    pub(crate) fn refusal(&self, problem: impl ToString) -> Error {
        Error::file(&self.path, problem.to_string())
    }

    /// The model. Errors: as [`ModelFile::load`].
    pub fn load<E: Element>(self) -> Result<ModelFile<E>, Error> {
        ModelFile::of(self)
    }
}

impl<E: Element> ModelFile<E> {
    /// Loads a model file, or the `model.safetensors` of a run directory (name `best.safetensors` to have that one).
    ///
    /// Errors: a file that cannot be read, is cut short, is of another kind, lacks a tensor or has one too many, or
    /// one of another shape or type than its configuration and vocabulary ask for; numbers other than `E` ([`Stored`]
    /// takes either).
    pub fn load(path: impl AsRef<Path>) -> Result<ModelFile<E>, Error> {
        Stored::read(path)?.load()
    }

    /// A model file that is in memory; `path` is what messages call it. Errors: as [`ModelFile::load`].
    pub fn from_bytes(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<ModelFile<E>, Error> {
        Stored::of(TensorFile::of(path.as_ref(), bytes), path.as_ref())?.load()
    }

    /// Takes no more memory than the file's size and the model, which is made last, when every tensor has its right
    /// shape.
    fn of(stored: Stored) -> Result<ModelFile<E>, Error> {
        let Stored { path, file, meta, .. } = &stored;
        let (tensors, meta) = (file.parse()?, meta.clone());
        meta.config.dtype.check::<E>().map_err(|error| Error::file(path, format!("config: {error}")))?;
        if let Some(task) = &meta.config.task {
            let problem = format!("the model was trained to {}, expected a language model", task.kind());
            return Err(Error::file(path, problem));
        }
        let (vocab, kind) = (stored.vocab()?, meta.config.tokenizer);
        let outputs = tensors.shape("decoder.bias").and_then(|shape| shape.first().copied());
        if outputs.is_some_and(|outputs| outputs != vocab.len()) {
            let (listed, outputs) = (vocab.len(), outputs.unwrap_or_default());
            let problem = match kind {
                TokenizerKind::Char | TokenizerKind::Word | TokenizerKind::Bpe => {
                    let unit = vocab.unit(listed);
                    format!("tokenizer.vocab lists {listed} {unit}, expected decoder.bias's {outputs}")
                }
                TokenizerKind::Byte => format!("decoder.bias has {outputs} values, expected {listed} for bytes"),
            };
            return Err(Error::file(path, problem));
        }
        let model = stored.model(vocab.len())?;
        Ok(ModelFile { config: meta.config, vocab, results: meta.results, model })
    }

    /// Writes the file, whole or not at all. Errors: it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let meta = tokenizer::meta(&self.config, &self.vocab);
        save_model(&Disk::default(), path.as_ref(), &self.config, &self.results, meta, self.model.params())
    }

    /// A stream of text that continues `prompt`; equal seeds give equal text.
    ///
    /// Errors: settings out of range; characters that are not in the vocabulary.
    pub fn generate(&self, prompt: &str, settings: Settings, seed: u64, cpu: &Cpu) -> Result<Generator<E>, Error> {
        let rng = generator(seed, Purpose::Sample, 0);
        let prompt = self.after_line_end(prompt.as_bytes());
        let prompt = String::from_utf8_lossy(&prompt); // it was one
        Generator::new(&self.model, &self.vocab, &prompt, settings, rng, cpu)
    }

    /// A prompt as the model has to read it: one that was trained on lines, each of which followed a line end, reads a line end
    /// first. An empty prompt stays empty.
    pub fn after_line_end<'p>(&self, prompt: &'p [u8]) -> Cow<'p, [u8]> {
        match self.config.batches {
            BatchKind::Lines if !prompt.is_empty() => Cow::Owned([b"\n", prompt].concat()),
            _ => Cow::Borrowed(prompt),
        }
    }

    /// `samples` texts for each of `starts`, start by start, all in one batch. Text i of all is drawn by stream i of `seed`:
    /// the first is what [`ModelFile::generate`] gives, and no two share a stream.
    ///
    /// `precision` is that of the weights. Errors: as [`Batch::new`].
    pub fn batch(
        &self,
        starts: &[Start<'_>],
        samples: usize,
        settings: Settings,
        seed: u64,
        precision: Precision,
        cpu: &Cpu,
    ) -> Result<Batch<E>, Error> {
        let read: Vec<Option<Cow<[u8]>>> = starts
            .iter()
            .map(|start| match start {
                Start::Prompt(prompt) => Some(self.after_line_end(prompt)),
                Start::Random => None,
            })
            .collect();
        let starts = read.iter().map(|prompt| prompt.as_deref().map_or(Start::Random, Start::Prompt));
        let rows = starts.flat_map(|start| std::iter::repeat_n(start, samples));
        let rows = rows.enumerate().map(|(at, start)| (start, generator(seed, Purpose::Sample, at as u64)));
        Batch::with_precision(&self.model, &self.vocab, rows, settings, precision, cpu)
    }
}

/// [`ModelFile::save`] for parts that belong to a trainer; `meta` are the task's entries of the metadata.
pub(crate) fn save_model<E: Element>(
    disk: &Disk,
    path: &Path,
    config: &Config,
    results: &Results,
    mut meta: Map<String, Value>,
    params: &Params<E>,
) -> Result<(), Error> {
    /// What every task's model has.
    #[derive(Serialize)]
    struct Head<'a> {
        config: &'a Config,
        format: u64,
        results: &'a Results,
    }
    let head = serde_json::to_value(Head { config, format: FORMAT, results });
    match head.map_err(|error| Error::file(path, format!("{KEY} cannot be written as JSON: {error}")))? {
        Value::Object(head) => meta.extend(head),
        _ => unreachable!("a struct is an object"),
    }
    tensor_file::write(disk, path, KEY, &meta, named("", params))
}

/// A configuration out of a file is checked like a user's, and blamed on the file.
pub(crate) fn check_config(config: &Config, path: &Path) -> Result<(), Error> {
    config.check().map_err(|error| Error::file(path, format!("config: {error}")))
}

/// Checks that every declared parameter is there under `prefix` + its name, with its shape, allocating nothing of that
/// size.
pub(crate) fn check_tensors<E: Element>(
    tensors: &Tensors<'_>,
    prefix: &str,
    declaration: &Declaration,
) -> Result<(), Error> {
    for declared in declaration.shapes() {
        tensors.check::<E>(&format!("{prefix}{}", declared.name), declared.formula, declared.shape)?;
    }
    Ok(())
}

/// All parameters under `prefix` + their names, in PyTorch's layout.
pub(crate) fn named<'a, E: Element>(prefix: &str, params: &'a Params<E>) -> Vec<Tensor<'a>> {
    let tensor = |name: &'a str| {
        let shape = params.shape(name).unwrap_or_default().to_vec();
        Tensor::new(format!("{prefix}{name}"), shape, move || params.get(name).unwrap_or_default())
    };
    params.names().map(tensor).collect()
}

/// Sets all parameters from the tensors under `prefix` + their names.
pub(crate) fn set_params<E: Element>(tensors: &Tensors<'_>, prefix: &str, params: &mut Params<E>) -> Result<(), Error> {
    let names: Vec<String> = params.names().map(str::to_string).collect();
    for name in names {
        let shape = params.shape(&name).unwrap_or_default().to_vec();
        let values = tensors.values(&format!("{prefix}{name}"), "the model's", &shape)?;
        params.set(&name, &values)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::Cell;

    fn small(embed: usize) -> ModelFile<f32> {
        let config = Config { hidden_size: 3, num_layers: 2, embed, lr: 0.1 + 0.2, ..Config::default() };
        let vocab = Vocab::fit("hello, wörld\n", "");
        let results = Results {
            step: 12,
            epoch: 1.0 / 3.0,
            train_loss: 0.7,
            val_loss: Some(1.25),
            best_val_loss: None,
            best_step: None,
        };
        let model = LanguageModel::new(&config, vocab.len()).unwrap();
        ModelFile { config, vocab, results, model }
    }

    /// Saves a small model with some tensors and metadata changed; the error of loading it.
    fn spoilt(tensors: impl FnOnce(&mut Vec<Tensor>), meta: impl FnOnce(&mut serde_json::Value)) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.safetensors");
        let file = small(0);
        let mut named = named("", file.model.params());
        tensors(&mut named);
        let mut value = serde_json::to_value(Meta {
            config: file.config,
            format: FORMAT,
            results: file.results,
            tokenizer: Some(Tokenizer { bpe: None, kind: TokenizerKind::Char, vocab: file.vocab.list() }),
            task: None,
        })
        .unwrap();
        meta(&mut value);
        tensor_file::write(&Disk::default(), &path, KEY, &value, named).unwrap();
        let error = ModelFile::<f32>::load(&path).map(|_| ()).unwrap_err().to_string();
        error.replace(&path.display().to_string(), "FILE")
    }

    #[test]
    fn a_file_names_its_cell_and_comes_back_as_that() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        for (cell, name) in [(Cell::GRU, "gru"), (Cell::GRU_RESET_BEFORE, "gru-reset-before")] {
            let mut file = small(0);
            file.config.cell = cell;
            file.model = LanguageModel::new(&file.config, file.vocab.len()).unwrap();
            file.save(&path).unwrap();
            let bytes = fs::read(&path).unwrap();
            let header = String::from_utf8_lossy(&bytes).into_owned();
            // Quoted within the JSON of the metadata's one string.
            assert!(header.contains(&format!("\\\"cell\\\":\\\"{name}\\\"")), "{name}: {header:.600}");
            assert_eq!(ModelFile::<f32>::load(&path).unwrap().config.cell, cell);
            let contents = Stored::read(&path).unwrap().contents().unwrap();
            assert_eq!(contents.parameters(), file.model.params().count());
        }
    }

    #[test]
    fn a_model_comes_back_with_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("model.safetensors"), dir.path().join("two"));
        let file = small(0);
        file.save(&one).unwrap();
        let loaded = ModelFile::<f32>::load(dir.path()).unwrap();
        assert_eq!((&loaded.config, &loaded.results), (&file.config, &file.results));
        assert_eq!(loaded.vocab, file.vocab);
        assert_eq!(loaded.model.params().values(), file.model.params().values());
        loaded.save(&two).unwrap();
        assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        let mut file = small(0);
        file.model.params_mut().set("decoder.bias", &vec![f32::NAN; file.vocab.len()]).unwrap();
        assert!(file.save(&path).unwrap_err().to_string().starts_with("decoder.bias holds NaN"));
        assert!(!path.exists());
    }

    #[test]
    fn wrong_tensors_are_named() {
        let keep = |_: &mut serde_json::Value| {};
        let shape = spoilt(
            |t| {
                let hh = t.iter_mut().find(|t| t.name == "rnn.weight_hh_l1").unwrap();
                *hh = Tensor::new(hh.name.clone(), vec![12, 2], || vec![0.0_f32; 24]);
            },
            keep,
        );
        assert_eq!(shape, "rnn.weight_hh_l1 has shape [12, 2], expected [4*hidden_size, hidden_size] = [12, 3] (FILE)");
        let missing = spoilt(|t| t.retain(|t| t.name != "rnn.bias_hh_l0"), keep);
        assert_eq!(missing, "rnn.bias_hh_l0 is missing (FILE)");
        let extra = spoilt(|t| t.push(Tensor::new("extra".into(), vec![1], || vec![0.0_f32])), keep);
        assert_eq!(extra, "extra is not a tensor of this model (FILE)");
    }

    #[test]
    fn wrong_metadata_is_named_before_anything_large_is_made() {
        let keep = |_: &mut Vec<Tensor>| {};
        let vocab = spoilt(keep, |m| m["tokenizer"]["vocab"].as_array_mut().unwrap().truncate(4));
        assert_eq!(vocab, "tokenizer.vocab lists 4 characters, expected decoder.bias's 11 (FILE)");
        let huge = spoilt(keep, |m| m["config"]["hidden_size"] = 65_536.into());
        assert!(huge.contains("expected [4*hidden_size, input_size] = [262144, 11]"), "{huge}");
        let absurd = spoilt(keep, |m| m["config"]["hidden_size"] = u64::MAX.into());
        assert!(absurd.starts_with("config: hidden_size is 18446744073709551615, expected 1 to"), "{absurd}");
        let key = spoilt(keep, |m| m["config"]["colour"] = 1.into());
        assert!(key.starts_with("metadata `elman` does not fit: unknown field `colour`"), "{key}");
        let version = spoilt(keep, |m| m["format"] = 2.into());
        assert_eq!(version, "format version is 2, expected 1 (FILE)");
        let gone = spoilt(keep, |m| *m = serde_json::json!([]));
        assert!(gone.starts_with("metadata `elman` has no format version"), "{gone}");
    }

    #[test]
    fn a_model_of_bytes_needs_no_list() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        let config = Config { hidden_size: 3, num_layers: 1, tokenizer: TokenizerKind::Byte, ..Config::default() };
        let (vocab, results) = (Vocab::bytes(), small(0).results);
        let model: LanguageModel<f32> = LanguageModel::new(&config, 256).unwrap();
        ModelFile { config: config.clone(), vocab, results: results.clone(), model }.save(&path).unwrap();
        assert!(!String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("vocab\\\""));
        assert_eq!(ModelFile::<f32>::load(&path).unwrap().vocab, Vocab::bytes());
        let short = LanguageModel::<f32>::new(&config, 255).unwrap();
        let meta = tokenizer::meta(&config, &Vocab::bytes());
        save_model(&Disk::default(), &path, &config, &results, meta, short.params()).unwrap();
        let error = ModelFile::<f32>::load(&path).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("decoder.bias has 255 values, expected 256 for bytes"), "{error}");
        let kind = spoilt(|_| {}, |m| m["tokenizer"]["kind"] = "byte".into());
        assert_eq!(kind, "tokenizer.kind is Byte, expected that of the configuration, Char (FILE)");
    }

    #[test]
    fn files_of_another_kind_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other");
        tensor_file::write(&Disk::default(), &path, "pt", &(), vec![]).unwrap();
        let error = ModelFile::<f32>::load(&path).unwrap_err().to_string();
        assert!(error.starts_with("not a model of elman: its metadata has no key `elman`"), "{error}");
        assert!(matches!(ModelFile::<f32>::load(dir.path()), Err(Error::Io { action: "read", .. })));
    }
}
