//! Pairs of texts: read from a table, cleaned, limited in length, split so that no source text is in two parts, and
//! batched by similar length. A pair without a text is an error with row and column. Vocabularies are fitted on the
//! training part.

use std::collections::HashMap;
use std::path::Path;

use elman_kernels::Element;
use elman_kernels::softmax::IGNORED;

use crate::config::{Config, Sides, Translate, Words};
use crate::data::table::held_out::shuffle;
use crate::data::table::reading::Reading;
use crate::data::table::sequences::{Padded, Sequences};
use crate::data::table::{Format, Table};
use crate::data::text::clean::Rules;
use crate::data::text::corpus::{Corpus, Fingerprint};
use crate::data::text::text_encoding::TextEncoding;
use crate::data::text::vocab::Vocab;
use crate::data::text::words;
use crate::error::Error;
use crate::rng::{Purpose, generator};

/// Pairs of texts as they are in their table.
#[derive(Clone, Debug)]
pub struct Parallel {
    /// What is read, and what is written for it.
    pub pairs: Vec<(String, String)>,
    /// How the data is known again.
    pub fingerprint: Fingerprint,
}

impl Parallel {
    /// Reads a table; a file whose ending says nothing is tab-separated.
    ///
    /// Errors: what cannot be read; a cell without text; no such columns; no rows.
    pub fn read(path: &Path, source: &Sides, encoding: TextEncoding) -> Result<Parallel, Error> {
        Parallel::read_with(path, source, encoding, &mut Reading::default())
    }

    /// As [`Parallel::read`], of what `reading` accepts.
    pub fn read_with(
        path: &Path,
        source: &Sides,
        encoding: TextEncoding,
        reading: &mut Reading<'_>,
    ) -> Result<Parallel, Error> {
        let corpus = Corpus::read_table(&[path.to_path_buf()], encoding)?;
        let format = Format::of_path(path).unwrap_or(Format::Tsv);
        let on_bad = &mut |error| reading.bad(error);
        let table = Table::parse(corpus.name(), corpus.bytes(), format, source.header, on_bad)?;
        Parallel::of_rows(&table, source, corpus.fingerprint(), reading)
    }

    /// The pairs of a table. Errors: as [`Parallel::read`].
    pub fn of_table(table: &Table, source: &Sides, fingerprint: Fingerprint) -> Result<Parallel, Error> {
        Parallel::of_rows(table, source, fingerprint, &mut Reading::default())
    }

    fn of_rows(
        table: &Table,
        source: &Sides,
        fingerprint: Fingerprint,
        reading: &mut Reading<'_>,
    ) -> Result<Parallel, Error> {
        let (from, to) = (table.column(&source.from)?, table.column(&source.to)?);
        if table.is_empty() {
            let problem = "the table has no rows, expected at least 1".to_string();
            return Err(Error::Data { name: table.name().into(), problem });
        }
        let text = |row, column| -> Result<String, Error> {
            let text = table.text(row, column)?.trim();
            if text.is_empty() {
                return Err(table.refusal(row, column, "the text is white space, expected words"));
            }
            Ok(text.to_string())
        };
        let pair = |row| Ok((text(row, from)?, text(row, to)?));
        let pairs = (0..table.len()).filter_map(|row| reading.kept(pair(row)).transpose());
        Ok(Parallel { pairs: pairs.collect::<Result<_, Error>>()?, fingerprint })
    }
}

/// A text to read, and all that may be written for it, in the order of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// What is read.
    pub from: String,
    /// What may be written.
    pub to: Vec<String>,
}

/// All sentences of pairs of texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sentences {
    /// The sentences, in the order of the table.
    pub all: Vec<Sentence>,
    /// Pairs that were left out for their length.
    pub long: usize,
    /// Pairs that were there before.
    pub twice: usize,
}

impl Sentences {
    /// Cleans and limits pairs. Texts to read that are equal once clean are one sentence.
    pub fn new(config: &Config, settings: &Translate, pairs: &[(String, String)]) -> Sentences {
        let mut sentences = Sentences::default();
        let mut places: HashMap<String, usize> = HashMap::new();
        let rules = Rules::of(config);
        for (from, to) in pairs {
            let [(from, from_words), (to, to_words)] = [from, to].map(|text| normal(&rules, config.words, text));
            let is_long = |words, most| most > 0 && words > most;
            if is_long(from_words, settings.max_from) || is_long(to_words, settings.max_to) {
                sentences.long += 1;
                continue;
            }
            let place = *places.entry(from.clone()).or_insert_with(|| {
                sentences.all.push(Sentence { from, to: Vec::new() });
                sentences.all.len() - 1
            });
            match sentences.all[place].to.contains(&to) {
                true => sentences.twice += 1,
                false => sentences.all[place].to.push(to),
            }
        }
        sentences
    }

    /// What was left out, a sentence each.
    pub fn notes(&self, settings: &Translate) -> Vec<String> {
        left_out(settings, self.long, self.twice)
    }
}

/// Says how many pairs were left out for their length and because they come twice.
fn left_out(settings: &Translate, long: usize, twice: usize) -> Vec<String> {
    let (from, to) = (settings.max_from, settings.max_to);
    let long =
        (long > 0).then(|| format!("pairs left out that are longer than {from} or {to} words and marks: {long}"));
    let twice = (twice > 0).then(|| format!("pairs left out that come twice: {twice}"));
    long.into_iter().chain(twice).collect()
}

/// The sentences that are trained on, and those that are kept from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// To train on.
    pub train: Vec<Sentence>,
    /// To validate on.
    pub validation: Vec<Sentence>,
    /// To measure on at the end.
    pub test: Vec<Sentence>,
    /// Pairs that were left out for their length.
    pub long: usize,
    /// Pairs that were there before.
    pub twice: usize,
}

impl Parts {
    /// Cleans, limits and splits pairs. Texts to read that are equal once clean are one sentence, and no sentence is in
    /// two parts; which are held out depends on the seed and their order.
    pub fn new(config: &Config, settings: &Translate, pairs: &[(String, String)]) -> Parts {
        let Sentences { all: sentences, long, twice } = Sentences::new(config, settings, pairs);
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        shuffle(&mut order, &mut generator(config.seed, Purpose::Split, 0));
        let share = libm::round(config.val_frac * sentences.len() as f64) as usize;
        // One sentence at least stays to train on.
        let most = sentences.len().saturating_sub(1);
        let test = settings.test_sentences.min(most);
        let validation = settings.val_sentences.unwrap_or(share).min(most - test);
        order[..test].sort_unstable();
        order[test..test + validation].sort_unstable();
        order[test + validation..].sort_unstable();
        let pick = |places: &[usize]| places.iter().map(|&at| sentences[at].clone()).collect();
        let (held, train) = order.split_at(test + validation);
        Parts { train: pick(train), validation: pick(&held[test..]), test: pick(&held[..test]), long, twice }
    }

    /// The parts of `pairs` where `validation`, if there is any, is kept apart from them as a whole.
    pub fn with_validation(
        config: &Config,
        settings: &Translate,
        pairs: &[(String, String)],
        validation: Option<&[(String, String)]>,
    ) -> Parts {
        let Some(validation) = validation else { return Parts::new(config, settings, pairs) };
        let none = Translate { val_sentences: Some(0), ..settings.clone() };
        let validation = Sentences::new(config, settings, validation).all;
        Parts { validation, ..Parts::new(config, &none, pairs) }
    }

    /// What was left out, a sentence each.
    pub fn notes(&self, settings: &Translate) -> Vec<String> {
        left_out(settings, self.long, self.twice)
    }
}

/// A text as it is compared and measured, with one space for each run of white space, and its number of words and marks.
fn normal(rules: &Rules, how: Words, text: &str) -> (String, usize) {
    let text = rules.apply(text);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let how = if how == Words::Spaces { how } else { Words::Marks };
    let words = words::pieces(&text, how).count();
    (text, words)
}

/// Both sides' vocabularies.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabs {
    /// Of what is read.
    pub from: Vocab,
    /// Of what is written, with `<bos>` and `<eos>`.
    pub to: Vocab,
    /// Before the first token that is written.
    pub bos: u32,
    /// After the last.
    pub eos: u32,
}

/// The token before the first.
const BEGIN: &str = "<bos>";

impl Vocabs {
    /// Of the training part. Errors: as a vocabulary's.
    pub fn fit(config: &Config, name: &str, train: &[Sentence]) -> Result<Vocabs, Error> {
        let from: Vec<String> = train.iter().map(|sentence| sentence.from.clone()).collect();
        let to: Vec<String> = train.iter().flat_map(|sentence| sentence.to.iter().cloned()).collect();
        Vocabs::of(Vocab::of_texts(config, name, &from)?, Vocab::of_texts(config, name, &to)?, name)
    }

    /// Of given vocabularies. Errors: the second has no `<bos>` or no `<eos>`.
    pub fn of(from: Vocab, to: Vocab, name: &str) -> Result<Vocabs, Error> {
        let (Some(bos), Some(eos)) = (to.word(BEGIN), to.line_end()) else {
            let problem = "what is written has no <bos> or no <eos>, expected reserve = bos and eos = true";
            return Err(Error::Data { name: name.into(), problem: problem.into() });
        };
        Ok(Vocabs { from, to, bos, eos })
    }

    /// The tokens of a text that is read.
    pub fn read(&self, name: &str, text: &str) -> Result<Vec<u32>, Error> {
        self.from.encode(name, text.trim())
    }

    /// The text of tokens that were written. Errors: a token it does not hold.
    pub fn text(&self, tokens: &[u32]) -> Result<String, Error> {
        self.to.decode(tokens)
    }
}

/// Pairs as tokens.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    from: Vec<Vec<u32>>,
    to: Vec<Vec<u32>>,
    bos: u32,
    eos: u32,
}

impl Pairs {
    /// A pair for each text that may be written.
    pub fn new(vocabs: &Vocabs, name: &str, sentences: &[Sentence]) -> Result<Pairs, Error> {
        let mut pairs = Pairs { bos: vocabs.bos, eos: vocabs.eos, ..Pairs::default() };
        for sentence in sentences {
            let from = vocabs.read(name, &sentence.from)?;
            for to in &sentence.to {
                pairs.from.push(from.clone());
                pairs.to.push(vocabs.to.encode(name, to)?);
            }
        }
        Ok(pairs)
    }

    /// Number of pairs.
    pub fn count(&self) -> usize {
        self.to.len()
    }

    /// Tokens that are predicted, `<eos>` among them.
    pub fn predictions(&self) -> usize {
        self.to.iter().map(|to| to.len() + 1).sum()
    }

    /// What to sort by, so that neighbours have like lengths on both sides: what is written weighs more, for it costs
    /// more.
    pub fn lengths(&self) -> Vec<usize> {
        let most = self.from.iter().map(Vec::len).max().unwrap_or_default() + 1;
        self.to.iter().zip(&self.from).map(|(to, from)| to.len() * most + from.len()).collect()
    }

    /// The pairs at `places` side by side, each side padded to its longest and `padding` steps more.
    pub fn batch<E: Element>(&self, places: &[usize], padding: usize) -> PairBatch<E> {
        let from = Sequences::Tokens(places.iter().map(|&at| self.from[at].clone()).collect());
        let all: Vec<usize> = (0..places.len()).collect();
        let steps = places.iter().map(|&at| self.to[at].len() + 1).max().unwrap_or(1) + padding;
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for t in 0..steps {
            for &at in places {
                let to = &self.to[at];
                inputs.push(if t == 0 { self.bos } else { to.get(t - 1).copied().unwrap_or(self.eos) });
                targets.push(match t.cmp(&to.len()) {
                    std::cmp::Ordering::Less => to[t],
                    std::cmp::Ordering::Equal => self.eos,
                    std::cmp::Ordering::Greater => IGNORED,
                });
            }
        }
        let from = Padded::new(&from, &all, padding).expect("tokens at places that were counted");
        PairBatch { from, inputs, targets }
    }
}

/// Pairs side by side, time-major: place t*rows + b is step t of pair b.
#[derive(Clone, Debug, PartialEq)]
pub struct PairBatch<E> {
    /// What is read.
    pub from: Padded<E>,
    /// `[T*B]` what the decoder is fed: `<bos>`, then the token before; `<eos>` after the end.
    pub inputs: Vec<u32>,
    /// `[T*B]` what it is to predict; [`IGNORED`] after `<eos>`.
    pub targets: Vec<u32>,
}

impl<E> PairBatch<E> {
    /// Targets that count.
    pub fn predictions(&self) -> usize {
        self.targets.iter().filter(|&&target| target != IGNORED).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TaskSettings;

    fn settings() -> (Config, Translate) {
        let task =
            Translate { val_sentences: Some(3), test_sentences: 4, max_from: 3, max_to: 4, ..Translate::default() };
        let config = Config::of_task(Some(TaskSettings::Translate(task.clone())));
        (Config { lowercase: true, min_freq: 1, ..config }, task)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect()
    }

    #[test]
    fn no_text_to_read_is_in_two_parts() {
        let (config, task) = settings();
        let all: Vec<(String, String)> = (0..60)
            .map(|at| (format!("{} {}", if at % 2 == 0 { "A" } else { " a " }, at / 3), format!("x {at}")))
            .collect();
        let parts = Parts::new(&config, &task, &all);
        let of = |part: &[Sentence]| part.iter().map(|sentence| sentence.from.clone()).collect::<Vec<_>>();
        let (train, validation, test) = (of(&parts.train), of(&parts.validation), of(&parts.test));
        assert_eq!((train.len(), validation.len(), test.len()), (13, 3, 4));
        let mut union = [train, validation, test].concat();
        union.sort();
        union.dedup();
        assert_eq!(union.len(), 20);
        let kept = [&parts.train, &parts.validation, &parts.test].into_iter().flatten();
        assert!(kept.clone().all(|sentence| sentence.to.len() == 3), "all that may be written stays together");
        assert_eq!(parts, Parts::new(&config, &task, &all));
        assert_ne!(parts, Parts::new(&Config { seed: 2, ..config }, &task, &all));
    }

    #[test]
    fn texts_are_cleaned_limited_and_counted_once() {
        let (config, task) = settings();
        let all = pairs(&[
            ("Come  on!", "Va,\u{202f}j'y vais"), // 4 words and marks: a word with its apostrophe is one
            ("come on!", "va, j'y vais"),
            ("come on!", "va"),
            ("a b c d", "x"),
            ("a b c", "x y z ! ?"),
        ]);
        let parts = Parts::new(&config, &task, &all);
        assert_eq!((parts.long, parts.twice), (2, 1));
        let want = Sentence { from: "come on!".into(), to: vec!["va, j'y vais".into(), "va".into()] };
        assert_eq!((parts.train, parts.test.len() + parts.validation.len()), (vec![want], 0), "one stays to train on");
        let unlimited = Parts::new(&config, &Translate { max_from: 0, max_to: 0, ..task }, &all);
        assert_eq!(unlimited.long, 0);
    }

    #[test]
    fn a_batch_is_shifted_by_one_and_padded() {
        let (config, task) = settings();
        let parts = Parts::new(
            &config,
            &Translate { val_sentences: Some(0), test_sentences: 0, ..task },
            &pairs(&[("a", "x y"), ("b c", "x")]),
        );
        let vocabs = Vocabs::fit(&config, "t", &parts.train).unwrap();
        assert_eq!(vocabs.to.tokens(), ["<unk>", "<bos>", "<eos>", "x", "y"]);
        let pairs = Pairs::new(&vocabs, "t", &parts.train).unwrap();
        assert_eq!((pairs.count(), pairs.predictions()), (2, 5));
        let batch: PairBatch<f32> = pairs.batch(&[0, 1], 0);
        assert_eq!(batch.inputs, [1, 1, 3, 3, 4, 2]);
        assert_eq!(batch.targets, [3, 3, 4, 2, 2, IGNORED]);
        assert_eq!((batch.predictions(), batch.from.lengths), (5, vec![1, 2]));
        assert_eq!(vocabs.text(&[3, 0, 4]).unwrap(), "x <unk> y");
    }

    #[test]
    fn bad_rows_are_named() {
        let read = |text: &str, source: &Sides| {
            let table = Table::from_bytes("t.tsv", text.as_bytes(), Format::Tsv, source.header).unwrap();
            let fingerprint = Corpus::from_text("t.tsv", text.to_string()).fingerprint();
            Parallel::of_table(&table, source, fingerprint)
                .map(|parallel| parallel.pairs)
                .map_err(|error| error.to_string())
        };
        let plain = Sides::default();
        assert_eq!(read("a\tb\nc\td \n", &plain).unwrap(), pairs(&[("a", "b"), ("c", "d")]));
        assert_eq!(
            read("a\tb\nc\t \n", &plain).unwrap_err(),
            "line 2, column 2: the text is white space, expected words (t.tsv)"
        );
        assert_eq!(
            read("a\tb\n\tc\n", &plain).unwrap_err(),
            "line 2, column 1: the cell is empty, expected text (t.tsv)"
        );
        let named = Sides { from: "en".into(), to: "fr".into(), header: true };
        assert_eq!(read("fr\ten\nb\ta\n", &named).unwrap(), pairs(&[("a", "b")]));
        assert_eq!(
            read("fr\tde\nb\ta\n", &named).unwrap_err(),
            "no column is called en, expected one of fr, de (t.tsv)"
        );
        assert_eq!(read("en\tfr\n", &named).unwrap_err(), "the table has no rows, expected at least 1 (t.tsv)");
    }
}
