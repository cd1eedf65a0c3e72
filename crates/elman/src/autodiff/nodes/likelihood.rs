//! The loss node of forecasts: the mean loss of distributions at the observed values. NaN targets do not count. Not
//! here: what is forecast.

use elman_kernels::Element;

use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::metrics::distribution::{Distribution, Scratch};

impl<E: Element> Tape<E> {
    /// The mean over the targets that are numbers of [`Distribution::loss`], as a value of one element, and the sum in f64
    /// with their number. `raw` is `[rows, width]`; `targets` and `units` are `[rows, columns]`, row after row.
    ///
    /// Errors: no targets; another number of rows or columns, or of units. The sum runs in rising row and column.
    pub fn likelihood(
        &mut self,
        distribution: &Distribution,
        raw: Var,
        targets: &[f64],
        units: &[f64],
    ) -> Result<(Var, f64, usize), Error> {
        if units.len() != targets.len() {
            let (got, expected) = (vec![units.len()], vec![targets.len()]);
            return Err(Error::Shape { name: "units of likelihood".into(), got, expected });
        }
        self.likelihood_of(distribution, raw, targets.len(), |at| (targets[at], units[at]))
    }

    /// As [`Tape::likelihood`], of `count` targets that `at` gives with their units.
    pub(crate) fn likelihood_of(
        &mut self,
        distribution: &Distribution,
        raw: Var,
        count: usize,
        at: impl Fn(usize) -> (f64, f64),
    ) -> Result<(Var, f64, usize), Error> {
        let m = &mut self.memory;
        m.check(raw)?;
        let (columns, width) = (distribution.columns(), distribution.width());
        if width != raw.cols() || count == 0 || count != raw.rows() * columns {
            return Err(shape_error("input of likelihood", raw, [count / columns, width]));
        }
        let counted = (0..count).filter(|&i| !at(i).0.is_nan()).count();
        let share = 1.0 / counted.max(1) as f64;
        let mut grad = m.take(raw.len());
        grad.fill(E::ZERO);
        let (mut numbers, mut scratch) = (m.lists.numbers.take(), Scratch(m.lists.numbers.take()));
        numbers.resize(2 * (width + columns), 0.0);
        let (parameters, rest) = numbers.split_at_mut(width);
        let (slopes, rest) = rest.split_at_mut(width);
        let (targets, units) = rest.split_at_mut(columns);
        let mut sum = 0.0;
        let rows = m.value(raw).chunks_exact(raw.stride()).zip(grad.chunks_exact_mut(raw.stride()));
        for (row, (values, grad)) in rows.enumerate() {
            let mut is_known = false;
            for (d, (target, unit)) in targets.iter_mut().zip(units.iter_mut()).enumerate() {
                (*target, *unit) = at(row * columns + d);
                is_known |= !target.is_nan();
            }
            if !is_known {
                continue;
            }
            parameters.iter_mut().zip(values).for_each(|(to, value)| *to = value.to_f64());
            sum += distribution.loss(parameters, targets, units, slopes, &mut scratch).0;
            grad.iter_mut().zip(&*slopes).for_each(|(to, slope)| *to = E::from_f64(slope * share));
        }
        [scratch.0, numbers].into_iter().for_each(|list| m.lists.numbers.recycle(list));
        let loss = self.loss_of(sum * share, [raw], [grad]);
        Ok((loss, sum, counted))
    }
}
