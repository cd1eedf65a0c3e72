//! The layout of a run directory and every write to it. An existing directory is never reused, two processes cannot
//! train in one, and a file appears whole or not at all. A resume truncates the two files that grow, `log.jsonl` and
//! `samples.txt`, to the last save.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind, Read, Seek, Write},
    path::{Path, PathBuf},
    process,
};

use crate::{
    config::Config,
    error::Error,
    files::atomic_file::{is_unfinished, write_whole},
    files::disk::Disk,
    files::regular::{self, Links},
    train::report::Report,
};

/// The files of a run that appear whole; earlier models, of which [`step_of`] knows the names, are others.
const WHOLE: [&str; 7] = [
    "model.safetensors",
    "best.safetensors",
    "state.safetensors",
    "rollback.safetensors",
    "config.toml",
    "loss.svg",
    "tokens.bin",
];

/// One training run's directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
    disk: Disk,
}

/// Two are the same where they are the same directory.
impl PartialEq for RunDir {
    fn eq(&self, other: &RunDir) -> bool {
        self.path == other.path
    }
}

impl Eq for RunDir {}

/// The right to train into a run; given back when it is dropped, or by the system when the process ends in any way.
#[derive(Debug)]
pub(crate) struct Lock {
    pub run: RunDir,
    /// Whether its files agree with the trainer that has it.
    pub is_in_order: bool,
    /// Holds the number of this process while it is locked; None where the file system knows no locks.
    file: Option<File>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file gives the lock back, with or without this.
        let _ = self.file.as_ref().map(|file| file.set_len(0));
    }
}

impl RunDir {
    /// Makes a new directory (and its parents), or takes that of a run that stopped before its first save. Errors: it
    /// exists, whatever else it holds.
    pub fn create(path: impl Into<PathBuf>) -> Result<RunDir, Error> {
        let path = path.into();
        match RunDir::make(path) {
            Err(Error::Exists { path }) if RunDir::is_free(&path) => Ok(RunDir { path, disk: Disk::default() }),
            made => made,
        }
    }

    /// Whether a run can be started at `path`: nothing is there, or a run that stopped before its first save.
    pub fn is_free(path: &Path) -> bool {
        let is_ours = |name: &str| {
            matches!(name, ".lock" | "config.toml" | "tokens.bin") || is_unfinished(name, |name| WHOLE.contains(&name))
        };
        let holds_ours_only = |entries: fs::ReadDir| {
            let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            !names.is_empty() && names.iter().all(|name| name.to_str().is_some_and(is_ours))
        };
        match path.symlink_metadata() {
            Ok(there) if there.is_dir() => fs::read_dir(path).is_ok_and(holds_ours_only),
            there => there.is_err_and(|error| error.kind() == ErrorKind::NotFound),
        }
    }

    fn make(path: PathBuf) -> Result<RunDir, Error> {
        RunDir::make_in(path, Disk::default())
    }

    /// Makes a new directory through `disk`. It and the parents that had to be made outlive a power cut.
    fn make_in(path: PathBuf, disk: Disk) -> Result<RunDir, Error> {
        let missing = |above: &&Path| !above.as_os_str().is_empty() && !above.exists();
        let made: Vec<PathBuf> = path.ancestors().skip(1).take_while(missing).map(Path::to_path_buf).collect();
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        match fs::create_dir(&path) {
            Ok(()) => {
                for new in made.iter().rev().chain([&path]) {
                    disk.flush_directory(new).map_err(Error::io("create", new))?;
                }
                Ok(RunDir { path, disk })
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Error::Exists { path }),
            Err(error) => Err(Error::io("create", &path)(error)),
        }
    }

    /// Makes `parent/name`, or `parent/name-2`, `-3`, ...: the first that is free, also when others do the same.
    pub fn next_free(parent: &Path, name: &str) -> Result<RunDir, Error> {
        let mut number = 1_u64;
        loop {
            let name = if number == 1 { name.to_string() } else { format!("{name}-{number}") };
            match RunDir::make(parent.join(name)) {
                Err(Error::Exists { .. }) => number += 1,
                made => return made,
            }
        }
    }

    /// Takes back a directory that was made for nothing: its tokens go, and it does where nothing else is in it. What
    /// cannot be removed stays.
    pub fn discard(self) {
        let _ = self.disk.remove(&self.tokens());
        let _ = fs::remove_dir(&self.path);
    }

    /// Opens an existing run. Errors: not a directory, or one without `state.safetensors`.
    pub fn open(path: impl Into<PathBuf>) -> Result<RunDir, Error> {
        let run = RunDir { path: path.into(), disk: Disk::default() };
        let kind = fs::metadata(&run.path).map_err(Error::io("read", &run.path))?;
        if !kind.is_dir() {
            return Err(Error::file(&run.path, "a file, expected a run directory"));
        }
        let state = run.state();
        let is_there = match fs::metadata(&state) {
            Ok(state) => state.is_file(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(Error::io("read", &state)(error)),
        };
        if !is_there {
            let problem = if RunDir::is_free(&run.path) {
                "a run that stopped before its first save: there is nothing to resume, and train --out starts it again"
            } else {
                "not a run directory: it holds no state.safetensors"
            };
            return Err(Error::file(&run.path, problem));
        }
        Ok(run)
    }

    /// The same directory, written to through `disk`.
    pub fn with_disk(self, disk: Disk) -> RunDir {
        RunDir { disk, ..self }
    }

    /// What it is written to through.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Takes the right to train into it and removes what interrupted writes have left. Errors: another process, or
    /// another trainer of this one, has that right.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let path = self.path.join(".lock");
        let mut options = OpenOptions::new();
        let open = regular::open_own(&path, options.create(true).truncate(false).read(true).write(true));
        let mut file = open.map_err(Error::io("lock", &path))?;
        let file = match file.try_lock() {
            Ok(()) => {
                // For the message below, of others; a lock without a number is a lock.
                let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", process::id()));
                Some(file)
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(Error::InUse { path: self.path.clone(), holder: holder.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => None,
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &self.path)(error)),
        };
        self.remove_where(|name| is_unfinished(name, |name| WHOLE.contains(&name) || step_of(name).is_some()))?;
        Ok(Lock { run: self.clone(), is_in_order: false, file })
    }

    /// Removes the files whose names `is_stray` knows.
    fn remove_where(&self, is_stray: impl Fn(&str) -> bool) -> Result<(), Error> {
        for entry in fs::read_dir(&self.path).map_err(Error::io("read", &self.path))? {
            let entry = entry.map_err(Error::io("read", &self.path))?;
            if entry.file_name().to_str().is_some_and(&is_stray) {
                let path = entry.path();
                self.disk.remove(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Removes earlier models but for the `keep` latest, and those of steps after `step`, which a resume makes again.
    pub(crate) fn prune(&self, step: u64, keep: u64) -> Result<(), Error> {
        let mut steps: Vec<u64> = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(Error::io("read", &self.path))? {
            let entry = entry.map_err(Error::io("read", &self.path))?;
            steps.extend(entry.file_name().to_str().and_then(step_of).filter(|&of| of <= step));
        }
        steps.sort_unstable_by(|a, b| b.cmp(a));
        steps.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        self.remove_where(|name| step_of(name).is_some_and(|step| !steps.contains(&step)))
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

    /// `model-STEP.safetensors`, the model saved after a step, where more than the latest are kept.
    pub fn model_of(&self, step: u64) -> PathBuf {
        self.path.join(format!("model-{step}.safetensors"))
    }

    /// `rollback.safetensors`, the save to which a rollback returns, where the run rolls back.
    pub fn rollback(&self) -> PathBuf {
        self.path.join("rollback.safetensors")
    }

    /// `state.safetensors`, all that a resume needs.
    pub fn state(&self) -> PathBuf {
        self.path.join("state.safetensors")
    }

    /// `tokens.bin`, the tokens of a text that stays on the disk.
    pub fn tokens(&self) -> PathBuf {
        self.path.join("tokens.bin")
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
        let text = match regular::read_to_string(&path, Links::Refuse) {
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
        write_whole(&self.disk, &self.config(), config.to_recipe()?.as_bytes())
    }

    /// Adds a line to `log.jsonl`.
    pub(crate) fn append_report(&self, report: &Report) -> Result<(), Error> {
        let path = self.log();
        let line = serde_json::to_string(report).map_err(|error| Error::file(&path, error.to_string()))?;
        self.append(&path, &(line + "\n"))
    }

    /// Adds a sample to `samples.txt`, under a line that says when. Returns the bytes written.
    pub(crate) fn append_sample(&self, step: u64, text: &str) -> Result<u64, Error> {
        let entry = format!("=== step {step}\n{text}\n\n");
        self.append(&self.samples(), &entry)?;
        Ok(entry.len() as u64)
    }

    /// Adds to the end of a file. Where that fails part way, a resume cuts off what was written.
    fn append(&self, path: &Path, text: &str) -> Result<(), Error> {
        self.disk.append(path, text.as_bytes()).map_err(Error::io("write", path))
    }

    /// Brings `log.jsonl` and `samples.txt` to the disk: a state that counts their lines must not outlive them.
    pub(crate) fn flush_log(&self) -> Result<(), Error> {
        for path in [self.log(), self.samples()] {
            self.disk.flush_appended(&path).map_err(Error::io("write", &path))?;
        }
        Ok(())
    }

    /// Cuts `log.jsonl` and `samples.txt` back to what they held at a save. A file that holds less is left alone.
    pub(crate) fn cut_back(&self, log_lines: u64, sample_bytes: u64) -> Result<(), Error> {
        let log = self.log();
        if log.symlink_metadata().is_ok() {
            let bytes = regular::read(&log, Links::Refuse).map_err(Error::io("read", &log))?;
            let lines = bytes.split_inclusive(|&byte| byte == b'\n').take(log_lines as usize);
            self.shorten(&log, lines.map(|line| line.len() as u64).sum())?;
        }
        self.shorten(&self.samples(), sample_bytes)
    }

    /// Cuts a file that is longer than `bytes`.
    fn shorten(&self, path: &Path, bytes: u64) -> Result<(), Error> {
        let length = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            known => known.map_err(Error::io("read", path))?.len(),
        };
        if length > bytes {
            self.disk.shorten(path, bytes).map_err(Error::io("write", path))?;
        }
        Ok(())
    }

    /// Errors: less than `bytes` is free on the disk.
    pub(crate) fn check_space(&self, bytes: u64) -> Result<(), Error> {
        let available = self.disk.free_space(&self.state()).map_err(Error::io("read", &self.path))?;
        if available < bytes {
            Err(Error::DiskSpace { path: self.path.clone(), needed: bytes, available })
        } else {
            Ok(())
        }
    }
}

/// The step in the name of an earlier model.
fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("model-")?.strip_suffix(".safetensors")?;
    step.bytes().all(|byte| byte.is_ascii_digit()).then(|| step.parse().ok())?
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
            metrics: [("bpc".to_string(), 1.0), ("ppl".to_string(), 2.0)].into(),
            lr: 1e-3,
            grad_norm: 0.5,
            tokens_per_sec: 1e5,
            seconds: 1.5,
            validation_changed: false,
            bad: None,
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
    fn the_names_of_new_directories_are_brought_to_the_disk() {
        use std::sync::{Arc, Mutex};
        let dir = tempfile::tempdir().unwrap();
        let flushed = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&flushed);
        let disk = Disk::gated(move |operation, path| {
            assert_eq!(operation, crate::files::disk::Operation::FlushDirectory);
            log.lock().unwrap().push(path.to_path_buf());
            None
        });
        RunDir::make_in(dir.path().join("a/b/run"), disk).unwrap();
        let want = ["", "a", "a/b"].map(|name| dir.path().join(name));
        assert_eq!(flushed.lock().unwrap()[..], want.map(|path| path.components().collect::<PathBuf>()));
    }

    #[test]
    fn one_trains_at_a_time_and_what_was_left_unfinished_goes() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        let strays = ["model.safetensors.tmp", "state.safetensors.7-1.tmp", "model-3.safetensors.7-2.tmp"];
        let others = ["notes.tmp", "model-3.safetensors", "model-x.safetensors.7-2.tmp"];
        for name in strays.iter().chain(&others) {
            fs::write(run.path().join(name), "").unwrap();
        }
        let lock = run.lock().unwrap();
        assert!(strays.iter().all(|name| !run.path().join(name).exists()));
        assert!(others.iter().all(|name| run.path().join(name).exists()));
        let refused = run.lock().unwrap_err().to_string();
        let want = format!("run is being trained into by process {}, expected one that nobody trains", process::id());
        assert!(refused.ends_with(&want), "{refused}");
        drop(lock);
        assert_eq!(run.lock().unwrap().run, run);
    }

    #[test]
    fn earlier_models_are_kept_as_long_as_they_should() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        let others = [run.model(), run.best(), run.path().join("model-7.txt"), run.path().join("model-.safetensors")];
        for path in others.iter().cloned().chain([2, 9, 10, 30].map(|step| run.model_of(step))) {
            fs::write(path, "").unwrap();
        }
        run.prune(10, 2).unwrap();
        assert_eq!([2, 9, 10, 30].map(|step| run.model_of(step).exists()), [false, true, true, false]);
        assert!(others.iter().all(|path| path.exists()));
    }

    #[test]
    fn too_little_space_is_told_in_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::gated(|operation, _| {
            (operation == crate::files::disk::Operation::AskSpace).then_some(crate::files::disk::Fault::Short(99))
        });
        let run = RunDir::create(dir.path().join("run")).unwrap();
        assert!(run.check_space(1).is_ok(), "the disk itself has a byte");
        let run = run.with_disk(disk);
        assert!(run.check_space(99).is_ok());
        let error = run.check_space(100).unwrap_err().to_string();
        assert!(error.starts_with("a save takes 100 bytes, but 99 are free on the disk of "), "{error}");
    }

    #[test]
    fn the_log_comes_back_and_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        assert!(run.reports().unwrap().is_empty());
        run.cut_back(0, 0).unwrap();
        let mut reports = [report(1, None), report(2, Some(1.25)), report(3, None)];
        reports[1].metrics.insert("ppl".to_string(), f64::INFINITY);
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
