//! The texts that `elman data` lists and the lessons read: address, size, hash and licence. Not here: texts whose licence is
//! unclear.

use std::path::{Path, PathBuf};

/// A text that another site publishes.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Text {
    /// Its name in `elman data`.
    pub name: &'static str,
    /// The name of its file.
    pub file: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Bytes.
    pub bytes: u64,
    /// Hexadecimal SHA-256.
    pub sha256: &'static str,
    /// Terms of use.
    pub licence: &'static str,
    /// Address.
    pub url: &'static str,
}

/// All of them.
pub const TEXTS: [Text; 4] = [
    Text {
        name: "tinyshakespeare",
        file: "tinyshakespeare.txt",
        about: "Shakespeare's plays, 40,000 lines, as char-rnn has them",
        bytes: 1_115_394,
        sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        licence: "public domain",
        url: "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    },
    Text {
        name: "timemachine",
        file: "timemachine.txt",
        about: "The Time Machine by H. G. Wells, Project Gutenberg's edition with its licence",
        bytes: 217_616,
        sha256: "d8b212a688e074a31191e6d2db2c5a4728696bb09cefd90ac769552b048d4d2b",
        licence: "public domain, with the Project Gutenberg licence at its end",
        url: "https://raw.githubusercontent.com/zackchase/mxnet-the-straight-dope/master/data/nlp/timemachine.txt",
    },
    Text {
        name: "timemachine-d2l",
        file: "timemachine_d2l.txt",
        about: "The Time Machine as the book Dive into Deep Learning reads it",
        bytes: 178_979,
        sha256: "8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516",
        licence: "public domain",
        url: "https://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt",
    },
    Text {
        name: "amontillado",
        file: "the_cask_of_amontillado_gutenberg.txt",
        about: "The Cask of Amontillado by Edgar Allan Poe",
        bytes: 13_000,
        sha256: "e8298299108d9f28854f1acd929d03e0baa32181a330d521d75d7390c8614d0f",
        licence: "public domain",
        url: "https://raw.githubusercontent.com/eihli/clj-tightly-packed-trie/master/resources/cask_of_amontillado.txt",
    },
];

impl Text {
    /// The text of a name.
    pub fn named(name: &str) -> Option<Text> {
        TEXTS.into_iter().find(|text| text.name == name)
    }

    /// Its path in a folder.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files_and_hashes_differ_and_are_whole() {
        for (i, text) in TEXTS.iter().enumerate() {
            assert!(text.sha256.len() == 64 && text.sha256.bytes().all(|b| b.is_ascii_hexdigit()), "{}", text.name);
            assert!(text.url.starts_with("https://") && text.bytes > 0 && !text.licence.is_empty());
            assert!(TEXTS[..i].iter().all(|t| t.name != text.name && t.file != text.file && t.sha256 != text.sha256));
        }
        assert!(Text::named("tinyshakespeare").is_some() && Text::named("ptb").is_none());
    }
}
