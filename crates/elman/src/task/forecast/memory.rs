//! The memory of a recursive forecast, whose factors come from a model file and from the data. Not here: the memory there
//! is (`available_memory.rs`), and that of the network.

use crate::config::Forecast;

/// Bytes that the paths of a forecast take at most: the past and future of each, the inputs that are read first, the
/// draws. `widths`: value columns, covariates, numbers of an input. `rows`: rows of the past, rows of covariates, steps
/// that are read first. Saturates.
pub(super) fn of_paths(settings: &Forecast, widths: [usize; 3], rows: [usize; 3]) -> usize {
    let ([columns, covariates, width], [past, known, steps]) = (widths, rows);
    let times = |a: usize, b: usize| a.saturating_mul(b);
    // Levels, differences and times; a list that grows takes up to twice its length.
    let future = times(2, times(past.saturating_add(settings.horizon), times(2, columns).saturating_add(1)));
    // As rows, and side by side.
    let read = times(2, times(steps, width));
    let path = future.saturating_add(times(covariates, known)).saturating_add(read);
    let path = path.saturating_add(times(settings.horizon, columns));
    times(times(settings.paths, path), size_of::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_paths_by_hand_and_without_overflow() {
        let settings = Forecast { paths: 10, horizon: 3, ..Forecast::default() };
        // 2 (7 + 3) (2 2 + 1) = 100, 1 8 = 8 of the covariate, 2 4 5 = 40 read, 3 2 = 6 draws.
        assert_eq!(of_paths(&settings, [2, 1, 5], [7, 8, 4]), 10 * (100 + 8 + 40 + 6) * 8);
        assert_eq!(of_paths(&settings, [usize::MAX; 3], [2; 3]), usize::MAX);
        assert_eq!(of_paths(&settings, [2; 3], [usize::MAX; 3]), usize::MAX);
    }
}
