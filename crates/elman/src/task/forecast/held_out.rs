//! Which rows of each series are trained on, and the origins from which the others are forecast.

use crate::config::Forecast;
use crate::data::series::{Origin, Series, SeriesSet};
use crate::error::Error;

/// Training rows and origins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeldOut {
    /// Rows of each series to train on.
    pub cuts: Vec<usize>,
    /// The origins after them, each with a whole horizon of rows; series by series, by rising time.
    pub origins: Vec<Origin>,
}

impl HeldOut {
    /// As the settings say: from a time on, a number of origins, or the last `val_frac` of each series. A series that
    /// is too short for an origin is trained on as a whole. Errors: `test_from` is no time of the series.
    pub fn new(settings: &Forecast, val_frac: f64, set: &SeriesSet) -> Result<HeldOut, Error> {
        let mut held_out = HeldOut::default();
        for (at, series) in set.series.iter().enumerate() {
            let origins = origins(settings, val_frac, set, series)?;
            held_out.cuts.push(origins.first().copied().unwrap_or(series.known));
            held_out.origins.extend(origins.into_iter().map(|t| Origin { series: at, t }));
        }
        Ok(held_out)
    }

    /// Nothing held out, the last `origins` of each series forecast: for data that a model was not trained on.
    pub fn last(settings: &Forecast, set: &SeriesSet) -> Result<HeldOut, Error> {
        let settings = Forecast { origins: settings.origins.max(1), ..settings.clone() };
        HeldOut::new(&settings, 0.0, set)
    }

    /// Series without an origin, where others have one.
    pub fn too_short(&self, set: &SeriesSet) -> usize {
        if self.origins.is_empty() {
            return 0;
        }
        let whole = self.cuts.iter().zip(&set.series).filter(|(cut, series)| **cut == series.known);
        whole.count()
    }
}

/// The origins of a series, rising.
fn origins(settings: &Forecast, val_frac: f64, set: &SeriesSet, series: &Series) -> Result<Vec<usize>, Error> {
    let Some(last) = series.known.checked_sub(settings.horizon).filter(|&last| last > 0) else { return Ok(Vec::new()) };
    let stride = settings.stride.max(1);
    let first = match (&settings.test_from, settings.origins) {
        (Some(text), _) => first_from(text, set, series)?.max(1),
        (None, 0) => ((1.0 - val_frac) * series.known as f64) as usize,
        (None, count) => {
            let all = (0..count).map_while(|at| last.checked_sub(at.checked_mul(stride)?)).filter(|&t| t > 0);
            let mut all: Vec<usize> = all.collect();
            all.reverse();
            return Ok(all);
        }
    };
    Ok((first.max(1)..=last).step_by(stride).collect())
}

/// The first row at a time or later. Errors: the text is no time as the table writes them.
fn first_from(text: &str, set: &SeriesSet, series: &Series) -> Result<usize, Error> {
    let refuse = |expected: String| Error::Setting { name: "test_from", got: text.to_string(), expected };
    let from = set.clock.read(text).map_err(refuse)?;
    let (mut below, mut above) = (0, series.known);
    while below < above {
        let middle = (below + above) / 2;
        if set.time(series, middle)? < from { below = middle + 1 } else { above = middle }
    }
    Ok(below)
}
