//! What tasks have in common whose network reads a sequence and answers once, or at every step. Not here: the settings of each
//! task (`task/`).

use super::{Config, Source, TaskSettings};
use crate::error::Error;
use crate::metrics::distribution::{Distribution, Output};
use crate::nn::heads::Pooling;

/// How a network reads sequences and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Whether the layers read backwards, too.
    pub bidirectional: bool,
    /// How one answer comes from all steps; None where each step has one.
    pub pooling: Option<Pooling>,
    /// Networks of an ensemble.
    pub ensemble_size: usize,
}

/// What is predicted where the answers are numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers<'a> {
    /// Where the examples are.
    pub source: &'a Source,
    /// The columns of the numbers.
    pub labels: Vec<String>,
    /// Whether each step has numbers of its own.
    pub every_step: bool,
    /// A step's numbers are those that stand so many steps later.
    pub ahead: usize,
    /// What the network's numbers are the parameters of.
    pub output: Output,
    /// The quantiles that are predicted.
    pub levels: &'a [f64],
}

impl Numbers<'_> {
    /// The distribution of the numbers of a step. Errors: as [`Distribution::new`].
    pub fn distribution(&self) -> Result<Distribution, Error> {
        Distribution::new(self.output, self.levels, self.labels.len())
    }
}

impl Config {
    /// How the network reads sequences and answers. Errors: a task whose network does more than that.
    pub fn answers(&self) -> Result<Answers, Error> {
        let of = |every_step: bool, bidirectional: Option<bool>, pooling: Pooling, ensemble_size| Answers {
            bidirectional: bidirectional.unwrap_or(!every_step),
            pooling: (!every_step).then_some(pooling),
            ensemble_size,
        };
        match &self.task {
            Some(TaskSettings::Classify(s)) => Ok(of(false, Some(s.bidirectional), s.pooling, s.ensemble_size)),
            Some(TaskSettings::Tag(s) | TaskSettings::Restore(s)) => {
                Ok(Answers { bidirectional: s.bidirectional, pooling: None, ensemble_size: 1 })
            }
            Some(TaskSettings::Regress(s)) => Ok(of(s.every_step, s.bidirectional, s.pooling, s.ensemble_size)),
            Some(TaskSettings::MultiLabel(s)) => Ok(of(s.every_step, s.bidirectional, s.pooling, s.ensemble_size)),
            _ => Err(self.another_task("classify, tag, restore, regress or multilabel")),
        }
    }

    /// What is predicted where the answers are numbers. Errors: another task.
    pub fn numbers(&self) -> Result<Numbers<'_>, Error> {
        let columns = |labels: &[String], source: &Source| match labels {
            [] => vec![source.label.clone()],
            labels => labels.to_vec(),
        };
        match &self.task {
            Some(TaskSettings::Regress(settings)) => Ok(Numbers {
                source: &settings.source,
                labels: columns(&settings.labels, &settings.source),
                every_step: settings.every_step,
                ahead: settings.ahead,
                output: settings.output,
                levels: if settings.output.has_quantiles() { &settings.quantiles } else { &[] },
            }),
            Some(TaskSettings::MultiLabel(settings)) => Ok(Numbers {
                source: &settings.source,
                labels: columns(&settings.labels, &settings.source),
                every_step: settings.every_step,
                ahead: settings.ahead,
                output: Output::Bernoulli,
                levels: &[],
            }),
            _ => Err(self.another_task("regress or multilabel")),
        }
    }
}
