//! The measures of labels that are there or not: F1 of each, of all together and their mean, and the thresholds above which a
//! label counts as there. Source: scikit-learn's definitions; a ratio over nothing is 0. A truth of NaN does not count.

/// The threshold where nothing says more.
pub const DEFAULT_THRESHOLD: f64 = 0.5;

/// Counts of one label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    found: u64,
    predicted: u64,
    there: u64,
}

impl Counts {
    fn f1(self) -> f64 {
        let sum = self.predicted + self.there;
        if sum == 0 { 0.0 } else { (2 * self.found) as f64 / sum as f64 }
    }
}

/// The figures of labels.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LabelFigures {
    /// F1 of all labels together.
    pub micro_f1: f64,
    /// The mean of the labels' F1.
    pub macro_f1: f64,
    /// F1 of each label.
    pub f1: Vec<f64>,
    /// How often each label is there.
    pub there: Vec<u64>,
}

/// The figures of probabilities, row after row of as many as there are thresholds: a label is predicted where its probability is
/// at least its threshold.
pub fn label_figures<'a>(rows: impl Iterator<Item = (&'a [f64], &'a [f64])>, thresholds: &[f64]) -> LabelFigures {
    let mut counts = vec![Counts::default(); thresholds.len()];
    for (truths, probabilities) in rows {
        for (counts, ((truth, p), threshold)) in counts
            .iter_mut()
            .zip(truths.iter().zip(probabilities).zip(thresholds))
            .filter(|(_, ((y, _), _))| !y.is_nan())
        {
            let (is_there, is_predicted) = (*truth > 0.0, p >= threshold);
            counts.there += u64::from(is_there);
            counts.predicted += u64::from(is_predicted);
            counts.found += u64::from(is_there && is_predicted);
        }
    }
    let sum = |of: fn(&Counts) -> u64| counts.iter().map(of).sum();
    let all = Counts { found: sum(|c| c.found), predicted: sum(|c| c.predicted), there: sum(|c| c.there) };
    let f1: Vec<f64> = counts.iter().map(|counts| counts.f1()).collect();
    LabelFigures {
        micro_f1: all.f1(),
        macro_f1: f1.iter().sum::<f64>() / f1.len().max(1) as f64,
        f1,
        there: counts.iter().map(|counts| counts.there).collect(),
    }
}

/// The threshold of the highest F1 for pairs of truth and probability: halfway between two probabilities, and of several the
/// highest; 0.5 where the label is never there.
pub fn best_threshold(mut pairs: Vec<(f64, f64)>) -> f64 {
    pairs.retain(|(truth, _)| !truth.is_nan());
    pairs.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let there = pairs.iter().filter(|(truth, _)| *truth > 0.0).count() as u64;
    let (mut best, mut threshold, mut counts) = (0.0, DEFAULT_THRESHOLD, Counts { there, ..Counts::default() });
    for (at, &(truth, p)) in pairs.iter().enumerate() {
        counts.predicted += 1;
        counts.found += u64::from(truth > 0.0);
        let next = pairs.get(at + 1).map_or(0.0, |(_, next)| *next);
        if next < p && counts.f1() > best {
            (best, threshold) = (counts.f1(), 0.5 * (p + next));
        }
    }
    threshold
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_scikit_learns() {
        // By scikit-learn 1.9 for truth [[1 0 1] [0 1 0] [1 1 0] [0 0 0]] and predicted [[1 0 0] [0 1 1] [1 0 0] [0 0 0]]:
        // f1_score(average=None) = [1, .6666666666666666, 0], micro .6666666666666666, macro .5555555555555555.
        let truth = [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]];
        let p = [[0.9, 0.1, 0.2], [0.1, 0.8, 0.7], [0.5, 0.3, 0.1], [0.4, 0.2, 0.2]];
        let rows = truth.iter().zip(&p).map(|(truth, p)| (&truth[..], &p[..]));
        let figures = label_figures(rows, &[DEFAULT_THRESHOLD; 3]);
        assert_eq!((figures.f1.clone(), figures.there.clone()), (vec![1.0, 2.0 / 3.0, 0.0], vec![2, 2, 1]));
        assert_eq!(figures.micro_f1, 2.0 / 3.0);
        assert!((figures.macro_f1 - 5.0 / 9.0).abs() < 1e-15);
        let unknown = label_figures([(&[f64::NAN, 1.0][..], &[0.9, 0.9][..])].into_iter(), &[DEFAULT_THRESHOLD; 2]);
        assert_eq!((unknown.micro_f1, unknown.f1), (1.0, vec![0.0, 1.0]));
    }

    #[test]
    fn a_threshold_lies_where_f1_is_highest() {
        let threshold = |pairs: &[(f64, f64)]| best_threshold(pairs.to_vec());
        assert_eq!(threshold(&[(1.0, 0.3), (0.0, 0.1), (1.0, 0.2), (f64::NAN, 0.25)]), (0.2 + 0.1) / 2.0);
        assert_eq!(threshold(&[(0.0, 0.9), (0.0, 0.1)]), DEFAULT_THRESHOLD);
        // Equal probabilities are not divided: both or none.
        assert_eq!(threshold(&[(1.0, 0.4), (0.0, 0.4), (0.0, 0.2)]), (0.4 + 0.2) / 2.0);
        assert_eq!(threshold(&[(1.0, 0.4)]), 0.2);
        assert_eq!(threshold(&[]), DEFAULT_THRESHOLD);
    }
}
