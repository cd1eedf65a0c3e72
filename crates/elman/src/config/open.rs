//! The widths of the layers, and the resolution of settings that were left open: a default may depend on another
//! setting or on the text. A setting that belongs to a choice other than the one made is an error.

use super::limits::{MAX_INTEGER, whole};
use super::{BatchKind, Config, Init, Schedule, TaskSettings};
use crate::error::Error;

impl Config {
    /// H of each layer, from the first on.
    pub fn hidden_sizes(&self) -> Vec<usize> {
        self.hidden_sizes.clone().unwrap_or_else(|| vec![self.hidden_size; self.num_layers])
    }

    /// Lets `num_layers` and `hidden_size`, where a recipe leaves them out, follow its `hidden_sizes`.
    pub fn follow_widths(recipe: &mut toml::Table) {
        let Some(widths) = recipe.get("hidden_sizes").and_then(|widths| widths.as_array()).cloned() else { return };
        recipe.entry("num_layers").or_insert(toml::Value::Integer(widths.len() as i64));
        if let Some(last) = widths.last() {
            recipe.entry("hidden_size").or_insert(last.clone());
        }
    }

    /// Errors: widths that contradict `num_layers` and `hidden_size`.
    pub(super) fn check_widths(&self) -> Result<(), Error> {
        let Some(widths) = &self.hidden_sizes else { return Ok(()) };
        if widths.len() != self.num_layers {
            let expected = format!("{}, the number of hidden_sizes", widths.len());
            return Err(Error::Setting { name: "num_layers", got: self.num_layers.to_string(), expected });
        }
        for &width in widths {
            whole("hidden_sizes", width as u64, 1, 1 << 16)?;
        }
        match widths.last() {
            Some(&last) if last != self.hidden_size => {
                let expected = format!("{last}, the last of hidden_sizes");
                Err(Error::Setting { name: "hidden_size", got: self.hidden_size.to_string(), expected })
            }
            _ => Ok(()),
        }
    }

    /// A setting of one schedule does nothing under another.
    pub(super) fn check_schedule(&self) -> Result<(), Error> {
        let schedule = self.schedule();
        let count = |n: Option<u64>| n.map(|n| n.to_string());
        for (name, value, owner) in [
            ("lr_decay", self.lr_decay.map(|x| x.to_string()), Schedule::Decay),
            ("lr_decay_after", count(self.lr_decay_after), Schedule::Decay),
            ("halve_every", count(self.halve_every), Schedule::Halve),
            ("plateau_patience", count(self.plateau_patience), Schedule::Plateau),
        ] {
            if let Some(got) = value.filter(|_| owner != schedule) {
                let [owner, schedule] = [owner, schedule].map(|s| format!("{s:?}").to_lowercase());
                let expected = format!("it with schedule = {owner}, not {schedule}");
                return Err(Error::Setting { name, got, expected });
            }
        }
        Ok(())
    }

    /// Whether batches continue from the state of the one before.
    pub fn is_stateful(&self) -> bool {
        self.stateful.unwrap_or(self.batches == BatchKind::Rows)
    }

    /// Whether the best model by validation loss is used where a run has another at its end. A forecast's is not: its figures
    /// are those of the model at the end, on the origins that it is validated on.
    pub fn uses_best(&self) -> bool {
        !matches!(self.task, Some(TaskSettings::Forecast(_)))
    }

    /// The schedule: where none is set, the one whose setting was given, else the cosine.
    pub fn schedule(&self) -> Schedule {
        self.schedule.unwrap_or(if self.lr_decay.is_some() || self.lr_decay_after.is_some() {
            Schedule::Decay
        } else if self.halve_every.is_some() {
            Schedule::Halve
        } else if self.plateau_patience.is_some() {
            Schedule::Plateau
        } else {
            Schedule::Cosine
        })
    }

    /// Factor of the decay, char-rnn's where none is set.
    pub fn lr_decay(&self) -> f64 {
        self.lr_decay.unwrap_or(0.97)
    }

    /// Epochs before the first decay.
    pub fn lr_decay_after(&self) -> u64 {
        self.lr_decay_after.unwrap_or(1)
    }

    /// Epochs between halvings, torch-rnn's where none are set.
    pub fn halve_every(&self) -> u64 {
        self.halve_every.unwrap_or(5)
    }

    /// Validations without improvement before a halving; 0 where the schedule is no plateau.
    pub fn plateau_patience(&self) -> u64 {
        if self.schedule() == Schedule::Plateau { self.plateau_patience.unwrap_or(3) } else { 0 }
    }

    /// The weight decay, the optimizer's own where none is set.
    pub fn weight_decay(&self) -> f64 {
        self.weight_decay.unwrap_or_else(|| self.optimizer.weight_decay())
    }

    /// Scale of the drawn parameters, that of `init` where none is set.
    pub fn init_scale(&self) -> f64 {
        self.init_scale.unwrap_or(if self.init == Init::Normal { 0.01 } else { 1.0 })
    }

    /// Fills in what was left open, for a text whose epoch has `steps_per_epoch` steps with `batch` rows.
    /// Resolving twice changes nothing.
    pub(crate) fn resolve(&mut self, batch: usize, steps_per_epoch: u64, validates: bool) {
        self.batch = batch;
        self.weight_decay = Some(self.weight_decay());
        self.init_scale = Some(self.init_scale());
        let schedule = *self.schedule.insert(self.schedule());
        match schedule {
            Schedule::Constant | Schedule::Cosine => {}
            Schedule::Decay => {
                (self.lr_decay, self.lr_decay_after) = (Some(self.lr_decay()), Some(self.lr_decay_after()));
            }
            Schedule::Halve => self.halve_every = Some(self.halve_every()),
            Schedule::Plateau => self.plateau_patience = Some(self.plateau_patience()),
        }
        let steps = match self.epochs {
            Some(epochs) => epochs.saturating_mul(steps_per_epoch),
            None => steps_per_epoch.saturating_mul(20).max(800),
        };
        let steps = *self.steps.get_or_insert(steps.min(MAX_INTEGER));
        let tenth = steps.div_ceil(10);
        let eval = steps_per_epoch.clamp(steps.div_ceil(50), tenth);
        let eval = *self.eval_every.get_or_insert(eval);
        self.print_every.get_or_insert((steps / 200).clamp(1, 100));
        self.sample_every.get_or_insert(tenth);
        self.save_every.get_or_insert(if validates && eval > 0 { eval } else { tenth });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_open_is_filled_in_once() {
        let mut config = Config::default();
        config.resolve(32, 240, true);
        assert_eq!((config.batch, config.steps, config.eval_every), (32, Some(4800), Some(240)));
        assert_eq!((config.print_every, config.sample_every), (Some(24), Some(480)));
        assert_eq!(config.save_every, Some(240));
        let again = config.clone();
        config.resolve(32, 240, true);
        assert_eq!(config, again);

        for (given, schedule) in [
            (Config::default(), Schedule::Cosine),
            (Config { lr_decay: Some(0.5), ..Config::default() }, Schedule::Decay),
            (Config { halve_every: Some(1), ..Config::default() }, Schedule::Halve),
            (Config { plateau_patience: Some(1), ..Config::default() }, Schedule::Plateau),
        ] {
            let mut config = given.clone();
            config.resolve(1, 1, true);
            assert_eq!((config.schedule, given.schedule()), (Some(schedule), schedule));
            assert!(config.check().is_ok());
        }

        let mut endless = Config { epochs: Some(1 << 32), ..Config::default() };
        endless.resolve(64, 1 << 40, true);
        assert!(endless.check().is_ok() && endless.to_toml().is_ok());

        let mut short = Config { steps: Some(5), ..Config::default() };
        short.resolve(64, 1, false);
        assert_eq!((short.eval_every, short.print_every, short.save_every), (Some(1), Some(1), Some(1)));
        let mut never = Config { eval_every: Some(0), ..Config::default() };
        never.resolve(64, 100, true);
        assert_eq!((never.eval_every, never.save_every), (Some(0), Some(200)));
    }
}
