//! The data sets that `elman data` lists, and that lessons, recipes and documents read: addresses, sizes, hashes and terms.
//! Not here: data whose terms forbid fetching; of these, the files to supply are named.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// A file that another site publishes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// Bytes.
    pub bytes: u64,
    /// Hexadecimal SHA-256.
    pub sha256: &'static str,
    /// What follows the address of the data set.
    #[serde(skip)]
    at: &'static str,
    /// The address gives a zip archive with the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed: Option<Packed>,
}

/// A zip archive.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Packed {
    /// Bytes of the archive.
    pub bytes: u64,
    /// The name of the file in the archive.
    pub entry: &'static str,
}

impl File {
    const fn at(name: &'static str, bytes: u64, sha256: &'static str, at: &'static str) -> File {
        File { name, bytes, sha256, at, packed: None }
    }
}

/// A data set that another site publishes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DataSet {
    /// Its name in `elman data`.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Terms of use.
    pub licence: &'static str,
    /// The folder that its files are in, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<&'static str>,
    /// The address that every file's begins with.
    pub url: &'static str,
    /// Its files.
    pub files: &'static [File],
}

/// The start of the addresses of the three series.
const SERIES: &str = "https://raw.githubusercontent.com/jbrownlee/Datasets/d20fcb6402ae34e653d4513b00f39257bb37ed7f/";

/// All of them.
pub const DATA_SETS: [DataSet; 10] = [
    DataSet {
        name: "tinyshakespeare",
        about: "Shakespeare's plays, 40,000 lines, as char-rnn has them",
        licence: "public domain",
        folder: None,
        url: "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",
        files: &[File::at(
            "tinyshakespeare.txt",
            1_115_394,
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            "input.txt",
        )],
    },
    DataSet {
        name: "timemachine",
        about: "The Time Machine by H. G. Wells, Project Gutenberg's edition with its licence",
        licence: "public domain, with the Project Gutenberg licence at its end",
        folder: None,
        url: "https://raw.githubusercontent.com/zackchase/mxnet-the-straight-dope/master/data/nlp/",
        files: &[File::at(
            "timemachine.txt",
            217_616,
            "d8b212a688e074a31191e6d2db2c5a4728696bb09cefd90ac769552b048d4d2b",
            "timemachine.txt",
        )],
    },
    DataSet {
        name: "timemachine-d2l",
        about: "The Time Machine as the book Dive into Deep Learning reads it",
        licence: "public domain",
        folder: None,
        url: "https://d2l-data.s3-accelerate.amazonaws.com/",
        files: &[File::at(
            "timemachine_d2l.txt",
            178_979,
            "8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516",
            "timemachine.txt",
        )],
    },
    DataSet {
        name: "amontillado",
        about: "The Cask of Amontillado by Edgar Allan Poe",
        licence: "public domain",
        folder: None,
        url: "https://raw.githubusercontent.com/eihli/clj-tightly-packed-trie/master/resources/",
        files: &[File::at(
            "the_cask_of_amontillado_gutenberg.txt",
            13_000,
            "e8298299108d9f28854f1acd929d03e0baa32181a330d521d75d7390c8614d0f",
            "cask_of_amontillado.txt",
        )],
    },
    DataSet {
        name: "names",
        about: "20,050 surnames of 18 languages, a file for each language",
        licence: "MIT, of the repository practical-pytorch",
        folder: Some("names"),
        url: "https://raw.githubusercontent.com/spro/practical-pytorch/c520c52e68e945d88fff563dba1c028b6ec0197b/data/names/",
        #[rustfmt::skip] // a line for each file
        files: &[
            File::at("Arabic.txt", 13_190, "6f424a8dbe51cbbbabab7a57d38b617210125e4e3991f3c657cb79b8f104bafc", "Arabic.txt"),
            File::at("Chinese.txt", 1_246, "09ba8f1f7e38dbc99372d461b26ad4433b811fc6bfa6a3ecca6fe11a9a777465", "Chinese.txt"),
            File::at("Czech.txt", 3_916, "e17ab0ec47616a72c39cb85c783f70c3663ab64488721e5d8378f146d2226be7", "Czech.txt"),
            File::at("Dutch.txt", 2_351, "924f32b635170eae561f84538632138fc07d4c8bbd70ba3fb980de1ecc4d2af3", "Dutch.txt"),
            File::at("English.txt", 27_125, "9cca037066d3d5989e24bc01801416162de506b5e28e15b7c092a47905d29bf2", "English.txt"),
            File::at("French.txt", 2_178, "81e65b36c60ed5b89a17422f6edcadbb89546f38ad69e960e64e7ba682012a95", "French.txt"),
            File::at("German.txt", 5_610, "7449cd590b97a733e18d613a4155decd77ec35dc5f8aadd7a82204dce4f051db", "German.txt"),
            File::at("Greek.txt", 1_981, "3555b5186de7f401e6d991b088e9e644ca3099116477818c25ab5793801389e6", "Greek.txt"),
            File::at("Irish.txt", 1_858, "cf8c7013256252a88d2503127b87282a11f21b2ff6db1bded68834c19a1ec058", "Irish.txt"),
            File::at("Italian.txt", 5_657, "f88414c27d0606a11a678b4859277828c2565d6cc4d9ee932deef6e94f3b35e4", "Italian.txt"),
            File::at("Japanese.txt", 7_622, "e0e717e114fec3e7eade4d9dabe0067c475f43147e36a22b47902ee76ad9e67f", "Japanese.txt"),
            File::at("Korean.txt", 423, "cd54221ccb362a6cba4c78828838cf3268a0e59744767a37cf6ec4b74036b136", "Korean.txt"),
            File::at("Polish.txt", 1_165, "45bab898af2f60ed3a728bbf6980e28821011a7caa53227553b5785903a40826", "Polish.txt"),
            File::at("Portuguese.txt", 554, "50a8735f41f4f73757c8ce5b16cb0275cd86b2b214bcbc8c9805f508cb131c53", "Portuguese.txt"),
            File::at("Russian.txt", 85_168, "0cfe53ac18041e8f63666aa77313e0a3ff378facb132abee052d8ebdc8c3d62c", "Russian.txt"),
            File::at("Scottish.txt", 752, "78d0252711d87d948ea86fe34826c51d2d794a8e52d15b5d6f7b6244d45d62dd", "Scottish.txt"),
            File::at("Spanish.txt", 2_284, "1bcb462ed3316756a85781d68232bddae04498fdddd5d9219c53fd1fbdeba7a7", "Spanish.txt"),
            File::at("Vietnamese.txt", 339, "f3f9e4164ab47601178a6e45b216464a64122f49d05541f24bf18a757253281d", "Vietnamese.txt"),
        ],
    },
    DataSet {
        name: "eng-fra",
        about: "142,787 English sentences with a French translation, of tatoeba.org and manythings.org/anki, in 2017",
        licence: "CC BY 2.0 FR: name tatoeba.org and manythings.org/anki where you publish something made from it",
        folder: None,
        url: "https://raw.githubusercontent.com/genimind/seq2seq/4f3f8eb0adde54fcc8b89394336b002e7961244c/",
        files: &[File {
            name: "eng-fra.txt",
            bytes: 10_009_515,
            sha256: "2546838ae46e0eac4c02ab7032ea0a02a006074a5340077a36a9444f41e02888",
            at: "fra-eng.zip",
            packed: Some(Packed { bytes: 2_951_390, entry: "fra.txt" }),
        }],
    },
    DataSet {
        name: "airline-passengers",
        about: "Passengers of airlines, in thousands, 144 months from 1949 to 1960 (Box and Jenkins, 1976)",
        licence: "none stated; facts, of the Time Series Data Library",
        folder: None,
        url: SERIES,
        files: &[File::at(
            "airline-passengers.csv",
            2_180,
            "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
            "airline-passengers.csv",
        )],
    },
    DataSet {
        name: "monthly-sunspots",
        about: "Zurich sunspot numbers, 2,820 months from 1749 to 1983 (Andrews and Herzberg, 1985)",
        licence: "none stated; facts, of the Time Series Data Library",
        folder: None,
        url: SERIES,
        files: &[File::at(
            "monthly-sunspots.csv",
            45_039,
            "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
            "monthly-sunspots.csv",
        )],
    },
    DataSet {
        name: "daily-min-temperatures",
        about: "Lowest temperatures in Melbourne, degrees Celsius, 3,650 days from 1981 to 1990",
        licence: "none stated; facts, of the Time Series Data Library",
        folder: None,
        url: SERIES,
        files: &[File::at(
            "daily-min-temperatures.csv",
            67_921,
            "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
            "daily-min-temperatures.csv",
        )],
    },
    DataSet {
        name: "m4-hourly",
        about: "414 hourly series of the M4 competition, 48 hours to forecast",
        licence: "none stated; public data of the competition",
        folder: Some("m4"),
        url: "https://raw.githubusercontent.com/Mcompetitions/M4-methods/master/Dataset/",
        files: &[
            File::at(
                "Hourly-train.csv",
                2_347_115,
                "ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f",
                "Train/Hourly-train.csv",
            ),
            File::at(
                "Hourly-test.csv",
                132_820,
                "71a57fccb15e534d973626ada4fb87febf789e9317715b7cc6dd3b5f90db6f42",
                "Test/Hourly-test.csv",
            ),
        ],
    },
];

/// Data that the reader must have: names for `elman data get`, and what to do.
pub const TO_SUPPLY: [(&[&str], &str, &str); 1] = [(
    &["ptb", "penn-treebank"],
    "the terms of the Penn Treebank (LDC99T42) do not allow it to be fetched",
    "put your copies of ptb.train.txt, ptb.valid.txt and ptb.test.txt, with 42,068, 3,370 and 3,761 lines of words and <unk>, \
     into one folder; the recipes ptb-small.toml and ptb-char.toml name them in their first lines",
)];

impl DataSet {
    /// The data set of a name.
    pub fn named(name: &str) -> Option<&'static DataSet> {
        DATA_SETS.iter().find(|set| set.name == name)
    }

    /// Its path in a folder: that of its only file, or that of its own folder.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(self.folder.unwrap_or(self.files[0].name))
    }

    /// The path of a file of it in a folder.
    pub fn file_path(&self, file: &File, folder: &Path) -> PathBuf {
        self.folder.map_or(folder.to_path_buf(), |own| folder.join(own)).join(file.name)
    }

    /// The address of a file of it, from the address that stands for `self.url`. That of an only file may be whole.
    pub fn address(&self, file: &File, base: Option<&str>) -> String {
        match base {
            Some(whole) if self.files.len() == 1 && !whole.ends_with('/') => whole.to_string(),
            Some(base) if !base.ends_with('/') => format!("{base}/{}", file.at),
            base => format!("{}{}", base.unwrap_or(self.url), file.at),
        }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files_and_hashes_differ_and_are_whole() {
        let files: Vec<&File> = DATA_SETS.iter().flat_map(|set| set.files).collect();
        assert_eq!(files.len(), 28);
        for (i, file) in files.iter().enumerate() {
            assert!(file.sha256.len() == 64 && file.sha256.bytes().all(|b| b.is_ascii_hexdigit()), "{}", file.name);
            assert!(file.bytes > 0 && files[..i].iter().all(|f| f.name != file.name && f.sha256 != file.sha256));
        }
        for (i, set) in DATA_SETS.iter().enumerate() {
            assert!(set.url.starts_with("https://") && set.url.ends_with('/') && !set.licence.is_empty());
            assert!(set.folder.is_some() == (set.files.len() > 1), "{}", set.name);
            assert!(DATA_SETS[..i].iter().all(|other| other.name != set.name));
        }
        assert!(DataSet::named("tinyshakespeare").is_some() && DataSet::named("ptb").is_none());
    }

    #[test]
    fn an_address_of_ones_own_stands_for_the_first_part_or_the_whole() {
        let (one, many) = (DataSet::named("amontillado").unwrap(), DataSet::named("names").unwrap());
        let (poe, arabic) = (&one.files[0], &many.files[0]);
        assert_eq!(one.address(poe, Some("http://here/text")), "http://here/text");
        assert_eq!(one.address(poe, Some("http://here/")), "http://here/cask_of_amontillado.txt");
        assert_eq!(many.address(arabic, Some("http://here/n")), "http://here/n/Arabic.txt");
        assert!(many.address(arabic, None).ends_with("/data/names/Arabic.txt"));
    }
}
