//! What training lessons share: bundled recipes, training with a callback for each step, sampling, the median. Not here: the
//! training loop; that is the library's.

use elman::infer::Generator;
use elman::rng::{Purpose, generator};
use elman::train::{Control, Event};
use elman::{Config, Corpus, Cpu, Error, Settings, Trainer};

use super::setting::Setting;

/// Parses and checks a bundled recipe.
pub fn recipe(name: &str, text: &str) -> anyhow::Result<Config> {
    let config = Config::from_toml(text, name)?;
    config.check()?;
    Ok(config)
}

/// Trains to the end; calls `watch` with each step (from 1) and its mean loss in nats. Writes no file. `name` is that of the run,
/// in what is shown of its progress; empty if the lesson has only one.
pub fn train(
    setting: &Setting,
    name: &str,
    config: &Config,
    corpus: &Corpus,
    mut watch: impl FnMut(u64, f64),
) -> Result<Trainer, Error> {
    let mut trainer = Trainer::new(config.clone(), corpus, &setting.cpu)?;
    let (steps, each) = (trainer.plan().steps, trainer.plan().steps_per_epoch.max(1));
    trainer.run(None, &mut |event| {
        if let Event::Step { step, loss, .. } = event {
            setting.at(name, step, steps, each);
            watch(step, loss);
        }
        Control::Continue
    })?;
    Ok(trainer)
}

/// The continuation of a prompt by the trained model.
pub fn write(trainer: &Trainer, prompt: &str, length: usize, temperature: f64, cpu: &Cpu) -> Result<String, Error> {
    let settings = Settings { temperature, ..Settings::default() };
    let rng = generator(trainer.config().seed, Purpose::Sample, 0);
    let text = Generator::new(trainer.model(), trainer.vocab(), prompt, settings, rng, cpu)?;
    Ok(text.take(length).collect())
}

/// The median; NaN, the loss of a run that diverged, counts as the largest value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A text in one line, cut after some characters.
pub fn shown(text: &str, length: usize) -> String {
    let line: String = text.chars().take(length).map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("\"{line}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_diverged_counts_as_large() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![f64::NAN, 1.0, 2.0, f64::NAN, 3.0]), 3.0);
        assert!(median(vec![f64::NAN, 1.0, f64::NAN]).is_nan());
    }
}
