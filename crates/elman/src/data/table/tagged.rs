//! Sequences with a class for every step: sentences of tokens with a tag each, from two columns or from CoNLL lines;
//! rows of numbers with a class each, grouped by a column; characters with what was removed from them (`restore.rs`).
//! Different numbers of tokens and tags are an error with row and column.

use std::collections::HashMap;
use std::path::Path;

use crate::config::Source;
use crate::data::table::conll;
use crate::data::table::items::places;
use crate::data::table::labelled::Items;
use crate::data::table::reading::{Check, Reading};
use crate::data::table::vectors::Vectors;
use crate::data::table::{Format, Table};
use crate::data::text::corpus::{Corpus, Fingerprint};
use crate::data::text::text_encoding::TextEncoding;
use crate::error::Error;

/// Sequences with a class for every step.
#[derive(Clone, Debug)]
pub struct Tagged {
    /// The sequences; of tokens, with a space between two.
    pub items: Items,
    /// The class of each step of each, by its place in `classes`.
    pub labels: Vec<Vec<u32>>,
    /// The classes' names, sorted.
    pub classes: Vec<String>,
    /// How the data is known again.
    pub fingerprint: Fingerprint,
}

impl Tagged {
    /// Errors: sequences that do not fit themselves; lists of labels that are not as many as sequences; of rows of
    /// numbers, a list that is not as long as its sequence; a label beyond the classes.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.items.check(&self.fingerprint.name)?;
        let refuse = |problem: String| Err(Error::Data { name: self.fingerprint.name.clone(), problem });
        if self.labels.len() != self.items.len() {
            let (lists, sequences) = (self.labels.len(), self.items.len());
            return refuse(format!(
                "{lists} lists of labels are given, expected one for each of {sequences} sequences"
            ));
        }
        for (at, labels) in self.labels.iter().enumerate() {
            if let Items::Vectors { columns, sequences, .. } = &self.items {
                let (got, steps) = (labels.len(), sequences[at].len() / columns.len());
                if got != steps {
                    return refuse(format!(
                        "sequence {at} has {got} labels, expected one for each of its {steps} rows"
                    ));
                }
            }
            if let Some(&label) = labels.iter().find(|&&label| label as usize >= self.classes.len()) {
                let classes = self.classes.len();
                return refuse(format!("a label of sequence {at} is {label}, expected a class below {classes}"));
            }
        }
        Ok(())
    }

    /// Reads a table, or CoNLL lines from a file of any other ending.
    ///
    /// Errors: what cannot be read; a row without tokens or tags, or with another number of them; a line of one column.
    pub fn read(path: &Path, source: &Source, encoding: TextEncoding) -> Result<Tagged, Error> {
        Tagged::read_with(path, source, encoding, &mut Reading::default())
    }

    /// As [`Tagged::read`], of what `reading` accepts.
    pub fn read_with(
        path: &Path,
        source: &Source,
        encoding: TextEncoding,
        reading: &mut Reading<'_>,
    ) -> Result<Tagged, Error> {
        let corpus = Corpus::read_table(&[path.to_path_buf()], encoding)?;
        match Format::of_path(path) {
            // Blank lines between rows are the ends of sentences.
            Some(Format::Tsv) if source.group.is_none() && has_blank_lines(corpus.utf8()?) => {
                Tagged::of_sentences(corpus.name(), corpus.utf8()?, source, corpus.fingerprint(), reading)
            }
            Some(format) => {
                let on_bad = &mut |error| reading.bad(error);
                let table = Table::of_source(corpus.name(), corpus.bytes(), format, source, on_bad)?;
                Tagged::of_rows(&table, source, corpus.fingerprint(), reading)
            }
            None => Tagged::of_sentences(corpus.name(), corpus.utf8()?, source, corpus.fingerprint(), reading),
        }
    }

    /// A sentence a row, tokens and tags in a column each; or a step a row, in groups.
    pub fn of_table(table: &Table, source: &Source, fingerprint: Fingerprint) -> Result<Tagged, Error> {
        Tagged::of_rows(table, source, fingerprint, &mut Reading::default())
    }

    /// As [`Tagged::of_table`], of what `reading` accepts. A sequence is left out as a whole.
    pub fn of_rows(
        table: &Table,
        source: &Source,
        fingerprint: Fingerprint,
        reading: &mut Reading<'_>,
    ) -> Result<Tagged, Error> {
        let label = table.column(&source.label)?;
        if let Some(vectors) = Vectors::of_table(table, source, &[&source.label])? {
            let tag = |&row: &usize| Ok((row, table.text(row, label)?.to_string()));
            let (items, tags) = vectors
                .items(table, reading, |rows| rows.iter().map(tag).collect::<Result<Vec<(usize, String)>, Error>>())?;
            let unknown = tags.iter().flatten().find_map(|(row, tag)| Some((*row, reading.problem_of_class(tag)?)));
            if let Some((row, problem)) = unknown {
                return Err(table.refusal(row, label, problem));
            }
            let names = |tags: Vec<(usize, String)>| tags.into_iter().map(|(_, tag)| tag).collect();
            return Tagged::of(items, tags.into_iter().map(names).collect(), fingerprint);
        }
        let text = table.column(&source.text)?;
        let (mut texts, mut tags) = (Vec::new(), Vec::new());
        for row in 0..table.len() {
            let read = sentence(table, row, [text, label], reading.check);
            let Some((words, of_row)) = reading.kept(read)? else { continue };
            if let Some(problem) = of_row.iter().find_map(|tag| reading.problem_of_class(tag)) {
                return Err(table.refusal(row, label, problem));
            }
            texts.push(words);
            tags.push(of_row);
        }
        Tagged::of(Items::Texts(texts), tags, fingerprint)
    }

    /// A token a line with its tag; a blank line ends a sentence (`conll.rs`).
    pub fn of_lines(name: &str, text: &str, source: &Source, fingerprint: Fingerprint) -> Result<Tagged, Error> {
        Tagged::of_sentences(name, text, source, fingerprint, &mut Reading::default())
    }

    /// As [`Tagged::of_lines`], of what `reading` accepts. A sentence with a bad line is left out as a whole.
    pub fn of_sentences(
        name: &str,
        text: &str,
        source: &Source,
        fingerprint: Fingerprint,
        reading: &mut Reading<'_>,
    ) -> Result<Tagged, Error> {
        let (mut texts, mut tags) = (Vec::new(), Vec::new());
        let refusal = |line, problem| Error::Row { name: name.into(), line, column: None, problem };
        for sentence in
            conll::sentences(name, (text, conll::is_universal(name)), (token_column(source), Some(tag_column(source))))?
        {
            let Some(sentence) = reading.kept(sentence)? else { continue };
            let unknown = sentence.tags.iter().zip(&sentence.lines);
            let unknown = unknown.into_iter().find_map(|(tag, &line)| Some((line, reading.problem_of_class(tag)?)));
            if let Some((line, problem)) = unknown {
                return Err(refusal(line, problem));
            }
            let words = sentence.tokens.join(" ");
            match reading.problem_of_text(&words) {
                Some(problem) => reading.bad(refusal(sentence.line, problem))?,
                None => {
                    texts.push(words);
                    tags.push(sentence.tags);
                }
            }
        }
        Tagged::of(Items::Texts(texts), tags, fingerprint)
    }

    /// Sequences and the names of their classes. Errors: there are none.
    pub(crate) fn of(items: Items, names: Vec<Vec<String>>, fingerprint: Fingerprint) -> Result<Tagged, Error> {
        if items.is_empty() {
            let problem = "there are no sequences, expected at least 1".to_string();
            return Err(Error::Data { name: fingerprint.name, problem });
        }
        let mut classes: Vec<String> = names.iter().flatten().cloned().collect();
        classes.sort();
        classes.dedup();
        let places: HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
        let labels = names.iter().map(|tags| tags.iter().map(|tag| places[tag.as_str()]).collect()).collect();
        Ok(Tagged { items, labels, classes, fingerprint })
    }

    /// Those at `places`, in that order.
    pub fn pick(&self, places: &[usize]) -> Tagged {
        Tagged {
            items: self.items.pick(places),
            labels: places.iter().map(|&at| self.labels[at].clone()).collect(),
            classes: self.classes.clone(),
            fingerprint: self.fingerprint.clone(),
        }
    }

    /// The same with the classes of a model. Errors: a class that the model does not know, by name.
    pub fn with_classes(self, classes: &[String]) -> Result<Tagged, Error> {
        let places = places(&self.fingerprint.name, &self.classes, classes)?;
        let again = |labels: &Vec<u32>| labels.iter().map(|&label| places[label as usize]).collect();
        Ok(Tagged { labels: self.labels.iter().map(again).collect(), classes: classes.to_vec(), ..self })
    }
}

/// The column of tokens where it is named otherwise than in tables.
pub fn token_column(source: &Source) -> Option<&str> {
    Some(source.text.as_str()).filter(|name| *name != Source::default().text)
}

/// The column of tags where it is named otherwise than in tables.
fn tag_column(source: &Source) -> Option<&str> {
    Some(source.label.as_str()).filter(|name| *name != Source::default().label)
}

/// Whether a blank line stands between two others.
fn has_blank_lines(text: &str) -> bool {
    let mut lines = text.lines().skip_while(|line| line.trim().is_empty()).skip_while(|line| !line.trim().is_empty());
    lines.any(|line| !line.trim().is_empty())
}

/// The tokens of a row, with a space between two, and their tags.
fn sentence(
    table: &Table,
    row: usize,
    [text, label]: [usize; 2],
    check: Option<Check<'_>>,
) -> Result<(String, Vec<String>), Error> {
    let tokens: Vec<&str> = table.text(row, text)?.split_whitespace().collect();
    let tags: Vec<String> = table.text(row, label)?.split_whitespace().map(str::to_string).collect();
    if tokens.is_empty() {
        return Err(table.refusal(row, text, "the cell has no tokens, expected at least 1"));
    }
    if tokens.len() != tags.len() {
        let problem = format!("the row has {} tags, expected one for each of its {} tokens", tags.len(), tokens.len());
        return Err(table.refusal(row, label, problem));
    }
    let words = tokens.join(" ");
    match check.map_or(Ok(()), |check| check(&words)) {
        Ok(()) => Ok((words, tags)),
        Err(error) => Err(table.refusal(row, text, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint() -> Fingerprint {
        Corpus::from_text("t", "x".into()).fingerprint()
    }

    fn table(text: &str, source: &Source) -> Result<Tagged, String> {
        let table = Table::from_bytes("t.csv", text.as_bytes(), Format::Csv, true).unwrap();
        Tagged::of_table(&table, source, fingerprint()).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_and_lines_hold_the_same() {
        let columns = table("text,label\nthe  cat,D N\nruns,V\n", &Source::default()).unwrap();
        let lines =
            Tagged::of_lines("t", "\nthe DT D\ncat NN N\n\n\nruns VB V", &Source::default(), fingerprint()).unwrap();
        for tagged in [columns, lines] {
            assert_eq!(tagged.items, Items::Texts(vec!["the cat".into(), "runs".into()]));
            assert_eq!((tagged.classes.join(" "), tagged.labels), ("D N V".to_string(), vec![vec![0, 1], vec![2]]));
        }
        let source = Source { group: Some("g".into()), ..Source::default() };
        let vectors = table("g,x,label\n1,0.5,a\n2,1,b\n1,2,b\n", &source).unwrap();
        assert_eq!(vectors.labels, [vec![0, 1], vec![1]]);
    }

    #[test]
    fn what_does_not_match_is_named() {
        assert_eq!(
            table("text,label\nthe cat,D\n", &Source::default()).unwrap_err(),
            "line 2, column label: the row has 1 tags, expected one for each of its 2 tokens (t.csv)"
        );
        let error = Tagged::of_lines("t", "the D\ncat\n", &Source::default(), fingerprint()).unwrap_err().to_string();
        assert_eq!(error, "line 2: the line has 1 column, expected 2 as in the first (t)");
        assert!(Tagged::of_lines("t", "\n\n", &Source::default(), fingerprint()).is_err());
    }
}
