//! Gets a data set from a copy or by downloads, and checks size and hash of each file. A file gets its final name only after
//! the check. Not here: overwriting a file that differs; the download (`download.rs`).

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::Context;
use elman::files::atomic_file::write_atomic;
use elman::files::regular::{self, Links};
use sha2::{Digest, Sha256};

use super::catalogue::{DataSet, File};
use super::download::Download;
use crate::failure::Refusal;
use crate::terminal::{grouped, say};

/// The first bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";

/// Puts the files of a data set into `folder`, from the copy or the address if given.
pub fn get(set: &DataSet, folder: &Path, from: Option<&Path>, url: Option<&str>) -> anyhow::Result<()> {
    if let Some(file) = from.filter(|from| set.files.len() > 1 && !from.is_dir()) {
        let message = format!("{} is no folder, expected one with the files of {}", file.display(), set.name);
        return Err(Refusal::new(message).into());
    }
    for file in set.files {
        let path = set.file_path(file, folder);
        if path.symlink_metadata().is_ok() {
            let there =
                regular::read(&path, Links::Follow).with_context(|| format!("cannot read {}", path.display()))?;
            check(file, &there, &path.display().to_string())
                .map_err(|refusal| refusal.hint("move it away, or name another folder with --to"))?;
            say!("{} exists already and is correct", path.display());
            continue;
        }
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        match from {
            Some(from) => copy(file, from, &path)?,
            None => fetch(set, file, &set.address(file, url), &path)?,
        }
        say!("{}: {} bytes, checked", path.display(), grouped(file.bytes));
    }
    Ok(())
}

/// Copies a file from a file, or from a folder with the files of the data set.
fn copy(file: &File, from: &Path, to: &Path) -> anyhow::Result<()> {
    let from = if from.is_dir() { from.join(file.name) } else { from.to_path_buf() };
    let bytes = regular::read(&from, Links::Follow).with_context(|| format!("cannot read {}", from.display()))?;
    let name = from.display().to_string();
    let bytes = unpacked(file, bytes, &name)?;
    check(file, &bytes, &name)?;
    Ok(write_atomic(to, &bytes)?)
}

/// Downloads a file, checks it and gives it its name.
fn fetch(set: &DataSet, file: &File, url: &str, to: &Path) -> anyhow::Result<()> {
    let part = to.with_added_extension("part");
    let begun = part.symlink_metadata().is_ok_and(|known| known.len() > 0);
    let download = || -> anyhow::Result<Result<Vec<u8>, Refusal>> {
        Download {
            url,
            part: &part,
            expected: file.packed.map_or(file.bytes, |packed| packed.bytes),
            most: file.packed.map_or(file.bytes, |packed| packed.bytes.max(file.bytes)),
            instead: &format!("put a copy of it at {}, or give one with --from, which checks it", to.display()),
        }
        .run()?;
        let bytes = regular::read(&part, Links::Refuse).with_context(|| format!("cannot read {}", part.display()))?;
        Ok(unpacked(file, bytes, url).and_then(|bytes| check(file, &bytes, url).map(|()| bytes)))
    };
    let mut checked = download()?;
    if checked.is_err() && begun {
        remove(&part)?; // the beginning that was there may have been of another file
        checked = download()?;
    }
    let bytes = match checked {
        Ok(bytes) => bytes,
        Err(refusal) => {
            remove(&part)?;
            let hint = format!("the file at this address is not that of {}; the download was deleted", set.name);
            return Err(refusal.hint(hint).into());
        }
    };
    if to.symlink_metadata().is_ok() {
        return Err(elman::Error::Exists { path: to.to_path_buf() }.into());
    }
    write_atomic(to, &bytes)?;
    remove(&part)
}

fn remove(part: &Path) -> anyhow::Result<()> {
    fs::remove_file(part).with_context(|| format!("cannot remove {}", part.display()))
}

/// The file in a zip archive; bytes that are no archive, or of a file that none is published of, as they are.
fn unpacked(file: &File, bytes: Vec<u8>, name: &str) -> Result<Vec<u8>, Refusal> {
    let Some(packed) = file.packed.filter(|_| bytes.starts_with(ZIP)) else { return Ok(bytes) };
    let broken = |error: &dyn std::fmt::Display| Refusal::new(format!("cannot unpack {name}: {error}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let entry = archive.by_name(packed.entry).map_err(|error| broken(&format!("{}: {error}", packed.entry)))?;
    let mut out = Vec::new();
    // One more than expected, so that a longer one is noticed.
    entry.take(file.bytes + 1).read_to_end(&mut out).map_err(|error| broken(&error))?;
    Ok(out)
}

/// Checks size and hash. `name` is the source of the bytes, for the message.
fn check(file: &File, bytes: &[u8], name: &str) -> Result<(), Refusal> {
    if bytes.len() as u64 != file.bytes {
        let (got, want) = (grouped(bytes.len() as u64), grouped(file.bytes));
        let more = if bytes.len() as u64 == file.bytes + 1 { " or more" } else { "" };
        return Err(Refusal::new(format!("{name} has {got} bytes{more}, expected the {want} of {}", file.name)));
    }
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if hash != file.sha256 {
        return Err(Refusal::new(format!("{name} has the SHA-256 {hash}, expected {} of {}", file.sha256, file.name)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::data::catalogue::Packed;

    #[test]
    fn a_packed_file_is_unpacked_and_no_longer_than_expected() {
        let packed = Some(Packed { bytes: 0, entry: "fra.txt" });
        let mut file = DataSet::named("eng-fra").unwrap().files[0];
        (file.bytes, file.packed) = (10, packed);
        let zip = |entry: &str, text: &[u8]| {
            let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
            zip.start_file(entry, SimpleFileOptions::default()).unwrap();
            zip.write_all(text).unwrap();
            zip.finish().unwrap().into_inner()
        };
        let of = |bytes: Vec<u8>| unpacked(&file, bytes, "here.zip").map_err(|refusal| refusal.to_string());
        assert_eq!(of(zip("fra.txt", b"Go.\tVa !\n")).unwrap(), b"Go.\tVa !\n");
        assert_eq!(of(zip("fra.txt", &[b'x'; 100_000])).unwrap().len(), 11);
        assert_eq!(of(b"Go.\tVa !".to_vec()).unwrap(), b"Go.\tVa !");
        assert!(of(zip("other.txt", b"Go.")).unwrap_err().starts_with("cannot unpack here.zip: "));
        let mut broken = zip("fra.txt", &[b'x'; 100]);
        broken.truncate(broken.len() / 2);
        assert!(of(broken).unwrap_err().starts_with("cannot unpack here.zip: "));
    }
}
