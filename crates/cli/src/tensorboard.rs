//! Writes the reports of a run as a TensorBoard event file. The file is written anew at each save, so that it agrees with
//! `log.jsonl` after a crash and a resume; its beginning does not change while a run continues. Not here: samples and graphs.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use elman::RunDir;
use elman::files::atomic_file::write_atomic;
use elman::files::regular::{self, Links};
use elman::train::Report;

/// The name of the file in a run directory. TensorBoard reads files whose name contains `tfevents`.
const NAME: &str = "events.out.tfevents.elman";
/// Offset of the time in the file: after the length and checksum of the first record, and the key of its first field.
const TIME_AT: usize = 8 + 4 + 1;

/// Writes the reports. Errors: the file cannot be written.
pub fn write(run: &RunDir, reports: &[Report]) -> Result<(), elman::Error> {
    let path = run.path().join(NAME);
    write_atomic(&path, &events(started(&path, reports), reports))
}

/// The time at which a run began, in seconds since 1970: that of the file, if there is one.
fn started(path: &Path, reports: &[Report]) -> f64 {
    let old = regular::read(path, Links::Refuse).unwrap_or_default();
    let time = old.get(TIME_AT..TIME_AT + 8).and_then(|bytes| Some(f64::from_le_bytes(bytes.try_into().ok()?)));
    time.filter(|time| time.is_finite()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        now - reports.last().map_or(0.0, |report| report.seconds)
    })
}

/// The records: the version of the format, then an event for each report.
fn events(started: f64, reports: &[Report]) -> Vec<u8> {
    let mut out = Vec::new();
    // Event { wall_time = 1, step = 2, file_version = 3, summary = 5 }
    record(&mut out, &[time(started), field(3, b"brain.Event:2")].concat());
    for report in reports {
        let summary: Vec<u8> = scalars(report)
            .into_iter()
            .filter(|(_, value)| value.is_finite())
            .flat_map(|(tag, value)| field(1, &scalar(&tag, value as f32)))
            .collect();
        let step = [vec![2 << 3], varint(report.step)].concat();
        record(&mut out, &[time(started + report.seconds), step, field(5, &summary)].concat());
    }
    out
}

/// The figures of a report by name.
fn scalars(report: &Report) -> Vec<(String, f64)> {
    let mut all = vec![("loss/train".to_string(), report.train_loss)];
    all.extend(report.val_loss.map(|loss| ("loss/validation".to_string(), loss)));
    all.extend(report.moving_loss.map(|loss| ("loss/moving".to_string(), loss)));
    all.extend(report.metrics.iter().map(|(name, value)| (format!("train/{name}"), *value)));
    let of_training = [
        ("epoch", report.epoch),
        ("lr", report.lr),
        ("grad_norm", report.grad_norm),
        ("tokens_per_sec", report.tokens_per_sec),
    ];
    all.extend(of_training.map(|(name, value)| (format!("train/{name}"), value)));
    all
}

/// A message Value { tag = 1, simple_value = 2 }.
fn scalar(tag: &str, value: f32) -> Vec<u8> {
    [field(1, tag.as_bytes()), vec![2 << 3 | 5], value.to_le_bytes().to_vec()].concat()
}

/// The field wall_time.
fn time(seconds: f64) -> Vec<u8> {
    [vec![1 << 3 | 1], seconds.to_le_bytes().to_vec()].concat()
}

/// A field of bytes, with its length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A whole number in groups of seven bits, the lowest first.
fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n > 0x7f {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

/// A record: length, its checksum, the data, its checksum.
fn record(out: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked_crc(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked_crc(data).to_le_bytes());
}

/// The checksum of TensorFlow's records: CRC-32C, rotated, plus a constant.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(step: u64, seconds: f64, val_loss: Option<f64>) -> Report {
        let line = format!(
            r#"{{"step":{step},"epoch":0.5,"train_loss":2.5,"val_loss":null,"ppl":null,"lr":0.1,"grad_norm":1.0,"tokens_per_sec":9.0,"seconds":{seconds}}}"#
        );
        Report { val_loss, ..serde_json::from_str(&line).unwrap() }
    }

    #[test]
    fn the_first_record_has_the_bytes_that_tensorboard_writes() {
        // EventFileWriter of TensorBoard 2.21 for wall_time = 1.0.
        let want: [u8; 40] = [
            24, 0, 0, 0, 0, 0, 0, 0, 163, 127, 75, 34, 9, 0, 0, 0, 0, 0, 0, 240, 63, 26, 13, 98, 114, 97, 105, 110, 46,
            69, 118, 101, 110, 116, 58, 50, 0, 0, 0, 0,
        ];
        let got = events(1.0, &[]);
        assert_eq!((got.len(), &got[..36]), (40, &want[..36]));
    }

    #[test]
    fn a_file_grows_at_its_end_and_keeps_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        let read = || std::fs::read(run.path().join(NAME)).unwrap();
        let all = [report(300, 1.0, None), report(600, 2.0, Some(2.25))];
        write(&run, &all[..1]).unwrap();
        let first = read();
        write(&run, &all).unwrap();
        assert!(read().starts_with(&first) && read().len() > first.len());
        // The infinite perplexity is left out; both losses are there.
        let text = String::from_utf8_lossy(&read()).into_owned();
        assert!(
            text.contains("loss/train") && text.contains("loss/validation") && !text.contains("train/ppl"),
            "{text}"
        );
        // Rewritten after a crash to fewer reports.
        write(&run, &all[..1]).unwrap();
        assert_eq!(read(), first);
    }

    #[test]
    fn numbers_are_written_in_groups_of_seven_bits() {
        assert_eq!((varint(0), varint(127), varint(300)), (vec![0], vec![127], vec![0xac, 2]));
    }
}
