//! `Config::check`: every field by itself and beside those it depends on. Text and tasks have files of their own. Not here:
//! defaults.

use super::limits::{MAX_INTEGER, real, whole};
use super::{Config, TaskSettings};
use crate::error::Error;

impl Config {
    /// Checks every field on its own. Errors: the first that is out of range, by its name.
    pub fn check(&self) -> Result<(), Error> {
        let (positive, at_least_0) = ("a finite number above 0", "a finite number, 0 or more");
        whole("hidden_size", self.hidden_size as u64, 1, 1 << 16)?;
        whole("num_layers", self.num_layers as u64, 1, 64)?;
        self.check_widths()?;
        whole("embed", self.embed as u64, 0, 1 << 16)?;
        real("dropout", self.dropout, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
        real("output_dropout", self.output_dropout, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
        real("init_scale", self.init_scale(), at_least_0, |x| x >= 0.0)?;
        real("forget_bias", self.forget_bias, "a finite number", |_| true)?;
        real("val_frac", self.val_frac, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
        let refuse = |name, got: String, expected: &str| Err(Error::Setting { name, got, expected: expected.into() });
        let is_model_of_language = !matches!(self.task, Some(TaskSettings::Translate(_)));
        if is_model_of_language && self.tied && self.embed != self.hidden_size {
            let expected = format!("hidden_size = {} with tied, one weight for embedding and head", self.hidden_size);
            return refuse("embed", self.embed.to_string(), &expected);
        }
        self.task.as_ref().map_or(Ok(()), |task| task.check(self))?;
        self.check_text()?;
        real("moving", self.moving, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
        whole("seq_len", self.seq_len as u64, 1, 1 << 24)?;
        whole("batch", self.batch as u64, 1, 1 << 20)?;
        if self.steps.is_none() {
            whole("epochs", self.epochs.unwrap_or(1), 1, 1 << 32)?;
        }
        real("lr", self.lr, positive, |x| x > 0.0)?;
        real("min_lr_frac", self.min_lr_frac, "0 to 1", |x| (0.0..=1.0).contains(&x))?;
        real("weight_decay", self.weight_decay(), at_least_0, |x| x >= 0.0)?;
        real("momentum", self.momentum, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
        for (name, limit) in
            [("clip", self.clip), ("clip_value", self.clip_value), ("clip_param_norm", self.clip_param_norm)]
        {
            real(name, limit, at_least_0, |x| x >= 0.0)?;
        }
        whole("sample_length", self.sample_length as u64, 0, 1 << 32)?;
        real("lr_decay", self.lr_decay(), "above 0, at most 1", |x| x > 0.0 && x <= 1.0)?;
        self.check_schedule()?;
        real("spike", self.spike, "0, or a finite number above 1", |x| x == 0.0 || x > 1.0)?;
        whole("keep", self.keep, 1, MAX_INTEGER)?;
        whole("warmup", self.warmup, 0, MAX_INTEGER)?;
        whole("seed", self.seed, 0, MAX_INTEGER)?;
        for (name, value, least) in [
            ("patience", Some(self.patience), 0),
            ("lr_decay_after", self.lr_decay_after, 1),
            ("halve_every", self.halve_every, 1),
            ("plateau_patience", self.plateau_patience, 1),
            ("steps", self.steps, 1),
            ("eval_every", self.eval_every, 0),
            ("print_every", self.print_every, 0),
            ("sample_every", self.sample_every, 0),
            ("save_every", self.save_every, 0),
        ] {
            whole(name, value.unwrap_or(least), least, MAX_INTEGER)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Schedule, TokenizerKind};
    use super::*;

    #[test]
    fn each_bad_field_is_named() {
        type Spoil = fn(&mut Config);
        let cases: [(&str, Spoil); 40] = [
            ("num_layers is 2, expected 3, the number of hidden_sizes", |c| c.hidden_sizes = Some(vec![4, 5, 256])),
            ("hidden_sizes is 0, expected 1 to 65536", |c| c.hidden_sizes = Some(vec![0, 256])),
            ("hidden_size is 256, expected 5, the last of hidden_sizes", |c| c.hidden_sizes = Some(vec![4, 5])),
            ("embed is 0, expected hidden_size = 256 with tied", |c| c.tied = true),
            ("spike is 1, expected 0, or a finite number above 1", |c| c.spike = 1.0),
            ("keep is 0, expected 1 to", |c| c.keep = 0),
            ("hidden_size is 0, expected 1 to 65536", |c| c.hidden_size = 0),
            ("num_layers is 0", |c| c.num_layers = 0),
            ("embed is 65537", |c| c.embed = 65_537),
            ("dropout is 1,", |c| c.dropout = 1.0),
            ("output_dropout is -0.1,", |c| c.output_dropout = -0.1),
            ("forget_bias is inf", |c| c.forget_bias = f64::INFINITY),
            ("val_frac is 1,", |c| c.val_frac = 1.0),
            ("seq_len is 0", |c| c.seq_len = 0),
            ("batch is 0", |c| c.batch = 0),
            ("epochs is 0", |c| c.epochs = Some(0)),
            ("steps is 0", |c| c.steps = Some(0)),
            ("lr is NaN, expected a finite number above 0", |c| c.lr = f64::NAN),
            ("lr is 0,", |c| c.lr = 0.0),
            ("min_lr_frac is 2", |c| c.min_lr_frac = 2.0),
            ("init_scale is -1", |c| c.init_scale = Some(-1.0)),
            ("lr_decay is 0,", |c| c.lr_decay = Some(0.0)),
            ("lr_decay_after is 0,", |c| c.lr_decay_after = Some(0)),
            ("halve_every is 0,", |c| c.halve_every = Some(0)),
            ("plateau_patience is 0,", |c| c.plateau_patience = Some(0)),
            ("patience is 18446744073709551615", |c| c.patience = u64::MAX),
            ("halve_every is 2, expected it with schedule = halve, not cosine", |c| {
                (c.halve_every, c.schedule) = (Some(2), Some(Schedule::Cosine));
            }),
            ("plateau_patience is 4, expected it with schedule = plateau, not decay", |c| {
                (c.plateau_patience, c.lr_decay) = (Some(4), Some(0.5));
            }),
            ("clip is -1", |c| c.clip = -1.0),
            ("clip_value is -1", |c| c.clip_value = -1.0),
            ("clip_param_norm is inf", |c| c.clip_param_norm = f64::INFINITY),
            ("momentum is 1,", |c| c.momentum = 1.0),
            ("weight_decay is -1", |c| c.weight_decay = Some(-1.0)),
            ("seed is 18446744073709551615", |c| c.seed = u64::MAX),
            ("warmup is 18446744073709551615", |c| c.warmup = u64::MAX),
            ("save_every is 18446744073709551615", |c| c.save_every = Some(u64::MAX)),
            ("val_frac is -0.1", |c| c.val_frac = -0.1),
            ("min_freq is 2, expected 1 without unk or words", |c| c.min_freq = 2),
            ("min_freq is 0", |c| (c.unk, c.min_freq) = (true, 0)),
            ("unk is true, expected false", |c| (c.unk, c.tokenizer) = (true, TokenizerKind::Byte)),
        ];
        assert!(Config::default().check().is_ok());
        for (want, spoil) in cases {
            let mut config = Config::default();
            spoil(&mut config);
            let got = config.check().unwrap_err().to_string();
            assert!(got.starts_with(want), "{got}");
        }
    }
}
