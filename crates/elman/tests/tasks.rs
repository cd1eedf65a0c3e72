//! The tasks behind the trainer: each is learned, stopped and resumed to the same bytes, and comes back from its one
//! file; where a model is causal, nothing later changes what it says.

use std::path::Path;

use elman::autodiff::tape::Tape;
use elman::config::{
    Classify as ClassifySettings, Forecast, Generate as GenerateSettings, Memory, Strategy, Tag as TagSettings,
};
use elman::config::{Condition, Config, Dtype, Source, TaskSettings, Transform};
use elman::data::Corpus;
use elman::data::series::{Known, Roles, SeriesSet};
use elman::data::table::encoding::Encoding;
use elman::data::table::labelled::{Items, Labelled};
use elman::data::table::sequences::{Padded, Sequences};
use elman::data::table::tagged::Tagged;
use elman::data::table::{Format, Table};
use elman::data::text::restore;
use elman::files::model_file::Stored;
use elman::nn::model::{Conditioned, Conditions, Input, Predictor};
use elman::task::Task;
use elman::task::classify::{Classify, Trained, likeliest};
use elman::task::forecast::{Asked, ForecastTask, TrainedForecast};
use elman::task::generate::{Generate, TrainedWriter, Written};
use elman::task::tag::{Tag, restored};
use elman::train::{Control, Event, Stopped, Trainer};
use elman::{Cpu, Error, RunDir, Settings};
use elman_kernels::softmax::IGNORED;

fn cpu() -> Cpu {
    Cpu::new(Some(1)).unwrap()
}

fn small(task: TaskSettings, steps: u64) -> Config {
    let base = Config::of_task(Some(task));
    let embed = if base.embed > 0 { 8 } else { 0 };
    Config { hidden_size: 12, embed, batch: 8, epochs: None, steps: Some(steps), lr: 0.02, ..base }
}

/// Words of one class begin with a, of the other with b, in lines of different length.
fn labelled() -> Labelled {
    let rows: Vec<String> = (0..60)
        .map(|at| {
            let (first, class) = if at % 2 == 0 { ('a', "left") } else { ('b', "right") };
            format!(
                "{first}{},{class}\n",
                "xyz".chars().cycle().skip(at % 3).take(1 + at / 7).collect::<String>() + &"w".repeat(at / 30)
            )
        })
        .collect();
    let text = format!("text,label\n{}", rows.concat());
    let table = Table::from_bytes("t.csv", text.as_bytes(), Format::Csv, true).unwrap();
    Labelled::of_table(&table, &Source::default(), Corpus::from_text("t.csv", text).fingerprint()).unwrap()
}

fn tagged() -> Tagged {
    let lines: String = (0..40)
        .map(|at| {
            let words = (0..2 + at % 4).map(|t| {
                if (at + t) % 3 == 0 {
                    "the D\n"
                } else if t % 2 == 0 {
                    "cat N\n"
                } else {
                    "runs V\n"
                }
            });
            words.collect::<String>() + "\n"
        })
        .collect();
    Tagged::of_lines("t", &lines, &Default::default(), Corpus::from_text("t", lines.clone()).fingerprint()).unwrap()
}

fn series() -> (SeriesSet, Corpus) {
    let rows: Vec<String> = (0..80)
        .map(|t| {
            let season = [1.0, 1.4, 0.8, 1.1][t % 4];
            format!("{},{}\n", t, 50.0 * 1.01_f64.powi(t as i32) * season + (t * t % 7) as f64 * 0.1)
        })
        .collect();
    let text = format!("t,y\n{}", rows.concat());
    let table = Table::from_bytes("t.csv", text.as_bytes(), Format::Csv, true).unwrap();
    (SeriesSet::new(&table, &Roles::default(), &Known::default()).unwrap(), Corpus::from_text("t.csv", text))
}

/// Trains whole, and cut in two; the model and the state must be the same bytes.
fn is_the_same_cut_in_two<T: Task>(config: &Config, make: impl Fn(&Config) -> Result<T, Error>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str| RunDir::create(dir.path().join(name)).unwrap();
    let (whole, cut) = (run("whole"), run("cut"));
    let begin = || Trainer::of(config.clone(), make(config).unwrap(), &cpu()).unwrap();
    let mut keep_training = |_: Event<'_>| Control::Continue;
    let outcome = begin().run(Some(&whole), &mut keep_training).unwrap();
    assert!(!outcome.stopped);
    let mut first = begin();
    let stopped = first.run(Some(&cut), &mut |event| match event {
        Event::Step { step: 7, .. } => Control::Stop,
        _ => Control::Continue,
    });
    assert!(stopped.unwrap().stopped);
    let fingerprint = first.task().fingerprint().clone();
    drop(first);
    let stopped = Stopped::open(&cut, &fingerprint, Default::default()).unwrap();
    let task = make(&stopped.config).unwrap();
    stopped.resume(task, &cpu()).unwrap().run(Some(&cut), &mut keep_training).unwrap();
    for file in ["model.safetensors", "state.safetensors"] {
        let read = |run: &RunDir| std::fs::read(run.path().join(file)).unwrap();
        assert!(read(&whole) == read(&cut), "{file} differs after a resume");
    }
    dir
}

fn stored(dir: &tempfile::TempDir) -> Stored {
    Stored::read(dir.path().join("whole")).unwrap()
}

#[test]
fn a_classifier_is_learned_resumed_and_read_back() {
    let config = small(TaskSettings::Classify(ClassifySettings::default()), 80);
    let dir = is_the_same_cut_in_two(&config, |config| Classify::<f32>::new(config, labelled(), None));
    let (_, trained) = Trained::<f32>::load(&stored(&dir)).unwrap();
    let mut tape = Tape::new(&cpu());
    // A character that was never seen is unknown, and no reason to fail.
    let texts = ["azz", "bzz", "axé", "b"].map(String::from).to_vec();
    let all = trained.predict(&mut tape, "texts", &Items::Texts(texts.clone()), 100).unwrap();
    let found: Vec<&str> = all.iter().map(|row| trained.classes[likeliest(row)].as_str()).collect();
    assert_eq!(found, ["left", "right", "left", "right"]);
    for (text, row) in texts.iter().zip(&all) {
        let alone = trained.predict(&mut tape, "text", &Items::Texts(vec![text.clone()]), 100).unwrap();
        assert_eq!(alone[0], *row, "{text} alone");
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    let refused = elman::ModelFile::load(dir.path().join("whole")).map(|_| ()).unwrap_err().to_string();
    assert!(refused.starts_with("the model was trained to classify, expected a language model ("), "{refused}");
    assert!(
        Trained::<f32>::load_tagger(&stored(&dir))
            .map(|_| ())
            .unwrap_err()
            .to_string()
            .contains("expected tag or restore")
    );
}

#[test]
fn a_forecast_whose_paths_do_not_fit_into_memory_is_refused_before_they_are_made() {
    let settings = Forecast { strategy: Strategy::Recursive, horizon: 3, paths: 100_000, ..Forecast::default() };
    let config = Config { seq_len: 4, ..small(TaskSettings::Forecast(settings), 2) };
    let (set, corpus) = series();
    let mut trainer = Trainer::of(
        config.clone(),
        ForecastTask::<f32>::new(&Config { val_frac: 0.0, ..config }, set, corpus.fingerprint()).unwrap(),
        &cpu(),
    )
    .unwrap();
    // A million columns and steps of each of 100,000 paths: terabytes.
    let asked = Asked { horizon: 10_000_000, levels: vec![0.5] };
    let (set, _) = series();
    let (task, tape) = trainer.task_and_tape();
    let refused = task.trained().next(tape, &set, &asked).map(|_| ()).unwrap_err();
    assert!(matches!(refused, Error::Memory { bytes, left: Some(_) } if bytes > 1 << 41), "{refused}");
}

#[test]
fn adjusted_logits_leave_the_shares_of_the_classes_out() {
    // Nine of ten examples are of one class, and a text says nothing about its class.
    let rows = format!("text,label\n{}x,rare\n", "x,common\n".repeat(9));
    let table = Table::from_bytes("t.csv", rows.as_bytes(), Format::Csv, true).unwrap();
    let fingerprint = Corpus::from_text("t.csv", rows).fingerprint();
    let rare = |logit_adjustment: f64| {
        let settings = ClassifySettings { logit_adjustment, keep_duplicates: true, ..ClassifySettings::default() };
        let base = small(TaskSettings::Classify(settings), 200);
        let config = Config { val_frac: 0.0, output_dropout: 0.0, batch: 10, ..base };
        let data = Labelled::of_table(&table, &Source::default(), fingerprint.clone()).unwrap();
        let mut trainer =
            Trainer::of(config.clone(), Classify::<f64>::new(&config, data, None).unwrap(), &cpu()).unwrap();
        trainer.run(None, &mut |_| Control::Continue).unwrap();
        let (task, tape) = trainer.task_and_tape();
        task.trained().predict(tape, "x", &Items::Texts(vec!["x".into()]), 1).unwrap()[0][1]
    };
    // The shares to the power 1 - tau, over their sum.
    for (tau, want) in [(0.0, 0.1), (0.5, 1.0 / (1.0 + 3.0)), (1.0, 0.5)] {
        let got = rare(tau);
        assert!((got - want).abs() < 1e-3, "tau {tau}: {got}, expected {want}");
    }
    let settings = ClassifySettings { logit_adjustment: -0.5, ..ClassifySettings::default() };
    let error = small(TaskSettings::Classify(settings), 1).check().unwrap_err().to_string();
    assert_eq!(error, "logit_adjustment is -0.5, expected a finite number, 0 or more");
}

#[test]
fn ensemble_models_differ_and_their_probabilities_are_averaged() {
    let settings = ClassifySettings { ensemble_size: 3, token_dropout: 0.1, ..ClassifySettings::default() };
    let config = small(TaskSettings::Classify(settings), 20);
    let dir = is_the_same_cut_in_two(&config, |config| Classify::<f32>::new(config, labelled(), None));
    let (_, trained) = Trained::<f32>::load(&stored(&dir)).unwrap();
    let mut tape = Tape::new(&cpu());
    let texts = Items::Texts(["azz", "bx", "y"].map(String::from).to_vec());
    let together = trained.predict(&mut tape, "texts", &texts, 100).unwrap();
    // Each model alone, as a classifier of one.
    let alone = Config { task: Some(TaskSettings::Classify(ClassifySettings::default())), ..config };
    let all: Vec<Vec<Vec<f64>>> = ["", "member2.", "member3."]
        .iter()
        .map(|prefix| {
            let mut one =
                Trained { model: Predictor::new(&alone, (trained.encoding.input(), 2)).unwrap(), ..trained.clone() };
            let names: Vec<String> = one.model.params().names().map(str::to_string).collect();
            for name in names {
                let values = trained.model.params().get(&format!("{prefix}{name}")).unwrap();
                one.model.params_mut().set(&name, &values).unwrap();
            }
            one.predict(&mut tape, "texts", &texts, 100).unwrap()
        })
        .collect();
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "each has a start of its own");
    for (text, mean) in together.iter().enumerate() {
        for (class, &mean) in mean.iter().enumerate() {
            let want = all.iter().map(|model| model[text][class]).sum::<f64>() / 3.0;
            assert!((mean - want).abs() < 1e-15, "{mean} {want}");
        }
    }
}

#[test]
fn n_grams_have_their_share_in_the_answer_and_are_read_back() {
    let settings = ClassifySettings { ngrams: 3, ..ClassifySettings::default() };
    let config = small(TaskSettings::Classify(settings.clone()), 20);
    let dir = is_the_same_cut_in_two(&config, |config| Classify::<f32>::new(config, labelled(), None));
    let (_, trained) = Trained::<f32>::load(&stored(&dir)).unwrap();
    let task = Classify::<f32>::new(&config, labelled(), None).unwrap();
    assert!(
        trained.ngrams.is_some() && trained.ngrams == task.trained().ngrams,
        "the file holds the counts of the data"
    );
    let network = Trained { ngrams: None, ..trained.clone() };
    let mut tape = Tape::new(&cpu());
    for text in ["azz", "bx", "y", ""] {
        let texts = Items::Texts(vec![text.to_string()]);
        let joined = trained.predict(&mut tape, "text", &texts, 100).unwrap();
        let alone = network.predict(&mut tape, "text", &texts, 100).unwrap();
        let Encoding::Tokens(vocab) = &trained.encoding else { panic!("texts are tokens") };
        let want = trained.ngrams.as_ref().unwrap().with(&alone[0], &vocab.encode("text", text).unwrap());
        assert!(joined[0] == want && joined != alone, "{text}");
    }
    // Texts of several lengths at once, which are read in another order: each has its own n-grams.
    let texts = Items::Texts(["azzzz", "", "bx", "y", "azz"].map(str::to_string).to_vec());
    let together = trained.predict(&mut tape, "text", &texts, 100).unwrap();
    for (text, together) in ["azzzz", "", "bx", "y", "azz"].into_iter().zip(together) {
        let alone = trained.predict(&mut tape, "text", &Items::Texts(vec![text.to_string()]), 100).unwrap();
        assert_eq!(together, alone[0], "{text}");
    }
    // What is held out has no part in them: with all of it counted too, they differ.
    let all = Config { val_frac: 0.0, ..config };
    assert_ne!(Classify::<f32>::new(&all, labelled(), None).unwrap().trained().ngrams, trained.ngrams);
}

#[test]
fn hidden_tokens_change_what_is_learned() {
    let learned = |token_dropout: f64| {
        let settings = ClassifySettings { token_dropout, ..ClassifySettings::default() };
        let config = small(TaskSettings::Classify(settings), 1);
        let mut trainer =
            Trainer::of(config.clone(), Classify::<f32>::new(&config, labelled(), None).unwrap(), &cpu()).unwrap();
        trainer.run(None, &mut |_| Control::Continue).unwrap();
        let (task, tape) = trainer.task_and_tape();
        task.trained().predict(tape, "azz", &Items::Texts(vec!["azz".into()]), 1).unwrap()
    };
    assert_eq!(learned(0.5), learned(0.5));
    assert_ne!(learned(0.5), learned(0.0));
}

#[test]
fn what_tokens_and_ensembles_cannot_be_is_named() {
    let refused = |settings: ClassifySettings, unk: bool| {
        Config { unk, ..small(TaskSettings::Classify(settings), 1) }.check().unwrap_err().to_string()
    };
    let plain = ClassifySettings::default;
    assert_eq!(refused(ClassifySettings { ensemble_size: 0, ..plain() }, true), "members is 0, expected 1 to 64");
    assert_eq!(refused(ClassifySettings { ngrams: 9, ..plain() }, true), "ngrams is 9, expected 0 to 8");
    for (ngram_share, got) in [(0.0, "0"), (1.0, "1"), (f64::NAN, "NaN")] {
        let words = format!("ngram_share is {got}, expected above 0 and below 1");
        assert_eq!(refused(ClassifySettings { ngram_share, ..plain() }, true), words);
    }
    let share = |token_dropout: f64| ClassifySettings { token_dropout, ..plain() };
    assert_eq!(refused(share(1.0), true), "token_dropout is 1, expected at least 0 and below 1");
    let no_unk = "token_dropout is 0.5, expected 0 without unk or words: there is no token that stands for another";
    assert_eq!(refused(share(0.5), false), no_unk);
    let columns = vec!["x".to_string()];
    let items = Items::Vectors { columns, groups: vec![String::new(); 60], sequences: vec![vec![1.0]; 60] };
    let config = small(TaskSettings::Classify(share(0.5)), 1);
    let vectors = Labelled { items, ..labelled() };
    let error = Classify::<f32>::new(&config, vectors.clone(), None).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "token_dropout is 0.5, expected 0 for rows of numbers");
    let config = small(TaskSettings::Classify(ClassifySettings { ngrams: 2, ..plain() }), 1);
    let error = Classify::<f32>::new(&config, vectors, None).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "ngrams is 2, expected 0 for rows of numbers");
}

#[test]
fn a_tagger_is_learned_resumed_and_read_back() {
    let tag = small(TaskSettings::Tag(TagSettings::default()), 80);
    let config = Config { min_freq: 1, dtype: Dtype::F64, ..tag };
    let dir = is_the_same_cut_in_two(&config, |config| Tag::<f64>::new(config, tagged(), None));
    let (_, trained) = Trained::<f64>::load_tagger(&stored(&dir)).unwrap();
    let items = Items::Texts(vec!["cat runs the".into(), "the".into()]);
    let all = trained.classes(&mut Tape::new(&cpu()), "texts", &items).unwrap();
    let named: Vec<String> =
        all.iter().map(|row| row.iter().map(|&at| trained.classes[at].as_str()).collect()).collect();
    assert_eq!(named, ["NVD", "D"]);
}

#[test]
fn what_was_taken_from_a_text_is_put_back() {
    let text = "Up we go, Bob. Up we go, Bob. ".repeat(60);
    let config = Config { seq_len: 100, ..small(TaskSettings::Restore(TagSettings::default()), 150) };
    let make = |config: &Config| {
        let corpus = Corpus::from_text("t", text.clone());
        Tag::<f32>::new(config, restore::pieces(&text, config.seq_len, corpus.fingerprint())?, None)
    };
    // Every word stands as it always stood, but for one that is cut where the training part ends.
    let task = make(&config).unwrap();
    let words = restored(task.by_words().unwrap(), &task.trained().classes);
    assert!(words.capitals_f1 > 0.97 && words.punctuation_f1 > 0.97, "{words:?}");
    let dir = is_the_same_cut_in_two(&config, make);
    let (_, trained) = Trained::<f32>::load_tagger(&stored(&dir)).unwrap();
    // Longer than a piece, so that pieces are put together.
    let bare = "up we go bob ".repeat(30);
    let back = trained.restore(&mut Tape::new(&cpu()), "t", &bare, 100).unwrap();
    assert_eq!(back, "Up we go, Bob. ".repeat(30).trim_end());
}

#[test]
fn a_forecaster_is_learned_resumed_and_read_back() {
    let (set, corpus) = series();
    for (strategy, memory) in [
        (Strategy::Direct, Memory::Recurrent),
        (Strategy::Recursive, Memory::Recurrent),
        (Strategy::Direct, Memory::Window),
    ] {
        let settings = Forecast {
            horizon: 4,
            season: 4,
            transform: vec![Transform::Log, Transform::Seasonal],
            strategy,
            memory,
            paths: 40,
            ..Forecast::default()
        };
        let config = Config { seq_len: 12, ..small(TaskSettings::Forecast(settings), 60) };
        let make = |config: &Config| ForecastTask::<f32>::new(config, set.clone(), corpus.fingerprint());
        let dir = is_the_same_cut_in_two(&config, make);
        let trained = TrainedForecast::<f32>::load(&stored(&dir)).unwrap();
        let mut tape = Tape::new(&cpu());
        let asked = Asked::with(4, &[0.1, 0.9]);
        let forecasts = trained.next(&mut tape, &set, &asked).unwrap().remove(0);
        for h in 0..4 {
            // The season of 80, 81, ... a period on; growth of 4 %, and noise of 0.6 around it.
            let want = 50.0 * 1.01_f64.powi(80 + h as i32) * [1.0, 1.4, 0.8, 1.1][h % 4];
            let [low, middle, high] = forecasts.at(0, h)[..] else { panic!("{forecasts:?}") };
            assert!(low <= middle && middle <= high);
            assert!((middle / want - 1.0).abs() < 0.03, "{strategy:?} {memory:?} {h}: {middle} {want}");
        }
        let again = trained.next(&mut tape, &set, &asked).unwrap().remove(0);
        assert_eq!(again, forecasts, "the draws are the seed's");
        let mut none = set.clone();
        none.series[0].cells.fill(f64::NAN);
        let error = trained.next(&mut tape, &none, &asked).unwrap_err().to_string();
        assert_eq!(error, "the series has no value before the forecast, expected at least 1 (t.csv)");
    }
    let settings = Forecast { horizon: 20, ..Forecast::default() };
    let config = small(TaskSettings::Forecast(settings), 10);
    let task = ForecastTask::<f32>::new(&config, set.clone(), corpus.fingerprint()).unwrap();
    assert_eq!(task.shape().notes, Vec::<String>::new());
    let config = Config { val_frac: 1.0 - 1e-9, ..config };
    let error = ForecastTask::<f32>::new(&config, set, corpus.fingerprint()).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "the longest series has 80 rows, expected 2 to train on beside those held out (t.csv)");
}

#[test]
fn a_writer_is_learned_resumed_and_read_back() {
    for condition in [Condition::State, Condition::Steps, Condition::Both] {
        let task = GenerateSettings { condition, ..GenerateSettings::default() };
        let config = small(TaskSettings::Generate(task), 100);
        let make = |config: &Config| Generate::<f32>::new(config, Written::of(labelled())?);
        let dir = is_the_same_cut_in_two(&config, make);
        let (_, trained) = TrainedWriter::<f32>::load(&stored(&dir)).unwrap();
        let mut tape = Tape::new(&cpu());
        let mut write = |class: &str, count: usize| {
            let given = trained.condition(&[("label".into(), class.into())], "label").unwrap();
            trained.write(&mut tape, &given, count, Settings::default(), 3, 30).unwrap()
        };
        let (left, right) = (write("left", 20), write("right", 20));
        let begin_with = |texts: &[String], c: char| texts.iter().filter(|text| text.starts_with(c)).count();
        assert!(begin_with(&left, 'a') >= 18 && begin_with(&right, 'b') >= 18, "{condition:?} {left:?} {right:?}");
        assert_eq!(write("left", 5), left[..5], "a text does not depend on how many there are");
        let error = trained.condition(&[("label".into(), "up".into())], "label").map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "given is label=up, expected one of left, right");
    }
}

/// Six sequences of vectors, the last steps of `spoilt` ones others.
fn vectors(from: usize, spoilt: f64) -> Padded<f32> {
    let number = |at: usize, t: usize, i: usize| ((at * 31 + t * 17 + i * 7) % 23) as f64 / 11.0 - 1.0;
    let row = |at: usize| {
        (0..8).flat_map(|t| (0..3).map(move |i| number(at, t, i) + if t >= from { spoilt } else { 0.0 })).collect()
    };
    Padded::new(&Sequences::Vectors { width: 3, rows: (0..6).map(row).collect() }, &[0, 1, 2, 3, 4, 5], 0).unwrap()
}

#[test]
fn nothing_later_changes_what_a_causal_model_says() {
    let mut tape = Tape::<f32>::new(&cpu());
    let tag = TagSettings { bidirectional: false, ..TagSettings::default() };
    let tagger = Predictor::<f32>::new(&small(TaskSettings::Tag(tag), 1), (Input::Vectors(3), 4)).unwrap();
    let mut outputs = |batch: &Padded<f32>| {
        tape.start(false);
        let first = tagger.forward(&mut tape, batch, None).unwrap()[0];
        vec![tape.dense_value(first)]
    };
    let plain = outputs(&vectors(8, 0.0));
    for t in 1..8 {
        for (model, (plain, spoilt)) in plain.iter().zip(outputs(&vectors(t, 0.7))).enumerate() {
            let until = plain.len() / 8 * t;
            assert!(plain[..until] == spoilt[..until], "model {model} looks beyond step {t}");
            assert!(plain[until..] != spoilt[until..], "model {model} does not look at step {t}");
        }
    }
    // A writer's loss of the first t tokens does not know the others.
    let writer =
        Conditioned::<f32>::new(&small(TaskSettings::Generate(GenerateSettings::default()), 1), (5, Input::Tokens(3)))
            .unwrap();
    let given = Conditions::Classes(vec![0, 2]);
    let mut loss = |t: usize, later: u32| {
        let tokens: Vec<u32> = (0..12).map(|at| if at / 2 > t { later } else { at as u32 % 5 }).collect();
        let targets: Vec<u32> = (0..12).map(|at| if at / 2 > t { IGNORED } else { (at as u32 + 1) % 5 }).collect();
        writer.loss(&mut tape, [&tokens, &targets], &given, &[true; 12], 2, None).unwrap().0.to_bits()
    };
    assert!((0..5).all(|t| loss(t, 1) == loss(t, 4)));
}

#[test]
fn a_class_or_a_family_of_settings_that_is_missing_is_named() {
    let one = Labelled { labels: vec![0; 60], classes: vec!["left".into()], ..labelled() };
    let config = small(TaskSettings::Classify(ClassifySettings::default()), 1);
    let error = Classify::<f32>::new(&config, one, None).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "every example is left, expected at least 2 classes (t.csv)");
    let error = Classify::<f32>::new(&Config::default(), labelled(), None).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "task is lm, expected classify");
    assert!(Labelled::read(Path::new("nowhere"), &Source::default(), Default::default()).is_err());
}

/// A data set that does not fit itself.
struct Misfit(fn(&mut elman::data::table::dataset::Split));

impl elman::data::table::dataset::Dataset for Misfit {
    fn split(self, config: &Config, _: Option<Misfit>) -> Result<elman::data::table::dataset::Split, Error> {
        let mut split = elman::data::table::dataset::Dataset::split(labelled(), config, None)?;
        (self.0)(&mut split);
        Ok(split)
    }
}

#[test]
fn a_data_set_of_ones_own_is_checked() {
    let config = small(TaskSettings::Classify(ClassifySettings::default()), 1);
    let refused = |spoil| Classify::<f32>::new(&config, Misfit(spoil), None).map(|_| ()).unwrap_err().to_string();
    assert!(
        refused(|split| split.train.labels[0] = vec![2]).contains("a label of examples to train on is 2, expected")
    );
    assert!(refused(|split| split.held.labels[1] = vec![]).contains("sequence 1 of held-out examples has 0 labels"));
    assert!(refused(|split| drop(split.train.labels.pop())).contains("lists of labels, expected"));
    assert!(refused(|split| split.classes.truncate(1)).contains("expected at least 2 classes"));
}
