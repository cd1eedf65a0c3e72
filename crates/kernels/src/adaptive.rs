//! The adaptive choice between running work on the whole thread team and on the caller alone, by the time that each takes.
//! Not here: a rule by sizes. What a barrier costs depends on the machine: between cores with separate caches it takes four
//! times as long, and on a core that another program uses it takes a time slice of that program.
//!
//! Long phases of the faster mode and short trials of the other alternate. Trials become rare while they change nothing. The
//! results have the same bits in both modes.

use std::time::Duration;

/// Each half of a trial. The first half warms up: caches hold the other mode's share of the weights, and idle threads still
/// spin. A trial of all threads is as long as a time slice of another program, so that it includes such slices as often as
/// the work does.
const TRIAL_ALONE: Duration = Duration::from_micros(500);
const TRIAL_TOGETHER: Duration = Duration::from_millis(4);
/// Length of a phase: of the first one, and the longest, except for pieces of work of many milliseconds.
const SHORTEST: Duration = Duration::from_millis(8);
const LONGEST: Duration = Duration::from_millis(512);
/// After a trial that changed nothing, a phase is at least so many times as long as the trial.
const RARE: u32 = 32;
/// Threads that wake may share one core until the system moves them. A piece of work then takes more than MUCH times what it
/// takes alone; the trial is extended to at most this.
const SETTLING: Duration = Duration::from_millis(16);
const MUCH: u32 = 3;

/// How a piece of work runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Together,
    Alone,
}

impl Mode {
    fn other(self) -> Mode {
        match self {
            Mode::Together => Mode::Alone,
            Mode::Alone => Mode::Together,
        }
    }
}

/// A phase of one mode, or a trial.
#[derive(Debug)]
pub(crate) struct AdaptiveChoice {
    mode: Mode,
    /// In a trial: the mean time of the mode before it, and the length of the trial so far.
    trial: Option<(Duration, Duration)>,
    /// Pieces of work since the start of the phase, or of the current mode of the trial; and their time.
    count: u32,
    spent: Duration,
    /// Length of a phase.
    length: Duration,
}

impl AdaptiveChoice {
    /// Begins with all threads.
    pub fn new() -> AdaptiveChoice {
        AdaptiveChoice { mode: Mode::Together, trial: None, count: 0, spent: Duration::ZERO, length: SHORTEST }
    }

    /// How the next piece of work runs.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Records the time of a piece of work.
    pub fn record(&mut self, time: Duration) {
        self.count += 1;
        self.spent += time;
        let length = match (&self.trial, self.mode) {
            (None, _) => self.length,
            (Some(_), Mode::Alone) => TRIAL_ALONE,
            (Some(_), Mode::Together) => TRIAL_TOGETHER,
        };
        if self.spent < length {
            return;
        }
        let (mean, spent) = (self.spent / self.count, self.spent);
        (self.count, self.spent) = (0, Duration::ZERO);
        match &mut self.trial {
            None => {
                self.trial = Some((mean, Duration::ZERO));
                self.mode = self.mode.other();
            }
            Some((before, so_far)) => {
                let is_first = so_far.is_zero();
                *so_far += spent;
                let settles = self.mode == Mode::Together && mean > MUCH * *before && *so_far < SETTLING;
                if is_first || settles {
                    return;
                }
                if mean < *before {
                    self.length = SHORTEST;
                } else {
                    self.mode = self.mode.other();
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

    /// Start and mode of every piece of work until a time, if each takes what `time` gives for its mode and start.
    fn modes(
        choice: &mut AdaptiveChoice,
        time: impl Fn(Mode, Duration) -> Duration,
        until: Duration,
    ) -> Vec<(Duration, Mode)> {
        let (mut now, mut modes) = (Duration::ZERO, Vec::new());
        while now < until {
            let mode = choice.mode();
            let took = time(mode, now);
            choice.record(took);
            modes.push((now, mode));
            now += took;
        }
        modes
    }

    /// The share of the time after `from` that ran in a mode.
    fn share(modes: &[(Duration, Mode)], mode: Mode, from: Duration) -> f64 {
        let (mut of_mode, mut all) = (Duration::ZERO, Duration::ZERO);
        for pair in modes.windows(2).filter(|pair| pair[0].0 >= from) {
            let took = pair[1].0 - pair[0].0;
            all += took;
            if pair[0].1 == mode {
                of_mode += took;
            }
        }
        of_mode.as_secs_f64() / all.as_secs_f64()
    }

    const MS: Duration = Duration::from_millis(1);
    const US: Duration = Duration::from_micros(1);

    #[test]
    fn the_faster_mode_is_chosen_and_trials_become_rare() {
        let (one, all) = (Mode::Alone, Mode::Together);
        for (together, alone, mode) in
            [(6, 10, all), (5, 3, one), (70, 130, all), (1000, 10, one), (50_000, 90_000, all)]
        {
            let time = |mode, _| if mode == Mode::Together { together * US } else { alone * US };
            let modes = modes(&mut AdaptiveChoice::new(), time, 30_000 * MS);
            let (early, late) = (share(&modes, mode, 20 * MS), share(&modes, mode, 15_000 * MS));
            assert!(early > 0.8 && late > 0.95, "{together} {alone}: {early} {late}");
        }
    }

    #[test]
    fn a_change_is_found_within_a_phase() {
        // After a second, barriers take longer.
        let time = |mode, now| match mode {
            Mode::Together if now > 1000 * MS => 12 * US,
            Mode::Together => 6 * US,
            Mode::Alone => 10 * US,
        };
        let modes = modes(&mut AdaptiveChoice::new(), time, 3000 * MS);
        assert!(share(&modes[..], Mode::Together, 500 * MS) > 0.15);
        assert!(share(&modes, Mode::Alone, 1000 * MS + LONGEST + 500 * MS) > 0.9);
    }

    #[test]
    fn a_change_is_soon_tested() {
        let mut choice = AdaptiveChoice { length: LONGEST, ..AdaptiveChoice::new() };
        while (choice.mode, choice.trial) != (Mode::Alone, None) {
            choice.record(if choice.mode == Mode::Together { 10 * US } else { 5 * US });
        }
        assert_eq!(choice.length, SHORTEST);
    }

    #[test]
    fn threads_that_wake_on_one_core_get_time_to_settle() {
        // Working together is faster except for the first 12 ms after each change to it.
        let mut choice = AdaptiveChoice { mode: Mode::Alone, ..AdaptiveChoice::new() };
        let (mut now, mut since, mut last) = (Duration::ZERO, Duration::ZERO, Mode::Alone);
        for _ in 0..100_000 {
            let mode = choice.mode();
            if mode != last {
                (since, last) = (now, mode);
            }
            let took = match mode {
                Mode::Alone => 10 * US,
                Mode::Together if now - since < 12 * MS => 1000 * US,
                Mode::Together => 6 * US,
            };
            choice.record(took);
            now += took;
        }
        assert_eq!((choice.mode, choice.trial), (Mode::Together, None));
    }

    #[test]
    fn a_core_that_another_program_uses_is_avoided() {
        // The other program has the core for 3 of 6 ms. Work of all threads that begins then waits until these end.
        let time = |mode, now: Duration| match mode {
            Mode::Alone => 10 * US,
            Mode::Together => {
                let place = now.as_micros() as u64 % 6000;
                6 * US + if place < 3000 { Duration::from_micros(3000 - place) } else { Duration::ZERO }
            }
        };
        let alone = share(&modes(&mut AdaptiveChoice::new(), time, 6000 * MS), Mode::Alone, 3000 * MS);
        assert!(alone > 0.95, "{alone}");
    }
}
