//! Tests `elman data` offline: copies, a local server that closes the connection early, wrong hashes, files in the way. The
//! tests need one of the texts, because nothing else has its hash.

#[path = "../../../.ci/not_run.rs"]
mod not_run;

use std::fs;
#[cfg(feature = "download")]
use std::io::{BufRead, BufReader, Write};
#[cfg(feature = "download")]
use std::net::TcpListener;
use std::path::{Path, PathBuf};
#[cfg(feature = "download")]
use std::thread::JoinHandle;

use assert_cmd::Command;
use not_run::not_run;

/// The text for the tests, if it exists.
fn text() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/the_cask_of_amontillado_gutenberg.txt");
    let found = path.is_file().then_some(path);
    if found.is_none() {
        not_run("copies by `elman data get`: the text amontillado is not here");
    }
    found
}

const FILE: &str = "the_cask_of_amontillado_gutenberg.txt";

fn get(to: &Path, more: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("elman").unwrap();
    let out = command.args(["data", "get", "amontillado", "--to"]).arg(to).args(more).output().unwrap();
    (out.status.code().unwrap(), String::from_utf8(out.stderr).unwrap())
}

/// What a server does with one request.
#[cfg(feature = "download")]
enum Answer {
    /// Announces the requested bytes, but closes the connection after so many.
    BreakOff(usize),
    /// Sends the requested bytes.
    All,
    /// Ignores the range and sends everything.
    NoRanges,
    /// A status without a body.
    Status(u16),
}

/// Answers requests one after another; returns the requested ranges.
#[cfg(feature = "download")]
fn serve(body: Vec<u8>, answers: Vec<Answer>) -> (String, JoinHandle<Vec<Option<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/text", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut from = None;
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(range) = line.strip_prefix("range: bytes=") {
                    from = range.strip_suffix('-').and_then(|n| n.parse().ok());
                }
            }
            asked.push(from);
            let start = if matches!(answer, Answer::NoRanges) { 0 } else { from.unwrap_or(0) };
            let rest = &body[start..];
            let status = match (&answer, start) {
                (Answer::Status(status), _) => format!("{status} No"),
                (_, 0) => "200 OK".to_string(),
                (_, start) => {
                    format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{}", body.len() - 1, body.len())
                }
            };
            let sent = match answer {
                Answer::BreakOff(n) => &rest[..n],
                Answer::All | Answer::NoRanges => rest,
                Answer::Status(_) => &[],
            };
            let length = if matches!(answer, Answer::Status(_)) { 0 } else { rest.len() };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").unwrap();
            let _ = stream.write_all(sent); // a client that has seen enough hangs up
        }
        asked
    });
    (address, server)
}

#[test]
fn the_list_tells_terms_and_hashes() {
    let out = Command::cargo_bin("elman").unwrap().args(["data", "list", "--json"]).output().unwrap();
    let list: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    for text in list["texts"].as_array().unwrap() {
        assert_eq!(text["sha256"].as_str().unwrap().len(), 64);
        assert!(text["bytes"].as_u64().unwrap() > 1000 && !text["licence"].as_str().unwrap().is_empty());
    }
    let (code, error) = get(Path::new("nowhere"), &["--from", "nothing"]);
    assert_eq!(code, 1);
    assert!(error.starts_with("error: cannot read nothing"), "{error}");
    let _ = fs::remove_dir("nowhere");
    let out = Command::cargo_bin("elman").unwrap().args(["data", "get", "ptb"]).output().unwrap();
    let error = String::from_utf8(out.stderr).unwrap();
    assert_eq!(error, "error: no text is called ptb\nhint: 'elman data list' names them\n");
}

#[test]
fn a_copy_is_checked_and_nothing_is_written_over() {
    let Some(text) = text() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (to, copy) = (dir.path().join("texts"), text.to_str().unwrap());
    assert_eq!(get(&to, &["--from", copy]).0, 0);
    assert_eq!(fs::read(to.join(FILE)).unwrap(), fs::read(&text).unwrap());
    let (code, words) = get(&to, &["--from", "nothing"]);
    assert!(code == 0 && words.contains("exists already and is correct"), "{words}");
    fs::write(to.join(FILE), "mine").unwrap();
    let (code, error) = get(&to, &["--from", copy]);
    assert!(
        code == 1 && error.contains("has 4 bytes, expected the 13,000 of amontillado\nhint: move it away"),
        "{error}"
    );
    assert_eq!(fs::read(to.join(FILE)).unwrap(), b"mine");
    let mut bytes = fs::read(&text).unwrap();
    bytes[77] ^= 1;
    let spoilt = dir.path().join("spoilt");
    fs::write(&spoilt, bytes).unwrap();
    let other = dir.path().join("other");
    let (code, error) = get(&other, &["--from", spoilt.to_str().unwrap()]);
    assert!(code == 1 && error.contains("spoilt has the SHA-256 "), "{error}");
    assert!(!other.join(FILE).exists());
}

#[test]
#[cfg(feature = "download")]
fn an_interrupted_download_continues() {
    let Some(text) = text() else { return };
    let body = fs::read(text).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (url, server) = serve(body.clone(), vec![Answer::BreakOff(5000), Answer::BreakOff(100), Answer::All]);
    for (have, part) in [(5000, "5,000"), (5100, "5,100")] {
        let (code, error) = get(dir.path(), &["--url", &url]);
        assert!(code == 1 && error.contains(&format!("closed the connection after {part} of 13,000 bytes")), "{error}");
        assert!(error.contains("hint: the same command continues from there"), "{error}");
        assert_eq!(fs::metadata(dir.path().join(FILE.to_string() + ".part")).unwrap().len(), have);
        assert!(!dir.path().join(FILE).exists());
    }
    let (code, words) = get(dir.path(), &["--url", &url]);
    assert_eq!(code, 0, "{words}");
    assert_eq!(server.join().unwrap(), [None, Some(5000), Some(5100)]);
    assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), body);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no part is left");
}

#[test]
#[cfg(feature = "download")]
fn servers_without_ranges_and_wrong_texts() {
    let Some(text) = text() else { return };
    let body = fs::read(text).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join(FILE.to_string() + ".part");
    fs::write(&part, "rubbish").unwrap();
    let (url, server) = serve(body.clone(), vec![Answer::NoRanges]);
    assert_eq!(get(dir.path(), &["--url", &url]).0, 0);
    server.join().unwrap();
    assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), body);
    fs::remove_file(dir.path().join(FILE)).unwrap();

    let mut other = body.clone();
    other[0] ^= 1;
    let long = [body.clone(), vec![b'x'; 200_000]].concat();
    for (body, want) in [(other, "has the SHA-256"), (long, "gives more than 13000 bytes")] {
        let (url, server) = serve(body, vec![Answer::All]);
        let (code, error) = get(dir.path(), &["--url", &url]);
        assert!(code == 1 && error.contains(want) && error.contains("the download was deleted"), "{error}");
        server.join().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
    let (url, server) = serve(body, vec![Answer::Status(404)]);
    let (code, error) = get(dir.path(), &["--url", &url]);
    assert!(code == 1 && error.contains("answered 404, expected the text"), "{error}");
    server.join().unwrap();
}
