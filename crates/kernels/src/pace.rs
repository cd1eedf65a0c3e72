//! Holds the choice between a crew's two ways, all its threads or its caller alone, by the time that work takes in each.
//! Refuses a rule of sizes: what a meeting costs is for the machine to say. Cores whose caches are far apart meet in four
//! times the time, and a core on which another program runs comes a slice of that program's late.
//!
//! Phases of the better way and short trials of the other take turns; trials become rare while they change nothing. Whichever
//! way is taken, the bits are the same.

use std::time::Duration;

/// Each half of a trial. The first warms up: caches hold the other way's share of the weights, and threads that have nothing
/// to do still spin. Working together is tried for as long as another program has a core at a time, so that such a slice may
/// fall into the trial as it falls into the work.
const TRIAL_ALONE: Duration = Duration::from_micros(500);
const TRIAL_TOGETHER: Duration = Duration::from_millis(4);
/// A phase: the first, and the longest but for work of many milliseconds.
const SHORTEST: Duration = Duration::from_millis(8);
const LONGEST: Duration = Duration::from_millis(512);
/// How many times as long as a trial that changed nothing the phase after it is at least.
const RARE: u32 = 32;
/// How long threads are given that may have begun on one core. Until they are moved apart, a work takes more than so many
/// times what it takes alone.
const SETTLING: Duration = Duration::from_millis(16);
const MUCH: u32 = 3;

/// How work goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Together,
    Alone,
}

impl Way {
    fn other(self) -> Way {
        match self {
            Way::Together => Way::Alone,
            Way::Alone => Way::Together,
        }
    }
}

/// A phase of one way, or a trial.
#[derive(Debug)]
pub(crate) struct Pace {
    way: Way,
    /// In a trial: the mean of the way before it, and the time that it has taken so far.
    trial: Option<(Duration, Duration)>,
    /// Works since it began, or since the first half of a trial, and their time.
    works: u32,
    spent: Duration,
    /// Of a phase.
    length: Duration,
}

impl Pace {
    /// Begins together.
    pub fn new() -> Pace {
        Pace { way: Way::Together, trial: None, works: 0, spent: Duration::ZERO, length: SHORTEST }
    }

    /// How the next work goes.
    pub fn way(&self) -> Way {
        self.way
    }

    /// What a work took.
    pub fn took(&mut self, time: Duration) {
        self.works += 1;
        self.spent += time;
        let length = match (&self.trial, self.way) {
            (None, _) => self.length,
            (Some(_), Way::Alone) => TRIAL_ALONE,
            (Some(_), Way::Together) => TRIAL_TOGETHER,
        };
        if self.spent < length {
            return;
        }
        let (mean, spent) = (self.spent / self.works, self.spent);
        (self.works, self.spent) = (0, Duration::ZERO);
        match &mut self.trial {
            None => {
                self.trial = Some((mean, Duration::ZERO));
                self.way = self.way.other();
            }
            Some((before, so_far)) => {
                let is_first = so_far.is_zero();
                *so_far += spent;
                let settles = self.way == Way::Together && mean > MUCH * *before && *so_far < SETTLING;
                if is_first || settles {
                    return;
                }
                if mean < *before {
                    self.length = SHORTEST;
                } else {
                    self.way = self.way.other();
                    self.length = (2 * self.length).min(LONGEST).max(RARE * *so_far);
                }
                self.trial = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ways of works, from one that was chosen on, where each takes what `time` says of way and start.
    fn ways(pace: &mut Pace, time: impl Fn(Way, Duration) -> Duration, until: Duration) -> Vec<(Duration, Way)> {
        let (mut now, mut ways) = (Duration::ZERO, Vec::new());
        while now < until {
            let way = pace.way();
            let took = time(way, now);
            pace.took(took);
            ways.push((now, way));
            now += took;
        }
        ways
    }

    /// The share of the time in which a way was taken, from a time on.
    fn share(ways: &[(Duration, Way)], way: Way, from: Duration) -> f64 {
        let (mut of_way, mut all) = (Duration::ZERO, Duration::ZERO);
        for pair in ways.windows(2).filter(|pair| pair[0].0 >= from) {
            let took = pair[1].0 - pair[0].0;
            all += took;
            if pair[0].1 == way {
                of_way += took;
            }
        }
        of_way.as_secs_f64() / all.as_secs_f64()
    }

    const MS: Duration = Duration::from_millis(1);
    const US: Duration = Duration::from_micros(1);

    #[test]
    fn the_faster_way_is_taken_and_trials_become_rare() {
        let (one, all) = (Way::Alone, Way::Together);
        for (together, alone, way) in
            [(6, 10, all), (5, 3, one), (70, 130, all), (1000, 10, one), (50_000, 90_000, all)]
        {
            let time = |way, _| if way == Way::Together { together * US } else { alone * US };
            let ways = ways(&mut Pace::new(), time, 30_000 * MS);
            let (early, late) = (share(&ways, way, 20 * MS), share(&ways, way, 15_000 * MS));
            assert!(early > 0.8 && late > 0.95, "{together} {alone}: {early} {late}");
        }
    }

    #[test]
    fn a_change_is_found_within_a_phase() {
        // After a second, meetings take longer.
        let time = |way, now| match way {
            Way::Together if now > 1000 * MS => 12 * US,
            Way::Together => 6 * US,
            Way::Alone => 10 * US,
        };
        let ways = ways(&mut Pace::new(), time, 3000 * MS);
        assert!(share(&ways[..], Way::Together, 500 * MS) > 0.15);
        assert!(share(&ways, Way::Alone, 1000 * MS + LONGEST + 500 * MS) > 0.9);
    }

    #[test]
    fn a_change_is_soon_put_to_the_test() {
        let mut pace = Pace { length: LONGEST, ..Pace::new() };
        while (pace.way, pace.trial) != (Way::Alone, None) {
            pace.took(if pace.way == Way::Together { 10 * US } else { 5 * US });
        }
        assert_eq!(pace.length, SHORTEST);
    }

    #[test]
    fn threads_that_wake_on_one_core_are_given_time() {
        // Together is worth it but for the 12 ms after it was taken up anew.
        let mut pace = Pace { way: Way::Alone, ..Pace::new() };
        let (mut now, mut since, mut last) = (Duration::ZERO, Duration::ZERO, Way::Alone);
        for _ in 0..100_000 {
            let way = pace.way();
            if way != last {
                (since, last) = (now, way);
            }
            let took = match way {
                Way::Alone => 10 * US,
                Way::Together if now - since < 12 * MS => 1000 * US,
                Way::Together => 6 * US,
            };
            pace.took(took);
            now += took;
        }
        assert_eq!((pace.way, pace.trial), (Way::Together, None));
    }

    #[test]
    fn another_program_on_a_core_is_left_alone_with_it() {
        // It has the core for 3 of 6 ms: a work that begins then, together, waits for its end.
        let time = |way, now: Duration| match way {
            Way::Alone => 10 * US,
            Way::Together => {
                let place = now.as_micros() as u64 % 6000;
                6 * US + if place < 3000 { Duration::from_micros(3000 - place) } else { Duration::ZERO }
            }
        };
        let alone = share(&ways(&mut Pace::new(), time, 6000 * MS), Way::Alone, 3000 * MS);
        assert!(alone > 0.95, "{alone}");
    }
}
