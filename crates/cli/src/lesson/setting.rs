//! What every lesson is given: the processor, the texts, and how long to run. Not here: lessons; each has its own file.

use std::path::Path;

use elman::{Corpus, Cpu};
use sha2::{Digest, Sha256};

use crate::data::DataSet;
use crate::failure::Refusal;
use crate::progress::Work;
use crate::terminal;

/// What a lesson is given.
pub struct Setting<'a> {
    /// The processor.
    pub cpu: Cpu,
    /// The folder with the texts.
    pub data: &'a Path,
    /// Whether to train as long as the tutorial.
    pub full: bool,
    /// The file for the picture.
    pub picture: &'a Path,
    /// Shows which run and epoch is under way.
    pub work: Work,
}

impl Setting<'_> {
    /// The text called `name` in the catalogue. Errors: it is missing or has another hash; the hint says how to get it.
    pub fn text(&self, name: &str) -> anyhow::Result<Corpus> {
        let Some(set) = DataSet::named(name) else { anyhow::bail!("no data set is called {name}") };
        let (text, path) = (&set.files[0], set.path(self.data));
        let hint = format!("elman data get {name} --to {}", self.data.display());
        if !path.is_file() {
            let message = format!(
                "this lesson reads {} ({} bytes, SHA-256 {}), and there is no {}",
                text.name,
                text.bytes,
                text.sha256,
                path.display()
            );
            return Err(Refusal::new(message).hint(format!("{hint}, or name its folder with --data")).into());
        }
        let corpus = Corpus::read(std::slice::from_ref(&path))?;
        let hash: String = Sha256::digest(corpus.bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        if hash != text.sha256 {
            let message = format!("{} has the SHA-256 {hash}, expected {}", path.display(), text.sha256);
            return Err(Refusal::new(message).hint(hint).into());
        }
        Ok(corpus)
    }

    /// Shows the step of a run called `name`, or its epoch if it has several of `each` steps.
    pub fn at(&self, name: &str, step: u64, steps: u64, each: u64) {
        let name = if name.is_empty() { String::new() } else { format!("{name}, ") };
        match steps >= 2 * each {
            true => self.work.at(&format!("{name}epoch"), step.div_ceil(each), Some(steps.div_ceil(each))),
            false => self.work.at(&format!("{name}step"), step, Some(steps)),
        }
    }

    /// Prints a line on stderr.
    pub fn say(&self, words: &str) {
        self.work.say(&terminal::dim(words));
    }
}
