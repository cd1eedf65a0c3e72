//! Streams of text that are generated together, each a row of one batch. Each row has its own generator and a prompt of
//! its own length, and is bit for bit what it would be alone. A prompt with unknown characters is an error.

use std::collections::VecDeque;

use elman_kernels::{Cpu, Element};
use rand_chacha::ChaCha8Rng;

use super::session::{Precision, Session};
use super::{Ending, REPETITION_WINDOW, Settings, choose, penalise};
use crate::{
    data::{Utf8Stream, Vocab},
    error::Error,
    nn::model::LanguageModel,
};

/// The most rows of a batch: beyond it the logits alone would fill a small machine.
const MAX_ROWS: usize = 1 << 14;

/// What a stream continues from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'p> {
    /// A text, which is not part of the stream. An empty one means [`Vocab::start`]. It must be UTF-8 unless the tokens are
    /// bytes.
    Prompt(&'p [u8]),
    /// A token drawn by the row's generator, each of the vocabulary as likely ([`Vocab::draw`]); its text is the
    /// first of the stream.
    Random,
}

/// Streams of text from a model, in lockstep: some may still read their prompts while others write.
pub struct Batch<E> {
    vocab: Vocab,
    settings: Settings,
    rows: Vec<Row>,
    session: Session<E>,
    inputs: Vec<u32>,
}

/// One stream.
struct Row {
    rng: ChaCha8Rng,
    /// Tokens to be read before it writes.
    unread: VecDeque<u32>,
    /// The last [`REPETITION_WINDOW`] tokens of prompt and text.
    recent: VecDeque<u32>,
    /// The tokens it has written and nobody has taken yet, in bytes.
    written: VecDeque<Vec<u8>>,
    /// The last token of its text; none where the next begins a text, or follows on a space.
    before: Option<u32>,
}

impl Row {
    fn remember(&mut self, id: u32) {
        if self.recent.len() == REPETITION_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(id);
    }

    fn read(&mut self, ids: Vec<u32>) {
        for id in ids {
            self.remember(id);
            self.unread.push_back(id);
        }
    }

    /// Reads a text that it continues. Errors: as [`Vocab::encode_prompt`]; then nothing is read.
    fn read_text(&mut self, text: &[u8], vocab: &Vocab) -> Result<(), Error> {
        let ids = vocab.encode_prompt(text)?;
        let ends_with_space = str::from_utf8(text).is_ok_and(|text| text.ends_with(char::is_whitespace));
        self.before = ids.last().copied().filter(|_| !ends_with_space);
        self.read(ids);
        Ok(())
    }

    fn write(&mut self, id: u32, vocab: &Vocab) {
        self.remember(id);
        self.written.push_back(vocab.write(id, self.before));
        self.before = Some(id);
    }

    /// Chooses the next token, none of the `reserved` first, from the row's logits, which it may change.
    fn choose<E: Element>(&mut self, logits: &mut [E], settings: &Settings, reserved: usize) -> u32 {
        if settings.repetition_penalty != 1.0 {
            penalise(logits, self.recent.iter().copied(), settings.repetition_penalty);
        }
        (reserved + choose(&logits[reserved..], settings, &mut self.rng)) as u32
    }
}

impl<E: Element> Batch<E> {
    /// A row for each of `starts`, with its generator, from the zero state. Nothing is computed yet.
    ///
    /// Errors: settings out of range; no rows or too many; characters that are not in the vocabulary.
    pub fn new<'p>(
        model: &LanguageModel<E>,
        vocab: &Vocab,
        starts: impl IntoIterator<Item = (Start<'p>, ChaCha8Rng)>,
        settings: Settings,
        cpu: &Cpu,
    ) -> Result<Batch<E>, Error> {
        Batch::with_precision(model, vocab, starts, settings, Precision::Full, cpu)
    }

    /// As [`Batch::new`], with weights of another precision.
    pub fn with_precision<'p>(
        model: &LanguageModel<E>,
        vocab: &Vocab,
        starts: impl IntoIterator<Item = (Start<'p>, ChaCha8Rng)>,
        settings: Settings,
        precision: Precision,
        cpu: &Cpu,
    ) -> Result<Batch<E>, Error> {
        settings.check()?;
        if vocab.len() != model.vocab_size() {
            let (got, expected) = (format!("{} tokens", vocab.len()), format!("the model's {}", model.vocab_size()));
            return Err(Error::Setting { name: "vocabulary", got, expected });
        }
        let mut rows = Vec::new();
        for (start, rng) in starts {
            let (unread, recent, written) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
            let mut row = Row { rng, unread, recent, written, before: None };
            match start {
                Start::Prompt(prompt) => {
                    row.read_text(prompt, vocab)?;
                    if row.unread.is_empty() {
                        row.unread.push_back(vocab.start()); // nothing, or nothing to this vocabulary
                    }
                }
                Start::Random => {
                    let id = vocab.draw(&mut row.rng);
                    row.write(id, vocab);
                    row.unread.push_back(id);
                }
            }
            rows.push(row);
            if rows.len() > MAX_ROWS {
                break;
            }
        }
        if rows.is_empty() || rows.len() > MAX_ROWS {
            let got = if rows.is_empty() { "0".into() } else { format!("more than {MAX_ROWS}") };
            return Err(Error::Setting { name: "the number of samples", got, expected: format!("1 to {MAX_ROWS}") });
        }
        let session = Session::new(model.network(), rows.len(), precision, cpu)?;
        Ok(Batch { vocab: vocab.clone(), settings, rows, session, inputs: Vec::new() })
    }

    /// One step: each row reads a token of its prompt or, where that is read, chooses, writes and reads one.
    pub fn advance(&mut self) {
        let Batch { vocab, settings, rows, session, inputs } = self;
        inputs.clear();
        let mut logits = session.outputs_mut().chunks_exact_mut(vocab.len());
        for row in rows {
            // No row can come to its logits before the first step has made them: each has a token unread.
            let logits = logits.next();
            let id = row.unread.pop_front().unwrap_or_else(|| {
                let id = row.choose(logits.unwrap_or_default(), settings, vocab.reserved());
                row.write(id, vocab);
                id
            });
            inputs.push(id);
        }
        session.step_tokens(inputs).expect("the model takes each of its own ids");
    }

    /// The bytes of the next token that `row` has written, if nobody has taken it yet.
    pub fn take(&mut self, row: usize) -> Option<Vec<u8>> {
        self.rows.get_mut(row)?.written.pop_front()
    }

    /// Gives `row` a text to read from where it is, before it writes on; what it wrote and nobody took is forgotten.
    /// Errors: as [`Vocab::encode_prompt`]; then nothing is read.
    pub fn read(&mut self, row: usize, text: &[u8]) -> Result<(), Error> {
        if let Some(row) = self.rows.get_mut(row) {
            row.read_text(text, &self.vocab)?;
            row.written.clear();
        }
        Ok(())
    }

    /// Writes each row to its own end of `ending`'s kind. `show` is given each piece with its row as soon as it is
    /// known to belong to the text, and may end the work with an error.
    pub fn write<F>(&mut self, ending: &Ending, mut show: impl FnMut(usize, &[u8]) -> Result<(), F>) -> Result<(), F> {
        let mut endings = vec![ending.clone(); self.rows.len()];
        let mut piece = Vec::new();
        loop {
            for (at, ending) in endings.iter_mut().enumerate() {
                while let Some(token) = self.take(at) {
                    ending.push(&token, &mut piece);
                }
                if !piece.is_empty() {
                    show(at, &piece)?;
                    piece.clear();
                }
            }
            if endings.iter().all(Ending::is_over) {
                return Ok(());
            }
            self.advance();
        }
    }
}

/// An endless stream of characters from a model: a batch of one. Bytes that are not UTF-8 become U+FFFD.
pub struct Generator<E> {
    batch: Batch<E>,
    /// Characters that nobody has taken yet.
    written: VecDeque<char>,
    /// Bytes that are not a whole character yet.
    utf8: Utf8Stream,
}

impl<E: Element> Generator<E> {
    /// A stream that continues `prompt`, which is not part of it. An empty prompt means [`Vocab::start`].
    ///
    /// Errors: settings out of range; characters that are not in the vocabulary.
    pub fn new(
        model: &LanguageModel<E>,
        vocab: &Vocab,
        prompt: &str,
        settings: Settings,
        rng: ChaCha8Rng,
        cpu: &Cpu,
    ) -> Result<Generator<E>, Error> {
        let batch = Batch::new(model, vocab, [(Start::Prompt(prompt.as_bytes()), rng)], settings, cpu)?;
        Ok(Generator { batch, written: VecDeque::new(), utf8: Utf8Stream::default() })
    }
}

impl<E: Element> Iterator for Generator<E> {
    type Item = char;

    /// The next character. Never None.
    fn next(&mut self) -> Option<char> {
        loop {
            if let Some(character) = self.written.pop_front() {
                return Some(character);
            }
            match self.batch.take(0) {
                Some(token) => token.into_iter().for_each(|byte| self.utf8.push(byte, &mut self.written)),
                None => self.batch.advance(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autodiff::tape::Tape;
    use crate::{
        config::Config,
        rng::{Purpose, generator},
    };

    /// A model of the characters of `text`, far from uniform, so that what was read matters.
    fn model(text: &str) -> (Vocab, LanguageModel<f32>) {
        let vocab = Vocab::fit(text, "");
        let config = Config { hidden_size: 20, ..Config::default() };
        let mut model = LanguageModel::new(&config, vocab.len()).unwrap();
        for x in model.params_mut().values_mut() {
            *x *= 3.0;
        }
        (vocab, model)
    }

    fn settings(temperature: f64) -> Settings {
        Settings { temperature, ..Settings::default() }
    }

    /// The first `length` characters of each row.
    fn write(batch: &mut Batch<f32>, length: usize, rows: usize) -> Vec<String> {
        let mut texts = vec![String::new(); rows];
        let ending = Ending::new::<&str>(length, &[]).unwrap();
        let show = |row: usize, piece: &[u8]| -> Result<(), ()> {
            texts[row] += str::from_utf8(piece).unwrap();
            Ok(())
        };
        batch.write(&ending, show).unwrap();
        texts
    }

    #[test]
    fn a_stream_continues_from_its_prompt() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let (vocab, model) = model("aabc\nd");
        let stream = |prompt: &str, temperature, step, length| -> String {
            let rng = generator(1, Purpose::Sample, step);
            let text = Generator::new(&model, &vocab, prompt, settings(temperature), rng, &cpu);
            text.unwrap().take(length).collect()
        };
        assert_eq!(stream("abca", 2.0, 0, 60).chars().count(), 60);
        assert_eq!(stream("abca", 2.0, 0, 60), stream("abca", 2.0, 0, 60));
        assert_ne!(stream("abca", 2.0, 0, 60), stream("abca", 2.0, 1, 60));
        assert_eq!(stream("", 2.0, 0, 60), stream("\n", 2.0, 0, 60), "an empty prompt is a newline");
        // Greedy text is its own continuation, whether it was written or read.
        let whole = stream("ab", 0.0, 0, 12);
        assert_eq!(stream(&format!("ab{}", &whole[..5]), 0.0, 0, 12)[..7], whole[5..]);
        let rng = generator(1, Purpose::Sample, 0);
        let refused = Generator::new(&model, &vocab, "xa", Settings::default(), rng, &cpu);
        assert!(matches!(refused.map(|_| ()), Err(Error::UnknownPrompt { .. })));
    }

    #[test]
    fn every_row_is_what_it_would_be_alone() {
        let (vocab, model) = model("the sea\nbird.");
        let prompts = ["", "the sea", "b", "the bird.\nthe sea", "b", "e"];
        let settings = Settings { repetition_penalty: 1.3, min_p: 0.01, ..settings(1.5) };
        let starts =
            || prompts.iter().map(|p| Start::Prompt(p.as_bytes())).chain([Start::Random, Start::Random]).enumerate();
        let seeded = |(at, start)| (start, generator(5, Purpose::Sample, at as u64));
        for threads in [1, 3] {
            let cpu = Cpu::new(Some(threads)).unwrap();
            let mut together = Batch::new(&model, &vocab, starts().map(seeded), settings, &cpu).unwrap();
            let texts = write(&mut together, 80, 8);
            for (at, start) in starts() {
                let mut alone = Batch::new(&model, &vocab, [seeded((at, start))], settings, &cpu).unwrap();
                assert_eq!(write(&mut alone, 80, 1)[0], texts[at], "row {at}");
                // The same to the bit: each is advanced to where the batch stopped.
                while alone.rows[0].recent != together.rows[at].recent {
                    alone.advance();
                }
                let v = vocab.len();
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(
                    bits(alone.session.outputs_mut()),
                    bits(&together.session.outputs_mut()[at * v..][..v]),
                    "row {at}"
                );
            }
            assert_ne!(texts[2], texts[4], "equal prompts, different streams");
        }
    }

    #[test]
    fn a_random_start_is_drawn_from_the_whole_vocabulary_and_shown() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let (vocab, model) = model("aaaaaaaabc");
        let starts = (0..300).map(|at| (Start::Random, generator(2, Purpose::Sample, at)));
        let mut batch = Batch::new(&model, &vocab, starts, settings(0.0), &cpu).unwrap();
        let firsts = write(&mut batch, 1, 300);
        for letter in ["a", "b", "c"] {
            // A third of 300 draws, give or take five standard errors.
            let count = firsts.iter().filter(|text| *text == letter).count();
            assert!((60..140).contains(&count), "{letter} {count}");
        }
        // It continues from what was drawn.
        let rng = || generator(2, Purpose::Sample, 0);
        let mut drawn = Batch::new(&model, &vocab, [(Start::Random, rng())], settings(0.0), &cpu).unwrap();
        let text = write(&mut drawn, 20, 1).remove(0);
        let (first, rest) = text.split_at(1);
        let told = Generator::new(&model, &vocab, first, settings(0.0), rng(), &cpu).unwrap();
        assert_eq!(told.take(19).collect::<String>(), rest);
    }

    #[test]
    fn the_penalty_sees_prompt_and_text_up_to_its_window() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let (vocab, model) = model("abcdefghijklmnopqrstuvwxyz");
        let settings = Settings { repetition_penalty: 1.7, ..settings(0.0) };
        let rng = || generator(1, Purpose::Sample, 0);
        let text: String = Generator::new(&model, &vocab, "abc", settings, rng(), &cpu).unwrap().take(150).collect();
        // The same with all of prompt and text in memory.
        let (mut tape, mut state, mut logits) = (Tape::new(&cpu), model.initial_state(1), vec![]);
        let mut all = vocab.encode("t", "abc").unwrap();
        for at in 0..153 {
            if at == all.len() {
                penalise(&mut logits, all.iter().rev().take(64).copied(), 1.7);
                all.push(choose(&logits, &settings, &mut rng()) as u32);
            }
            model.step(&mut tape, &all[at..at + 1], &mut state, &mut logits).unwrap();
        }
        assert_eq!(vocab.decode(&all[3..]).unwrap(), text);
        // Text before the window has no effect.
        let long = "a".repeat(REPETITION_WINDOW);
        let recent = |prompt: &str| -> Vec<u32> {
            let batch =
                Batch::new(&model, &vocab, [(Start::Prompt(prompt.as_bytes()), rng())], settings, &cpu).unwrap();
            batch.rows[0].recent.iter().copied().collect()
        };
        assert_eq!(recent(&format!("xyz{long}")), recent(&long));
        assert!(recent("").is_empty(), "the start token was not in the text");
    }

    #[test]
    fn a_turn_continues_from_the_kept_state() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let (vocab, model) = model("abcd");
        let open = |prompt: &str| {
            let rng = generator(1, Purpose::Sample, 0);
            Batch::new(&model, &vocab, [(Start::Prompt(prompt.as_bytes()), rng)], settings(0.0), &cpu).unwrap()
        };
        let mut talk = open("ab");
        let first = write(&mut talk, 7, 1).remove(0);
        talk.read(0, b"cd").unwrap();
        let second = write(&mut talk, 7, 1).remove(0);
        assert_eq!(write(&mut open(&format!("ab{first}cd")), 7, 1)[0], second);
        assert!(talk.read(0, b"x").is_err());
        assert_eq!(write(&mut open(&format!("ab{first}cd{second}")), 7, 1), write(&mut talk, 7, 1));
    }

    #[test]
    fn unknown_is_never_written() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let vocab = Vocab::fit_with_unknown("aabbc", 2, None).unwrap();
        let config = Config { hidden_size: 4, ..Config::default() };
        let mut model = LanguageModel::new(&config, 3).unwrap();
        model.params_mut().set("decoder.bias", &[50.0, 1.0, 0.0]).unwrap();
        let rng = generator(1, Purpose::Sample, 0);
        let text = Generator::new(&model, &vocab, "c☃", settings(1.0), rng, &cpu).unwrap();
        let text: String = text.take(200).collect();
        assert!(text.chars().all(|c| "ab".contains(c)) && text.contains('a') && text.contains('b'), "{text}");
    }

    #[test]
    fn bytes_come_out_as_whole_characters() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let (vocab, config) = (Vocab::bytes(), Config { hidden_size: 4, ..Config::default() });
        let mut model = LanguageModel::new(&config, 256).unwrap();
        // Only these three bytes, whatever was read: their order is the draw's, so some sequences are broken.
        let bias: Vec<f32> = (0..256).map(|b| if [0xe2, 0x98, 0x83].contains(&b) { 99.0 } else { -99.0 }).collect();
        model.params_mut().set("decoder.bias", &bias).unwrap();
        let rng = generator(1, Purpose::Sample, 0);
        let text = Generator::new(&model, &vocab, "a", settings(1.0), rng, &cpu).unwrap();
        let text: String = text.take(400).collect();
        assert_eq!(text.chars().count(), 400);
        assert!(text.contains('☃') && text.contains('\u{fffd}'), "{text}");
        // The bytes themselves, to a prompt in bytes. A turn forgets what nobody took.
        let rng = generator(1, Purpose::Sample, 0);
        let mut talk = Batch::new(&model, &vocab, [(Start::Prompt(b"\xe9"), rng)], settings(1.0), &cpu).unwrap();
        let mut bytes = Vec::new();
        let show = |_: usize, piece: &[u8]| -> Result<(), ()> {
            bytes.extend(piece);
            Ok(())
        };
        talk.write(&Ending::new(50, &[b"\x98\x98\x98\x98"]).unwrap(), show).unwrap();
        assert!(bytes.len() == 50 && bytes.iter().all(|byte| [0xe2, 0x98, 0x83].contains(byte)), "{bytes:x?}");
        while talk.rows[0].written.is_empty() {
            talk.advance();
        }
        talk.read(0, b"\xff").unwrap();
        assert_eq!(talk.take(0), None);
    }

    #[test]
    fn no_rows_and_too_many_are_refused() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let (vocab, model) = model("ab");
        let open = |rows| {
            let starts = std::iter::repeat_n((Start::Prompt(b""), generator(1, Purpose::Sample, 0)), rows);
            Batch::new(&model, &vocab, starts, Settings::default(), &cpu).map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(open(0), "the number of samples is 0, expected 1 to 16384");
        assert_eq!(open(usize::MAX), "the number of samples is more than 16384, expected 1 to 16384");
    }
}
