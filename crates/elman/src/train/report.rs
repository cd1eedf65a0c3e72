//! What a run tells its observers: its plan, its events, its reports, its outcome, and the clock behind them. No
//! computed figure depends on what is here.

use std::{collections::BTreeMap, path::Path, time::Instant};

use serde::{Deserialize, Serialize};

/// The sizes of what a run works on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// Tokens (or what else is predicted from) to train on.
    pub train_tokens: usize,
    /// Those kept for validation; 0 where nothing is.
    pub val_tokens: usize,
    /// Tokens there are, or classes.
    pub vocab_size: usize,
    /// B, as it came out.
    pub batch: usize,
    /// T; of tasks with examples, the longest.
    pub seq_len: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Bytes that training takes at most, estimated.
    pub memory_bytes: usize,
    /// What was changed from what was asked, a sentence each.
    pub notes: Vec<String>,
}

/// A line of `log.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Optimizer steps taken.
    pub step: u64,
    /// Passes over the training split, with a fraction.
    pub epoch: f64,
    /// Mean nats per token over the steps since the last report (each token counts once).
    pub train_loss: f64,
    /// Mean nats per token over the whole validation split; None (null) where not evaluated.
    pub val_loss: Option<f64>,
    /// The moving mean of the losses of single steps, where the configuration asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving_loss: Option<f64>,
    /// What the task makes of the training loss, by name: of a language model `bpc`, bits per token, and `ppl`, perplexity.
    #[serde(flatten, deserialize_with = "infinite_where_null")]
    pub metrics: BTreeMap<String, f64>,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Global gradient norm of the last step, before clipping.
    pub grad_norm: f64,
    /// Training tokens per second of training since the last report.
    pub tokens_per_sec: f64,
    /// Seconds since the run began, pauses between resumes left out.
    pub seconds: f64,
    /// Whether validation losses from here on are of other data than those before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub validation_changed: bool,
    /// What went bad in the steps since the last report, and what was done about it; mostly nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad: Option<String>,
}

/// JSON has no infinity: the perplexity of an enormous loss is written as null.
fn infinite_where_null<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let all: BTreeMap<String, Option<f64>> = BTreeMap::deserialize(from)?;
    Ok(all.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::INFINITY))).collect())
}

/// What happens while a run continues.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step was taken.
    Step {
        /// Which, from 1.
        step: u64,
        /// Its loss, mean nats per token.
        loss: f64,
        /// Training tokens per second of training in this session.
        tokens_per_sec: f64,
    },
    /// A step went bad, and the run continues.
    Bad {
        /// Which, from 1.
        step: u64,
        /// What went bad and what was done about it.
        words: &'a str,
        /// The last step that still counts.
        continues_after: u64,
    },
    /// An evaluation or a sample is under way. [`Control::Stop`] leaves it to the resume.
    Working {
        /// After which step.
        step: u64,
    },
    /// A report was made (and logged, where there is a run directory).
    Report(&'a Report),
    /// The model wrote something.
    Sample {
        /// After which step.
        step: u64,
        /// What.
        text: &'a str,
    },
    /// Model and state are on the disk: they would survive a power cut.
    Saved {
        /// After which step.
        step: u64,
        /// The model file.
        path: &'a Path,
    },
}

/// An observer's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Continue.
    Continue,
    /// Save and return after the step in progress.
    Stop,
}

/// What a run is going to do, for people to read before it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the text.
    pub text: String,
    /// Tokens of the training split.
    pub train_tokens: usize,
    /// Tokens of the validation split.
    pub val_tokens: usize,
    /// V.
    pub vocab_size: usize,
    /// Scalars in the model.
    pub parameters: usize,
    /// B, after shrinking.
    pub batch: usize,
    /// T.
    pub seq_len: usize,
    /// Steps of the whole run.
    pub steps: u64,
    /// Steps already taken (more than 0 after a resume).
    pub steps_done: u64,
    /// Steps in a pass over the training split.
    pub steps_per_epoch: u64,
    /// Bytes of memory it takes at most, without the program and the text, as estimated before it was made.
    pub memory_bytes: usize,
    /// What was changed from what was asked, a sentence each.
    pub notes: Vec<String>,
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Optimizer steps taken in all.
    pub steps: u64,
    /// The last reported training loss.
    pub train_loss: f64,
    /// The last validation loss.
    pub val_loss: Option<f64>,
    /// The lowest validation loss.
    pub best_val_loss: Option<f64>,
    /// The step that had it.
    pub best_step: Option<u64>,
    /// Seconds since the run began, pauses between resumes left out.
    pub seconds: f64,
    /// Training tokens per second of training in this session.
    pub tokens_per_sec: f64,
    /// Scalars in the model.
    pub parameters: usize,
    /// Whether its patience ended it: too many validations without improvement.
    pub out_of_patience: bool,
    /// Whether the observer ended it before everything was done.
    pub stopped: bool,
}

/// Wall time for people: nothing that is computed depends on it.
pub(crate) struct Clock {
    started: Instant,
    before: f64,
    resting_until: Instant,
    session: Rate,
    interval: Rate,
}

/// Tokens and the seconds of training they took.
#[derive(Clone, Copy, Default)]
struct Rate {
    tokens: u64,
    seconds: f64,
}

impl Rate {
    fn speed(self) -> f64 {
        if self.seconds > 0.0 { self.tokens as f64 / self.seconds } else { 0.0 }
    }
}

impl Clock {
    pub(crate) fn start(before: f64) -> Clock {
        let now = Instant::now();
        Clock { started: now, before, resting_until: now, session: Rate::default(), interval: Rate::default() }
    }

    /// Counts a step that began when training last continued.
    pub(crate) fn trained(&mut self, tokens: usize) {
        let seconds = self.resting_until.elapsed().as_secs_f64();
        for rate in [&mut self.session, &mut self.interval] {
            rate.tokens += tokens as u64;
            rate.seconds += seconds;
        }
    }

    /// Evaluation, samples and saves are over.
    pub(crate) fn training_continues(&mut self) {
        self.resting_until = Instant::now();
    }

    pub(crate) fn speed(&self) -> f64 {
        self.session.speed()
    }

    pub(crate) fn speed_since_last_report(&mut self) -> f64 {
        std::mem::take(&mut self.interval).speed()
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_has_the_metrics_by_name_and_an_infinite_one_comes_back() {
        let line = r#"{"step":3,"epoch":0.5,"train_loss":800.0,"val_loss":null,"bpc":1154.1,"ppl":null,"lr":0.1,"grad_norm":2.0,"tokens_per_sec":9.0,"seconds":1.5}"#;
        let report: Report = serde_json::from_str(line).unwrap();
        assert_eq!(report.metrics, [("bpc".to_string(), 1154.1), ("ppl".to_string(), f64::INFINITY)].into());
        assert_eq!((report.step, report.val_loss, report.bad.as_deref()), (3, None, None));
        assert_eq!(serde_json::to_string(&report).unwrap(), line);
    }
}
