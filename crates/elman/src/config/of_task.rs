//! The defaults of a run for each task, and the settings of the task that a configuration has. Not here: checks.

use super::{
    Classify, Config, Forecast, Generate, Reserved, Signal, Tag, TaskSettings, TokenizerKind, Translate, Words,
};
use crate::error::Error;

impl TaskSettings {
    /// The defaults of a run, over those of all tasks.
    fn run(&self, examples: Config) -> Config {
        match self {
            TaskSettings::Classify(_) => Config { output_dropout: 0.5, ..examples },
            TaskSettings::Regress(_) | TaskSettings::MultiLabel(_) => {
                Config { output_dropout: 0.1, batch: 32, epochs: Some(30), ..examples }
            }
            TaskSettings::Forecast(_) => Config {
                hidden_size: 32,
                embed: 0,
                dropout: 0.0,
                output_dropout: 0.1,
                batch: 32,
                seq_len: 64,
                val_frac: 0.2,
                epochs: None,
                steps: Some(1000),
                ..examples
            },
            TaskSettings::Generate(_) => Config {
                hidden_size: 256,
                eos: true,
                output_dropout: 0.3,
                epochs: Some(15),
                sample_every: None,
                sample_length: 60,
                ..examples
            },
            TaskSettings::Signal(_) => Config {
                hidden_size: 40,
                embed: 0,
                unk: false,
                dropout: 0.0,
                output_dropout: 0.0,
                seq_len: 2048,
                batch: 32,
                lr: 5e-3,
                epochs: Some(40),
                ..examples
            },
            TaskSettings::Tag(_) => Config {
                tokenizer: TokenizerKind::Word,
                words: Words::Spaces,
                unk: false, // words have it anyway
                min_freq: 2,
                output_dropout: 0.5,
                batch: 32,
                ..examples
            },
            TaskSettings::Restore(_) => {
                Config { seq_len: 160, batch: 16, epochs: Some(10), output_dropout: 0.2, ..examples }
            }
            TaskSettings::Translate(_) => Config {
                hidden_size: 512,
                embed: 256,
                tied: true,
                dropout: 0.2,
                output_dropout: 0.2,
                tokenizer: TokenizerKind::Word,
                words: Words::Elisions,
                unk: false,
                eos: true,
                reserve: vec![Reserved::Bos],
                min_freq: 2,
                batch: 128,
                lr: 2e-3,
                sample_every: None,
                ..examples
            },
        }
    }
}

/// Makes the functions that give the settings of a task.
macro_rules! settings_of {
    ($($(#[$doc:meta])* $name:ident $task:ident $settings:ident;)*) => {
        impl Config {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> Result<&$settings, Error> {
                    match &self.task {
                        Some(TaskSettings::$task(settings)) => Ok(settings),
                        _ => Err(self.another_task(stringify!($name))),
                    }
                }
            )*
        }
    };
}

settings_of! {
    /// The settings of classification. Errors: it is another task.
    classify Classify Classify;
    /// The settings of a forecast. Errors: it is another task.
    forecast Forecast Forecast;
    /// The settings of generating. Errors: it is another task.
    generate Generate Generate;
    /// The settings of a signal. Errors: it is another task.
    signal Signal Signal;
    /// The settings of translation. Errors: it is another task.
    translate Translate Translate;
}

impl Config {
    /// The defaults of a task: a language model's where it is None.
    pub fn of_task(task: Option<TaskSettings>) -> Config {
        let plain = Config::default();
        let Some(task) = task else { return plain };
        let examples = Config {
            hidden_size: 128,
            num_layers: 1,
            embed: 64,
            unk: true,
            eos: false,
            seq_len: 1000,
            lr: 3e-3,
            epochs: Some(12),
            sample_every: Some(0),
            ..plain
        };
        Config { task: Some(task.clone()), ..task.run(examples) }
    }

    /// The settings of tagging or restoring. Errors: it is another task.
    pub fn tagging(&self) -> Result<&Tag, Error> {
        match &self.task {
            Some(TaskSettings::Tag(settings) | TaskSettings::Restore(settings)) => Ok(settings),
            _ => Err(self.another_task("tag or restore")),
        }
    }

    pub(crate) fn another_task(&self, wanted: &str) -> Error {
        let kind = self.task.as_ref().map_or("lm", TaskSettings::kind);
        Error::Setting { name: "task", got: kind.to_string(), expected: wanted.to_string() }
    }
}
