//! Writes a whole file atomically: completely or not at all, and on the disk before the caller is told. Not here:
//! appending.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{error::Error, files::disk::Disk};

/// What the name of a file ends in that is not whole yet.
const UNFINISHED: &str = ".tmp";

/// Writes a file whole or not at all: a new file in the same directory, flushed to the disk, renamed, and the directory
/// flushed. When this returns the file would survive a power cut.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_whole(&Disk::default(), path, bytes)
}

/// [`write_atomic`] on a given disk.
pub(crate) fn write_whole(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = Unfinished::begin(disk, path)?;
    file.write(bytes)?;
    file.finish()
}

/// A file that is being written: it gets its name when it is finished, and is deleted if it is dropped before.
pub(crate) struct Unfinished<'a> {
    disk: &'a Disk,
    path: &'a Path,
    temporary: PathBuf,
    file: File,
    is_finished: bool,
}

impl<'a> Unfinished<'a> {
    /// A new file in the directory of `path`.
    pub fn begin(disk: &'a Disk, path: &'a Path) -> Result<Unfinished<'a>, Error> {
        let (temporary, file) = begin(disk, path).map_err(Error::io("write", path))?;
        Ok(Unfinished { disk, path, temporary, file, is_finished: false })
    }

    /// Adds to its end.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.disk.write(&mut self.file, &self.temporary, bytes).map_err(Error::io("write", self.path))
    }

    /// Brings it to the disk and gives it its name.
    pub fn finish(mut self) -> Result<(), Error> {
        let finish = |this: &mut Unfinished<'_>| {
            this.disk.flush(&this.file, &this.temporary)?;
            this.disk.rename(&this.temporary, this.path)?;
            this.is_finished = true;
            this.disk.flush_directory(this.path)
        };
        finish(&mut self).map_err(Error::io("write", self.path))
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            // The first error is the one to tell; what cannot be removed now is swept at the next start.
            let _ = self.disk.remove(&self.temporary);
        }
    }
}

/// A new file in the directory of `path`, of a name that no other writer has.
fn begin(disk: &Disk, path: &Path) -> io::Result<(PathBuf, File)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut name: OsString = path.as_os_str().to_os_string();
        name.push(format!(".{}-{number}{UNFINISHED}", process::id()));
        match disk.create(Path::new(&name)) {
            // The remains of a process that had our number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return Ok((name.into(), made?)),
        }
    }
}

/// Whether a file of this name is what an interrupted write of one of `names` left behind.
pub(crate) fn is_unfinished(name: &str, names: impl Fn(&str) -> bool) -> bool {
    let Some(rest) = name.strip_suffix(UNFINISHED) else { return false };
    names(rest) || rest.rsplit_once('.').is_some_and(|(written, _)| names(written))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::disk::{Fault, Operation};

    #[test]
    fn writing_replaces_whole_files_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        // A directory cannot be replaced by a file: the error names the target, the temporary file is deleted.
        let blocked = dir.path().join("d");
        fs::create_dir_all(blocked.join("x")).unwrap();
        assert!(matches!(write_atomic(&blocked, b"z"), Err(Error::Io { action: "write", .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn every_step_is_taken_in_its_order_and_a_short_write_continues() {
        use std::sync::{Arc, Mutex};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let seen = Arc::new(Mutex::new(vec![]));
        let log = Arc::clone(&seen);
        let disk = Disk::gated(move |operation, _| {
            let mut seen = log.lock().unwrap();
            seen.push(operation);
            (seen.len() == 2).then_some(Fault::Short(2))
        });
        write_whole(&disk, &path, b"four").unwrap();
        use Operation::*;
        assert_eq!(*seen.lock().unwrap(), [Create, Write, Write, Flush, Rename, FlushDirectory]);
        assert_eq!(fs::read(&path).unwrap(), b"four");
    }

    #[test]
    fn what_others_left_is_neither_used_nor_mistaken() {
        let ours = |name: &str| name == "model.safetensors";
        assert!(is_unfinished("model.safetensors.tmp", ours) && is_unfinished("model.safetensors.12-0.tmp", ours));
        for other in ["model.safetensors", "notes.tmp", "model.safetensors.12-0", "my.model.safetensors.1-2.tmp"] {
            assert!(!is_unfinished(other, ours), "{other}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for number in 0..2000 {
            fs::write(dir.path().join(format!("f.{}-{number}.tmp", process::id())), "another's").unwrap();
        }
        write_atomic(&path, b"mine").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2001);
    }
}
