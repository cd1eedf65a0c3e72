//! Reads and writes safetensors files with one metadata key: a JSON object with sorted keys, whose first entry is a
//! checksum of all contents. A file that is damaged, truncated, of another kind, or of another element type or shape is
//! an error that says which. f32 and f64 are written. Not here: models and runs.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::OpenOptions,
    io::Read,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::Error,
    files::atomic_file::write_whole,
    files::checksum::{self, Checksum},
    files::disk::Disk,
    files::regular::{self, Links},
};
use elman_kernels::Element;

/// The longest header that is read: a vocabulary of every character there is fits.
const MAX_HEADER: usize = 16 << 20;
/// Bytes that are read of a file of another kind, which may be large.
const ENOUGH_OF_ANOTHER_KIND: u64 = 1 << 16;
/// Where the checksum of a file of ours comes from.
const WRITTEN: &str = "every version after the first writes it: the file was changed, or made by another program";

/// Whether metadata without a checksum was written before there were any.
pub(crate) type IsOld = fn(&Value) -> bool;

/// A tensor to be written: its values are made on request, so that a file needs its size in memory once.
pub(crate) struct Tensor<'a> {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    dtype: Dtype,
    bytes: Box<dyn Fn() -> Vec<u8> + 'a>,
}

impl<'a> Tensor<'a> {
    /// A tensor whose `values`, row by row, are as many as its shape says.
    pub(crate) fn new<E: Element>(name: String, shape: Vec<usize>, values: impl Fn() -> Vec<E> + 'a) -> Tensor<'a> {
        let bytes = move || in_order::<E>(bytemuck::cast_slice(&values())).into_owned();
        Tensor { name, shape, dtype: dtype::<E>(), bytes: Box::new(bytes) }
    }

    /// The values, row by row, little-endian. Allocates.
    fn bytes(&self) -> Vec<u8> {
        (self.bytes)()
    }
}

/// What a safetensors file is made of.
impl View for &Tensor<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.bytes())
    }
    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// The bytes of a file with `meta`, a JSON object, under the one key `key`, and its checksum in it. Equal contents give
/// equal bytes. Errors: a number that is not finite, by the name of its tensor; `path` is the file that is meant.
pub(crate) fn serialize(
    path: &Path,
    key: &str,
    meta: &impl Serialize,
    mut tensors: Vec<Tensor<'_>>,
) -> Result<Vec<u8>, Error> {
    let meta = serde_json::to_value(meta).map(|meta| sorted(meta).to_string());
    let meta = meta.map_err(|error| Error::file(path, format!("{key} cannot be written as JSON: {error}")))?;
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut sum = Checksum::of(&meta);
    for tensor in &tensors {
        let bytes = tensor.bytes();
        if let Some(x) = first_bad(tensor.dtype, &bytes) {
            let problem = format!("{} holds {x}, expected finite numbers; nothing was written", tensor.name);
            return Err(Error::file(path, problem));
        }
        sum.add(&tensor.name, tensor.dtype, &tensor.shape, &bytes);
    }
    let meta = sum.put_into(meta);
    let meta = HashMap::from([(key.to_string(), meta)]);
    safetensors::serialize(tensors.iter().map(|tensor| (&tensor.name, tensor)), Some(meta))
        .map_err(|error| Error::file(path, format!("the tensors do not make a file: {error}")))
}

/// Writes [`serialize`]'s bytes, whole or not at all.
pub(crate) fn write(
    disk: &Disk,
    path: &Path,
    key: &str,
    meta: &impl Serialize,
    tensors: Vec<Tensor<'_>>,
) -> Result<(), Error> {
    write_whole(disk, path, &serialize(path, key, meta, tensors)?)
}

/// What a file calls the type of a number.
fn dtype<E: Element>() -> Dtype {
    if size_of::<E>() == 8 { Dtype::F64 } else { Dtype::F32 }
}

/// The first number among little-endian `bytes` that is not finite.
fn first_bad(dtype: Dtype, bytes: &[u8]) -> Option<f64> {
    fn first<E: Element>(bytes: &[u8]) -> Option<f64> {
        numbers::<E>(bytes).iter().map(|x| x.to_f64()).find(|x| !x.is_finite())
    }
    if dtype == Dtype::F64 { first::<f64>(bytes) } else { first::<f32>(bytes) }
}

/// The value of an IEEE 754 half-precision number.
fn of_f16(bits: u16) -> f64 {
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => libm::ldexp(fraction, -24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => libm::ldexp(1024.0 + fraction, exponent - 25),
    };
    if sign == 1 { -magnitude } else { magnitude }
}

/// Little-endian bytes as numbers, in place if the alignment allows it.
fn numbers<E: Element>(bytes: &[u8]) -> Cow<'_, [E]> {
    match in_order::<E>(bytes) {
        Cow::Borrowed(bytes) => match bytemuck::try_cast_slice(bytes) {
            Ok(values) => Cow::Borrowed(values),
            Err(_) => Cow::Owned(bytes.chunks_exact(size_of::<E>()).map(bytemuck::pod_read_unaligned).collect()),
        },
        Cow::Owned(bytes) => Cow::Owned(bytes.chunks_exact(size_of::<E>()).map(bytemuck::pod_read_unaligned).collect()),
    }
}

/// From this machine's order of a number's bytes to little-endian, or back: nothing to do on most.
fn in_order<E: Element>(bytes: &[u8]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(bytes.chunks_exact(size_of::<E>()).flat_map(|number| number.iter().rev().copied()).collect())
}

/// The same value with the keys of all objects in order, whatever map serde_json was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// A file in memory. It is read, not mapped: it may change while we look.
pub(crate) struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl TensorFile {
    /// Reads a regular file; of one whose first bytes are those of no safetensors file, as much as says so. Errors: it
    /// cannot be read.
    pub(crate) fn read(path: &Path, links: Links) -> Result<TensorFile, Error> {
        let open = regular::open(path, OpenOptions::new().read(true), links);
        let (mut file, mut bytes) = (open.map_err(Error::io("read", path))?, Vec::new());
        (&mut file).take(9).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let most = if header_length(&bytes).is_some() { u64::MAX } else { ENOUGH_OF_ANOTHER_KIND };
        bytes.reserve_exact(usize::try_from(length.min(most)).unwrap_or(0));
        file.take(most).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        Ok(TensorFile::of(path, bytes))
    }

    /// A file that is in memory; `path` is what it is called.
    pub(crate) fn of(path: &Path, bytes: Vec<u8>) -> TensorFile {
        TensorFile { bytes, path: path.to_path_buf() }
    }

    /// Its tensors. Errors: it is cut short, has an enormous header, or is no safetensors file.
    pub(crate) fn parse(&self) -> Result<Tensors<'_>, Error> {
        let refuse = |problem: String| Error::file(&self.path, problem);
        let header = header_length(&self.bytes);
        if let Some(length) = header.filter(|&length| length > MAX_HEADER) {
            return Err(refuse(format!("its header takes {length} bytes, expected at most {MAX_HEADER}")));
        }
        let needed = header.and_then(|length| needed_length(&self.bytes, length));
        if let Some(needed) = needed.filter(|&needed| needed > self.bytes.len()) {
            return Err(refuse(format!("cut short: {} bytes, expected {needed}", self.bytes.len())));
        }
        let tensors = SafeTensors::deserialize(&self.bytes)
            .map_err(|error| refuse(format!("not a safetensors file: {error}")))?;
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes)
            .map_err(|error| refuse(format!("not a safetensors file: {error}")))?;
        Ok(Tensors { path: &self.path, tensors, metadata: metadata.metadata().clone().unwrap_or_default() })
    }
}

/// How long the header of what may be a safetensors file is. The format asks for an opening brace and allows headers up
/// to 100 MB; anything else is another kind of file.
fn header_length(bytes: &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    (rest.first() == Some(&b'{') && length <= 100_000_000).then_some(length)
}

/// How long a safetensors file with this beginning must be, as far as the beginning tells.
fn needed_length(bytes: &[u8], header: usize) -> Option<usize> {
    /// Of an entry of the header, all that is kept: the rest may be of any size.
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        data_offsets: Option<(u64, u64)>,
    }
    let Some(text) = bytes.get(8..8 + header) else {
        return Some(8 + header);
    };
    let entries: HashMap<String, Entry> = serde_json::from_slice(text).ok()?;
    let ends = entries.values().filter_map(|entry| Some(entry.data_offsets?.1));
    usize::try_from(ends.max()?).ok()?.checked_add(8 + header)
}

/// The tensors and metadata of a file.
pub(crate) struct Tensors<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl<'a> Tensors<'a> {
    /// How many tensors.
    pub(crate) fn len(&self) -> usize {
        self.tensors.len()
    }

    /// The names, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names = self.tensors.names();
        names.sort_unstable();
        names
    }

    /// The metadata under `key`. Errors: no such key (`kind` says what the file should have been), a checksum that the
    /// contents do not have, a `format` other than `format`, contents that do not fit; no checksum, unless `is_old` says
    /// of the metadata that it was written before there were any.
    pub(crate) fn meta<M: DeserializeOwned>(
        &self,
        key: &str,
        kind: &str,
        format: u64,
        is_old: IsOld,
    ) -> Result<M, Error> {
        /// Of the metadata, all that is kept at first: the rest may be of any kind.
        #[derive(Deserialize)]
        struct Version {
            format: Option<Value>,
        }
        let refuse = |problem: String| Error::file(self.path, problem);
        let Some(json) = self.metadata.get(key) else {
            return Err(refuse(format!("not {kind}: its metadata has no key `{key}`")));
        };
        let stripped = self.without_checksum(json)?;
        let json = stripped.as_deref().unwrap_or(json);
        let version = serde_json::from_str(json).map(|version: Version| version.format);
        match version.unwrap_or(None).and_then(|version| version.as_u64()) {
            Some(version) if version == format => {
                let meta = serde_json::from_str(json);
                let meta = meta.map_err(|error| refuse(format!("metadata `{key}` does not fit: {error}")))?;
                if stripped.is_none() {
                    self.check_old(key, json, is_old)?;
                }
                Ok(meta)
            }
            Some(version) => Err(refuse(format!("format version is {version}, expected {format}"))),
            None => Err(refuse(format!("metadata `{key}` has no format version, expected {format}"))),
        }
    }

    /// Errors: metadata without a checksum that is not old.
    fn check_old(&self, key: &str, json: &str, is_old: IsOld) -> Result<(), Error> {
        match serde_json::from_str(json).is_ok_and(|meta| is_old(&meta)) {
            true => Ok(()),
            false => {
                Err(Error::file(self.path, format!("metadata `{key}` has no checksum, expected one as {WRITTEN}")))
            }
        }
    }

    /// Whether the metadata under `key` has a checksum.
    pub(crate) fn has_checksum(&self, key: &str) -> bool {
        self.metadata.get(key).is_some_and(|json| checksum::split(json).is_some())
    }

    /// The metadata without its checksum; None where it has none. Errors: the contents have another checksum.
    fn without_checksum(&self, json: &str) -> Result<Option<String>, Error> {
        let Some((digits, meta)) = checksum::split(json) else { return Ok(None) };
        let mut sum = Checksum::of(&meta);
        for name in self.names() {
            if let Ok(tensor) = self.tensors.tensor(name) {
                sum.add(name, tensor.dtype(), tensor.shape(), tensor.data());
            }
        }
        let got = sum.digits();
        if got != digits {
            let problem = format!("damaged: the checksum of its contents is {got}, expected {digits}");
            return Err(Error::file(self.path, problem));
        }
        Ok(Some(meta))
    }

    /// Checks that a tensor exists, is of `E` and has this shape, which `formula` explains.
    pub(crate) fn check<E: Element>(&self, name: &str, formula: &str, shape: &[usize]) -> Result<(), Error> {
        let refuse = |problem: String| Error::file(self.path, problem);
        let Ok(tensor) = self.tensors.tensor(name) else {
            return Err(refuse(format!("{name} is missing")));
        };
        if tensor.dtype() != dtype::<E>() {
            return Err(refuse(format!("{name} has dtype {}, expected {}", tensor.dtype(), dtype::<E>())));
        }
        if tensor.shape() != shape {
            return Err(Error::FileShape {
                name: name.to_string(),
                got: tensor.shape().to_vec(),
                formula: formula.to_string(),
                expected: shape.to_vec(),
                path: self.path.to_path_buf(),
            });
        }
        Ok(())
    }

    /// Errors: the contents do not have a checksum that the metadata of any key holds; metadata under one of `keys`
    /// without a checksum that is not old.
    pub(crate) fn check_sums(&self, keys: &[(&str, IsOld)]) -> Result<(), Error> {
        for (key, json) in &self.metadata {
            let is_old = keys.iter().find(|(ours, _)| ours == key).map(|&(_, is_old)| is_old);
            if let (None, Some(is_old)) = (self.without_checksum(json)?, is_old) {
                self.check_old(key, json, is_old)?;
            }
        }
        Ok(())
    }

    /// Whether the metadata has this key.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.metadata.contains_key(key)
    }

    /// As [`Tensors::check`], for numbers of any type that `E` holds exactly.
    pub(crate) fn check_wide<E: Element>(&self, name: &str, formula: &str, shape: &[usize]) -> Result<(), Error> {
        let refuse = |problem: String| Error::file(self.path, problem);
        let Ok(tensor) = self.tensors.tensor(name) else {
            return Err(refuse(format!("{name} is missing")));
        };
        let wide = dtype::<E>() == Dtype::F64;
        match tensor.dtype() {
            Dtype::F16 | Dtype::BF16 | Dtype::F32 => {}
            Dtype::F64 if wide => {}
            other => {
                let expected = if wide { "F16, BF16, F32 or F64" } else { "F16, BF16 or F32" };
                return Err(refuse(format!("{name} has dtype {other}, expected {expected}")));
            }
        }
        if tensor.shape() != shape {
            let (name, formula, path) = (name.to_string(), formula.to_string(), self.path.to_path_buf());
            let (got, expected) = (tensor.shape().to_vec(), shape.to_vec());
            return Err(Error::FileShape { name, got, formula, expected, path });
        }
        Ok(())
    }

    /// The values of a tensor that [`Tensors::check_wide`] let in. Errors: a number that is not finite.
    pub(crate) fn wide_values<E: Element>(&self, name: &str) -> Result<Vec<E>, Error> {
        let tensor = self.tensors.tensor(name).map_err(|error| Error::file(self.path, error.to_string()))?;
        let data = tensor.data();
        let words = || data.chunks_exact(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
        let values: Vec<f64> = match tensor.dtype() {
            Dtype::F16 => words().map(of_f16).collect(),
            Dtype::BF16 => words().map(|bits| f64::from(f32::from_bits(u32::from(bits) << 16))).collect(),
            Dtype::F32 => numbers::<f32>(data).iter().map(|&x| f64::from(x)).collect(),
            _ => numbers::<f64>(data).to_vec(),
        };
        match values.iter().find(|x| !x.is_finite()) {
            None => Ok(values.into_iter().map(E::from_f64).collect()),
            Some(x) => Err(Error::file(self.path, format!("{name} holds {x}, expected finite numbers"))),
        }
    }

    /// The shape of a tensor, if it is there.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.tensors.tensor(name).ok()?.shape().to_vec())
    }

    /// The values of a tensor of this shape. Errors: as [`Tensors::check`]; a number that is not finite.
    pub(crate) fn values<E: Element>(&self, name: &str, formula: &str, shape: &[usize]) -> Result<Cow<'a, [E]>, Error> {
        self.check::<E>(name, formula, shape)?;
        let tensor = self.tensors.tensor(name);
        let tensor = tensor.map_err(|error| Error::file(self.path, error.to_string()))?;
        match first_bad(tensor.dtype(), tensor.data()) {
            None => Ok(numbers(tensor.data())),
            Some(x) => Err(Error::file(self.path, format!("{name} holds {x}, expected finite numbers"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn problem(bytes: &[u8]) -> String {
        let file = TensorFile { path: "f".into(), bytes: bytes.to_vec() };
        match file.parse() {
            Ok(_) => "parsed".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_cut_is_an_error_and_no_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let values = vec![1.5, -0.0, f32::MIN_POSITIVE];
        let meta = serde_json::json!({"z": 1, "format": 3, "a": {"y": [{"q": 0, "p": 0}], "x": 2}});
        let tensor = Tensor::new("t".into(), vec![3, 1], || values.clone());
        write(&Disk::default(), &path, "k", &meta, vec![tensor]).unwrap();
        let file = TensorFile::read(&path, Links::Follow).unwrap();
        let tensors = file.parse().unwrap();
        assert_eq!(tensors.values::<f32>("t", "[3, 1]", &[3, 1]).unwrap(), &values[..]);
        let sum = tensors.metadata["k"].strip_suffix(r#"","a":{"x":2,"y":[{"p":0,"q":0}]},"format":3,"z":1}"#).unwrap();
        assert!(sum.strip_prefix("{\"checksum\":\"").is_some_and(|sum| sum.len() == 64), "{sum}");
        assert_eq!(tensors.meta::<Value>("k", "a test", 3, |_| false).unwrap(), meta);
        let version = tensors.meta::<Value>("k", "a test", 4, |_| false).unwrap_err().to_string();
        assert_eq!(version, format!("format version is 3, expected 4 ({})", path.display()));
        let kind = tensors.meta::<Value>("l", "a test", 3, |_| false).unwrap_err().to_string();
        assert!(kind.starts_with("not a test: its metadata has no key `l`"), "{kind}");

        let bytes = &file.bytes;
        for cut in 0..bytes.len() {
            let problem = problem(&bytes[..cut]);
            let want = if cut < 9 { "not a safetensors file" } else { "cut short: " };
            assert!(problem.starts_with(want), "{cut}: {problem}");
        }
        let mut long = bytes.clone();
        long.push(0);
        assert!(problem(&long).starts_with("not a safetensors file"));
        assert!(problem(b"PK\x03\x04 some other kind of file, a zip perhaps").starts_with("not a safetensors file"));
    }

    #[test]
    fn tensors_are_checked_one_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        let tensor = Tensor::new("t".into(), vec![1], || vec![0.0_f32]);
        fs::write(&path, safetensors::serialize([("t", &tensor)], None).unwrap()).unwrap();
        let file = TensorFile::read(&path, Links::Follow).unwrap();
        let tensors = file.parse().unwrap();
        assert!(tensors.check::<f32>("t", "[1]", &[1]).is_ok());
        assert!(tensors.check::<f32>("u", "[1]", &[1]).unwrap_err().to_string().starts_with("u is missing"));
        assert!(matches!(tensors.values::<f32>("t", "[hidden_size]", &[2]), Err(Error::FileShape { .. })));
        let text = fs::read(&path).unwrap();
        let as_int = String::from_utf8_lossy(&text).replace("F32", "I32").into_bytes();
        fs::write(&path, as_int).unwrap();
        let file = TensorFile::read(&path, Links::Follow).unwrap();
        let error = file.parse().unwrap().check::<f32>("t", "[1]", &[1]).unwrap_err().to_string();
        assert!(error.starts_with("t has dtype I32, expected F32"), "{error}");
    }

    /// What another program wrote, so that no checksum is in the way.
    #[test]
    fn numbers_that_are_not_finite_are_refused_in_every_type() {
        let file = |dtype: Dtype, bytes: &[u8]| {
            let view = safetensors::tensor::TensorView::new(dtype, vec![2], bytes).unwrap();
            TensorFile { path: "f".into(), bytes: safetensors::serialize([("t", view)], None).unwrap() }
        };
        let wide = |dtype: Dtype, bytes: &[u8]| file(dtype, bytes).parse().unwrap().wide_values::<f64>("t");
        let f32s = |x: f32| [1.5, x].map(f32::to_le_bytes).concat();
        let f64s = |x: f64| [1.5, x].map(f64::to_le_bytes).concat();
        let refused = |error: Error| error.to_string();
        for (x, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
            let want = format!("t holds {word}, expected finite numbers (f)");
            let single = file(Dtype::F32, &f32s(x));
            assert_eq!(refused(single.parse().unwrap().values::<f32>("t", "[2]", &[2]).unwrap_err()), want);
            let double = file(Dtype::F64, &f64s(x.into()));
            assert_eq!(refused(double.parse().unwrap().values::<f64>("t", "[2]", &[2]).unwrap_err()), want);
            assert_eq!(refused(wide(Dtype::F32, &f32s(x)).unwrap_err()), want);
            assert_eq!(refused(wide(Dtype::F64, &f64s(x.into())).unwrap_err()), want);
            let [_, _, low, high] = x.to_le_bytes();
            assert_eq!(refused(wide(Dtype::BF16, &[0, 0, low, high]).unwrap_err()), want);
        }
        assert!(refused(wide(Dtype::F16, &[0, 0, 0, 0xFC]).unwrap_err()).starts_with("t holds -inf"));
        assert!(refused(wide(Dtype::F16, &[1, 0x7E, 0, 0]).unwrap_err()).starts_with("t holds NaN"));
        assert_eq!(wide(Dtype::F64, &f64s(f64::MAX)).unwrap(), [1.5, f64::MAX]);
        assert_eq!(wide(Dtype::F16, &[0xFF, 0x7B, 0, 0x3E]).unwrap(), [65504.0, 1.5]);
    }
}
