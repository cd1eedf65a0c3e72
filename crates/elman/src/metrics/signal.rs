//! The measures of a waveform that is predicted: the error-to-signal ratio, plain and after a pre-emphasis filter, and the mean
//! absolute error. Sums run in f64, in the order of time.

/// Sums over samples that follow each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignalErrors {
    pre_emphasis: f64,
    count: u64,
    absolute: f64,
    error: f64,
    energy: f64,
    filtered_error: f64,
    filtered_energy: f64,
    /// Sum of the errors.
    sum: f64,
    /// The error and the truth of the sample before.
    before: Option<(f64, f64)>,
}

/// The figures of a waveform.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct SignalFigures {
    /// Samples.
    pub samples: u64,
    /// Error-to-signal ratio: the energy of the error over that of the true signal.
    pub esr: f64,
    /// The same after the filter 1 - a z^-1, which begins with the second sample.
    pub esr_filtered: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Mean of the errors.
    pub mean_error: f64,
}

impl SignalErrors {
    /// No samples yet; a of the filter 1 - a z^-1.
    pub fn new(pre_emphasis: f64) -> SignalErrors {
        SignalErrors { pre_emphasis, ..SignalErrors::default() }
    }

    /// Counts the sample that follows.
    pub fn add(&mut self, predicted: f64, truth: f64) {
        let error = predicted - truth;
        self.count += 1;
        self.absolute += error.abs();
        self.error += error * error;
        self.energy += truth * truth;
        self.sum += error;
        if let Some((error_before, truth_before)) = self.before {
            let [e, y] = [error - self.pre_emphasis * error_before, truth - self.pre_emphasis * truth_before];
            self.filtered_error += e * e;
            self.filtered_energy += y * y;
        }
        self.before = Some((error, truth));
    }

    /// Adds the sums of samples elsewhere.
    pub fn join(&mut self, other: &SignalErrors) {
        self.count += other.count;
        self.absolute += other.absolute;
        self.error += other.error;
        self.energy += other.energy;
        self.filtered_error += other.filtered_error;
        self.filtered_energy += other.filtered_energy;
        self.sum += other.sum;
    }

    /// The figures; None of no samples. Of silence, a ratio is 0 without an error, else infinite.
    pub fn figures(&self) -> Option<SignalFigures> {
        let n = self.count as f64;
        let ratio = |error: f64, energy: f64| if error == 0.0 { 0.0 } else { error / energy };
        (self.count > 0).then(|| SignalFigures {
            samples: self.count,
            esr: ratio(self.error, self.energy),
            esr_filtered: ratio(self.filtered_error, self.filtered_energy),
            mae: self.absolute / n,
            mean_error: self.sum / n,
        })
    }

    /// The ratio after the filter, where the energy is at least so much for each sample.
    pub fn filtered_ratio(&self, least: f64) -> f64 {
        self.filtered_error / self.filtered_energy.max(least * self.count.max(1) as f64)
    }

    /// Mean squared error, and mean square of the truth.
    pub fn squares(&self) -> (f64, f64) {
        let n = self.count.max(1) as f64;
        (self.error / n, self.energy / n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_their_definition() {
        let mut errors = SignalErrors::new(0.5);
        // Errors 1 -1 2, truths 1 2 4: filtered errors -1.5 2.5, truths 1.5 3.
        [(2.0, 1.0), (1.0, 2.0), (6.0, 4.0)].into_iter().for_each(|(predicted, truth)| errors.add(predicted, truth));
        let figures = errors.figures().unwrap();
        assert_eq!((figures.samples, figures.esr, figures.mae), (3, 6.0 / 21.0, 4.0 / 3.0));
        assert_eq!((figures.esr_filtered, figures.mean_error), (8.5 / 11.25, 2.0 / 3.0));
        let mut both = errors;
        both.join(&errors);
        assert_eq!((both.figures().unwrap().samples, both.figures().unwrap().esr), (6, 6.0 / 21.0));
        assert_eq!(errors.squares(), (2.0, 7.0));
        let mut silence = SignalErrors::new(0.0);
        assert_eq!(silence.figures(), None);
        silence.add(0.0, 0.0);
        assert_eq!(silence.figures().unwrap().esr, 0.0);
        silence.add(0.5, 0.0);
        assert_eq!(silence.figures().unwrap().esr, f64::INFINITY);
    }
}
