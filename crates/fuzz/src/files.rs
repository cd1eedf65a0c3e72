//! The targets for safetensors files: a run's state, weights of other programs, models of every task. Each file is
//! repaired after the mutation (`repair.rs`). Not here: bytes that are not repaired, which the target `model_file` takes.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use elman::autodiff::params::{Declaration, Params};
use elman::autodiff::tape::Tape;
use elman::config::Dtype;
use elman::data::table::encoding::Encoding;
use elman::data::table::labelled::Items;
use elman::data::table::{Format, Table};
use elman::files::model_file::Stored;
use elman::files::weights::Weights;
use elman::infer::search::Search;
use elman::infer::{Precision, Session};
use elman::nn::linear::Linear;
use elman::nn::{Cell, Input, Network, Recurrent, Stack};
use elman::task::forecast::{Asked, TrainedForecast};
use elman::task::generate::{Knows, TrainedWriter};
use elman::task::numbers;
use elman::task::signal::{Stream, TrainedSignal};
use elman::task::{classify, translate};
use elman::train::{Changes, Control};
use elman::{Corpus, Element, Error, RunDir, Settings, Trainer, origin_of};

use crate::cpu::CPU;
use crate::repair::repaired;

/// The text of the runs whose states are the corpus.
pub const TEXT: &str = "the sea, a bird é\nthe bird sees the sea,\na sea is there\n";

/// Values that a network with random weights computes in a moment. Files that ask for more are loaded and not run.
const FEW: usize = 1 << 16;

pub(crate) fn corpus_of_runs() -> Corpus {
    Corpus::from_text("sea.txt", TEXT.to_string())
}

/// A temporary directory, in memory where the system has such a place.
pub(crate) fn quick_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory")
}

fn tells(error: &Error) {
    assert!(!error.to_string().is_empty());
}

/// A run's state: rejected with an error, or a run that continues from finite numbers.
pub fn state_file(bytes: &[u8]) -> bool {
    static CORPUS: LazyLock<Corpus> = LazyLock::new(corpus_of_runs);
    let dir = quick_dir();
    std::fs::write(dir.path().join("state.safetensors"), repaired(bytes)).expect("a small file");
    let run = RunDir::open(dir.path()).expect("a directory with a state");
    let origin = match origin_of(&run) {
        Ok(origin) => origin,
        Err(error) => {
            assert!(error.to_string().ends_with("state.safetensors)"), "{error}");
            return false;
        }
    };
    assert!(origin.config.check().is_ok());
    for force in [false, true] {
        match Trainer::resume_with(&run, &CORPUS, &CPU, Changes { config: None, force }) {
            Err(error) => tells(&error),
            Ok(mut trainer) => {
                assert!(trainer.model().params().values().iter().all(|x| x.is_finite()));
                if trainer.plan().parameters <= FEW && trainer.config().sample_length <= FEW {
                    let steps = trainer.plan().steps_done;
                    match trainer.run(None, &mut |_| Control::Stop) {
                        Err(error) => tells(&error),
                        Ok(outcome) => assert!(outcome.steps >= steps),
                    }
                }
                break;
            }
        }
    }
    true
}

/// What a file of weights is loaded into: the network of the library page, and one of two layers of another cell.
pub(crate) fn declared<E: Element>(cell: Cell, hidden: &[usize]) -> Result<(Declaration, Stack<E>), Error> {
    let mut declared = Declaration::default();
    let layers: Stack<E> = Recurrent::plain(cell, 3, hidden).declare(&mut declared, "gru.");
    let head = Linear::declare(&mut declared, "fc", hidden[hidden.len() - 1], 2);
    Ok((declared, Stack::new(vec![Arc::new(layers), Arc::new(head)])?))
}

/// A file of weights: rejected with an error, or finite parameters of a network that makes a step.
pub fn weights(bytes: &[u8]) -> bool {
    let bytes = repaired(bytes);
    let read = || Weights::from_bytes(bytes.clone(), "fuzz");
    let weights = match read() {
        Ok(weights) => weights,
        Err(error) => {
            assert!(error.to_string().ends_with("(fuzz)"), "{error}");
            return false;
        }
    };
    let shapes = weights.shapes().expect("it was read");
    assert!(shapes.is_sorted() && weights.metadata().is_ok());
    let first = shapes.first().map_or("", |(name, _)| name.split_inclusive('.').next().unwrap_or_default());
    let step = |params: Result<Params<f32>, Error>, layers: Stack<f32>| match params {
        Err(error) => tells(&error),
        Ok(params) => {
            assert!(params.values().iter().all(|x| x.is_finite()));
            let network = Network::new(Arc::new(layers), params, Input::Vectors(3));
            let mut session = Session::new(network, 1, Precision::Full, &CPU).expect("a causal network");
            assert_eq!(session.step(&[1.0, -2.0, 0.5]).map(<[f32]>::len).unwrap_or(2), 2);
        }
    };
    let (params, layers) = declared::<f32>(Cell::GRU, &[5]).expect("it fits");
    step(weights.params(params), layers);
    let renamed = [read().expect("it was read").rename(first, ""), read().expect("it was read").rename("fc", "gru")];
    for weights in renamed.map(Weights::ignore_others).into_iter().chain([weights]) {
        let (params, layers) = declared::<f32>(Cell::LSTM, &[2, 3]).expect("it fits");
        step(weights.params(params), layers);
        let (params, _) = declared::<f64>(Cell::GRU, &[5]).expect("it fits");
        if let Ok(params) = weights.params::<f64>(params) {
            assert!(params.values().iter().all(|x| x.is_finite()));
        }
    }
    true
}

/// A model of any task, of today or of before there were checksums: rejected with an error, or a model that answers.
pub fn any_model(bytes: &[u8]) -> bool {
    let dir = quick_dir();
    let path = dir.path().join("model.safetensors");
    std::fs::write(&path, repaired(bytes)).expect("a small file");
    let stored = match Stored::read(&path) {
        Ok(stored) => stored,
        Err(error) => {
            assert!(error.to_string().ends_with("model.safetensors)"), "{error}");
            return false;
        }
    };
    let answered = match stored.config().dtype {
        Dtype::F64 => answer::<f64>(stored, &path),
        _ => answer::<f32>(stored, &path),
    };
    if let Err(error) = answered {
        tells(&error);
    }
    true
}

/// Loads a model and asks it for something small.
fn answer<E: Element>(stored: Stored, path: &Path) -> Result<(), Error> {
    let config = stored.config().clone();
    let mut tape = Tape::new(&CPU);
    let texts = ["the sea", "é", "a b"].map(str::to_string);
    let Some(task) = &config.task else {
        let file = stored.load::<E>()?;
        assert!(file.model.params().values().iter().all(|x| x.to_f64().is_finite()));
        let text = file.generate("", Settings::default(), 1, &CPU)?;
        assert_eq!(text.take(3).count(), 3, "{}", path.display());
        return Ok(());
    };
    let items = |encoding: &Encoding| match encoding {
        Encoding::Tokens(_) => Items::Texts(texts.to_vec()),
        Encoding::Vectors { columns, .. } => Items::Vectors {
            columns: columns.clone(),
            groups: vec!["one".into()],
            sequences: vec![[1.0, 2.0].repeat(columns.len())],
        },
    };
    match task.kind() {
        "classify" => {
            let (_, trained) = classify::Trained::<E>::load(&stored)?;
            let rows = trained.predict(&mut tape, "fuzz", &items(&trained.encoding), config.seq_len)?;
            assert!(rows.iter().all(|row| row.len() == trained.classes.len() && row.iter().all(|p| p.is_finite())));
        }
        "tag" | "restore" => {
            let (_, trained) = classify::Trained::<E>::load_tagger(&stored)?;
            let items = items(&trained.encoding);
            let all = trained.classes(&mut tape, "fuzz", &items)?;
            assert!(all.len() == items.len() && all.iter().flatten().all(|&class| class < trained.classes.len()));
            if task.kind() == "restore" && matches!(trained.encoding, Encoding::Tokens(_)) {
                trained.restore(&mut tape, "fuzz", "the sea", config.seq_len)?;
            }
        }
        "regress" | "multilabel" => {
            let (_, trained) = numbers::Trained::<E>::load(&stored)?;
            let rows = trained.predict(&mut tape, "fuzz", &items(&trained.encoding), config.seq_len)?;
            assert!(
                rows.iter().all(|row| row.len().is_multiple_of(trained.width()) && row.iter().all(|y| y.is_finite()))
            );
        }
        "signal" => {
            let (_, trained) = TrainedSignal::<E>::load(&stored)?;
            let knobs: Vec<f64> = trained.knobs.iter().map(|knob| knob.high).collect();
            let (mut stream, mut out) = (Stream::new(&trained, &CPU, &knobs)?, Vec::new());
            stream.process(&[0.5, -1.0, 0.0], &mut out)?;
            assert!(out.len() == 3 && out.iter().all(|y| y.is_finite()));
        }
        "forecast" => {
            let trained = TrainedForecast::<E>::load(&stored)?;
            let settings = &trained.timeline.settings;
            let columns = trained.timeline.fitted.columns.len() + trained.timeline.fitted.covariates.len();
            let work = settings.horizon * settings.paths * (1 + settings.recent) * columns;
            if work <= FEW && trained.timeline.context <= FEW && !settings.wide {
                let row = |t: usize| format!("{t}{}\n", format!(",{}", t + 1).repeat(columns));
                let fitted = &trained.timeline.fitted;
                let names = [std::slice::from_ref(&fitted.time), &fitted.columns, &fitted.covariates].concat();
                let rows = (0..12).map(row).collect::<String>();
                // Names may hold anything, times may be dates: then the table is refused.
                let text = format!("{}\n{rows}", names.join(","));
                let table = Table::from_bytes("fuzz", text.as_bytes(), Format::Csv, true);
                if let Ok(set) = table.and_then(|table| trained.read(&table)) {
                    let forecasts = trained.next(&mut tape, &set, &Asked::of(settings))?;
                    assert!(forecasts.iter().all(|one| one.median(0).iter().all(|y| y.is_finite())));
                }
            }
        }
        "generate" => {
            let (_, trained) = TrainedWriter::<E>::load(&stored)?;
            let label = "label";
            let given = match &trained.knows {
                Knows::Classes(names) => vec![(label.to_string(), names[0].clone())],
                Knows::Columns(columns, _) => columns.iter().map(|name| (name.clone(), "1".to_string())).collect(),
            };
            let condition = trained.condition(&given, label)?;
            let texts = trained.write(&mut tape, &condition, 2, Settings::default(), 1, config.seq_len.min(8))?;
            assert_eq!(texts.len(), 2);
        }
        _ => {
            let (_, trained) = translate::Trained::<E>::load(&stored)?;
            let search = Search { beam: 2, length_penalty: 0.0, longest: 5 };
            let texts = texts.each_ref().map(String::as_str);
            let written = trained.translate(&mut tape, "fuzz", &texts, search, &mut || true)?;
            assert!(written.is_none_or(|written| written.len() == texts.len()));
        }
    }
    Ok(())
}
