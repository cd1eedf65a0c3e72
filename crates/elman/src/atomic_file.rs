//! Holds the one way a whole file is written: entirely or not at all. Refuses appending.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use crate::error::Error;

/// Writes a file whole or not at all: a temporary file beside it, flushed to the disk, then renamed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut temporary = path.as_os_str().to_os_string();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    let written = write();
    if written.is_err() {
        // The first error is the one to tell; what could not be written may be impossible to remove.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(Error::io("write", path))?;
    flush_directory(path);
    Ok(())
}

/// Makes a rename last through a power cut, where the system can; where it cannot, the file is there all the same.
fn flush_directory(path: &Path) {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) {
        let _ = File::open(parent).and_then(|dir| dir.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_replaces_whole_files_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        // A directory cannot be replaced by a file: the error names the target, the temporary file is gone.
        let blocked = dir.path().join("d");
        fs::create_dir_all(blocked.join("x")).unwrap();
        assert!(matches!(write_atomic(&blocked, b"z"), Err(Error::Io { action: "write", .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
