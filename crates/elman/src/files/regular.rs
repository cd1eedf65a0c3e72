//! Opens regular files only: a FIFO would wait for its other end, a device may never end, and in a run directory, which may
//! come from somebody else, a link could lead anywhere. Not here: writing whole files, which never opens an existing one.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// What becomes of a link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// It is followed: the user named the path.
    Follow,
    /// It is an error: the name is one that a run directory has.
    Refuse,
}

/// Opens a regular file. Errors: a link that is refused; a directory, FIFO, socket or device.
pub fn open(path: &Path, options: &mut OpenOptions, links: Links) -> io::Result<File> {
    let there = if links == Links::Refuse { path.symlink_metadata() } else { path.metadata() };
    if let Ok(there) = there {
        check(there.file_type())?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The file may have been replaced after the check. With O_NONBLOCK, opening a FIFO does not wait.
        let link = if links == Links::Refuse { libc::O_NOFOLLOW } else { 0 };
        options.custom_flags(link | libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// Opens a file to change it in place: as [`open`], and it has no other name. A hard link of another place would be changed
/// there, too. Errors: as [`open`] without links; a file of several names.
pub fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = open(path, options, Links::Refuse)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let names = file.metadata()?.nlink();
        if names > 1 {
            let problem = format!("a file with {names} names (hard links), expected one with no other name");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
    }
    Ok(file)
}

/// Errors: anything but a regular file.
fn check(kind: FileType) -> io::Result<()> {
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_dir() => "a directory",
        () => "a FIFO, socket or device",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{what}, expected a regular file")))
}

/// All bytes of a regular file. Errors: as [`open`]; it cannot be read.
pub fn read(path: &Path, links: Links) -> io::Result<Vec<u8>> {
    let mut file = open(path, OpenOptions::new().read(true), links)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or(0));
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a regular file. Errors: as [`read`]; it is not UTF-8.
pub fn read_to_string(path: &Path, links: Links) -> io::Result<String> {
    String::from_utf8(read(path, links)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}
