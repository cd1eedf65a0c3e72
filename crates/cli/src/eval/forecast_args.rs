//! The flags of `eval` for forecasters, and the origins that follow from them. Not here: the backtest (`forecast.rs`).

use std::path::PathBuf;

use elman::config::Forecast;
use elman::data::series::{Origin, SeriesSet};
use elman::task::forecast::HeldOut;

/// The flags of forecasters.
#[derive(clap::Args)]
pub struct ForecastArgs {
    /// forecast: a table with the rows that follow those of the data; the forecasts of its rows are measured
    #[arg(long, value_name = "FILE")]
    pub future: Option<PathBuf>,
    /// forecast: number of origins of each series, the last one a horizon before its end [default: those of training]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub origins: Option<usize>,
    /// forecast: steps between two origins [default: that of training]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub stride: Option<usize>,
    /// forecast: the time of the first origin
    #[arg(long, value_name = "TIME", conflicts_with = "origins")]
    pub test_from: Option<String>,
    /// forecast: exponential smoothing (ETS) in the table, too; it takes a second or more for each series
    #[arg(long)]
    pub ets: bool,
    /// forecast: write every forecast into this file, as CSV: the origin, then the columns of `predict`
    #[arg(long, value_name = "FILE.csv")]
    pub forecasts: Option<PathBuf>,
    /// forecast: draw the forecasts from the last origin of the first series into this file
    #[arg(long, value_name = "FILE.svg")]
    pub svg: Option<PathBuf>,
    /// forecast: draw coverage and errors by step of the horizon into this file
    #[arg(long, value_name = "FILE.svg")]
    pub by_step: Option<PathBuf>,
}

impl ForecastArgs {
    /// The first flag that is given.
    pub fn given(&self) -> Option<&'static str> {
        let flags = [
            (self.future.is_some(), "--future"),
            (self.origins.is_some(), "--origins"),
            (self.stride.is_some(), "--stride"),
            (self.test_from.is_some(), "--test-from"),
            (self.ets, "--ets"),
            (self.forecasts.is_some(), "--forecasts"),
            (self.svg.is_some(), "--svg"),
            (self.by_step.is_some(), "--by-step"),
        ];
        flags.into_iter().find(|(is_given, _)| *is_given).map(|(_, flag)| flag)
    }

    /// The origins: those of the flags, else from where the rows of `--future` begin, else as in training; from a horizon
    /// before the end where training held nothing out.
    pub fn held_out(
        &self,
        settings: &Forecast,
        val_frac: f64,
        (set, ends): (&SeriesSet, Vec<Origin>),
    ) -> anyhow::Result<HeldOut> {
        let mut settings = settings.clone();
        settings.stride = self.stride.unwrap_or(settings.stride);
        if self.test_from.is_some() || self.origins.is_some() {
            settings.test_from = self.test_from.clone();
            settings.origins = self.origins.unwrap_or(0);
        } else if self.future.is_some() {
            let cuts = ends.iter().map(|end| end.t).collect();
            let is_followed = |origin: &Origin| origin.t > 0 && set.series[origin.series].known > origin.t;
            return Ok(HeldOut { cuts, origins: ends.into_iter().filter(is_followed).collect() });
        }
        let held_out = HeldOut::new(&settings, val_frac, set)?;
        Ok(if held_out.origins.is_empty() { HeldOut::last(&settings, set)? } else { held_out })
    }
}
