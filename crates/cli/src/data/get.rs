//! Gets a text from a copy or by a download, and checks its size and hash. A file gets its final name only after the check.
//! Not here: overwriting a file that differs; the download (`download.rs`).

use std::fs;
use std::path::Path;

use anyhow::Context;
use elman::files::atomic_file::write_atomic;
use elman::files::regular::{self, Links};
use sha2::{Digest, Sha256};

use super::Text;
#[cfg(feature = "download")]
use super::download::download;
use crate::failure::Refusal;
use crate::terminal::{grouped, say};

/// Puts a text into a folder. Errors: a different file of that name; a copy or a download with another hash.
pub fn get(text: &Text, folder: &Path, from: Option<&Path>, url: Option<&str>) -> anyhow::Result<()> {
    let path = text.path(folder);
    if path.symlink_metadata().is_ok() {
        let there = regular::read(&path, Links::Follow).with_context(|| format!("cannot read {}", path.display()))?;
        check(text, &there, &path.display().to_string())
            .map_err(|refusal| refusal.hint("move it away, or name another folder with --to"))?;
        say!("{} exists already and is correct", path.display());
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    match from {
        Some(copy) => {
            let bytes =
                regular::read(copy, Links::Follow).with_context(|| format!("cannot read {}", copy.display()))?;
            check(text, &bytes, &copy.display().to_string())?;
            write_atomic(&path, &bytes)?;
        }
        None => download(text, &path, url.unwrap_or(text.url))?,
    }
    say!("{}, {} bytes, checked", path.display(), grouped(text.bytes));
    say!("{}: {}", text.name, text.licence);
    Ok(())
}

/// Checks size and hash. `name` is the source of the bytes, for the message.
pub(super) fn check(text: &Text, bytes: &[u8], name: &str) -> Result<(), Refusal> {
    if bytes.len() as u64 != text.bytes {
        let (got, want) = (grouped(bytes.len() as u64), grouped(text.bytes));
        return Err(Refusal::new(format!("{name} has {got} bytes, expected the {want} of {}", text.name)));
    }
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if hash != text.sha256 {
        return Err(Refusal::new(format!("{name} has the SHA-256 {hash}, expected {} for {}", text.sha256, text.name)));
    }
    Ok(())
}

#[cfg(not(feature = "download"))]
fn download(text: &Text, path: &Path, url: &str) -> anyhow::Result<()> {
    let message = format!("this program was built without the feature download, and {} is at {url}", text.name);
    let hint = format!("fetch it by other means, then: elman data get {} --from FILE", text.name);
    let _ = path;
    Err(Refusal::new(message).hint(hint).into())
}
