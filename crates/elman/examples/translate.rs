//! Learns to translate from a table of pairs, tab-separated, and translates what is given: attention, beams and BLEU.
//!
//!     cargo run --release -p elman --example translate -- eng-fra.txt 2000 "i am hungry ."
//!     cargo run --release -p elman --example translate            # numbers in words, 200 steps

use elman::{
    Config, Corpus, Cpu, Error,
    config::{Attention, TaskSettings, Translate as Settings},
    data::parallel::Parallel,
    sample::search::Search,
    task::Translate,
    train::{Control, Event, Trainer},
};

/// Numbers in words, backwards in another language.
fn numbers() -> Parallel {
    let digits = [("one", "un"), ("two", "deux"), ("three", "trois"), ("four", "quatre"), ("five", "cinq")];
    let number = |at: usize| [at % 5, at / 5 % 5, at / 25].map(|digit| digits[digit]);
    let pair = |number: [(&str, &str); 3]| {
        let [a, b, c] = number;
        (format!("{} {} {}", a.0, b.0, c.0), format!("{} {} {}", c.1, b.1, a.1))
    };
    let pairs = (0..125).map(|at| pair(number(at))).collect();
    Parallel { pairs, mark: Corpus::from_text("numbers", String::new()).mark() }
}

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, rest) = match arguments.first() {
        Some(first) if first.parse::<u64>().is_err() => (Some(first), &arguments[1..]),
        _ => (None, &arguments[..]),
    };
    let steps = rest.first().and_then(|n| n.parse().ok()).unwrap_or(200);
    let settings = Settings { attention: Attention::General, ..Settings::default() };
    let data = path.map_or_else(|| Ok(numbers()), |path| Parallel::read(path.as_ref(), &settings.source))?;
    let base = Config::of_task(Some(TaskSettings::Translate(settings)));
    let config = match path {
        Some(_) => Config { lowercase: true, steps: Some(steps), ..base },
        None => Config { hidden_size: 32, embed: 16, min_freq: 1, batch: 16, lr: 1e-2, steps: Some(steps), ..base },
    };

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
    let text = rest.get(1).map_or("two three four", String::as_str);
    let written = task.trained().translate(tape, "the text", &[text], search, &mut || true)?.unwrap_or_default();
    println!("{text} -> {}", written[0].text);
    let measured = task.trained().measure(tape, task.validation(), search, &mut || true)?;
    println!("validation BLEU {:.2}", measured.map_or(0.0, |(figures, _)| figures.all.score()));
    Ok(())
}
