//! Downloads a text: continues after an interruption, and gives up on an address that sends too little. What begins with
//! HTTPS stays there. Not here: addresses and hashes.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use elman::files::atomic_file::finish_file;
use elman::files::disk::Disk;
use elman::files::regular::{self, Links};

use super::Text;
use super::get::check;
use crate::failure::Refusal;
use crate::terminal::grouped;

/// How much of a body must arrive in which time.
#[derive(Clone, Copy)]
struct Pace {
    time: Duration,
    bytes: u64,
}

/// A kilobyte a second: slower, and the smallest text takes minutes.
const PACE: Pace = Pace { time: Duration::from_secs(30), bytes: 30 << 10 };

/// Downloads the missing part of the text, checks the whole, and renames the file.
pub fn download(text: &Text, path: &Path, url: &str) -> anyhow::Result<()> {
    let part = path.with_added_extension("part");
    let have = part.symlink_metadata().map(|known| known.len()).unwrap_or(0);
    let have = if have > text.bytes { 0 } else { have };
    if have < text.bytes {
        fetch(text, &part, url, have)?;
    }
    let bytes = regular::read(&part, Links::Refuse).with_context(|| format!("cannot read {}", part.display()))?;
    if let Err(refusal) = check(text, &bytes, url) {
        fs::remove_file(&part).with_context(|| format!("cannot remove {}", part.display()))?;
        return Err(refusal.hint("the text at this address is different; the download was deleted").into());
    }
    if path.symlink_metadata().is_ok() {
        return Err(elman::Error::Exists { path: path.to_path_buf() }.into());
    }
    Ok(finish_file(&Disk::default(), &part, path)?)
}

/// An agent for an address. Where that is HTTPS, so is every address that it redirects to.
fn agent(url: &str) -> ureq::Agent {
    let seconds = |n| Some(Duration::from_secs(n));
    let is_https = url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
    let config = ureq::Agent::config_builder()
        .https_only(is_https)
        .timeout_resolve(seconds(30))
        .timeout_connect(seconds(30))
        .timeout_send_request(seconds(60))
        .timeout_recv_response(seconds(60))
        .http_status_as_error(false);
    config.build().into()
}

/// Appends to `part`, which has `have` bytes, the rest of the text; starts again if the server does not support ranges.
fn fetch(text: &Text, part: &Path, url: &str, have: u64) -> anyhow::Result<()> {
    let mut request = agent(url).get(url);
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
    let cannot_write = || format!("cannot write {}", part.display());
    let mut options = fs::OpenOptions::new();
    options.create(true).write(true).truncate(false);
    let mut file = regular::open(part, &mut options, Links::Refuse).with_context(cannot_write)?;
    file.set_len(have).with_context(cannot_write)?;
    file.seek(SeekFrom::End(0)).with_context(cannot_write)?;
    let bar = crate::progress::bytes(text.bytes, have);
    let mut got = have;
    let read = read_at(PACE, response.into_body().into_reader(), |bytes| {
        got += bytes.len() as u64;
        if got > text.bytes {
            fs::remove_file(part).with_context(|| format!("cannot remove {}", part.display()))?;
            let message = format!("{url} gives more than {} bytes, expected no more of {}", text.bytes, text.name);
            return Err(Refusal::new(message)
                .hint("the text at this address is different; the download was deleted")
                .into());
        }
        file.write_all(bytes).with_context(cannot_write)?;
        bar.set_position(got);
        Ok(())
    });
    bar.finish_and_clear();
    let broken = |what: String| {
        let message = format!("{url} {what} after {} of {} bytes", grouped(got), grouped(text.bytes));
        Refusal::new(message).hint("the same command continues from there")
    };
    let closed = || broken("closed the connection".into());
    match read {
        Ok(()) if got < text.bytes => Err(closed().into()),
        Ok(()) => Ok(()),
        Err(Stop::Broken(error)) => Err(anyhow::Error::from(error).context(closed())),
        Err(Stop::Slow { bytes }) => {
            let (seconds, least) = (PACE.time.as_secs(), grouped(PACE.bytes));
            Err(broken(format!("sent {bytes} bytes in {seconds} s, expected at least {least},")).into())
        }
        Err(Stop::Refused(error)) => Err(error),
    }
}

/// Why a body was not read to its end.
#[derive(Debug)]
enum Stop {
    /// It cannot be read.
    Broken(std::io::Error),
    /// Too few bytes came in a span of time.
    Slow { bytes: u64 },
    /// What came was refused.
    Refused(anyhow::Error),
}

/// Reads a body to its end and gives its bytes to `take`. Errors: as [`Stop`]; then the reading thread is left alone, which
/// ends with the connection or the program.
fn read_at(
    pace: Pace,
    mut body: impl Read + Send + 'static,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> Result<(), Stop> {
    let (sender, receiver) = sync_channel(4);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => Ok(buffer[..n].to_vec()),
                Err(error) => Err(error),
            };
            let is_over = read.is_err();
            if sender.send(read).is_err() || is_over {
                break;
            }
        }
    });
    let (mut since, mut arrived) = (Instant::now(), 0);
    loop {
        match receiver.recv_timeout(pace.time.saturating_sub(since.elapsed())) {
            Ok(Ok(bytes)) => {
                arrived += bytes.len() as u64;
                take(&bytes).map_err(Stop::Refused)?;
            }
            Ok(Err(error)) => return Err(Stop::Broken(error)),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if since.elapsed() >= pace.time {
            if arrived < pace.bytes {
                return Err(Stop::Slow { bytes: arrived });
            }
            (since, arrived) = (Instant::now(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// Gives one byte after each pause, `count` in all.
    struct Dripping {
        pause: Duration,
        count: usize,
    }

    impl Read for Dripping {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            std::thread::sleep(self.pause);
            let n = usize::from(self.count > 0);
            self.count -= n;
            buffer[..n].fill(b'x');
            Ok(n)
        }
    }

    #[test]
    fn a_body_that_drips_or_stalls_is_given_up_and_a_steady_one_is_read() {
        let pace = Pace { time: Duration::from_millis(200), bytes: 20 };
        let (milli, begun) = (Duration::from_millis, Instant::now());
        let mut got = 0;
        let mut read = |pause, count| {
            got = 0;
            read_at(pace, Dripping { pause, count }, |bytes| {
                got += bytes.len();
                Ok(())
            })
        };
        // Ten bytes a second, for hours; and nothing at all.
        assert!(matches!(read(milli(100), 1 << 20), Err(Stop::Slow { bytes: 1..=3 })));
        assert!(matches!(read(Duration::from_secs(3600), 1), Err(Stop::Slow { bytes: 0 })));
        assert!(begun.elapsed() < Duration::from_secs(10));
        // Several spans of time.
        read(milli(1), 600).unwrap();
        assert_eq!(got, 600);
    }

    /// Answers each request with a status line and headers.
    fn serve(answers: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/text", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let _ = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
                write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            }
        });
        address
    }

    #[test]
    fn an_https_address_never_leads_to_plain_http() {
        let target = serve(vec!["200 OK".into()]);
        // The rule of the agent, which it applies to an address and to each that it is redirected to.
        let refused = agent("HTTPS://example.org/text").get(&target).call().unwrap_err();
        assert!(matches!(refused, ureq::Error::RequireHttpsOnly(_)), "{refused}");
        // What the user gave as plain HTTP may be redirected there.
        let from = serve(vec![format!("302 Found\r\nLocation: {target}")]);
        assert_eq!(agent(&from).get(&from).call().unwrap().status(), 200);
    }
}
