//! Holds the layout of a run directory and every write into it.
//! Refuses to reuse a directory that exists, and to leave half a file: files appear whole or not at all. The two
//! files that grow, `log.jsonl` and `samples.txt`, are cut back to the last save by a resume.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::{atomic_file::write_atomic, config::Config, error::Error, report::Report};

/// One training run's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes a new directory (and its parents). Errors: it exists, whatever it holds.
    pub fn create(path: impl Into<PathBuf>) -> Result<RunDir, Error> {
        let path = path.into();
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        match fs::create_dir(&path) {
            Ok(()) => Ok(RunDir { path }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Error::Exists { path }),
            Err(error) => Err(Error::io("create", &path)(error)),
        }
    }

    /// Makes `parent/name`, or `parent/name-2`, `-3`, ...: the first that is free, also when others do the same.
    pub fn next_free(parent: &Path, name: &str) -> Result<RunDir, Error> {
        let mut number = 1_u64;
        loop {
            let name = if number == 1 { name.to_string() } else { format!("{name}-{number}") };
            match RunDir::create(parent.join(name)) {
                Err(Error::Exists { .. }) => number += 1,
                made => return made,
            }
        }
    }

    /// Opens an existing run. Errors: not a directory, or one without `state.safetensors`.
    pub fn open(path: impl Into<PathBuf>) -> Result<RunDir, Error> {
        let run = RunDir { path: path.into() };
        let kind = fs::metadata(&run.path).map_err(Error::io("read", &run.path))?;
        if !kind.is_dir() {
            return Err(Error::file(&run.path, "a file, expected a run directory"));
        }
        if !run.state().is_file() {
            let problem = if run.config().is_file() {
                "a run that stopped before its first save: there is nothing to go on from"
            } else {
                "not a run directory: it holds no state.safetensors"
            };
            return Err(Error::file(&run.path, problem));
        }
        Ok(run)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `model.safetensors`, the latest model.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// `best.safetensors`, the model of the best validation loss; absent where nothing was validated.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// `state.safetensors`, all that a resume needs.
    pub fn state(&self) -> PathBuf {
        self.path.join("state.safetensors")
    }

    /// `config.toml`, the resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// `log.jsonl`, one report a line.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    /// `samples.txt`, what it wrote along the way.
    pub fn samples(&self) -> PathBuf {
        self.path.join("samples.txt")
    }

    /// `loss.svg`, the curves; drawn by the program, never by the library.
    pub fn curves(&self) -> PathBuf {
        self.path.join("loss.svg")
    }

    /// The reports of `log.jsonl`; none where there is no such file. Errors: a line that is no report, by number.
    pub fn reports(&self) -> Result<Vec<Report>, Error> {
        let path = self.log();
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            read => read.map_err(Error::io("read", &path))?,
        };
        let parse = |(at, line)| {
            serde_json::from_str(line)
                .map_err(|error| Error::file(&path, format!("line {} is not a report: {error}", at + 1)))
        };
        text.lines().enumerate().map(parse).collect()
    }

    /// Writes `config.toml`.
    pub fn write_config(&self, config: &Config) -> Result<(), Error> {
        write_atomic(&self.config(), config.to_toml()?.as_bytes())
    }

    /// Adds a line to `log.jsonl`.
    pub(crate) fn append_report(&self, report: &Report) -> Result<(), Error> {
        let path = self.log();
        let line = serde_json::to_string(report).map_err(|error| Error::file(&path, error.to_string()))?;
        append(&path, &(line + "\n"))
    }

    /// Adds a sample to `samples.txt`, under a line that says when. Returns the bytes written.
    pub(crate) fn append_sample(&self, step: u64, text: &str) -> Result<u64, Error> {
        let entry = format!("=== step {step}\n{text}\n\n");
        append(&self.samples(), &entry)?;
        Ok(entry.len() as u64)
    }

    /// Cuts `log.jsonl` and `samples.txt` back to what they held at a save. A file that holds less is left alone.
    pub(crate) fn cut_back(&self, log_lines: u64, sample_bytes: u64) -> Result<(), Error> {
        let log = self.log();
        if log.exists() {
            let bytes = fs::read(&log).map_err(Error::io("read", &log))?;
            let lines = bytes.split_inclusive(|&byte| byte == b'\n').take(log_lines as usize);
            shorten(&log, lines.map(|line| line.len() as u64).sum())?;
        }
        shorten(&self.samples(), sample_bytes)
    }
}

fn append(path: &Path, text: &str) -> Result<(), Error> {
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(Error::io("write", path))?;
    file.write_all(text.as_bytes()).map_err(Error::io("write", path))
}

/// Cuts a file that is longer than `bytes`.
fn shorten(path: &Path, bytes: u64) -> Result<(), Error> {
    let length = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        known => known.map_err(Error::io("read", path))?.len(),
    };
    if length > bytes {
        let file = OpenOptions::new().write(true).open(path).map_err(Error::io("write", path))?;
        file.set_len(bytes).map_err(Error::io("write", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(step: u64, val_loss: Option<f64>) -> Report {
        Report {
            step,
            epoch: 0.5,
            train_loss: 0.1 + 0.2,
            val_loss,
            moving_loss: None,
            bpc: 1.0,
            ppl: 2.0,
            lr: 1e-3,
            grad_norm: 0.5,
            tokens_per_sec: 1e5,
            seconds: 1.5,
        }
    }

    #[test]
    fn an_existing_directory_is_refused_and_the_next_name_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("a/b")).unwrap();
        assert!(matches!(RunDir::create(run.path()), Err(Error::Exists { .. })));
        let names: Vec<_> = (0..3)
            .map(|_| RunDir::next_free(&dir.path().join("runs"), "tales").unwrap())
            .map(|run| run.path().file_name().unwrap().to_str().unwrap().to_string())
            .collect();
        assert_eq!(names, ["tales", "tales-2", "tales-3"]);
        assert!(RunDir::open(run.path()).is_err(), "no state yet");
        fs::write(run.state(), "").unwrap();
        assert_eq!(RunDir::open(run.path()).unwrap(), run);
        assert!(RunDir::open(run.state()).unwrap_err().to_string().starts_with("a file, expected a run directory"));
        let under_a_file = RunDir::create(run.state().join("x")).unwrap_err();
        assert!(matches!(under_a_file, Error::Io { action: "create", .. }));
    }

    #[test]
    fn the_log_comes_back_and_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        assert!(run.reports().unwrap().is_empty());
        run.cut_back(0, 0).unwrap();
        let mut reports = [report(1, None), report(2, Some(1.25)), report(3, None)];
        reports[1].ppl = f64::INFINITY;
        let mut bytes = 0;
        for r in &reports {
            run.append_report(r).unwrap();
            bytes += run.append_sample(r.step, "é").unwrap();
        }
        assert_eq!(run.reports().unwrap(), reports);
        let first = fs::read_to_string(run.log()).unwrap();
        assert!(
            first.starts_with(r#"{"step":1,"epoch":0.5,"train_loss":0.30000000000000004,"val_loss":null,"#),
            "{first}"
        );
        assert_eq!(fs::metadata(run.samples()).unwrap().len(), bytes);
        run.cut_back(2, bytes / 3).unwrap();
        assert_eq!(run.reports().unwrap(), reports[..2]);
        assert_eq!(fs::read_to_string(run.samples()).unwrap(), "=== step 1\né\n\n");
        run.cut_back(9, bytes).unwrap();
        assert_eq!(run.reports().unwrap().len(), 2);
        fs::write(run.log(), "{}\n").unwrap();
        assert!(run.reports().unwrap_err().to_string().starts_with("line 1 is not a report"));
    }
}
