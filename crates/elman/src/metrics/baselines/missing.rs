//! Values in place of missing ones, for the methods that need every value. Not here: methods that can do without.

/// The series from its first known value on. Missing values between known ones are on the line through these; those after
/// the last one are equal to it. None where no value is known.
pub fn filled(series: &[f64]) -> Option<Vec<f64>> {
    let start = series.iter().position(|y| !y.is_nan())?;
    let mut values = series[start..].to_vec();
    let mut last = 0;
    for t in 1..values.len() {
        if values[t].is_nan() {
            continue;
        }
        let (from, to, gap) = (values[last], values[t], (t - last) as f64);
        for (k, value) in values[last + 1..t].iter_mut().enumerate() {
            *value = from + (to - from) * ((k + 1) as f64 / gap);
        }
        last = t;
    }
    let end = values[last];
    values[last + 1..].fill(end);
    Some(values)
}
