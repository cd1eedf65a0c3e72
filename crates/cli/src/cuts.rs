//! The flags that truncate the sampling distribution, made from the library's table `CUTS`. Not here: their names.

use clap::{Arg, ArgMatches, Command};
use elman::infer::CUTS;
use elman::{Error, Settings};

/// The values of the flags, given or default, by name.
pub struct Cuts(Vec<(&'static str, String)>);

impl Cuts {
    /// Puts the values into `settings`. Errors: a value of the wrong type.
    pub fn apply(&self, settings: &mut Settings) -> Result<(), Error> {
        self.0.iter().try_for_each(|(name, value)| settings.set(name, value))
    }
}

impl clap::Args for Cuts {
    fn augment_args(command: Command) -> Command {
        CUTS.iter().fold(command, |command, cut| {
            let parse = |text: &str| (cut.parse)(text).map(|()| text.to_string());
            let flag = Arg::new(cut.name).long(cut.name.replace('_', "-")).value_name(cut.value).help(cut.help);
            let flag = flag.default_value((cut.default)()).value_parser(parse).allow_negative_numbers(true);
            command.arg(flag.help_heading("Choice"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Cuts::augment_args(command)
    }
}

impl clap::FromArgMatches for Cuts {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Cuts, clap::Error> {
        let value = |name| matches.get_one::<String>(name).cloned().unwrap_or_default();
        Ok(Cuts(CUTS.iter().map(|cut| (cut.name, value(cut.name))).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        <Cuts as clap::FromArgMatches>::from_arg_matches(matches).map(|cuts| *self = cuts)
    }
}
