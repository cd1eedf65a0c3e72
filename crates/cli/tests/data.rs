//! Tests `elman data` offline: copies, a local server that closes the connection early, wrong hashes, files in the way. The
//! tests need one of the texts, because nothing else has its hash.

#[path = "../../../.ci/not_run.rs"]
mod not_run;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
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

/// Whether downloads can be tested.
fn has_curl() -> bool {
    let found = std::process::Command::new("curl").arg("--version").output().is_ok();
    if !found {
        not_run("downloads by `elman data get`: this machine has no curl");
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
    for set in list["data_sets"].as_array().unwrap() {
        assert!(!set["licence"].as_str().unwrap().is_empty() && set["url"].as_str().unwrap().starts_with("https://"));
        for file in set["files"].as_array().unwrap() {
            assert!(file["sha256"].as_str().unwrap().len() == 64 && file["bytes"].as_u64().unwrap() > 300);
        }
    }
    let (code, error) = get(Path::new("nowhere"), &["--from", "nothing"]);
    assert_eq!(code, 1);
    assert!(error.starts_with("error: cannot read nothing"), "{error}");
    let _ = fs::remove_dir("nowhere");
    let refused = |name: &str| {
        let out = Command::cargo_bin("elman").unwrap().args(["data", "get", name]).output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        String::from_utf8(out.stderr).unwrap()
    };
    assert_eq!(refused("ptc"), "error: no data set is called ptc\nhint: 'elman data list' names them\n");
    let ptb = refused("ptb");
    assert!(
        ["do not allow", "ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"].iter().all(|word| ptb.contains(word)),
        "{ptb}"
    );
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
        code == 1
            && error.contains(
                "has 4 bytes, expected the 13,000 of the_cask_of_amontillado_gutenberg.txt\nhint: move it away"
            ),
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
fn an_interrupted_download_continues() {
    let Some(text) = text().filter(|_| has_curl()) else { return };
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
fn servers_without_ranges_and_wrong_texts() {
    let Some(text) = text().filter(|_| has_curl()) else { return };
    let body = fs::read(text).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join(FILE.to_string() + ".part");
    fs::write(&part, "rubbish").unwrap();
    let (url, server) = serve(body.clone(), vec![Answer::NoRanges, Answer::NoRanges]);
    assert_eq!(get(dir.path(), &["--url", &url]).0, 0);
    server.join().unwrap();
    assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), body);
    fs::remove_file(dir.path().join(FILE)).unwrap();

    let mut other = body.clone();
    other[0] ^= 1;
    let long = [body.clone(), vec![b'x'; 200_000]].concat();
    for (body, want) in [(other, "has the SHA-256"), (long, "gives more than 13,000 bytes")] {
        let (url, server) = serve(body, vec![Answer::All]);
        let (code, error) = get(dir.path(), &["--url", &url]);
        assert!(code == 1 && error.contains(want), "{error}");
        server.join().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
    let (url, server) = serve(body, vec![Answer::Status(404)]);
    let (code, error) = get(dir.path(), &["--url", &url]);
    assert!(code == 1 && error.contains("404") && error.contains("hint: put a copy of it at "), "{error}");
    server.join().unwrap();
}

/// Answers every request with the file of `folder` that it names last, or under another name.
fn serve_folder(folder: PathBuf, renamed: &'static [(&'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            let path = first.split(' ').nth(1).unwrap_or_default();
            let asked = path.rsplit('/').next().unwrap_or_default().to_string();
            let _ = lines.take_while(|line| !line.is_empty()).count();
            let name = renamed.iter().find(|(from, _)| *from == asked).map_or(asked.as_str(), |(_, to)| to);
            let body = fs::read(folder.join(name)).unwrap_or_default();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).unwrap();
            let _ = stream.write_all(&body);
        }
    });
    address
}

#[test]
fn every_data_set_comes_from_a_server() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !has_curl() || text().is_none() {
        return;
    }
    let folders =
        [("names", "names"), ("m4-hourly", "m4"), ("airline-passengers", "series"), ("monthly-sunspots", "series")];
    let renamed = &[
        ("input.txt", "tinyshakespeare.txt"),
        ("cask_of_amontillado.txt", FILE),
        ("fra-eng.zip", "eng-fra.txt"), // a server with the unpacked file
    ];
    let dir = tempfile::tempdir().unwrap();
    let out = Command::cargo_bin("elman").unwrap().args(["data", "list", "--json"]).output().unwrap();
    let list: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let mut files = 0;
    for set in list["data_sets"].as_array().unwrap() {
        let name = set["name"].as_str().unwrap();
        let folder = folders.iter().find(|(of, _)| *of == name).map_or("", |(_, folder)| folder);
        let folder = if name == "daily-min-temperatures" { "series" } else { folder };
        let renamed =
            if name == "timemachine-d2l" { &[("timemachine.txt", "timemachine_d2l.txt")][..] } else { renamed };
        let url = serve_folder(shared.join(folder), renamed);
        let mut get = Command::cargo_bin("elman").unwrap();
        let out = get.args(["data", "get", name, "--url", &url, "--to"]).arg(dir.path()).output().unwrap();
        assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
        let own = dir.path().join(set["folder"].as_str().unwrap_or_default());
        for file in set["files"].as_array().unwrap() {
            let file = file["name"].as_str().unwrap();
            assert_eq!(fs::read(own.join(file)).unwrap(), fs::read(shared.join(folder).join(file)).unwrap(), "{file}");
            files += 1;
        }
    }
    assert_eq!(files, 28);
    // A folder with copies of all.
    let other = dir.path().join("other");
    let mut get = Command::cargo_bin("elman").unwrap();
    let out = get
        .args(["data", "get", "names", "--from"])
        .arg(shared.join("names"))
        .arg("--to")
        .arg(&other)
        .output()
        .unwrap();
    assert!(
        out.status.success() && other.join("names/Polish.txt").exists(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn without_curl_a_message_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut get = Command::cargo_bin("elman").unwrap();
    let out =
        get.args(["data", "get", "amontillado"]).env("PATH", dir.path()).current_dir(dir.path()).output().unwrap();
    let error = String::from_utf8(out.stderr).unwrap();
    assert!(error.starts_with("error: cannot start curl, which fetches https://"), "{error}");
    assert!(error.contains(&format!("hint: put a copy of it at data/{FILE}, or give one with --from")), "{error}");
}
