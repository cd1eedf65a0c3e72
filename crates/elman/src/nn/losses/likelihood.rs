//! The loss of distributions at values: the negative logarithm of the density or probability, or the pinball loss of quantiles.

use elman_kernels::Element;

use super::loss::{Example, Loss, Mean};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::metrics::distribution::{Distribution, Output};

/// The loss of a distribution. A target is a value and its unit, which only counts need; a value of NaN does not count.
#[derive(Clone, Debug)]
pub struct Likelihood(pub Distribution);

impl<E: Element> Loss<E> for Likelihood {
    type Target = (f64, f64);

    fn mean(&self, tape: &mut Tape<E>, outputs: Var, targets: &[(f64, f64)]) -> Result<Mean, Error> {
        let (value, sum, counted) = tape.likelihood_of(&self.0, outputs, targets.len(), |at| targets[at])?;
        Ok(Mean { value, sum, counted })
    }
}

/// Every distribution of 1, 2 and 3 columns at four rows, all known or with some missing; quantiles of several levels.
pub(super) fn examples() -> Vec<Example> {
    let quantiles: [(&[f64], &[&str; 2]); 3] = [
        (&[0.5], &["1 level", "1 level, missing targets"]),
        (&[0.1, 0.9], &["2 levels", "2 levels, missing targets"]),
        (&[0.05, 0.1, 0.5, 0.9, 0.95], &["5 levels", "5 levels, missing targets"]),
    ];
    let others: [(usize, &[&str; 2]); 3] = [
        (1, &["1 column", "1 column, missing targets"]),
        (2, &["2 columns", "2 columns, missing targets"]),
        (3, &["3 columns", "3 columns, missing targets"]),
    ];
    let all = Output::ALL.iter().flat_map(|&output| match output {
        Output::Quantile => quantiles.map(|(levels, options)| (output, levels, 2, options)),
        _ => others.map(|(columns, options)| (output, &[][..], columns, options)),
    });
    all.flat_map(|(output, levels, columns, options)| of(output, levels, columns, options)).collect()
}

fn of(output: Output, levels: &[f64], columns: usize, options: &[&'static str; 2]) -> Vec<Example> {
    let Ok(distribution) = Distribution::new(output, levels, columns) else { return Vec::new() };
    let example = |is_missing: bool| {
        let target = |at: usize| {
            let unit = [1.0, 4.0, 0.5][at % 3];
            let y = if output.is_count() { (at * 5 % 8) as f64 / unit } else { (at * 5 % 8) as f64 / 2.0 - 1.7 };
            // Of three columns, other ones are missing in each row.
            (if is_missing && at % 4 == 1 { f64::NAN } else { y }, unit)
        };
        let (targets, shape) = ((0..4 * columns).map(target).collect(), [4, distribution.width()]);
        let loss = Likelihood(distribution.clone());
        Example::of(output.name(), options[usize::from(is_missing)], shape, loss, targets)
    };
    vec![example(false), example(true)]
}
