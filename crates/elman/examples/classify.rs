//! A classifier of texts: learned from a table in memory, asked for one more.
//!
//!     cargo run --release -p elman --example classify           # 100 steps
//!     cargo run --release -p elman --example classify -- 5      # 5

use elman::config::{Config, Source, TaskSettings};
use elman::data::table::labelled::{Items, Labelled};
use elman::data::table::{Format, Table};
use elman::task::Classify;
use elman::task::classify::likeliest;
use elman::train::{Control, Event, Trainer};
use elman::{Corpus, Cpu, Error};

fn main() -> Result<(), Error> {
    let steps = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100);
    let table = "text,label\nanna,name\nberta,name\nclara,name\n17,number\n4,number\n391,number\n".to_string();
    let corpus = Corpus::from_text("things.csv", table.clone());
    let table = Table::from_bytes("things.csv", table.as_bytes(), Format::Csv, true)?;
    let data = Labelled::of_table(&table, &Source::default(), corpus.fingerprint())?;

    let config = Config::of_task(TaskSettings::of_kind("classify"));
    let config = Config { steps: Some(steps), epochs: None, hidden_size: 16, val_frac: 0.0, ..config };
    let cpu = Cpu::new(None)?;
    let mut trainer = Trainer::of(config.clone(), Classify::<f32>::new(&config, data, None)?, &cpu)?;
    let outcome = trainer.run(None, &mut |event| {
        if let Event::Report(report) = event {
            println!("step {}: {:.4} nats an example", report.step, report.train_loss);
        }
        Control::Continue
    })?;

    let (task, tape) = trainer.task_and_tape();
    let text = "dora";
    let row = task.trained().predict(tape, "a text", &Items::Texts(vec![text.into()]), 100)?.remove(0);
    let class = likeliest(&row);
    println!("after {} steps: {text} is a {} ({:.3})", outcome.steps, task.trained().classes[class], row[class]);
    Ok(())
}
