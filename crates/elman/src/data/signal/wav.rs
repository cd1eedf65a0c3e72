//! Mono WAV files, read and written block by block in numbers from -1 to 1. Not here: the bytes of the format; the crate hound
//! knows them.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process;

use hound::{SampleFormat, WavSpec};

use crate::error::Error;
use crate::files::regular::{self, Links};

/// How a file holds its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Samples a second.
    pub rate: u32,
    /// Bits of a sample; None are floats of 32 bits.
    pub bits: Option<u16>,
}

/// A file that is read.
pub struct WavReader {
    path: PathBuf,
    format: Format,
    samples: u64,
    read: u64,
    from: hound::WavReader<BufReader<File>>,
}

impl fmt::Debug for WavReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WavReader").field("path", &self.path).field("format", &self.format).finish_non_exhaustive()
    }
}

impl WavReader {
    /// Opens a file. Errors: it cannot be read or is no WAV; several channels; samples of another kind than 8 to 32 bits or
    /// floats of 32.
    pub fn open(path: &Path) -> Result<WavReader, Error> {
        let file = regular::open(path, File::options().read(true), Links::Follow).map_err(Error::io("read", path))?;
        let refuse = |problem: String| Error::file(path, problem);
        let from = hound::WavReader::new(BufReader::new(file))
            .map_err(|error| refuse(format!("the file is no WAV that can be read: {error}")))?;
        let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = from.spec();
        if channels != 1 {
            return Err(refuse(format!("the file has {channels} channels, expected 1 (mono)")));
        }
        if sample_rate == 0 {
            return Err(refuse("the file has 0 samples a second, expected at least 1".to_string()));
        }
        let bits = match (sample_format, bits_per_sample) {
            (SampleFormat::Float, 32) => None,
            (SampleFormat::Int, bits @ 8..=32) => Some(bits),
            (_, bits) => {
                return Err(refuse(format!("the samples have {bits} bits, expected 8 to 32, or floats of 32")));
            }
        };
        let samples = u64::from(from.duration());
        Ok(WavReader { path: path.to_path_buf(), format: Format { rate: sample_rate, bits }, samples, read: 0, from })
    }

    /// How its samples are held.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Samples of the file.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Reads at most `most` samples into `to`, which is cleared first; none at the end. Errors: the file is cut short; a sample
    /// that is not finite.
    pub fn read(&mut self, most: usize, to: &mut Vec<f32>) -> Result<(), Error> {
        to.clear();
        let (path, first) = (&self.path, self.read);
        let refuse = |error: hound::Error| Error::file(path, format!("the file cannot be read to its end: {error}"));
        match self.format.bits {
            None => {
                for sample in self.from.samples::<f32>().take(most) {
                    to.push(sample.map_err(refuse)?);
                }
            }
            Some(bits) => {
                let scale = 1.0 / (1_i64 << (bits - 1)) as f32;
                for sample in self.from.samples::<i32>().take(most) {
                    to.push(sample.map_err(refuse)? as f32 * scale);
                }
            }
        }
        self.read += to.len() as u64;
        match to.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let problem = format!("sample {} is {}, expected a finite number", first + at as u64 + 1, to[at]);
                Err(Error::file(path, problem))
            }
        }
    }

    /// All samples of a file, and how they are held. Errors: as [`WavReader::open`] and [`WavReader::read`]; no samples.
    pub fn read_all(path: &Path) -> Result<(Vec<f32>, Format), Error> {
        let mut reader = WavReader::open(path)?;
        let mut samples = Vec::new();
        reader.read(usize::MAX, &mut samples)?;
        if samples.is_empty() {
            return Err(Error::file(path, "the file has no samples, expected at least 1"));
        }
        Ok((samples, reader.format))
    }
}

/// A file that is written: it gets its name when it is finished, and is deleted if it is dropped before.
pub struct WavWriter {
    path: PathBuf,
    temporary: PathBuf,
    format: Format,
    to: Option<hound::WavWriter<BufWriter<File>>>,
    clipped: u64,
}

impl fmt::Debug for WavWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WavWriter").field("path", &self.path).field("format", &self.format).finish_non_exhaustive()
    }
}

impl WavWriter {
    /// Begins a file. Errors: it cannot be written.
    pub fn create(path: &Path, format: Format) -> Result<WavWriter, Error> {
        let name = path.file_name().ok_or_else(|| Error::file(path, "the path names no file"))?;
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.tmp", process::id()));
        let temporary = path.with_file_name(temporary);
        let spec = WavSpec {
            channels: 1,
            sample_rate: format.rate,
            bits_per_sample: format.bits.unwrap_or(32),
            sample_format: if format.bits.is_some() { SampleFormat::Int } else { SampleFormat::Float },
        };
        let file = File::create(&temporary).map_err(Error::io("write", path))?;
        let to = hound::WavWriter::new(BufWriter::new(file), spec).map_err(|error| refused(path, error))?;
        Ok(WavWriter { path: path.to_path_buf(), temporary, format, to: Some(to), clipped: 0 })
    }

    /// Writes samples; whole numbers are rounded, and what is beyond -1 to 1 is cut there. Errors: the disk.
    pub fn write(&mut self, samples: &[f32]) -> Result<(), Error> {
        let (path, Some(to)) = (&self.path, &mut self.to) else { return Ok(()) };
        for &sample in samples {
            let written = match self.format.bits {
                None => to.write_sample(sample),
                Some(bits) => {
                    let full = (1_i64 << (bits - 1)) as f64;
                    let whole = libm::round(f64::from(sample) * full);
                    let kept = whole.clamp(-full, full - 1.0);
                    self.clipped += u64::from(kept != whole);
                    to.write_sample(kept as i32)
                }
            };
            written.map_err(|error| refused(path, error))?;
        }
        Ok(())
    }

    /// Ends the file and gives it its name; how many samples were cut. Errors: the disk.
    pub fn finish(mut self) -> Result<u64, Error> {
        let ended = match self.to.take() {
            Some(to) => to.finalize().map_err(|error| refused(&self.path, error)),
            None => Ok(()),
        };
        let named =
            ended.and_then(|()| fs::rename(&self.temporary, &self.path).map_err(Error::io("write", &self.path)));
        if named.is_err() {
            let _ = fs::remove_file(&self.temporary);
        }
        named.map(|()| self.clipped)
    }
}

impl Drop for WavWriter {
    fn drop(&mut self) {
        if self.to.take().is_some() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn refused(path: &Path, error: hound::Error) -> Error {
    match error {
        hound::Error::IoError(error) => Error::io("write", path)(error),
        other => Error::file(path, format!("the file cannot be written: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, samples: &[f32]) -> (tempfile::TempDir, PathBuf, u64) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        let mut writer = WavWriter::create(&path, format).unwrap();
        writer.write(samples).unwrap();
        assert!(!path.exists());
        let clipped = writer.finish().unwrap();
        (dir, path, clipped)
    }

    #[test]
    fn samples_come_back_to_within_rounding() {
        let samples = [0.0, 0.5, -1.0, 0.123_456_79, -0.999];
        for bits in [None, Some(16), Some(24), Some(32)] {
            let format = Format { rate: 44_100, bits };
            let (_dir, path, clipped) = written(format, &samples);
            let (read, got) = WavReader::read_all(&path).unwrap();
            assert_eq!((got, clipped), (format, 0));
            let step = bits.map_or(0.0, |bits| (0.5_f32).powi(i32::from(bits) - 1));
            for (a, b) in read.iter().zip(samples) {
                // A float of 32 bits has 24 for the number itself.
                assert!((a - b).abs() <= 0.5 * step + b.abs() * 6e-8 * step.signum(), "{bits:?} {a} {b}");
            }
        }
        let (_dir, path, clipped) = written(Format { rate: 8000, bits: Some(16) }, &[1.5, -1.5, 1.0, 0.25]);
        assert_eq!(clipped, 3);
        assert_eq!(WavReader::read_all(&path).unwrap().0, [32_767.0 / 32_768.0, -1.0, 32_767.0 / 32_768.0, 0.25]);
    }

    #[test]
    fn blocks_are_the_whole_and_a_dropped_file_is_gone() {
        let samples: Vec<f32> = (0..100).map(|i| i as f32 / 128.0).collect();
        let (dir, path, _) = written(Format { rate: 48_000, bits: None }, &samples);
        let (mut reader, mut block, mut all) = (WavReader::open(&path).unwrap(), Vec::new(), Vec::new());
        assert_eq!(reader.samples(), 100);
        while {
            reader.read(33, &mut block).unwrap();
            !block.is_empty()
        } {
            all.extend_from_slice(&block);
        }
        assert_eq!(all, samples);
        let other = dir.path().join("b.wav");
        let mut writer = WavWriter::create(&other, Format { rate: 48_000, bits: None }).unwrap();
        writer.write(&samples).unwrap();
        drop(writer);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            WavReader::read_all(&path).map(drop).unwrap_err().to_string()
        };
        assert!(refused(b"no wave").starts_with("the file is no WAV that can be read"), "{}", refused(b"no wave"));
        let spec = WavSpec { channels: 2, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        [1_i16, 2, 3, 4].into_iter().for_each(|sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(refused(&bytes).starts_with("the file has 2 channels, expected 1 (mono)"));
        let (_dir, good, _) = written(Format { rate: 8000, bits: None }, &[0.0, f32::NAN]);
        let error = WavReader::read_all(&good).map(drop).unwrap_err().to_string();
        assert!(error.starts_with("sample 2 is NaN, expected a finite number"), "{error}");
        let whole = fs::read(&good).unwrap();
        assert!(refused(&whole[..whole.len() - 3]).starts_with("the file"), "{}", refused(&whole[..whole.len() - 3]));
    }
}
