//! What a run remembers of its validations: how many brought no improvement, and how often the rate was halved for
//! that. Not here: the measurement; it is told whether a validation was the best so far.

use serde::{Deserialize, Serialize};

/// Validations without improvement. All of it is saved and resumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// Since the best one.
    pub since_best: u64,
    /// Since the best one or the last halving.
    pub since_halving: u64,
    /// Halvings so far.
    pub halvings: u64,
}

impl Patience {
    /// Counts a validation. The rate is halved after `plateau` of them in a row without improvement, and the count for
    /// the next halving begins anew (PyTorch's `ReduceLROnPlateau` with a patience of `plateau - 1`); 0 never halves
    /// the rate.
    pub fn validated(&mut self, is_best: bool, plateau: u64) {
        if is_best {
            (self.since_best, self.since_halving) = (0, 0);
            return;
        }
        self.since_best += 1;
        self.since_halving += 1;
        if plateau > 0 && self.since_halving >= plateau {
            self.since_halving = 0;
            self.halvings += 1;
        }
    }

    /// Whether `limit` validations in a row brought nothing; a limit of 0 is never reached.
    pub fn is_over(&self, limit: u64) -> bool {
        limit > 0 && self.since_best >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plateau_lowers_the_rate_and_patience_ends() {
        let mut patience = Patience::default();
        let mut after = |is_best| {
            patience.validated(is_best, 2);
            (patience.halvings, patience.is_over(5), patience.is_over(0))
        };
        assert_eq!(after(true), (0, false, false));
        assert_eq!(after(false), (0, false, false));
        assert_eq!(after(true), (0, false, false));
        let ends = [false; 5].map(&mut after);
        assert_eq!(ends.map(|(halvings, ..)| halvings), [0, 1, 1, 2, 2]);
        assert_eq!(ends.map(|(_, over, _)| over), [false, false, false, false, true]);
        assert!(ends.iter().all(|(.., never)| !never));
        patience.validated(true, 2);
        assert_eq!((patience.since_best, patience.halvings), (0, 2), "what was halved stays halved");
        let mut never = Patience::default();
        (0..9).for_each(|_| never.validated(false, 0));
        assert_eq!((never.since_best, never.halvings), (9, 0));
    }
}
