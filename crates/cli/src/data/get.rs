//! Gets a text from a copy or by a download that continues after an interruption, and checks its size and hash. A file gets
//! its final name only after the check. Not here: overwriting a file that differs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use elman::files::atomic_file::write_atomic;
use sha2::{Digest, Sha256};

use super::Text;
use crate::failure::Refusal;
use crate::terminal::{grouped, say};

/// Puts a text into a folder. Errors: a different file of that name; a copy or a download with another hash.
pub fn get(text: &Text, folder: &Path, from: Option<&Path>, url: Option<&str>) -> anyhow::Result<()> {
    let path = text.path(folder);
    if path.symlink_metadata().is_ok() {
        let there = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        check(text, &there, &path.display().to_string())
            .map_err(|refusal| refusal.hint("move it away, or name another folder with --to"))?;
        say!("{} exists already and is correct", path.display());
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    match from {
        Some(copy) => {
            let bytes = fs::read(copy).with_context(|| format!("cannot read {}", copy.display()))?;
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
fn check(text: &Text, bytes: &[u8], name: &str) -> Result<(), Refusal> {
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

/// The path of a download until it is complete.
#[cfg_attr(not(feature = "download"), expect(dead_code))]
fn part(path: &Path) -> PathBuf {
    path.with_added_extension("part")
}

#[cfg(not(feature = "download"))]
fn download(text: &Text, path: &Path, url: &str) -> anyhow::Result<()> {
    let message = format!("this program was built without the feature download, and {} is at {url}", text.name);
    let hint = format!("fetch it by other means, then: elman data get {} --from FILE", text.name);
    let _ = path;
    Err(Refusal::new(message).hint(hint).into())
}

/// Downloads the missing part of the text, checks the whole, and renames the file.
#[cfg(feature = "download")]
fn download(text: &Text, path: &Path, url: &str) -> anyhow::Result<()> {
    let part = part(path);
    let have = fs::metadata(&part).map(|known| known.len()).unwrap_or(0);
    let have = if have > text.bytes { 0 } else { have };
    if have < text.bytes {
        fetch(text, &part, url, have)?;
    }
    let bytes = fs::read(&part).with_context(|| format!("cannot read {}", part.display()))?;
    if let Err(refusal) = check(text, &bytes, url) {
        fs::remove_file(&part).with_context(|| format!("cannot remove {}", part.display()))?;
        return Err(refusal.hint("the text at this address is different; the download was deleted").into());
    }
    if path.symlink_metadata().is_ok() {
        return Err(elman::Error::Exists { path: path.to_path_buf() }.into());
    }
    fs::rename(&part, path).with_context(|| format!("cannot rename {}", part.display()))
}

/// Appends to `part`, which has `have` bytes, the rest of the text; starts again if the server does not support ranges.
#[cfg(feature = "download")]
fn fetch(text: &Text, part: &Path, url: &str, have: u64) -> anyhow::Result<()> {
    use std::io::{Read, Write};

    let seconds = |n| Some(std::time::Duration::from_secs(n));
    let config = ureq::Agent::config_builder()
        .timeout_connect(seconds(30))
        .timeout_recv_response(seconds(60))
        .http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.call().with_context(|| format!("cannot fetch {url}"))?;
    let starts_at = |value: &str| value.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok();
    let range = response.headers().get("content-range").and_then(|value| starts_at(value.to_str().ok()?));
    let have = match response.status().as_u16() {
        200 => 0,
        206 if range == Some(have) => have,
        status => {
            let message = format!("{url} answered {status}, expected the text");
            return Err(Refusal::new(message)
                .hint("look at the address in a browser, or give a copy with --from")
                .into());
        }
    };
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(part)
        .with_context(|| format!("cannot write {}", part.display()))?;
    file.set_len(have).with_context(|| format!("cannot write {}", part.display()))?;
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0))?;
    let bar = crate::progress::bytes(text.bytes, have);
    let (mut body, mut buffer, mut got) = (response.into_body().into_reader(), vec![0; 1 << 16], have);
    let broken = |got: u64| {
        Refusal::new(format!("{url} closed the connection after {} of {} bytes", grouped(got), grouped(text.bytes)))
            .hint("the same command continues from there")
    };
    loop {
        let n = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) => return Err(anyhow::Error::from(error).context(broken(got))),
        };
        got += n as u64;
        if got > text.bytes {
            drop(file);
            fs::remove_file(part).with_context(|| format!("cannot remove {}", part.display()))?;
            let message = format!("{url} gives more than {} bytes, expected no more of {}", text.bytes, text.name);
            return Err(Refusal::new(message)
                .hint("the text at this address is different; the download was deleted")
                .into());
        }
        file.write_all(&buffer[..n]).with_context(|| format!("cannot write {}", part.display()))?;
        bar.set_position(got);
    }
    bar.finish_and_clear();
    if got < text.bytes { Err(broken(got).into()) } else { Ok(()) }
}
