//! Checks of a task's settings beside those of the run. Not here: the settings (`task/`).

use super::limits::{real, whole};
use super::{Attention, Classify, Config, Forecast, Strategy, TaskSettings, TokenizerKind, Transform, Translate};
use crate::error::Error;

impl TaskSettings {
    /// Errors: the first setting that is out of range, by its name.
    pub(super) fn check(&self, config: &Config) -> Result<(), Error> {
        match self {
            TaskSettings::Classify(settings) => classify(settings, config),
            TaskSettings::Forecast(settings) => forecast(settings),
            TaskSettings::Translate(settings) => translate(settings, config),
            TaskSettings::Generate(_) | TaskSettings::Tag(_) | TaskSettings::Restore(_) => Ok(()),
        }
    }
}

fn classify(settings: &Classify, config: &Config) -> Result<(), Error> {
    let share = settings.token_dropout;
    whole("members", settings.ensemble_size as u64, 1, 64)?;
    whole("ngrams", settings.ngrams as u64, 0, 8)?;
    real("ngram_share", settings.ngram_share, "above 0 and below 1", |share| share > 0.0 && share < 1.0)?;
    real("logit_adjustment", settings.logit_adjustment, "a finite number, 0 or more", |tau| tau >= 0.0)?;
    real("token_dropout", share, "at least 0 and below 1", |share| (0.0..1.0).contains(&share))?;
    if share > 0.0 && !config.unk && config.tokenizer != TokenizerKind::Word {
        let expected = "0 without unk or words: there is no token that stands for another".to_string();
        return Err(Error::Setting { name: "token_dropout", got: share.to_string(), expected });
    }
    Ok(())
}

fn forecast(settings: &Forecast) -> Result<(), Error> {
    whole("horizon", settings.horizon as u64, 1, 10_000)?;
    whole("season", settings.season as u64, 1, 100_000)?;
    whole("lags", settings.lags() as u64, 1, 10_000)?;
    whole("paths", settings.paths as u64, 10, 100_000)?;
    whole("recent", settings.recent as u64, 0, 10_000)?;
    real("level", settings.level, "above 0 and below 1", |level| level > 0.0 && level < 1.0)?;
    let is_seasonal = settings.has(Transform::Seasonal);
    if is_seasonal && settings.season < 2 {
        let expected = "2 or more for the seasonal difference".to_string();
        return Err(Error::Setting { name: "season", got: settings.season.to_string(), expected });
    }
    if is_seasonal && settings.strategy == Strategy::Direct && settings.horizon > settings.season {
        let season = settings.season;
        let expected = format!("at most season = {season} with a seasonal difference, or the recursive strategy");
        return Err(Error::Setting { name: "horizon", got: settings.horizon.to_string(), expected });
    }
    Ok(())
}

fn translate(settings: &Translate, config: &Config) -> Result<(), Error> {
    let refuse = |name, got: String, expected: &str| Err(Error::Setting { name, got, expected: expected.into() });
    if config.tokenizer != TokenizerKind::Word {
        let got = format!("{:?}", config.tokenizer).to_lowercase();
        return refuse("tokenizer", got, "word, the only one translation knows");
    }
    real("forcing", settings.forcing, "0 to 1", |share| (0.0..=1.0).contains(&share))?;
    real("smoothing", settings.smoothing, "at least 0 and below 1", |share| (0.0..1.0).contains(&share))?;
    if settings.attention == Attention::None && settings.input_feeding {
        return refuse("input_feeding", "true".into(), "false without attention: there is nothing to feed");
    }
    if settings.encoder_hidden == Some(0) {
        return refuse("encoder_hidden", "0".into(), "at least 1");
    }
    let (directions, units) = (settings.num_directions(), settings.encoder_hidden(config));
    if settings.attention == Attention::Dot && directions * units != config.hidden_size {
        let width = directions * units;
        let expected = format!("{width} with attention = dot: {directions} x {units} units of the encoder");
        return refuse("hidden_size", config.hidden_size.to_string(), &expected);
    }
    if config.tied && config.embed == 0 {
        return refuse("embed", "0".into(), "at least 1 with tied: the width of the weight they share");
    }
    Ok(())
}

impl Translate {
    fn num_directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// Units of the encoder in each direction.
    pub fn encoder_hidden(&self, config: &Config) -> usize {
        self.encoder_hidden.unwrap_or((config.hidden_size / self.num_directions()).max(1))
    }
}
