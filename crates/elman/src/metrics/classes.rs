//! The measures of classification: counts of true against predicted, accuracy, precision, recall, F1. Source:
//! scikit-learn's definitions; a ratio over nothing is 0.

/// Counts of examples by true and predicted class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

/// The figures of one class.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct ClassFigures {
    /// Of those predicted to be it, the share that is.
    pub precision: f64,
    /// Of those that are it, the share that was found.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// How many are it.
    pub examples: u64,
}

impl Confusion {
    /// No examples yet.
    pub fn new(classes: usize) -> Confusion {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Counts an example; both are below the number of classes.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        self.counts[truth * self.classes + predicted] += 1;
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many of a class were predicted to be another or the same.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// Examples counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The share whose class was found; 0 of none.
    pub fn accuracy(&self) -> f64 {
        ratio((0..self.classes).map(|class| self.count(class, class)).sum(), self.total())
    }

    /// The figures of a class.
    pub fn class(&self, class: usize) -> ClassFigures {
        let found = self.count(class, class);
        let predicted = (0..self.classes).map(|truth| self.count(truth, class)).sum();
        let examples = (0..self.classes).map(|predicted| self.count(class, predicted)).sum();
        let (precision, recall) = (ratio(found, predicted), ratio(found, examples));
        ClassFigures { precision, recall, f1: ratio(2 * found, predicted + examples), examples }
    }

    /// The mean F1 of the classes that occur or were predicted.
    pub fn macro_f1(&self) -> f64 {
        let is_seen =
            |&class: &usize| (0..self.classes).any(|other| self.count(class, other) + self.count(other, class) > 0);
        let seen: Vec<f64> = (0..self.classes).filter(is_seen).map(|class| self.class(class).f1).collect();
        if seen.is_empty() { 0.0 } else { seen.iter().sum::<f64>() / seen.len() as f64 }
    }

    /// F1 over the examples of the classes that `counts` says, all together: a class that does not is no mistake by
    /// itself.
    pub fn micro_f1(&self, counts: impl Fn(usize) -> bool) -> f64 {
        let (mut found, mut predicted, mut there) = (0, 0, 0);
        for truth in 0..self.classes {
            for guess in 0..self.classes {
                let count = self.count(truth, guess);
                there += if counts(truth) { count } else { 0 };
                predicted += if counts(guess) { count } else { 0 };
                found += if truth == guess && counts(truth) { count } else { 0 };
            }
        }
        ratio(2 * found, predicted + there)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_scikit_learns() {
        // truth 0 0 0 1 1 2, predicted 0 0 1 1 2 0; class 3 nowhere. By scikit-learn 1.x: accuracy .5,
        // f1_score(average=None) = [.66666667 .5 0.], macro .38888889.
        let mut confusion = Confusion::new(4);
        for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1), (1, 2), (2, 0)] {
            confusion.add(truth, predicted);
        }
        assert_eq!((confusion.accuracy(), confusion.total()), (0.5, 6));
        let f1 = [0, 1, 2, 3].map(|class| confusion.class(class).f1);
        assert_eq!(f1, [2.0 / 3.0, 0.5, 0.0, 0.0]);
        assert!((confusion.macro_f1() - 7.0 / 18.0).abs() < 1e-15);
        let class = confusion.class(1);
        assert_eq!((class.precision, class.recall, class.examples), (0.5, 0.5, 2));
        // Without class 0: 1 found, 3 predicted, 3 there.
        assert_eq!(confusion.micro_f1(|class| class != 0), 1.0 / 3.0);
        assert_eq!((Confusion::new(2).accuracy(), Confusion::new(2).macro_f1()), (0.0, 0.0));
    }
}
