//! A mutator: inputs of a corpus, changed where parsers often fail. The same seed gives the same inputs. Not here:
//! learning from coverage, which libFuzzer does.

/// A stream of inputs.
pub struct Mutator {
    corpus: Vec<Vec<u8>>,
    state: u64,
}

/// Words that mean something to the parsers.
const WORDS: [&str; 22] = [
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "NaN",
    "inf",
    "18446744073709551615",
    "9223372036854775808",
    "4294967296",
    "\"\"",
    "{}",
    "[]",
    "[[[[[[[[",
    "{\"a\":",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{1f600}",
    "<unk>",
    "data_offsets",
    "F32",
];
/// Numbers at which sizes and floats change their nature.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7f,
    0xffff_ffff,
    1 << 31,
    1 << 32,
    1 << 63,
    u64::MAX,
    0x3ff0_0000_0000_0000,
    0x7ff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0x0010_0000_0000_0000,
];

impl Mutator {
    /// Inputs made of `corpus`, which holds at least one.
    pub fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Mutator {
        assert!(!corpus.is_empty(), "nothing to begin with");
        Mutator { corpus, state: seed }
    }

    fn draw(&mut self) -> u64 {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }

    /// The next input: one of the corpus with one to six changes.
    pub fn next_input(&mut self) -> Vec<u8> {
        let from = self.below(self.corpus.len());
        let mut bytes = self.corpus[from].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + 1 + self.below(16)).min(bytes.len());
        match self.below(10) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            2 if at < bytes.len() => bytes[at] = self.draw() as u8,
            3 => bytes.truncate(at),
            4 if at < end => drop(bytes.drain(at..end)),
            5 if at < end => {
                let again: Vec<u8> = bytes[at..end].to_vec();
                let times = 1 + self.below(8);
                bytes.splice(at..at, again.repeat(times));
            }
            6 => {
                let word = WORDS[self.below(WORDS.len())];
                let end = if self.below(2) == 0 { at } else { end.max(at) };
                bytes.splice(at..end, word.bytes());
            }
            7 => {
                let number = NUMBERS[self.below(NUMBERS.len())].wrapping_add(self.draw() % 3).wrapping_sub(1);
                let at = if self.below(2) == 0 { at / 8 * 8 } else { at };
                for (byte, new) in bytes.iter_mut().skip(at).zip(number.to_le_bytes()) {
                    *byte = new;
                }
            }
            8 => self.change_digits(bytes, at),
            _ => {
                let other = self.below(self.corpus.len());
                let tail = self.below(self.corpus[other].len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&self.corpus[other][tail..]);
            }
        }
    }

    /// Another number in the place of the next one in decimals: sizes, offsets, counts.
    fn change_digits(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|start| at + start) else { return };
        let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = match self.below(3) {
            0 => NUMBERS[self.below(NUMBERS.len())],
            _ => self.draw() % 300,
        };
        bytes.splice(start..start + digits, number.to_string().bytes());
    }
}
