//! The figures of a waveform as lines. Not here: computing them; the library does.

use elman::metrics::signal::SignalFigures;

use super::Form;
use super::numbers::significant;
use crate::terminal::counted;

/// Lines of a part.
pub fn lines(part: &str, figures: &SignalFigures, form: Form) -> Vec<String> {
    let SignalFigures { samples, esr, esr_filtered, mae, .. } = *figures;
    let decibels =
        if esr > 0.0 && esr.is_finite() { format!(" ({:.1} dB)", 10.0 * esr.log10()) } else { String::new() };
    let ratio = format!(
        "error-to-signal ratio {}{decibels}, {} after pre-emphasis",
        significant(esr),
        significant(esr_filtered)
    );
    let of = format!("mean absolute error {} over {}", significant(mae), counted(samples, "sample"));
    vec![(form.line)(part, &ratio), (form.line)("", &of)]
}
