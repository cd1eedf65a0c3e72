//! Sequences with one class each: texts from a table, or from a folder with a file or a folder for every class, and
//! rows of numbers grouped by a column. An example without a text, class or number is an error with its row and column,
//! or its file. Not here: which examples are trained on (`dataset.rs`), and anything fitted.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Source;
use crate::data::table::items::places;
use crate::data::table::reading::{Check, Reading};
use crate::data::table::vectors::Vectors;
use crate::data::table::{Format, Table};
use crate::data::text::corpus::{Corpus, Fingerprint, is_text};
use crate::data::text::text_encoding::{TextEncoding, decode};
use crate::error::Error;
use crate::files::regular::{self, Links};

pub use crate::data::table::items::Items;

/// Sequences with a class each.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// The sequences.
    pub items: Items,
    /// The class of each, by its place in `classes`.
    pub labels: Vec<u32>,
    /// The classes' names, sorted.
    pub classes: Vec<String>,
    /// How the data is known again.
    pub fingerprint: Fingerprint,
}

impl Labelled {
    /// Errors: sequences that do not fit themselves; labels that are not as many as sequences, or beyond the classes.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.items.check(&self.fingerprint.name)?;
        let refuse = |problem: String| Err(Error::Data { name: self.fingerprint.name.clone(), problem });
        if self.labels.len() != self.items.len() {
            let (labels, sequences) = (self.labels.len(), self.items.len());
            return refuse(format!("{labels} labels are given, expected one for each of {sequences} sequences"));
        }
        match self.labels.iter().position(|&label| label as usize >= self.classes.len()) {
            None => Ok(()),
            Some(at) => {
                let (label, classes) = (self.labels[at], self.classes.len());
                refuse(format!("the label of sequence {at} is {label}, expected a class below {classes}"))
            }
        }
    }

    /// Reads a table or a folder.
    ///
    /// Errors: what cannot be read; a cell without text, class or number; a class without an example; an ending that
    /// stands for no table; no rows.
    pub fn read(path: &Path, source: &Source, encoding: TextEncoding) -> Result<Labelled, Error> {
        Labelled::read_with(path, source, encoding, &mut Reading::default())
    }

    /// As [`Labelled::read`], of what `reading` accepts.
    pub fn read_with(
        path: &Path,
        source: &Source,
        encoding: TextEncoding,
        reading: &mut Reading<'_>,
    ) -> Result<Labelled, Error> {
        if fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
            return Labelled::folder(path, source, encoding, reading);
        }
        let Some(format) = Format::of_path(path) else {
            let problem = "the file's ending says nothing, expected .csv, .tsv, .jsonl, .json or .ts for a table, or a folder with a file for each class";
            return Err(Error::file(path, problem));
        };
        let corpus = Corpus::read_table(&[path.to_path_buf()], encoding)?;
        let table = Table::of_source(corpus.name(), corpus.bytes(), format, source, &mut |error| reading.bad(error))?;
        Labelled::of_rows(&table, &format.source(source), corpus.fingerprint(), reading)
    }

    /// The labelled rows of a table, or its groups of rows.
    pub fn of_table(table: &Table, source: &Source, fingerprint: Fingerprint) -> Result<Labelled, Error> {
        Labelled::of_rows(table, source, fingerprint, &mut Reading::default())
    }

    /// As [`Labelled::of_table`], of what `reading` accepts. A sequence of numbers is left out as a whole.
    pub fn of_rows(
        table: &Table,
        source: &Source,
        fingerprint: Fingerprint,
        reading: &mut Reading<'_>,
    ) -> Result<Labelled, Error> {
        if table.is_empty() {
            let problem = "the table has no rows, expected at least 1".to_string();
            return Err(Error::Data { name: table.name().into(), problem });
        }
        let label = table.column(&source.label)?;
        let mut names = Vec::with_capacity(table.len());
        let items = match Vectors::of_table(table, source, &[&source.label])? {
            Some(vectors) => {
                let (items, kept) = vectors.items(table, reading, |rows| class_of(table, rows, label))?;
                names.extend(kept);
                items
            }
            None => {
                let text = table.column(&source.text)?;
                let mut texts = Vec::with_capacity(table.len());
                for row in 0..table.len() {
                    if let Some((text, class)) = reading.kept(example(table, row, [text, label], reading.check))? {
                        texts.push(text);
                        names.push((row, class));
                    }
                }
                Items::Texts(texts)
            }
        };
        if items.is_empty() {
            let problem = "no row can be read, expected at least 1".to_string();
            return Err(Error::Data { name: table.name().into(), problem });
        }
        let unknown = names.iter().find_map(|(row, class)| Some((*row, reading.problem_of_class(class)?)));
        match unknown {
            Some((row, problem)) => Err(table.refusal(row, label, problem)),
            None => Ok(Labelled::of(items, names.into_iter().map(|(_, class)| class).collect(), fingerprint)),
        }
    }

    /// A folder with a file for every class, each line of it an example, or with a folder for every class, each file of
    /// it an example. Blank lines, and white space around an example, are ignored.
    fn folder(
        path: &Path,
        source: &Source,
        encoding: TextEncoding,
        reading: &mut Reading<'_>,
    ) -> Result<Labelled, Error> {
        if source.group.is_some() || !source.features.is_empty() {
            return Err(Error::file(path, "a folder holds texts, expected a table for --group and --features"));
        }
        let all = entries(path)?;
        // Where no ending is that of a text, every file is one.
        let any = !all.iter().any(|entry| entry.is_dir() || is_text(entry));
        let is_text = |file: &Path| any || is_text(file);
        let files = if any { all.clone() } else { vec![path.to_path_buf()] };
        let corpus = Corpus::read_raw(&files)?; // its hash, and that there is text at all
        let stems = all.iter().map(|entry| entry.file_stem());
        let has_stems = stems.clone().collect::<std::collections::HashSet<_>>().len() == all.len();
        let (mut texts, mut names) = (Vec::new(), Vec::new());
        for entry in all {
            let before = texts.len();
            // A file's ending says the class where its name does not.
            let class = if entry.is_dir() || !has_stems { entry.file_name() } else { entry.file_stem() };
            let class = class.unwrap_or_default().to_string_lossy().into_owned();
            if let Some(problem) = reading.problem_of_class(&class).filter(|_| entry.is_dir() || is_text(&entry)) {
                return Err(Error::file(&entry, problem));
            }
            if entry.is_dir() {
                for file in entries(&entry)?.into_iter().filter(|file| file.is_file() && is_text(file)) {
                    let text = utf8(&file, encoding)?.trim().to_string();
                    let problem = match text.is_empty() {
                        true => Some("the file is empty, expected an example".to_string()),
                        false => reading.problem_of_text(&text),
                    };
                    match problem {
                        Some(problem) => reading.bad(Error::file(&file, problem))?,
                        None => texts.push(text),
                    }
                }
                names.resize(texts.len(), class);
            } else if is_text(&entry) {
                let text = utf8(&entry, encoding)?;
                let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty());
                for (text, line) in lines {
                    match reading.problem_of_text(text) {
                        None => texts.push(text.to_string()),
                        Some(problem) => {
                            let name = entry.display().to_string();
                            reading.bad(Error::Row { name, line, column: None, problem })?;
                        }
                    }
                }
                names.resize(texts.len(), class);
            } else {
                continue;
            }
            if texts.len() == before {
                return Err(Error::file(&entry, "the class has no examples, expected at least 1"));
            }
        }
        let mut fingerprint = corpus.fingerprint();
        if any {
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            fingerprint.name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
            fingerprint.sources = vec![whole.display().to_string()];
        }
        Ok(Labelled::of(Items::Texts(texts), names, fingerprint))
    }

    fn of(items: Items, names: Vec<String>, fingerprint: Fingerprint) -> Labelled {
        let mut classes = names.clone();
        classes.sort();
        classes.dedup();
        let places: HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
        let labels = names.iter().map(|name| places[name.as_str()]).collect();
        Labelled { items, labels, classes, fingerprint }
    }

    /// The same with the classes of a model. Errors: a class that the model does not know, by name.
    pub fn with_classes(self, classes: &[String]) -> Result<Labelled, Error> {
        let places = places(&self.fingerprint.name, &self.classes, classes)?;
        let labels = self.labels.iter().map(|&label| places[label as usize]).collect();
        Ok(Labelled { labels, classes: classes.to_vec(), ..self })
    }
}

/// The text and the class of a row.
fn example(
    table: &Table,
    row: usize,
    [text, label]: [usize; 2],
    check: Option<Check<'_>>,
) -> Result<(String, String), Error> {
    let words = table.text(row, text)?;
    let class = table.text(row, label)?.trim();
    if class.is_empty() {
        return Err(table.refusal(row, label, "the class is white space, expected a name"));
    }
    match check.map_or(Ok(()), |check| check(words)) {
        Ok(()) => Ok((words.to_string(), class.to_string())),
        Err(error) => Err(table.refusal(row, text, error.to_string())),
    }
}

/// The first row of a sequence and the class that all its rows have.
fn class_of(table: &Table, rows: &[usize], label: usize) -> Result<(usize, String), Error> {
    let class = table.text(rows[0], label)?;
    for &row in rows {
        let other = table.text(row, label)?;
        if other != class {
            let first = table.line(rows[0]);
            let problem = format!("the class is {other} here and {class} on line {first}, expected one for a sequence");
            return Err(table.refusal(row, label, problem));
        }
    }
    Ok((rows[0], class.to_string()))
}

/// The entries of a folder, sorted; names that begin with a dot are skipped.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn utf8(path: &Path, encoding: TextEncoding) -> Result<String, Error> {
    let bytes = regular::read(path, Links::Follow).map_err(Error::io("read", path))?;
    let name = path.display().to_string();
    decode(&name, encoding.to_utf8(&name, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source::default()
    }

    fn read(text: &str, source: &Source) -> Result<Labelled, String> {
        let table = Table::from_bytes("t.csv", text.as_bytes(), Format::Csv, true).unwrap();
        let fingerprint = Corpus::from_text("t.csv", text.to_string()).fingerprint();
        Labelled::of_table(&table, source, fingerprint).map_err(|error| error.to_string())
    }

    #[test]
    fn classes_are_sorted_whatever_row_comes_first() {
        let labelled = read("label,text\nb,x\na,y\nb,z\n", &source()).unwrap();
        assert_eq!((labelled.classes, labelled.labels), (vec!["a".to_string(), "b".into()], vec![1, 0, 1]));
        assert_eq!(labelled.items, Items::Texts(vec!["x".into(), "y".into(), "z".into()]));
    }

    #[test]
    fn rows_of_a_group_are_a_sequence_of_vectors() {
        let source = Source { group: Some("run".into()), ..source() };
        let text = "run,a,b,label\n2,1,10,x\n1,2,20,y\n2,3,30,x\n";
        let labelled = read(text, &source).unwrap();
        let Items::Vectors { columns, groups, sequences } = &labelled.items else { panic!() };
        assert_eq!((columns.join(" "), groups.join(" ")), ("a b".to_string(), "2 1".to_string()));
        assert_eq!(sequences, &[vec![1.0, 10.0, 3.0, 30.0], vec![2.0, 20.0]]);
        assert_eq!(
            read("run,a,label\n1,1,x\n1,2,y\n", &source).unwrap_err(),
            "line 3, column label: the class is y here and x on line 2, expected one for a sequence (t.csv)"
        );
        assert_eq!(
            read("run,a,label\n1,,x\n", &source).unwrap_err(),
            "line 2, column a: the cell is empty, expected a number (t.csv)"
        );
    }

    #[test]
    fn a_row_that_cannot_be_read_is_left_out_where_that_is_wanted() {
        let table = Table::from_bytes("t.csv", b"text,label\nx,a\ny!,a\n,b\n", Format::Csv, true).unwrap();
        let check = |text: &str| match text.contains('!') {
            true => Err(Error::Data { name: "t".into(), problem: "a sign".into() }),
            false => Ok(()),
        };
        let mut bad = Vec::new();
        let mut on_bad = |error: Error| {
            bad.push(error.to_string());
            Ok(())
        };
        let mut reading = Reading { classes: None, check: Some(&check), on_bad: Some(&mut on_bad) };
        let fingerprint = || Corpus::from_text("t.csv", "x".into()).fingerprint();
        let read = Labelled::of_rows(&table, &source(), fingerprint(), &mut reading).unwrap();
        assert_eq!((read.items, read.classes), (Items::Texts(vec!["x".into()]), vec!["a".to_string()]));
        assert!(bad[0].starts_with("line 3, column text: a sign"), "{bad:?}");
        assert_eq!(bad[1..], ["line 4, column text: the cell is empty, expected text (t.csv)"]);
        let classes = ["b".to_string()];
        let mut reading = Reading { classes: Some(&classes), check: None, on_bad: Some(&mut |_| Ok(())) };
        let error = Labelled::of_rows(&table, &source(), fingerprint(), &mut reading).unwrap_err();
        let words = "line 2, column label: the class \"a\" was not trained on, expected one of b (t.csv)";
        assert_eq!(error.to_string(), words);
    }

    #[test]
    fn bad_rows_are_named() {
        assert_eq!(
            read("text,label\nx,\n", &source()).unwrap_err(),
            "line 2, column label: the cell is empty, expected text (t.csv)"
        );
        assert_eq!(
            read("text,class\nx,a\n", &source()).unwrap_err(),
            "no column is called label, expected one of text, class (t.csv)"
        );
        assert_eq!(read("text,label\n", &source()).unwrap_err(), "the table has no rows, expected at least 1 (t.csv)");
        let known = read("text,label\nx,c\n", &source()).unwrap().with_classes(&["a".into(), "b".into()]);
        assert_eq!(known.unwrap_err().to_string(), "the class \"c\" was not trained on, expected one of a, b (t.csv)");
    }

    #[test]
    fn a_folder_has_a_file_or_a_folder_for_each_class() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("Up.txt"), "one\r\n\n two \n").unwrap();
        fs::create_dir(at("down")).unwrap();
        fs::write(at("down/1.txt"), "a\nb\n").unwrap();
        fs::write(at("notes.pdf"), "x").unwrap();
        let labelled = Labelled::read(dir.path(), &source(), TextEncoding::default()).unwrap();
        assert_eq!(labelled.classes, ["Up", "down"]);
        assert_eq!(labelled.items, Items::Texts(vec!["one".into(), "two".into(), "a\nb".into()]));
        assert_eq!(labelled.labels, [0, 0, 1]);
        fs::write(at("empty.txt"), "\n").unwrap();
        let error = Labelled::read(dir.path(), &source(), TextEncoding::default()).unwrap_err().to_string();
        assert!(error.starts_with("the class has no examples, expected at least 1 (") && error.ends_with("empty.txt)"));
    }
}
