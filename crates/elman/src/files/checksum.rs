//! The checksum of a safetensors file of ours: over its metadata and tensors, in the metadata's first entry. Not here:
//! what becomes of a file without one (`tensor_file.rs`).

use safetensors::Dtype;
use sha2::{Digest, Sha256};

/// What the metadata of a file of ours begins with: its keys are in order, and this is the first. After it come 64
/// hexadecimal digits, the SHA-256 of the metadata without this entry and of every tensor's name, type, shape and bytes.
const BEGIN: &str = "{\"checksum\":\"";
/// Hexadecimal digits of the checksum.
const DIGITS: usize = 64;

/// A checksum that is being computed.
pub(super) struct Checksum(Sha256);

impl Checksum {
    /// Begins with the metadata.
    pub fn of(meta: &str) -> Checksum {
        let mut sum = Checksum(Sha256::new());
        sum.text(meta);
        sum
    }

    /// Adds a tensor; they come by rising name.
    pub fn add(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) {
        self.text(name);
        self.text(&format!("{dtype} {shape:?}"));
        self.0.update(bytes);
    }

    /// Adds a text, after its length.
    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    /// The hexadecimal digits.
    pub fn digits(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The metadata with the checksum; unchanged where it is no JSON object with entries.
    pub fn put_into(self, meta: String) -> String {
        match meta.strip_prefix('{') {
            Some(rest) if rest.len() > 1 => format!("{BEGIN}{}\",{rest}", self.digits()),
            _ => meta,
        }
    }
}

/// The digits in metadata, and the metadata without them; None where it has no checksum.
pub(super) fn split(json: &str) -> Option<(&str, String)> {
    let (digits, rest) = json.strip_prefix(BEGIN)?.split_at_checked(DIGITS)?;
    Some((digits, format!("{{{}", rest.strip_prefix("\",")?)))
}
