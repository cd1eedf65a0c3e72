//! Learns to translate from a table of pairs, tab-separated, and translates a text: attention, beams and BLEU.
//!
//!     cargo run --release -p elman --example translate                                      # numbers as words, 200 steps
//!     cargo run --release -p elman --example translate -- 2000 eng-fra.txt "i am hungry ."

use elman::data::TextEncoding;
use elman::{
    Config, Corpus, Cpu, Error,
    config::{Attention, TaskSettings, Translate as Settings},
    data::table::parallel::Parallel,
    infer::search::Search,
    task::Translate,
    train::{Control, Event, Trainer},
};

/// Numbers as words, backwards in another language.
fn numbers() -> Parallel {
    let digits = [("one", "un"), ("two", "deux"), ("three", "trois"), ("four", "quatre"), ("five", "cinq")];
    let pair = |at: usize| {
        let [a, b, c] = [at % 5, at / 5 % 5, at / 25].map(|digit| digits[digit]);
        (format!("{} {} {}", a.0, b.0, c.0), format!("{} {} {}", c.1, b.1, a.1))
    };
    Parallel {
        pairs: (0..125).map(pair).collect(),
        fingerprint: Corpus::from_text("numbers", String::new()).fingerprint(),
    }
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let steps = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(200);
    let settings = Settings { attention: Attention::General, ..Settings::default() };
    let task = Some(TaskSettings::Translate(settings.clone()));
    let (data, config) = match arguments.next() {
        Some(path) => (
            Parallel::read(path.as_ref(), &settings.source, TextEncoding::default())?,
            Config { lowercase: true, ..Config::of_task(task) },
        ),
        None => (
            numbers(),
            Config { hidden_size: 32, embed: 16, min_freq: 1, batch: 16, lr: 1e-2, ..Config::of_task(task) },
        ),
    };
    let text = arguments.next().unwrap_or("two three four".to_string());
    let config = Config { steps: Some(steps), sample_every: Some(0), ..config };

    let cpu = Cpu::new(None)?;
    let mut trainer = Trainer::of(config.clone(), Translate::<f32>::new(&config, data, None)?, &cpu)?;
    trainer.run(None, &mut |event| {
        if let Event::Report(report) = event {
            println!("step {:4}  loss {:.3}", report.step, report.train_loss);
        }
        Control::Continue
    })?;
    let (task, tape) = trainer.task_and_tape();
    let search = Search { beam: 4, length_penalty: 1.0, longest: 50 };
    let written = task.trained().translate(tape, "the text", &[&text], search, &mut || true)?.unwrap_or_default();
    println!("{text} -> {}", written[0].text);
    let measured = task.trained().measure(tape, task.validation(), search, &mut || true)?;
    println!("validation BLEU {:.2}", measured.map_or(0.0, |(figures, _)| figures.all.score()));
    Ok(())
}
