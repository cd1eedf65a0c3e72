//! Checks of a task's settings beside those of the run. Not here: the settings (`task/`).

use super::limits::{MAX_INTEGER, real, whole};
use super::{
    Attention, Classify, Config, Forecast, Missing, Scale, Signal, Strategy, TaskSettings, TokenizerKind, Transform,
    Translate,
};
use crate::data::series::calendar::Frequency;
use crate::error::Error;
use crate::metrics::distribution::{Distribution, Kind, Output};

/// Draws of one forecast, over all paths, steps and recent origins: more take hours, and gigabytes.
const MAX_DRAWS: u64 = 100_000_000;

impl TaskSettings {
    /// Errors: the first setting that is out of range, by its name.
    pub(super) fn check(&self, config: &Config) -> Result<(), Error> {
        match self {
            TaskSettings::Classify(settings) => classify(settings, config),
            TaskSettings::Forecast(settings) => forecast(settings),
            TaskSettings::Regress(_) | TaskSettings::MultiLabel(_) => numbers(config),
            TaskSettings::Signal(settings) => signal(settings, config),
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

fn signal(settings: &Signal, config: &Config) -> Result<(), Error> {
    let below_1 = |x: f64| (0.0..1.0).contains(&x);
    real("pre_emphasis", settings.pre_emphasis, "at least 0 and below 1", below_1)?;
    real("dc", settings.dc, "a finite number, 0 or more", |x| x >= 0.0)?;
    if let Some(knob) = twice(&settings.knobs) {
        let (got, expected) = (settings.knobs.join(", "), format!("{knob} once"));
        return Err(Error::Setting { name: "knobs", got, expected });
    }
    whole("settle", settings.settle as u64, 0, 1 << 24)?;
    whole("windows", settings.windows as u64, 1, 1 << 20)?;
    whole("seq_len", config.seq_len as u64, 2, 1 << 24)?;
    let rest = 1.0 - config.val_frac;
    real("test_frac", settings.test_frac, "at least 0, and below 1 together with val_frac", |x| below_1(x) && x < rest)
}

/// Where the answers are numbers.
fn numbers(config: &Config) -> Result<(), Error> {
    let (numbers, answers) = (config.numbers()?, config.answers()?);
    whole("members", answers.ensemble_size as u64, 1, 64)?;
    let refuse = |name, got: String, expected: &str| Err(Error::Setting { name, got, expected: expected.into() });
    whole("ahead", numbers.ahead as u64, 0, MAX_INTEGER)?;
    if numbers.ahead > 0 && !numbers.every_step {
        return refuse("ahead", numbers.ahead.to_string(), "0 without every_step: a sequence has one row of numbers");
    }
    if numbers.every_step && numbers.source.wide {
        return refuse("wide", "true".into(), "false with every_step: a row has its numbers to predict once");
    }
    for (name, columns) in [("labels", &numbers.labels), ("features", &numbers.source.features)] {
        if let Some(twice) = twice(columns) {
            return refuse(name, columns.join(", "), &format!("{twice} once"));
        }
    }
    let both = numbers.source.features.iter().find(|column| numbers.labels.contains(column));
    if let Some(column) = both.filter(|_| numbers.ahead == 0) {
        return refuse("features", column.clone(), "none that is predicted, but with ahead");
    }
    if matches!(numbers.output, Output::Bernoulli) && matches!(config.task, Some(TaskSettings::Regress(_))) {
        let expected = format!("one of {}; labels are the task multilabel", Output::names(is_regression).join(", "));
        return refuse("output", numbers.output.name().to_string(), &expected);
    }
    if numbers.output.is_count() {
        let expected = format!("one of {}", Output::names(is_regression).join(", "));
        return refuse("output", numbers.output.name().to_string(), &expected);
    }
    numbers.distribution().map(drop)
}

/// The first that comes twice.
fn twice(names: &[String]) -> Option<&String> {
    names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| name)
}

/// Whether regression has a use for an output: targets are scaled, so they are no counts.
fn is_regression(output: Output) -> bool {
    !output.is_count() && output.kind() != Kind::Label
}

fn forecast(settings: &Forecast) -> Result<(), Error> {
    whole("members", settings.ensemble_size as u64, 1, 64)?;
    whole("horizon", settings.horizon as u64, 1, 10_000)?;
    whole("season", settings.season as u64, 1, 100_000)?;
    whole("lags", settings.lags() as u64, 1, 10_000)?;
    whole("decoder", settings.decoder as u64, 1, 4096)?;
    whole("train_origins", settings.train_origins.unwrap_or(1) as u64, 1, 1_000_000)?;
    whole("origins", settings.origins as u64, 0, 1_000_000)?;
    whole("stride", settings.stride as u64, 1, 1_000_000)?;
    // Each network of an ensemble draws some of them.
    whole("paths", settings.paths as u64, 10.max(settings.ensemble_size as u64), 100_000)?;
    whole("recent", settings.recent as u64, 0, 10_000)?;
    real("level", settings.level, "above 0 and below 1", |level| level > 0.0 && level < 1.0)?;
    if settings.strategy == Strategy::Recursive {
        let Forecast { horizon, recent, paths, .. } = *settings;
        // Each factor was bounded above: the product fits.
        let most = MAX_DRAWS / (horizon as u64 * (recent as u64 + 1));
        if paths as u64 > most {
            let expected = format!("at most {most} with horizon = {horizon} and recent = {recent}: {MAX_DRAWS} draws");
            return Err(Error::Setting { name: "paths", got: paths.to_string(), expected });
        }
    }
    forecast_values(settings)?;
    if settings.has(Transform::Seasonal) && settings.season < 2 {
        let expected = "2 or more for the seasonal difference".to_string();
        return Err(Error::Setting { name: "season", got: settings.season.to_string(), expected });
    }
    for &lag in settings.season_lags.iter().flatten() {
        whole("season_lags", lag as u64, 1, 100_000)?;
    }
    if let Some(freq) = &settings.freq {
        freq.parse::<Frequency>().map_err(|problem| {
            let expected = problem.split_once("expected ").map_or(problem.as_str(), |(_, expected)| expected);
            Error::Setting { name: "freq", got: freq.clone(), expected: expected.to_string() }
        })?;
    }
    Ok(())
}

/// How values are transformed, scaled and distributed.
fn forecast_values(settings: &Forecast) -> Result<(), Error> {
    let refuse = |name, got: &str, expected: &str| {
        Err(Error::Setting { name, got: got.to_string(), expected: expected.to_string() })
    };
    real("box_cox", settings.box_cox, "-5 to 5", |exponent| (-5.0..=5.0).contains(&exponent))?;
    if settings.has(Transform::Log) && settings.has(Transform::BoxCox) {
        return refuse("transform", "log and boxcox", "one of the two");
    }
    if !settings.output.has_quantiles() {
        let expected = format!("one of {}", Output::names(Output::has_quantiles).join(", "));
        return refuse("output", settings.output.name(), &expected);
    }
    if settings.output.is_count() {
        let name = settings.output.name();
        if !settings.transform.is_empty() {
            return refuse("output", name, "another with a transform: transformed values are no counts");
        }
        if !matches!(settings.scale(), Scale::MeanAbs | Scale::None) {
            return refuse("output", name, "another with this scale: counts have no mean subtracted");
        }
        if settings.missing == Missing::Interpolate {
            return refuse(
                "missing",
                "interpolate",
                "mask, ffill or zero with counts: a value between two is no count",
            );
        }
    }
    Distribution::new(settings.output, &settings.quantiles, settings.values.len().max(1))?;
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
    whole("encoder_hidden", settings.encoder_hidden.unwrap_or(1) as u64, 1, 1 << 16)?;
    for (name, value) in [
        ("max_from", settings.max_from),
        ("max_to", settings.max_to),
        ("val_sentences", settings.val_sentences.unwrap_or(0)),
        ("test_sentences", settings.test_sentences),
    ] {
        whole(name, value as u64, 0, MAX_INTEGER)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(task: TaskSettings) -> String {
        Config::of_task(Some(task)).check().map(|()| "accepted".to_string()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn products_of_a_forecast_are_bounded() {
        let draws = |paths, horizon, recent| {
            let strategy = Strategy::Recursive;
            refused(TaskSettings::Forecast(Forecast { paths, horizon, recent, strategy, ..Forecast::default() }))
        };
        assert_eq!(draws(10_000, 10_000, 0), "accepted");
        let want = "paths is 100000, expected at most 10000 with horizon = 10000 and recent = 0: 100000000 draws";
        assert_eq!(draws(100_000, 10_000, 0), want);
        assert_eq!(
            draws(200, 100, 9_999),
            "paths is 200, expected at most 100 with horizon = 100 and recent = 9999: 100000000 draws"
        );
        // Nothing is drawn.
        let settings = Forecast { paths: 100_000, horizon: 10_000, ..Forecast::default() };
        assert_eq!(refused(TaskSettings::Forecast(settings)), "accepted");
    }

    #[test]
    fn sizes_of_a_translation_are_bounded() {
        let refused = |settings| refused(TaskSettings::Translate(settings));
        let units = |units| refused(Translate { encoder_hidden: Some(units), ..Translate::default() });
        assert_eq!(units(0), "encoder_hidden is 0, expected 1 to 65536");
        // Twice this wraps to 512, the width of the decoder.
        let wraps = (1 << (usize::BITS - 1)) + 256;
        assert_eq!(units(wraps), format!("encoder_hidden is {wraps}, expected 1 to 65536"));
        assert_eq!(units(256), "accepted");
        let most = format!("{}, expected 0 to {MAX_INTEGER}", u64::MAX);
        let settings = Translate { max_from: usize::MAX, ..Translate::default() };
        assert_eq!(refused(settings), format!("max_from is {most}"));
        let settings = Translate { test_sentences: usize::MAX, ..Translate::default() };
        assert_eq!(refused(settings), format!("test_sentences is {most}"));
    }
}
