//! Downloads a file with the program curl, which Windows, macOS and most Linux systems have: a TLS library of our own would
//! take longer to build than all the rest. Continues after an interruption, gives up on an address that sends too little, and
//! never leaves HTTPS. Not here: addresses and hashes.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use elman::files::regular::{self, Links};

use crate::failure::Refusal;
use crate::progress;
use crate::terminal::grouped;

/// The speed in bytes a second, and for how many seconds it may be less.
#[derive(Clone, Copy)]
struct Least {
    bytes: u64,
    seconds: u64,
}

/// A kilobyte a second: slower, and the smallest text takes minutes.
const LEAST: Least = Least { bytes: 1 << 10, seconds: 30 };
/// Exit codes of curl: a status of 400 or more; the transfer is shorter than announced; too slow or no connection in time; the
/// server does not know ranges; no answer; more bytes than allowed; the connection broke.
const STATUS: i32 = 22;
const PARTIAL: i32 = 18;
const TIMEOUT: i32 = 28;
const NO_RANGES: i32 = 33;
const EMPTY: i32 = 52;
const TOO_LARGE: i32 = 63;
const RECEIVE: i32 = 56;

/// What to download.
pub struct Download<'a> {
    /// The address.
    pub url: &'a str,
    /// The file to add to; what it holds is the beginning.
    pub part: &'a Path,
    /// Bytes of the whole, for the progress.
    pub expected: u64,
    /// More bytes than these are an error.
    pub most: u64,
    /// What a user without a connection can do.
    pub instead: &'a str,
}

impl Download<'_> {
    /// Downloads what is missing. Errors: no curl, no connection, a server that refuses, stops or sends too much.
    pub fn run(&self) -> Result<(), Refusal> {
        let have = self.part.symlink_metadata().map(|known| known.len()).unwrap_or(0);
        match have {
            have if have == self.expected => return Ok(()),
            have if have > 0 && have < self.most => match self.fetch(have, LEAST) {
                Err(Stop::NoRanges) => {}
                done => return done.map_err(|stop| self.refusal(stop)),
            },
            _ => {}
        }
        self.fetch(0, LEAST).map_err(|stop| self.refusal(stop)).inspect_err(|_| {
            if self.part.symlink_metadata().is_ok_and(|known| known.len() == 0) {
                let _ = std::fs::remove_file(self.part);
            }
        })
    }

    /// Adds to the first `have` bytes of `part` what follows.
    fn fetch(&self, have: u64, least: Least) -> Result<(), Stop> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false);
        let mut file = regular::open(self.part, &mut options, Links::Refuse).map_err(Stop::Write)?;
        let mut curl = command(self.url, self.url, have, self.most, least).spawn().map_err(Stop::NoCurl)?;
        let mut body = curl.stdout.take().ok_or(Stop::NoCurl(io::ErrorKind::BrokenPipe.into()))?;
        let bar = progress::bytes(self.expected, have);
        let (mut got, mut buffer) = (have, vec![0; 1 << 16]);
        loop {
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    end(curl);
                    return Err(Stop::NoCurl(error));
                }
            };
            got += n as u64;
            let written = match got {
                _ if got > self.most => Err(Stop::TooLong),
                // Nothing of an older part is lost before the server sends something.
                _ if got == have + n as u64 => file
                    .set_len(have)
                    .and_then(|()| file.seek(SeekFrom::End(0)))
                    .and_then(|_| file.write_all(&buffer[..n]))
                    .map_err(Stop::Write),
                _ => file.write_all(&buffer[..n]).map_err(Stop::Write),
            };
            if let Err(stop) = written {
                end(curl);
                bar.finish_and_clear();
                return Err(stop);
            }
            bar.set_position(got);
        }
        bar.finish_and_clear();
        let done = curl.wait_with_output().map_err(Stop::NoCurl)?;
        let words = String::from_utf8_lossy(&done.stderr).trim().to_string();
        match done.status.code() {
            Some(0) => Ok(()),
            Some(NO_RANGES) if have > 0 => Err(Stop::NoRanges),
            Some(STATUS) if have > 0 && words.contains("416") => Err(Stop::NoRanges),
            Some(TOO_LARGE) => Err(Stop::TooLong),
            Some(PARTIAL | EMPTY | RECEIVE) => Err(Stop::Closed { got }),
            Some(TIMEOUT) if got > have => Err(Stop::Slow { got }),
            _ => Err(Stop::Refused { words }),
        }
    }

    /// The message and the hint of a stop.
    fn refusal(&self, stop: Stop) -> Refusal {
        let url = self.url;
        let so_far = |got| format!("after {} of {} bytes", grouped(got), grouped(self.expected));
        let again = "the same command continues from there";
        let (message, hint) = match stop {
            Stop::NoCurl(error) => (format!("cannot start curl, which fetches {url}: {error}"), self.instead),
            Stop::Refused { words } => (format!("cannot fetch {url}: {words}"), self.instead),
            Stop::NoRanges => (format!("{url} does not continue a download"), "delete the .part file"),
            Stop::Closed { got } => (format!("{url} closed the connection {}", so_far(got)), again),
            Stop::Slow { got } => {
                let expected = format!("expected at least {} a second for {} s", grouped(LEAST.bytes), LEAST.seconds);
                (format!("{url} sent too little {}, {expected}", so_far(got)), again)
            }
            Stop::TooLong => {
                // What came is not the beginning of the file.
                let _ = std::fs::remove_file(self.part);
                (format!("{url} gives more than {} bytes", grouped(self.most)), self.instead)
            }
            Stop::Write(error) => (format!("cannot write {}: {error}", self.part.display()), ""),
        };
        let refusal = Refusal::new(message);
        if hint.is_empty() { refusal } else { refusal.hint(hint) }
    }
}

/// Why a download ended early.
#[derive(Debug)]
enum Stop {
    /// Curl cannot be started.
    NoCurl(io::Error),
    /// Curl could not fetch it, and says why.
    Refused { words: String },
    /// The server gives the whole file only.
    NoRanges,
    /// The connection broke.
    Closed { got: u64 },
    /// Too few bytes came.
    Slow { got: u64 },
    /// More bytes came than expected.
    TooLong,
    /// The disk.
    Write(io::Error),
}

/// The call of curl that writes `target` from byte `have` on to its standard output. Where `url` is HTTPS, so is everything
/// that is fetched: `target`, which is `url` itself, and each address that it is redirected to.
fn command(url: &str, target: &str, have: u64, most: u64, least: Least) -> Command {
    let is_https = url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    let allowed = if is_https { "=https" } else { "=http,https" };
    let mut curl = Command::new("curl");
    curl.arg("--disable") // no settings of the user's .curlrc
        .args(["--silent", "--show-error", "--fail", "--location", "--globoff", "--max-redirs", "5"])
        .args(["--proto", allowed, "--proto-redir", allowed, "--connect-timeout", "30"])
        .args(["--speed-limit", &least.bytes.to_string(), "--speed-time", &least.seconds.to_string()])
        .args(["--max-filesize", &most.to_string(), "--url", target]);
    if have > 0 {
        curl.args(["--continue-at", &have.to_string()]);
    }
    curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    curl
}

/// Ends curl.
fn end(mut curl: Child) {
    let _ = curl.kill();
    let _ = curl.wait();
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::*;

    fn has_curl() -> bool {
        let found = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !found {
            crate::not_run::not_run("downloads: this machine has no curl");
        }
        found
    }

    /// Answers one request with a status line and headers, then one byte after each pause.
    fn serve(answer: &'static str, pause: Duration, count: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/text", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let _ = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: {count}\r\nConnection: close\r\n\r\n").unwrap();
            for _ in 0..count {
                std::thread::sleep(pause);
                if stream.write_all(b"x").is_err() {
                    break;
                }
            }
        });
        address
    }

    #[test]
    fn a_body_that_drips_or_stalls_is_given_up_and_a_steady_one_is_read() {
        if !has_curl() {
            return;
        }
        let (dir, least) = (tempfile::tempdir().unwrap(), Least { bytes: 100, seconds: 2 });
        let part = dir.path().join("part");
        let fetch = |pause, count| {
            let url = serve("200 OK", Duration::from_millis(pause), count);
            Download { url: &url, part: &part, expected: count as u64, most: 1 << 20, instead: "" }.fetch(0, least)
        };
        let begun = Instant::now();
        // Ten bytes a second, for hours; and nothing at all.
        let stop = fetch(100, 1 << 20).unwrap_err();
        assert!(matches!(stop, Stop::Slow { got: 1.. }), "{stop:?}");
        let stop = fetch(3_600_000, 1).unwrap_err();
        assert!(matches!(&stop, Stop::Refused { words } if words.contains("(28)")), "{stop:?}");
        assert!(begun.elapsed() < Duration::from_secs(30));
        fetch(1, 2500).unwrap();
        assert_eq!(std::fs::read(&part).unwrap(), [b'x'; 2500]);
    }

    #[test]
    fn an_https_address_never_leads_to_plain_http() {
        if !has_curl() {
            return;
        }
        // What the call for an HTTPS address does with a plain one, be it the first or one that it is redirected to.
        let target = serve("200 OK", Duration::ZERO, 1);
        let refused = command("HTTPS://example.org/text", &target, 0, 9, LEAST).output().unwrap();
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("rotocol"), "{refused:?}");
        // What the user gave as plain HTTP may be redirected there.
        let answer = format!("302 Found\r\nLocation: {target}").leak();
        let from = serve(answer, Duration::ZERO, 0);
        let followed = command(&from, &from, 0, 9, LEAST).output().unwrap();
        assert_eq!(followed.stdout, b"x", "{followed:?}");
    }
}
