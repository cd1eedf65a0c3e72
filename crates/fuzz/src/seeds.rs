//! Valid files for the corpora of `state_file`, `any_model` and `weights`: small runs of every task, of several cells, optimizers
//! and tokenizers. Not here: files of earlier versions, which are in the corpus and are never made again.

use std::path::Path;

use elman::config::{
    Classify, Forecast, Generate, MultiLabel, OnNan, OptimizerKind, Output, Regress, Sides, Signal, Source, Strategy,
    Tag, TaskSettings, TokenizerKind, Translate,
};
use elman::data::series::{Known, Roles, SeriesSet};
use elman::data::signal::{Pair, Pairs};
use elman::data::table::labelled::Labelled;
use elman::data::table::measured::Measured;
use elman::data::table::parallel::Parallel;
use elman::data::table::reading::Reading;
use elman::data::table::tagged::Tagged;
use elman::data::table::written::Written;
use elman::data::table::{Format, Table};
use elman::files::weights;
use elman::nn::Cell;
use elman::task::forecast::ForecastTask;
use elman::task::{NumbersTask, SignalTask, Task, classify, generate, tag, translate};
use elman::train::{self, Control};
use elman::{Config, Corpus, Error, RunDir, Trainer};

use crate::cpu::CPU;
use crate::files::{corpus_of_runs, declared, quick_dir};

/// A name, and the bytes of a run's state and model.
type Files = (String, Vec<u8>, Vec<u8>);

/// Makes the files in the folders `state_file`, `any_model` and `weights` of `corpus`.
pub fn write(corpus: &Path) -> Result<(), Error> {
    let (declaration, _) = declared::<f32>(Cell::LSTM, &[2, 3])?;
    let metadata = serde_json::json!({"units": ["C", "m/s"], "mean": 12.25});
    weights::save(corpus.join("weights/lstm.safetensors"), &declaration.zeros::<f32>()?, &metadata)?;
    for (name, state, model) in runs()? {
        for (target, bytes) in [("state_file", state), ("any_model", model)] {
            let path = corpus.join(target).join(format!("{name}.safetensors"));
            if !bytes.is_empty() {
                elman::files::atomic_file::write_atomic(&path, &bytes)?;
            }
        }
    }
    Ok(())
}

/// A run of two steps. Only a language model's state is kept: the target resumes no other.
fn run<T: Task>(name: &str, config: Config, task: T) -> Result<Files, Error> {
    let is_language = config.task.is_none();
    let dir = quick_dir();
    let run = RunDir::create(dir.path().join("run"))?;
    train::Trainer::of(config, task, &CPU)?.run(Some(&run), &mut |_| Control::Continue)?;
    let read = |path: &Path| std::fs::read(path).map_err(Error::io("read", path));
    let state = if is_language { read(&run.state())? } else { Vec::new() };
    Ok((name.to_string(), state, read(&run.model())?))
}

fn language(name: &str, config: Config) -> Result<Files, Error> {
    let dir = quick_dir();
    let run = RunDir::create(dir.path().join("run"))?;
    let config = Config { hidden_size: 2, batch: 2, seq_len: 4, steps: Some(2), sample_length: 3, ..config };
    Trainer::new(config, &corpus_of_runs(), &CPU)?.run(Some(&run), &mut |_| Control::Continue)?;
    let read = |path: &Path| std::fs::read(path).map_err(Error::io("read", path));
    Ok((name.to_string(), read(&run.state())?, read(&run.model())?))
}

fn runs() -> Result<Vec<Files>, Error> {
    let base = Config { num_layers: 1, ..Config::default() };
    let of = |kind: TaskSettings| {
        let of_kind = Config::of_task(Some(kind));
        let embed = of_kind.embed.min(2);
        Config { hidden_size: 2, embed, batch: 2, epochs: None, steps: Some(2), num_layers: 1, ..of_kind }
    };
    let table = |text: &str| Table::from_bytes("t.csv", text.as_bytes(), Format::Csv, true);
    let print = |text: &str| Corpus::from_text("t.csv", text.to_string()).fingerprint();
    let texts = "text,label\na sea,left\nthe bird,right\na bird,left\nthe sea,right\nsees,left\nis,right\n";
    let labelled = || Labelled::of_table(&table(texts)?, &Default::default(), print(texts));
    let sentences = "the D\ncat N\n\na D\nsea N\nis V\n\nthe D\nbird N\n\nit N\nis V\n\n".repeat(2);
    let rows: String = (0..40).map(|t| format!("{t},{}\n", 5 + t % 4)).collect();
    let (series, pairs) = (format!("t,y\n{rows}"), "1,2\na sea,la mer\nthe sea,la mer\na bird,un oiseau\n");
    let set = || SeriesSet::new(&table(&series)?, &Roles::default(), &Known::default());
    let mut all = vec![
        language("lstm", base.clone())?,
        language("gru-tied", Config { cell: Cell::GRU, tied: true, embed: 2, ..base.clone() })?,
        language(
            "rnn-sgd",
            Config { cell: Cell::RNN_TANH, optimizer: OptimizerKind::Sgd, num_layers: 2, ..base.clone() },
        )?,
        language("gru-momentum", Config { cell: Cell::GRU, optimizer: OptimizerKind::Momentum, ..base.clone() })?,
        language("words", Config { tokenizer: TokenizerKind::Word, embed: 2, ..base.clone() })?,
        language("slstm-rollback", Config { cell: Cell::SLSTM, on_nan: OnNan::Rollback, ..base })?,
    ];
    let settings = Classify { ngrams: 2, ensemble_size: 2, ..Classify::default() };
    let config = of(TaskSettings::Classify(settings));
    all.push(run("classify", config.clone(), classify::Classify::<f32>::new(&config, labelled()?, None)?)?);
    let config = of(TaskSettings::Tag(Tag::default()));
    let tagged = Tagged::of_lines("t", &sentences, &Default::default(), print(&sentences))?;
    all.push(run("tag", config.clone(), tag::Tag::<f32>::new(&config, tagged, None)?)?);
    let config = of(TaskSettings::Tag(Tag { crf: true, ..Tag::default() }));
    let spans = "Ada B-PER\nByron I-PER\nran O\n\n".repeat(8);
    let tagged = Tagged::of_lines("t", &spans, &Default::default(), print(&spans))?;
    all.push(run("tag-chain", config.clone(), tag::Tag::<f32>::new(&config, tagged, None)?)?);
    let rows: String = (0..40).map(|at| format!("{},{},{}\n", at / 4, at % 5, at / 4 % 2)).collect();
    let rows = format!("run,x,label\n{rows}");
    let source = Source { group: Some("run".into()), ..Source::default() };
    let regress = Regress { source: source.clone(), output: Output::Quantile, ..Regress::default() };
    let multi_label = MultiLabel { source, every_step: true, ..MultiLabel::default() };
    for task in [TaskSettings::Regress(regress), TaskSettings::MultiLabel(multi_label)] {
        let (name, config) = (task.kind(), of(task));
        let read = Measured::of_rows(&table(&rows)?, &config.numbers()?, print(&rows), &mut Reading::default())?;
        all.push(run(name, config.clone(), NumbersTask::<f32>::new(&config, read, None)?)?);
    }
    let settings = Signal { windows: 2, settle: 4, knobs: vec!["tone".into()], ..Signal::default() };
    let config = Config { seq_len: 6, ..of(TaskSettings::Signal(settings)) };
    let samples: Vec<f32> = (0..100).map(|t| (t * 7 % 11) as f32 / 11.0 - 0.5).collect();
    let pair = |knob: f64| Pair {
        name: "t".into(),
        input: samples.clone(),
        target: samples.clone(),
        knobs: vec![knob],
        shift: None,
    };
    let recordings = Pairs { rate: 8000, pairs: vec![pair(0.0), pair(2.0)], fingerprint: print("t") };
    all.push(run("signal", config.clone(), SignalTask::<f32>::new(&config, recordings)?)?);
    for (name, strategy) in [("forecast", Strategy::Direct), ("forecast-paths", Strategy::Recursive)] {
        let settings = Forecast { horizon: 3, paths: 10, strategy, ..Forecast::default() };
        let config = Config { seq_len: 6, ..of(TaskSettings::Forecast(settings)) };
        all.push(run(name, config.clone(), ForecastTask::<f32>::new(&config, set()?, print(&series))?)?);
    }
    let config = of(TaskSettings::Generate(Generate::default()));
    let written = Written::of(labelled()?)?;
    all.push(run("generate", config.clone(), generate::Generate::<f32>::new(&config, written)?)?);
    let settings = Translate { source: Sides { header: true, ..Default::default() }, ..Default::default() };
    let config = of(TaskSettings::Translate(settings.clone()));
    let parallel = Parallel::of_table(&table(pairs)?, &settings.source, print(pairs))?;
    all.push(run("translate", config.clone(), translate::Translate::<f32>::new(&config, parallel, None)?)?);
    Ok(all)
}
