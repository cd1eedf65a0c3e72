//! Checks of a task's settings beside those of the run. Not here: the settings (`task.rs`, `translate.rs`).

use super::limits::{real, whole};
use super::{Attention, Classify, Config, Forecast, Strategy, TaskSettings, TokenizerKind, Transform, Translate};
use crate::error::Error;

impl TaskSettings {
    /// Errors: the first setting that is out of range, by its name.
    pub(super) fn check(&self, config: &Config) -> Result<(), Error> {
        match self {
            TaskSettings::Generate(_) | TaskSettings::Tag(_) | TaskSettings::Restore(_) => Ok(()),
            TaskSettings::Classify(classify) => classify.check(config),
            TaskSettings::Forecast(forecast) => forecast.check(),
            TaskSettings::Translate(translate) => translate.check(config),
        }
    }
}

impl Classify {
    fn check(&self, config: &Config) -> Result<(), Error> {
        let share = self.token_dropout;
        whole("members", self.ensemble_size as u64, 1, 64)?;
        whole("ngrams", self.ngrams as u64, 0, 8)?;
        real("ngram_share", self.ngram_share, "above 0 and below 1", |share| share > 0.0 && share < 1.0)?;
        real("logit_adjustment", self.logit_adjustment, "a finite number, 0 or more", |tau| tau >= 0.0)?;
        real("token_dropout", share, "at least 0 and below 1", |share| (0.0..1.0).contains(&share))?;
        if share > 0.0 && !config.unk && config.tokenizer != TokenizerKind::Word {
            let expected = "0 without unk or words: there is no token that stands for another".to_string();
            return Err(Error::Setting { name: "token_dropout", got: share.to_string(), expected });
        }
        Ok(())
    }
}

impl Forecast {
    fn check(&self) -> Result<(), Error> {
        whole("horizon", self.horizon as u64, 1, 10_000)?;
        whole("season", self.season as u64, 1, 100_000)?;
        whole("lags", self.lags() as u64, 1, 10_000)?;
        whole("paths", self.paths as u64, 10, 100_000)?;
        whole("recent", self.recent as u64, 0, 10_000)?;
        if !(self.level > 0.0 && self.level < 1.0) {
            let expected = "above 0 and below 1".to_string();
            return Err(Error::Setting { name: "level", got: self.level.to_string(), expected });
        }
        if self.has(Transform::Seasonal) && self.season < 2 {
            let expected = "2 or more for the seasonal difference".to_string();
            return Err(Error::Setting { name: "season", got: self.season.to_string(), expected });
        }
        let reaches = self.strategy == Strategy::Direct && self.has(Transform::Seasonal);
        if reaches && self.horizon > self.season {
            let expected =
                format!("at most season = {} with a seasonal difference, or the recursive strategy", self.season);
            return Err(Error::Setting { name: "horizon", got: self.horizon.to_string(), expected });
        }
        Ok(())
    }
}

impl Translate {
    /// Checks what `Config::check` cannot know. Errors: the first setting that is out of range, by its name.
    pub fn check(&self, config: &Config) -> Result<(), Error> {
        let refuse = |name, got: String, expected: &str| Err(Error::Setting { name, got, expected: expected.into() });
        if config.tokenizer != TokenizerKind::Word {
            let got = format!("{:?}", config.tokenizer).to_lowercase();
            return refuse("tokenizer", got, "word, the only one translation knows");
        }
        if !(0.0..=1.0).contains(&self.forcing) {
            return refuse("forcing", self.forcing.to_string(), "0 to 1");
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return refuse("smoothing", self.smoothing.to_string(), "at least 0 and below 1");
        }
        if self.attention == Attention::None && self.input_feeding {
            return refuse("input_feeding", "true".into(), "false without attention: there is nothing to feed");
        }
        if self.encoder_hidden == Some(0) {
            return refuse("encoder_hidden", "0".into(), "at least 1");
        }
        let (num_directions, units) = (if self.bidirectional { 2 } else { 1 }, self.encoder_hidden(config));
        if self.attention == Attention::Dot && num_directions * units != config.hidden_size {
            let expected = format!(
                "{} with attention = dot: {num_directions} x {units} units of the encoder",
                num_directions * units
            );
            return refuse("hidden_size", config.hidden_size.to_string(), &expected);
        }
        if config.tied && config.embed == 0 {
            return refuse("embed", "0".into(), "at least 1 with tied: the width of the weight they share");
        }
        Ok(())
    }

    /// Units of the encoder in each direction.
    pub fn encoder_hidden(&self, config: &Config) -> usize {
        let num_directions = if self.bidirectional { 2 } else { 1 };
        self.encoder_hidden.unwrap_or((config.hidden_size / num_directions).max(1))
    }
}
