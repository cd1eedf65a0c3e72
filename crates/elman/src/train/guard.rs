//! How bad steps are handled: detected before they change the model, reported, and then the run stops, skips the step
//! or rolls back. Too many in a row, or in total, end the run.

use elman_kernels::{Element, Scalar};

use super::Trainer;
use crate::{
    autodiff::params::Params,
    config::OnNan,
    error::Error,
    files::run_dir::RunDir,
    files::state_file::{NormAverage, StateFile},
    nn::state::State,
    task::Task,
};

/// Skipped steps in a row after which a run ends.
const MOST_SKIPPED: u64 = 100;
/// Rollbacks after which a run ends: the learning rate is a millionth of what it was.
const MOST_ROLLBACKS: u64 = 20;
/// Steps before the mean of the gradient norms means anything, and how many it looks back on.
const AVERAGE_STEPS: u64 = 50;

impl NormAverage {
    /// Counts the norm of a step that is taken.
    pub(super) fn add(&mut self, norm: f64) {
        self.steps += 1;
        self.norm += (norm - self.norm) / self.steps.min(AVERAGE_STEPS) as f64;
    }

    /// Whether a norm is more than `factor` times the mean; a factor of 0 lets all pass.
    fn is_spike(&self, norm: f64, factor: f64) -> bool {
        factor > 0.0 && self.steps >= AVERAGE_STEPS && norm > factor * self.norm
    }
}

impl<T: Task> Trainer<T> {
    /// Why the step that was just computed must not be taken, if so.
    pub(super) fn problem(&self, loss: f64, norm: f64) -> Option<String> {
        if !(loss.is_finite() && norm.is_finite()) {
            let first = self.first_bad().or_else(|| {
                let (name, value) = first_bad_of(&self.grads)?;
                Some(format!("the first bad tensor is the gradient of {name}, which holds {value}"))
            });
            return Some(first.unwrap_or_else(|| "expected finite numbers".to_string()));
        }
        let norm_average = self.progress.norm_average;
        norm_average.is_spike(norm, self.config.spike).then(|| {
            format!(
                "the norm is {:.1} times its mean over the last steps, {}; expected at most spike = {}",
                norm / norm_average.norm,
                norm_average.norm,
                self.config.spike
            )
        })
    }

    /// The first number that a save would refuse, in the order parameters, moments, carried state.
    pub(super) fn first_bad(&self) -> Option<String> {
        let of = |what: &str, params: &Params<T::Element>| {
            let (name, value) = first_bad_of(params)?;
            Some(format!("the first bad tensor is {what}{name}, which holds {value}"))
        };
        of("", self.task.params())
            .or_else(|| self.optimizer.moments.iter().find_map(|(name, moment)| of(&format!("{name} of "), moment)))
            .or_else(|| {
                let carried = self.task.carry()?.tensors().into_iter();
                carried.map(|(name, _, values)| (name, values)).find_map(|(name, values)| {
                    let value = values.into_iter().find(|x| !x.to_f64().is_finite())?;
                    Some(format!("the first bad tensor is the carried state {name}, which holds {value}"))
                })
            })
    }

    /// Handles a bad step as configured and returns a message that says what was done. `bad` is an [`Error::Diverged`].
    ///
    /// Errors: `bad` itself, where nothing is to be done or can be.
    pub(super) fn get_over(&mut self, run: Option<&RunDir>, bad: Error) -> Result<String, Error> {
        let done = match (self.config.on_nan, run) {
            (OnNan::Skip, _) => self.skip(),
            (OnNan::Rollback, Some(run)) => self.roll_back(run)?,
            _ => Err(None),
        };
        match (done, bad) {
            (Ok(done), bad) => {
                let words = format!("{bad}: {done}");
                let earlier = self.progress.bad.take().map(|earlier| earlier + "; ").unwrap_or_default();
                self.progress.bad = Some(earlier + &words);
                if let (OnNan::Rollback, Some(run)) = (self.config.on_nan, run) {
                    self.save_state(run)?;
                }
                Ok(words)
            }
            (Err(Some(why)), Error::Diverged { step, loss, norm, lr, problem }) => {
                Err(Error::Diverged { step, loss, norm, lr, problem: format!("{problem}; {why}") })
            }
            (Err(_), bad) => Err(bad),
        }
    }

    /// Lets the step be none. Errors: why that does not help.
    fn skip(&mut self) -> Result<String, Option<String>> {
        // A state that has overflowed would make every step after it bad, too.
        let carry = self.task.carry_mut().filter(|carry| !carry.is_finite());
        let reset = carry.map(State::clear).is_some();
        if self.first_bad().is_some() {
            return Err(Some("every step after it would be bad too".to_string()));
        }
        if self.progress.skipped_in_a_row >= MOST_SKIPPED {
            return Err(Some(format!("{MOST_SKIPPED} steps before it were skipped in a row")));
        }
        self.progress.step += 1;
        self.progress.skipped += 1;
        self.progress.skipped_in_a_row += 1;
        Ok(if reset { "skipped, and the carried state is reset" } else { "skipped" }.to_string())
    }

    /// Goes back to the last save with half the learning rate. Errors: within, why that is of no use.
    fn roll_back(&mut self, run: &RunDir) -> Result<Result<String, Option<String>>, Error> {
        let rollbacks = self.progress.rollbacks + 1;
        if rollbacks > MOST_ROLLBACKS {
            return Ok(Err(Some(format!("the run has rolled back {MOST_ROLLBACKS} times"))));
        }
        let saved = StateFile::read(&run.rollback())?;
        saved.restore(&mut self.task, &mut self.optimizer)?;
        saved.restore_carry(&mut self.task)?;
        // The best model is on the disk, whether or not the run comes by there again.
        let best = (self.progress.best_val_loss, self.progress.best_step);
        self.progress = saved.meta.progress;
        (self.progress.best_val_loss, self.progress.best_step) = best;
        self.progress.rollbacks = rollbacks;
        run.cut_back(self.progress.log_lines, self.progress.sample_bytes)?;
        Ok(Ok(format!("back to step {}, learning rate halved", self.progress.step)))
    }
}

/// The first parameter that holds what is no finite number, and that number.
fn first_bad_of<E: Element>(params: &Params<E>) -> Option<(&str, E)> {
    let values = params.values();
    if values.iter().all(|x| x.to_f64().is_finite()) {
        return None; // padding is zero
    }
    params.names().find_map(|name| {
        let value = params.get(name)?.into_iter().find(|x| !x.to_f64().is_finite())?;
        Some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use elman_kernels::Cpu;

    use super::*;
    use crate::{
        Trainer,
        config::{Cell, Config, OptimizerKind},
        data::Corpus,
        files::model_file::ModelFile,
        train::{Control, Event, Outcome},
    };

    fn corpus() -> Corpus {
        Corpus::from_text("words", "the mill, a clock; she listened and it stood still\n".repeat(40))
    }

    fn config(seed: u64, on_nan: OnNan) -> Config {
        Config {
            hidden_size: 6,
            num_layers: 2,
            embed: 4,
            batch: 5,
            seq_len: 12,
            steps: Some(24),
            save_every: Some(3),
            eval_every: Some(12),
            sample_every: Some(0),
            seed,
            on_nan,
            ..Config::default()
        }
    }

    fn trainer(config: &Config) -> Trainer {
        Trainer::new(config.clone(), &corpus(), &Cpu::new(Some(1)).unwrap()).unwrap()
    }

    /// Trains to `stop`, or to the end; the messages about bad steps.
    fn train(trainer: &mut Trainer, run: &RunDir, stop: u64) -> (Result<Outcome, Error>, Vec<String>) {
        let mut bad = Vec::new();
        let outcome = trainer.run(Some(run), &mut |event| {
            match event {
                Event::Step { step, .. } if step == stop => return Control::Stop,
                Event::Bad { words, .. } => bad.push(words.to_string()),
                _ => {}
            }
            Control::Continue
        });
        (outcome, bad)
    }

    /// What spoils a run, and the words by which the message must name it.
    type Spoil = (&'static str, fn(&mut Trainer));

    /// Numbers that a run can come to hold: an embedded character, a weight, a hidden state, a moment.
    const SPOILS: [Spoil; 4] = [
        ("encoder.weight, which holds NaN", |t| spoil(t.task.params_mut(), "encoder.weight", f32::NAN)),
        ("rnn.weight_hh_l1, which holds inf", |t| spoil(t.task.params_mut(), "rnn.weight_hh_l1", f32::INFINITY)),
        ("the carried state h_l1, which holds NaN", |t| {
            t.task.carry_mut().unwrap().set("h_l1", &[f32::NAN; 30]).unwrap()
        }),
        ("adam_v of decoder.bias, which holds inf", |t| {
            spoil(&mut t.optimizer.moments[1].1, "decoder.bias", f32::INFINITY)
        }),
    ];

    fn spoil(params: &mut Params<f32>, name: &str, value: f32) {
        let mut values = params.get(name).unwrap();
        values.fill(value);
        params.set(name, &values).unwrap();
    }

    fn quick_dir() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
    }

    fn drills() -> u64 {
        std::env::var("ELMAN_DRILLS").map_or(2, |text| text.parse().unwrap())
    }

    fn files(run: &RunDir) -> [Vec<u8>; 2] {
        [fs::read(run.model()).unwrap(), fs::read(run.state()).unwrap()]
    }

    #[test]
    fn what_is_spoilt_is_named_and_no_file_with_it_is_written() {
        let dir = quick_dir();
        for seed in 1..=drills() {
            for (name, (words, spoil)) in SPOILS.into_iter().enumerate() {
                let run = RunDir::create(dir.path().join(format!("stop-{seed}-{name}"))).unwrap();
                let mut trainer = trainer(&config(seed, OnNan::Stop));
                train(&mut trainer, &run, 7 + seed % 3).0.unwrap();
                spoil(&mut trainer);
                let before = (files(&run), bits(&trainer));
                let error = train(&mut trainer, &run, 0).0.unwrap_err();
                assert!(matches!(error, Error::Diverged { .. }) && error.to_string().contains(words), "{error}");
                assert!(files(&run) == before.0, "{words}");
                ModelFile::<f32>::load(run.path()).unwrap();
                if !words.starts_with("adam") {
                    assert!(bits(&trainer) == before.1, "{words}: the step was taken");
                }
            }
        }
    }

    fn bits(trainer: &Trainer) -> Vec<u32> {
        trainer.task.params().values().iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn a_rollback_continues_from_the_last_save_at_a_lower_rate_and_resumes_to_the_same_bytes() {
        let dir = quick_dir();
        for seed in 1..=drills() {
            for (name, (words, spoil)) in SPOILS.into_iter().enumerate() {
                let run = |kind: &str| RunDir::create(dir.path().join(format!("{kind}-{seed}-{name}"))).unwrap();
                let (whole, cut) = (run("whole"), run("cut"));
                let spoil_after = |run: &RunDir, stop: u64| {
                    let mut trainer = trainer(&config(seed, OnNan::Rollback));
                    train(&mut trainer, run, stop).0.unwrap();
                    spoil(&mut trainer);
                    trainer
                };
                let (outcome, bad) = train(&mut spoil_after(&whole, 8), &whole, 0);
                assert_eq!(outcome.unwrap().steps, 24);
                assert_eq!(bad.len(), 1);
                assert!(
                    bad[0].contains(words) && bad[0].ends_with(": back to step 6, learning rate halved"),
                    "{bad:?}"
                );
                let logged: Vec<String> = whole.reports().unwrap().into_iter().filter_map(|r| r.bad).collect();
                assert_eq!(logged, bad);
                let rates = |run: &RunDir| -> Vec<_> {
                    run.reports().unwrap().into_iter().map(|r| (r.step, r.lr, r.grad_norm)).collect()
                };
                let mut plain = trainer(&config(seed, OnNan::Rollback));
                let other = run("plain");
                train(&mut plain, &other, 0).0.unwrap();
                for ((step, lr, _), (_, full, _)) in rates(&whole).into_iter().zip(rates(&other)) {
                    assert_eq!(lr, if step > 6 { full / 2.0 } else { full }, "step {step}");
                }
                // Stopped and resumed after it has rolled back.
                let mut trainer = spoil_after(&cut, 8);
                train(&mut trainer, &cut, 10).0.unwrap();
                drop(trainer);
                let cpu = Cpu::new(Some(1)).unwrap();
                train(&mut Trainer::resume(&cut, &corpus(), &cpu).unwrap(), &cut, 0).0.unwrap();
                assert!(files(&cut) == files(&whole) && rates(&cut) == rates(&whole), "{words}");
            }
        }
    }

    #[test]
    fn a_rate_of_a_million_is_stopped_or_rolled_back_with_the_last_good_file_kept() {
        let dir = quick_dir();
        for seed in 1..=drills() {
            for on_nan in [OnNan::Stop, OnNan::Rollback] {
                let run = RunDir::create(dir.path().join(format!("{on_nan:?}-{seed}"))).unwrap();
                // What nothing holds back: no clipping, no gate, no bound on an activation.
                let config = Config {
                    lr: 1e6,
                    clip: 0.0,
                    cell: Cell::RNN_RELU,
                    optimizer: OptimizerKind::Sgd,
                    steps: Some(60),
                    ..config(seed, on_nan)
                };
                let (outcome, bad) = train(&mut trainer(&config), &run, 0);
                match (on_nan, outcome) {
                    (OnNan::Rollback, Ok(outcome)) => assert!(outcome.steps == 60 && !bad.is_empty()),
                    (_, Err(error)) => assert!(matches!(error, Error::Diverged { .. }), "{error}"),
                    (_, Ok(outcome)) => panic!("a rate of a million trained: {outcome:?}"),
                }
                let saved = StateFile::read(&run.state()).unwrap();
                let mut fresh = trainer(&config);
                saved.restore(&mut fresh.task, &mut fresh.optimizer).unwrap();
                saved.restore_carry(&mut fresh.task).unwrap();
                assert!(fresh.first_bad().is_none());
            }
        }
    }

    #[test]
    fn skipped_steps_change_nothing_and_resume_to_the_same_bytes() {
        let dir = quick_dir();
        // Every gradient is a spike compared with a mean of almost zero.
        let train_to = |name: &str, stops: &[u64]| {
            let run = RunDir::create(dir.path().join(name)).unwrap();
            let config = Config { spike: 1.01, steps: Some(70), lr: 0.05, ..config(3, OnNan::Skip) };
            let cpu = Cpu::new(Some(1)).unwrap();
            let mut bad = Vec::new();
            let mut trainer = trainer(&config);
            for &stop in stops {
                bad.extend(train(&mut trainer, &run, stop).1);
                drop(trainer);
                trainer = Trainer::resume(&run, &corpus(), &cpu).unwrap();
            }
            let (outcome, more) = train(&mut trainer, &run, 0);
            bad.extend(more);
            assert_eq!(outcome.unwrap().steps, 70);
            (run, bad, trainer.optimizer.step)
        };
        let (whole, bad, steps) = train_to("whole", &[]);
        assert!(!bad.is_empty() && bad[0].contains("expected at most spike = 1.01: skipped"), "{bad:?}");
        assert_eq!(steps, 70 - bad.len() as u64, "the optimizer counts the steps that were taken");
        let (cut, bad_again, steps_again) = train_to("cut", &[52, 58, 63]);
        assert_eq!((&bad, steps), (&bad_again, steps_again));
        assert!(files(&cut) == files(&whole));

        // Weights that are gone cannot be skipped over.
        let run = RunDir::create(dir.path().join("gone")).unwrap();
        let mut trainer = trainer(&config(3, OnNan::Skip));
        train(&mut trainer, &run, 5).0.unwrap();
        SPOILS[0].1(&mut trainer);
        let error = train(&mut trainer, &run, 0).0.unwrap_err().to_string();
        assert!(error.ends_with("every step after it would be bad too"), "{error}");
        // A carried state that has overflowed is reset: the steps after it are good ones.
        let run = RunDir::create(dir.path().join("overflowed")).unwrap();
        let mut trainer = self::trainer(&config(3, OnNan::Skip));
        train(&mut trainer, &run, 5).0.unwrap();
        SPOILS[2].1(&mut trainer);
        let (outcome, bad) = train(&mut trainer, &run, 0);
        assert_eq!((outcome.unwrap().steps, bad.len()), (24, 1), "{bad:?}");
        assert!(bad[0].ends_with("skipped, and the carried state is reset"), "{bad:?}");
        // A state that is gone can: the step before had a good one.
        let mut carried = self::trainer(&config(3, OnNan::Skip));
        let run = RunDir::create(dir.path().join("carried")).unwrap();
        train(&mut carried, &run, 5).0.unwrap();
        carried.progress.norm_average = NormAverage { steps: 99, norm: 1e-9 };
        carried.config.spike = 2.0;
        let before = (bits(&carried), carried.task.carry().unwrap().tensors());
        let step = carried.step(6).unwrap();
        assert!(matches!(step, crate::train::Taken::Badly { .. }));
        assert!((bits(&carried), carried.task.carry().unwrap().tensors()) == before);
    }

    #[test]
    fn a_rollback_needs_a_run_directory() {
        let error = trainer(&config(1, OnNan::Rollback)).run(None, &mut |_| Control::Continue).unwrap_err();
        assert_eq!(
            error.to_string(),
            "on_nan is rollback, expected stop or skip without a run directory to go back to"
        );
    }

    #[test]
    fn a_spike_is_told_by_the_mean_of_the_last_norms() {
        let mut norm_average = NormAverage::default();
        (0..AVERAGE_STEPS - 1).for_each(|_| norm_average.add(2.0));
        assert!(!norm_average.is_spike(1e9, 3.0), "too early to tell");
        norm_average.add(2.0);
        assert_eq!(norm_average.norm, 2.0);
        assert!(
            norm_average.is_spike(6.1, 3.0) && !norm_average.is_spike(5.9, 3.0) && !norm_average.is_spike(1e9, 0.0)
        );
        (0..400).for_each(|_| norm_average.add(4.0));
        assert!((norm_average.norm - 4.0).abs() < 0.001, "it moves on: {}", norm_average.norm);
    }
}
