//! Sentences in lines: a token a line, its columns apart by tabs or white space; a blank line ends a sentence. CoNLL-U files
//! (`.conllu`) have ten named columns and comments; lines of multi-word tokens and of empty nodes are no tokens there. In a file
//! with a tab, tabs alone separate, and tokens may contain spaces. Not here: which of the sentences are trained on.

use crate::data::table::quoted;
use crate::error::Error;

/// The columns of CoNLL-U.
const UNIVERSAL: [&str; 10] = ["id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc"];
/// What a space within a token is held as: a sentence is held as its tokens with spaces between them.
const SPACE: char = '␣';

/// How the lines of a file are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lines {
    is_universal: bool,
    has_tabs: bool,
}

/// A sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sentence {
    /// The line of its first token.
    pub line: u64,
    /// Its tokens, a space in one held as `␣`.
    pub tokens: Vec<String>,
    /// The lines of the tokens.
    pub lines: Vec<u64>,
    /// The tags; none where no tag column is read.
    pub tags: Vec<String>,
}

/// A sentence, or the first line of one that cannot be read.
pub type Read = Result<Sentence, Error>;

/// Whether a file's ending is that of sentences in lines.
pub fn is_conll(path: &std::path::Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    matches!(ending.as_str(), "conllu" | "conll" | "iob" | "iob2" | "bio")
}

/// Whether a file of this name is in CoNLL-U.
pub fn is_universal(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".conllu")
}

/// A token as it is held, with its spaces as `␣`.
pub fn held(token: &str) -> String {
    token.split_whitespace().collect::<Vec<_>>().join(&SPACE.to_string())
}

/// A token as it was written.
pub fn shown(token: &str) -> String {
    token.replace(SPACE, " ")
}

/// The sentences of a text, which is CoNLL-U or not. The last argument says which columns are those of
/// tokens and, where tags are read, of tags: their names in CoNLL-U, or their
/// numbers from 1 on; None takes `form` and `upos`, else the first and the last.
///
/// Errors: a column that is not there. Of a sentence, in its place: a line with another number of columns than the first; an empty
/// token or tag.
pub fn sentences(
    name: &str,
    (text, is_universal): (&str, bool),
    (token, tag): (Option<&str>, Option<Option<&str>>),
) -> Result<Vec<Read>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Lines { is_universal, has_tabs: text.contains('\t') };
    let refusal = |line, problem| Error::Row { name: name.into(), line, column: None, problem };
    let mut reader: Option<Columns> = None;
    let (mut all, mut sentence, mut bad) = (Vec::new(), Sentence::default(), None);
    for (line, at) in text.lines().chain([""]).zip(1_u64..) {
        if line.trim().is_empty() {
            let read = std::mem::take(&mut sentence);
            match bad.take() {
                Some(error) => all.push(Err(error)),
                None if read.tokens.is_empty() => {}
                None => all.push(Ok(read)),
            }
            continue;
        }
        if line.starts_with("-DOCSTART-") || (is_universal && line.starts_with('#')) {
            continue;
        }
        let cells = lines.cells(line);
        if reader.is_none() {
            reader = Some(Columns::of(name, lines, cells.len(), (token, tag))?);
        }
        let Some(columns) = &reader else { continue };
        if cells.len() != columns.count {
            let (got, expected) = (cells.len(), columns.count);
            bad.get_or_insert(refusal(
                at,
                format!(
                    "the line has {got} column{}, expected {expected} as in the first",
                    if got == 1 { "" } else { "s" }
                ),
            ));
            continue;
        }
        if is_universal && cells[0].contains(['-', '.']) {
            continue;
        }
        let of = |column: usize| held(cells[column]);
        let (token, tag) = (of(columns.token), columns.tag.map(of));
        if token.is_empty() || tag.as_ref().is_some_and(String::is_empty) {
            let what = if token.is_empty() { "token" } else { "tag" };
            bad.get_or_insert(refusal(at, format!("the {what} is empty")));
            continue;
        }
        if sentence.tokens.is_empty() {
            sentence.line = at;
        }
        sentence.tokens.push(token);
        sentence.lines.push(at);
        sentence.tags.extend(tag);
    }
    Ok(all)
}

impl Lines {
    fn cells(self, line: &str) -> Vec<&str> {
        match self.has_tabs {
            true => line.split('\t').map(str::trim).collect(),
            false => line.split_whitespace().collect(),
        }
    }
}

/// Where tokens and tags are in a line.
struct Columns {
    count: usize,
    token: usize,
    tag: Option<usize>,
}

impl Columns {
    fn of(
        name: &str,
        lines: Lines,
        count: usize,
        (token, tag): (Option<&str>, Option<Option<&str>>),
    ) -> Result<Columns, Error> {
        let names: Vec<String> = match lines.is_universal {
            true if count == UNIVERSAL.len() => UNIVERSAL.map(String::from).to_vec(),
            _ => (1..=count).map(|number| number.to_string()).collect(),
        };
        let place = |column: &str| {
            let by_number = || column.parse::<usize>().ok().filter(|at| (1..=count).contains(at)).map(|at| at - 1);
            let by_name = names.iter().position(|name| name == column).or_else(by_number);
            let missing = || Error::NoColumn { name: name.into(), column: column.into(), has: names.clone() };
            by_name.ok_or_else(missing)
        };
        let token = match token {
            Some(column) => place(column)?,
            None if lines.is_universal => place("form")?,
            None => 0,
        };
        let tag = match tag {
            None => None,
            Some(Some(column)) => Some(place(column)?),
            Some(None) if lines.is_universal => Some(place("upos")?),
            Some(None) => Some(count - 1),
        };
        if tag == Some(token) {
            let problem = match count {
                1 => "the lines have one column, expected a token and a tag".to_string(),
                _ => format!("column {} is that of tokens and of tags, expected two", quoted(&names[token])),
            };
            return Err(Error::Data { name: name.into(), problem });
        }
        Ok(Columns { count, token, tag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str, columns: (Option<&str>, Option<Option<&str>>)) -> Result<Vec<Read>, String> {
        sentences(name, (text, is_universal(name)), columns).map_err(|error| error.to_string())
    }

    fn words(read: &[Read]) -> Vec<(String, String)> {
        let of = |read: &Read| read.as_ref().map(|s| (s.tokens.join(" "), s.tags.join(" "))).unwrap();
        read.iter().map(of).collect()
    }

    const UNIVERSAL_TEXT: &str = "# text = doesn't\n1\tHe\the\tPRON\tPRP\t_\t_\t_\t_\t_\n2-3\tdoesn't\t_\t_\t_\t_\t_\t_\t_\t_\n\
        2\tdoes\tdo\tAUX\tVBZ\t_\t_\t_\t_\t_\n2.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n\n1\ta b\t_\tX\tY\t_\t_\t_\t_\t_\n";

    #[test]
    fn conll_u_has_comments_ranges_and_names() {
        let all = read("a.conllu", UNIVERSAL_TEXT, (None, Some(None))).unwrap();
        assert_eq!(words(&all), [("He does".into(), "PRON AUX".into()), ("a␣b".into(), "X".into())]);
        assert_eq!(all[0].as_ref().unwrap().lines, [2, 4]);
        let other = read("a.conllu", UNIVERSAL_TEXT, (Some("lemma"), Some(Some("5")))).unwrap();
        assert_eq!(words(&other)[0], ("he do".into(), "PRP VBZ".into()));
        assert!(
            read("a.conllu", UNIVERSAL_TEXT, (Some("word"), Some(None)))
                .unwrap_err()
                .starts_with("no column is called word")
        );
        assert_eq!(shown("a␣b"), "a b");
    }

    #[test]
    fn tabs_keep_spaces_and_every_line_has_as_many_columns() {
        let all = read("a.tsv", "New York\tB-LOC\nis\tO\n\n# \tO\n", (None, Some(None))).unwrap();
        assert_eq!(words(&all), [("New␣York is".into(), "B-LOC O".into()), ("#".into(), "O".into())]);
        let all =
            read("a.txt", "-DOCSTART- -X- O\n\nEU NNP B\nrejects VBZ\n\nPeter NNP B\n", (None, Some(None))).unwrap();
        let error = all[0].as_ref().unwrap_err().to_string();
        assert_eq!(error, "line 4: the line has 2 columns, expected 3 as in the first (a.txt)");
        assert_eq!(words(&all[1..]), [("Peter".into(), "B".into())]);
        let empty = read("a.tsv", "a\tX\nb\t\n", (None, Some(None))).unwrap();
        assert_eq!(empty[0].as_ref().unwrap_err().to_string(), "line 2: the tag is empty (a.tsv)");
        assert_eq!(
            read("a.txt", "one\ntwo\n", (None, Some(None))).unwrap_err(),
            "the lines have one column, expected a token and a tag (a.txt)"
        );
        let tokens = read("a.txt", "one\ntwo\n", (None, None)).unwrap();
        assert_eq!(words(&tokens), [("one two".into(), String::new())]);
    }
}
