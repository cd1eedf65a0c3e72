//! Repairs a safetensors file after a mutation: length and offsets of the header, bytes of the tensors, and the checksum
//! of elman's metadata. A mutated file is then judged by its contents, not rejected for its checksum. The checksum is
//! computed here a second time, from the description in docs/book/src/model-file.md. Not here: mutations.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// What elman's metadata begins with, before the digits of the checksum.
const CHECKSUM: &str = "{\"checksum\":\"";
/// Hexadecimal digits of the checksum.
const DIGITS: usize = 64;
/// Files with more bytes of tensors are left as they are.
const MOST: usize = 1 << 20;

/// A tensor of the header.
struct Tensor {
    dtype: String,
    shape: Vec<usize>,
    /// Where its bytes begin in the mutated header, for the order of the file.
    begin: u64,
    bytes: usize,
}

/// The file with a header that fits its tensors and with checksums that fit its contents. Bytes whose header is no JSON
/// object, or names a tensor that cannot exist, are returned unchanged.
pub fn repaired(bytes: &[u8]) -> Vec<u8> {
    attempt(bytes).unwrap_or_else(|| bytes.to_vec())
}

fn attempt(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut headers = serde_json::Deserializer::from_slice(bytes.get(8..)?).into_iter::<Map<String, Value>>();
    let mut header = headers.next()?.ok()?;
    let rest = &bytes[8 + headers.byte_offset()..];
    let mut tensors = BTreeMap::new();
    for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        tensors.insert(name.clone(), tensor(entry)?);
    }
    let mut order: Vec<&String> = tensors.keys().collect();
    order.sort_by_key(|name| tensors[*name].begin);
    // The header's padding is spaces, the tensors' bytes are the end of the file.
    let total = order.iter().try_fold(0_usize, |sum, name| sum.checked_add(tensors[*name].bytes))?;
    if total > MOST {
        return None;
    }
    let mut data = rest[rest.len().saturating_sub(total)..].to_vec();
    data.resize(total, 0);
    let (mut places, mut end) = (BTreeMap::new(), 0);
    for name in order {
        let begin = end;
        end += tensors[name].bytes;
        places.insert(name.clone(), begin..end);
        header.get_mut(name)?.as_object_mut()?.insert("data_offsets".into(), json!([begin, end]));
    }
    if let Some(Value::Object(metadata)) = header.get_mut("__metadata__") {
        for value in metadata.values_mut() {
            if let Some(meta) = value.as_str().and_then(without_checksum) {
                let digits = checksum(&meta, &tensors, |name| &data[places[name].clone()]);
                *value = Value::String(format!("{CHECKSUM}{digits}\",{}", &meta[1..]));
            }
        }
    }
    let mut text = Value::Object(header).to_string();
    text += &" ".repeat(text.len().next_multiple_of(8) - text.len());
    Some([&(text.len() as u64).to_le_bytes(), text.as_bytes(), &data].concat())
}

/// A tensor of the header; None where its size is unknown or too large.
fn tensor(entry: &Value) -> Option<Tensor> {
    let dtype = entry.get("dtype")?.as_str()?.to_string();
    let shape: Option<Vec<usize>> =
        entry.get("shape")?.as_array()?.iter().map(|size| usize::try_from(size.as_u64()?).ok()).collect();
    let shape = shape?;
    let size = match dtype.as_str() {
        "BOOL" | "U8" | "I8" => 1,
        "F16" | "BF16" | "I16" | "U16" => 2,
        "F32" | "I32" | "U32" => 4,
        "F64" | "I64" | "U64" => 8,
        _ => return None,
    };
    let bytes = shape.iter().try_fold(size, |sum: usize, &size| sum.checked_mul(size))?;
    let begin = entry.get("data_offsets").and_then(|offsets| offsets.get(0)?.as_u64()).unwrap_or(u64::MAX);
    Some(Tensor { dtype, shape, begin, bytes })
}

/// Metadata that has a checksum, without it.
fn without_checksum(json: &str) -> Option<String> {
    let rest = json.strip_prefix(CHECKSUM)?.get(DIGITS..)?.strip_prefix("\",")?;
    Some(format!("{{{rest}"))
}

/// SHA-256 of the metadata without the checksum and of each tensor by rising name: name, type and shape, bytes. A text
/// is preceded by its length in 8 bytes, little-endian.
fn checksum<'a>(meta: &str, tensors: &BTreeMap<String, Tensor>, bytes: impl Fn(&str) -> &'a [u8]) -> String {
    let mut sum = Sha256::new();
    let text = |sum: &mut Sha256, text: &str| {
        sum.update((text.len() as u64).to_le_bytes());
        sum.update(text);
    };
    text(&mut sum, meta);
    for (name, tensor) in tensors {
        text(&mut sum, name);
        text(&mut sum, &format!("{} {:?}", tensor.dtype, tensor.shape));
        sum.update(bytes(name));
    }
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
