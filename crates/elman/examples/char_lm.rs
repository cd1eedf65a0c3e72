//! Trains a character model on the bundled text and lets it write: the library's way from text to text.
//!
//!     cargo run --release -p elman --example char_lm            # 300 steps
//!     cargo run --release -p elman --example char_lm -- 5       # 5 steps

use elman::{
    Config, Corpus, Cpu, Error, Settings, Trainer,
    infer::Generator,
    rng::{Purpose, generator},
    train::{Control, Event},
};

fn main() -> Result<(), Error> {
    let steps = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(300);
    let config = Config {
        hidden_size: 128,
        num_layers: 1,
        batch: 32,
        steps: Some(steps),
        sample_every: Some(0),
        ..Config::default()
    };

    let cpu = Cpu::new(None)?;
    let mut trainer = Trainer::new(config, &Corpus::bundled(), &cpu)?;
    println!("{:?}", trainer.plan());
    let outcome = trainer.run(None, &mut |event| {
        if let Event::Report(report) = event {
            println!("step {:4}  loss {:.3}  bpc {:.3}", report.step, report.train_loss, report.metrics["bpc"]);
        }
        Control::Continue
    })?;
    println!("best validation loss {:?}, {:.0} tokens/s\n", outcome.best_val_loss, outcome.tokens_per_sec);

    let rng = generator(1, Purpose::Sample, 0);
    let text = Generator::new(trainer.model(), trainer.vocab(), "The ", Settings::default(), rng, &cpu)?;
    println!("The {}", text.take(300).collect::<String>());
    Ok(())
}
