//! A configuration as a recipe in TOML, read and written. Not here: checks of values.

use serde::Deserialize;

use super::Config;
use crate::error::Error;

impl Config {
    /// Reads a recipe: the keys it sets, defaults for the others. Checks nothing else: see [`Config::check`].
    ///
    /// Errors: what is not TOML, an unknown key, a value of the wrong kind; each names the key and `source_name`.
    pub fn from_toml(text: &str, source_name: &str) -> Result<Config, Error> {
        let refuse = |key: String, problem: &str| Error::Recipe {
            key,
            problem: problem.trim_end().replace('\n', ", "),
            source_name: source_name.to_string(),
        };
        let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().map_or("", |span| &text[..span.start]);
            refuse(format!("line {}", before.matches('\n').count() + 1), error.message())
        })?;
        // One key at a time, so that an error can name its key.
        for (key, value) in &table {
            let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = Config::deserialize(alone) {
                return Err(refuse(key.clone(), error.message()));
            }
        }
        Config::follow_widths(&mut table);
        Config::deserialize(table).map_err(|error| refuse("recipe".into(), error.message()))
    }

    /// As [`Config::to_toml`], without the steps where the epochs decide them: a recipe sets one of the two.
    pub fn to_recipe(&self) -> Result<String, Error> {
        let steps = self.steps.filter(|_| self.epochs.is_none());
        Config { steps, ..self.clone() }.to_toml()
    }

    /// The configuration in TOML. Errors: an integer above 63 bits, which [`Config::check`] rejects too.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|error| Error::Recipe {
            key: "config".into(),
            problem: error.to_string(),
            source_name: "configuration".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Schedule;
    use super::*;

    fn message(text: &str) -> String {
        Config::from_toml(text, "r.toml").unwrap_err().to_string()
    }

    #[test]
    fn a_recipe_comes_back_as_it_was_written() {
        let config = Config { lr: 0.1 + 0.2, steps: Some(7), schedule: Some(Schedule::Constant), ..Config::default() };
        assert_eq!(Config::from_toml(&config.to_toml().unwrap(), "r").unwrap(), config);
        let recipe = Config::from_toml("hidden_size = 12\nschedule = \"constant\"\n", "r").unwrap();
        assert_eq!((recipe.hidden_size, recipe.schedule, recipe.batch), (12, Some(Schedule::Constant), 64));
    }

    #[test]
    fn recipes_are_refused_by_key_and_file() {
        let unknown = message("batch = 1\nhiden = 3");
        assert!(unknown.starts_with("hiden: unknown field `hiden`"), "{unknown}");
        assert!(unknown.ends_with("(r.toml)") && !unknown.contains('\n'), "{unknown}");
        let kind = message("hidden_size = \"big\"");
        assert!(kind.starts_with("hidden_size: invalid type"), "{kind}");
        let choice = message("schedule = \"step\"");
        assert!(choice.starts_with("schedule: unknown variant `step`"), "{choice}");
        let syntax = message("batch = 1\nlr =\n");
        assert!(syntax.starts_with("line 2: "), "{syntax}");
        assert!(message("seed = -1").starts_with("seed: "));
    }
}
