//! Whole differences between the rows of a series, and the step that explains them. Not here: what they count.

/// A step that explains all rows is accepted if at least half of them lie within this many steps of the row before:
/// otherwise any rows at all would have a step, of which most are gaps.
const MOST_STEPS: i128 = 4;

/// The differences between neighbours of rising points; at least one.
pub(super) struct Differences(Vec<i128>);

impl Differences {
    /// None for fewer than two points, and for points that do not rise.
    pub fn new(points: impl Iterator<Item = i128>) -> Option<Differences> {
        let mut before = None;
        let mut differences = Vec::new();
        for point in points {
            if let Some(before) = before {
                differences.push(point - before);
            }
            before = Some(point);
        }
        (!differences.is_empty() && differences.iter().all(|&difference| difference > 0))
            .then_some(Differences(differences))
    }

    pub fn all(&self) -> &[i128] {
        &self.0
    }

    pub fn greatest_divisor(&self) -> i128 {
        self.0.iter().fold(0, |a, &b| greatest_common_divisor(a, b))
    }

    /// The greatest step that explains all rows; None where most rows would be gaps.
    pub fn step(&self) -> Option<i128> {
        let divisor = self.greatest_divisor();
        (self.median() / divisor <= MOST_STEPS).then_some(divisor)
    }

    /// The commonest difference, the smallest of equals.
    pub fn commonest(&self) -> i128 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let (mut best, mut most) = (1, 0);
        for run in sorted.chunk_by(|a, b| a == b) {
            if run.len() > most {
                (best, most) = (run[0], run.len());
            }
        }
        best
    }

    /// The first row that does not lie a multiple of the commonest difference after the row before; or else the first
    /// that lies another one after it.
    pub fn first_other(&self) -> usize {
        let common = self.commonest();
        let not_multiple = self.0.iter().position(|difference| difference % common != 0);
        let other = || self.0.iter().position(|&difference| difference != common);
        not_multiple.or_else(other).map_or(0, |at| at + 1)
    }

    /// The lower of two in the middle.
    fn median(&self) -> i128 {
        let mut sorted = self.0.clone();
        let middle = (sorted.len() - 1) / 2;
        *sorted.select_nth_unstable(middle).1
    }
}

pub(super) fn greatest_common_divisor(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(points: &[i128]) -> Differences {
        Differences::new(points.iter().copied()).unwrap()
    }

    #[test]
    fn the_greatest_step_explains_all_rows() {
        assert_eq!(of(&[0, 6, 12, 24, 30]).step(), Some(6));
        assert_eq!(of(&[0, 6, 12, 15, 18]).step(), Some(3));
        assert_eq!(of(&[0, 1, 101]).step(), Some(1));
        assert_eq!(of(&[0, 2, 4, 7, 9, 11]).step(), Some(1)); // Monday, Wednesday, Friday
        assert_eq!(of(&[0, 7, 16, 30, 31]).step(), None);
        assert!(Differences::new([3, 3].into_iter()).is_none() && Differences::new([3].into_iter()).is_none());
    }

    #[test]
    fn the_first_row_that_differs_is_named() {
        assert_eq!(of(&[0, 6, 12, 13, 19]).first_other(), 3);
        assert_eq!(of(&[0, 6, 12, 13, 19]).commonest(), 6);
        assert_eq!(of(&[0, 60, 61, 62, 72]).first_other(), 1);
    }
}
