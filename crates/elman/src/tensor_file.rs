//! Holds the reading and writing of safetensors files with one metadata key: a JSON object with sorted keys.
//! Refuses, by name and in words, files that are cut short, of another kind, of another element type or shape; only
//! f32 is written. Knows nothing about models or runs.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, View};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{atomic_file::write_atomic, error::Error};

/// A named tensor: name, shape, values row by row.
pub(crate) type Named = (String, Vec<usize>, Vec<f32>);

/// What a safetensors file can be asked for; the bytes are little-endian f32.
struct Little {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Little {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes a file, whole or not at all, with `meta` under the one key `key`. Equal contents give equal bytes.
pub(crate) fn write(path: &Path, key: &str, meta: &impl Serialize, tensors: Vec<Named>) -> Result<(), Error> {
    let meta = serde_json::to_value(meta).map(sorted);
    let meta = meta.map_err(|error| Error::file(path, format!("{key} cannot be written as JSON: {error}")))?;
    for (name, _, values) in &tensors {
        if let Some(x) = values.iter().find(|x| !x.is_finite()) {
            return Err(Error::file(path, format!("{name} holds {x}, expected finite numbers; nothing was written")));
        }
    }
    let little = tensors.into_iter().map(|(name, shape, values)| {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        (name, Little { shape, bytes })
    });
    let meta = HashMap::from([(key.to_string(), meta.to_string())]);
    let bytes = safetensors::serialize(little, Some(meta))
        .map_err(|error| Error::file(path, format!("the tensors do not make a file: {error}")))?;
    write_atomic(path, &bytes)
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
    /// Reads a file. Errors: it cannot be read.
    pub(crate) fn read(path: &Path) -> Result<TensorFile, Error> {
        Ok(TensorFile { bytes: fs::read(path).map_err(Error::io("read", path))?, path: path.to_path_buf() })
    }

    /// Its tensors. Errors: it is cut short, or no safetensors file.
    pub(crate) fn parse(&self) -> Result<Tensors<'_>, Error> {
        let refuse = |problem: String| Error::file(&self.path, problem);
        if let Some(needed) = needed_length(&self.bytes).filter(|&n| n > self.bytes.len()) {
            return Err(refuse(format!("cut short: {} bytes, expected {needed}", self.bytes.len())));
        }
        let tensors = SafeTensors::deserialize(&self.bytes)
            .map_err(|error| refuse(format!("not a safetensors file: {error}")))?;
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes)
            .map_err(|error| refuse(format!("not a safetensors file: {error}")))?;
        Ok(Tensors { path: &self.path, tensors, metadata: metadata.metadata().clone().unwrap_or_default() })
    }
}

/// How long a safetensors file with this beginning must be, as far as the beginning tells.
fn needed_length(bytes: &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    // The format asks for an opening brace and allows headers up to 100 MB; anything else is another kind of file.
    if rest.first() != Some(&b'{') || length > 100_000_000 {
        return None;
    }
    let Some(header) = rest.get(..length) else {
        return Some(8 + length);
    };
    let header: HashMap<String, Value> = serde_json::from_slice(header).ok()?;
    let ends = header.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    usize::try_from(ends.max()?).ok()?.checked_add(8 + length)
}

/// The tensors and metadata of a file.
pub(crate) struct Tensors<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl Tensors<'_> {
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

    /// The metadata under `key`. Errors: no such key (`kind` says what the file should have been), a `format` other
    /// than `format`, contents that do not fit.
    pub(crate) fn meta<M: DeserializeOwned>(&self, key: &str, kind: &str, format: u64) -> Result<M, Error> {
        let refuse = |problem: String| Error::file(self.path, problem);
        let Some(json) = self.metadata.get(key) else {
            return Err(refuse(format!("not {kind}: its metadata has no key `{key}`")));
        };
        let bad = |error| refuse(format!("metadata `{key}` does not fit: {error}"));
        let value: Value = serde_json::from_str(json).map_err(bad)?;
        match value.get("format").and_then(Value::as_u64) {
            Some(got) if got == format => serde_json::from_value(value).map_err(bad),
            Some(got) => Err(refuse(format!("format version is {got}, expected {format}"))),
            None => Err(refuse(format!("metadata `{key}` has no format version, expected {format}"))),
        }
    }

    /// Checks that a tensor is there, is f32 and has this shape, which `formula` puts in words.
    pub(crate) fn check(&self, name: &str, formula: &str, shape: &[usize]) -> Result<(), Error> {
        let refuse = |problem: String| Error::file(self.path, problem);
        let Ok(tensor) = self.tensors.tensor(name) else {
            return Err(refuse(format!("{name} is missing")));
        };
        if tensor.dtype() != Dtype::F32 {
            return Err(refuse(format!("{name} has dtype {}, expected F32", tensor.dtype())));
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

    /// The shape of a tensor, if it is there.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.tensors.tensor(name).ok()?.shape().to_vec())
    }

    /// The values of a tensor of this shape. Errors: as [`Tensors::check`]; a number that is not finite.
    pub(crate) fn values(&self, name: &str, formula: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        self.check(name, formula, shape)?;
        let tensor = self.tensors.tensor(name);
        let tensor = tensor.map_err(|error| Error::file(self.path, error.to_string()))?;
        let (quads, _) = tensor.data().as_chunks::<4>();
        let values: Vec<f32> = quads.iter().map(|quad| f32::from_le_bytes(*quad)).collect();
        match values.iter().find(|x| !x.is_finite()) {
            None => Ok(values),
            Some(x) => Err(Error::file(self.path, format!("{name} holds {x}, expected finite numbers"))),
        }
    }
}

#[cfg(test)]
mod tests {
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
        write(&path, "k", &meta, vec![("t".into(), vec![3, 1], values.clone())]).unwrap();
        let file = TensorFile::read(&path).unwrap();
        let tensors = file.parse().unwrap();
        assert_eq!(tensors.values("t", "[3, 1]", &[3, 1]).unwrap(), values);
        assert_eq!(tensors.metadata["k"], r#"{"a":{"x":2,"y":[{"p":0,"q":0}]},"format":3,"z":1}"#);
        assert_eq!(tensors.meta::<Value>("k", "a test", 3).unwrap(), meta);
        let version = tensors.meta::<Value>("k", "a test", 4).unwrap_err().to_string();
        assert_eq!(version, format!("format version is 3, expected 4 ({})", path.display()));
        let kind = tensors.meta::<Value>("l", "a test", 3).unwrap_err().to_string();
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
        let entry = [("t", Little { shape: vec![1], bytes: vec![0; 4] })];
        fs::write(&path, safetensors::serialize(entry, None).unwrap()).unwrap();
        let file = TensorFile::read(&path).unwrap();
        let tensors = file.parse().unwrap();
        assert!(tensors.check("t", "[1]", &[1]).is_ok());
        assert!(tensors.check("u", "[1]", &[1]).unwrap_err().to_string().starts_with("u is missing"));
        assert!(matches!(tensors.values("t", "[hidden_size]", &[2]), Err(Error::FileShape { .. })));
        let text = fs::read(&path).unwrap();
        let as_int = String::from_utf8_lossy(&text).replace("F32", "I32").into_bytes();
        fs::write(&path, as_int).unwrap();
        let file = TensorFile::read(&path).unwrap();
        let error = file.parse().unwrap().check("t", "[1]", &[1]).unwrap_err().to_string();
        assert!(error.starts_with("t has dtype I32, expected F32"), "{error}");
    }
}
