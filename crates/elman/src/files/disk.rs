//! The operations by which files reach the disk, each through one function where a test can make it fail. Not here: the
//! order of writes, which the callers decide.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::Path,
    sync::Arc,
};

use crate::files::regular;

/// What is about to be done to a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A file that did not exist is made.
    Create,
    /// A file that grows is opened.
    Open,
    /// Bytes are given to the system.
    Write,
    /// The system is told to bring a file to the disk.
    Flush,
    /// A file takes a name, and the place of whatever had it.
    Rename,
    /// The system is told to bring the names in a directory to the disk.
    FlushDirectory,
    /// A file is removed.
    Remove,
    /// A file is cut.
    Shorten,
    /// The system is asked how much available is left.
    AskSpace,
}

/// The failure of an operation.
#[derive(Debug)]
pub enum Fault {
    /// It fails.
    Error(io::Error),
    /// A write accepts only this many bytes and reports it; a query for free space returns this number.
    Short(u64),
}

type Gate = dyn Fn(Operation, &Path) -> Option<Fault> + Send + Sync;

/// The disk, or the disk behind a gate.
#[derive(Clone, Default)]
pub struct Disk {
    gate: Option<Arc<Gate>>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.gate.is_some() { "Disk (gated)" } else { "Disk" })
    }
}

impl Disk {
    /// The disk behind a gate: `gate` is asked before each operation, and may let it fail.
    pub fn gated(gate: impl Fn(Operation, &Path) -> Option<Fault> + Send + Sync + 'static) -> Disk {
        Disk { gate: Some(Arc::new(gate)) }
    }

    fn ask(&self, operation: Operation, path: &Path) -> Option<Fault> {
        self.gate.as_ref().and_then(|gate| gate(operation, path))
    }

    fn pass(&self, operation: Operation, path: &Path) -> io::Result<()> {
        match self.ask(operation, path) {
            Some(Fault::Error(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes a file for writing. Errors: it exists.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        self.pass(Operation::Create, path)?;
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    /// Writes all of `bytes`, in as many calls as the system needs.
    pub(crate) fn write(&self, file: &mut File, path: &Path, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let most = match self.ask(Operation::Write, path) {
                Some(Fault::Error(error)) => return Err(error),
                Some(Fault::Short(most)) => bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX)),
                None => bytes.len(),
            };
            match file.write(&bytes[..most]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => bytes = &bytes[taken..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Brings a file's bytes to the disk.
    pub(crate) fn flush(&self, file: &File, path: &Path) -> io::Result<()> {
        self.pass(Operation::Flush, path)?;
        file.sync_all()
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(Operation::Rename, to)?;
        fs::rename(from, to)
    }

    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.pass(Operation::Remove, path)?;
        fs::remove_file(path)
    }

    /// Makes the names in the directory of `path` last through a power cut, where the system knows how.
    pub(crate) fn flush_directory(&self, path: &Path) -> io::Result<()> {
        let directory = directory(path);
        self.pass(Operation::FlushDirectory, directory)?;
        if !cfg!(unix) {
            return Ok(());
        }
        match File::open(directory)?.sync_all() {
            // Some file systems have nothing to flush there, and return one of these errors.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            flushed => flushed,
        }
    }

    /// Adds to the end of a file, which is made where there is none. Errors: a link, a file with
    /// another name, or anything else but a regular file.
    pub(crate) fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.pass(Operation::Open, path)?;
        let mut file = regular::open_own(path, OpenOptions::new().create(true).append(true))?;
        self.write(&mut file, path, bytes)
    }

    /// Brings what was appended to the disk; nothing where there is no such file.
    pub(crate) fn flush_appended(&self, path: &Path) -> io::Result<()> {
        match regular::open_own(path, OpenOptions::new().append(true)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            opened => self.flush(&opened?, path),
        }
    }

    /// Cuts a file to `bytes`.
    pub(crate) fn shorten(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.pass(Operation::Shorten, path)?;
        regular::open_own(path, OpenOptions::new().write(true))?.set_len(bytes)
    }

    /// Bytes that can still be written in the directory of `path`.
    pub(crate) fn free_space(&self, path: &Path) -> io::Result<u64> {
        match self.ask(Operation::AskSpace, path) {
            Some(Fault::Error(error)) => Err(error),
            Some(Fault::Short(bytes)) => Ok(bytes),
            None => fs4::available_space(directory(path)),
        }
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
