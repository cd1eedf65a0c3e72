//! Breaks lines that are wider than a terminal: at separators first, then at spaces, with an indent; a number or a word is cut
//! only if it is wider than the terminal. Not here: the width of the terminal (`terminal.rs`), tables (`columns.rs`).

use console::measure_text_width;

/// Largest column of a second part under which the rest of its line is indented.
const DEEPEST: usize = 16;

/// The columns that a text takes in a terminal, without the codes of its styles.
pub fn width_of(text: &str) -> usize {
    measure_text_width(text)
}

/// The lines of a text, each in as many lines of at most `width` columns as it takes.
pub fn fitted(text: &str, width: usize) -> String {
    text.split('\n').map(|line| fit(line, width)).collect::<Vec<_>>().join("\n")
}

/// A line in lines of at most `width` columns.
fn fit(line: &str, width: usize) -> String {
    indented(line, width, indent_of(line))
}

/// A line in lines of at most `width` columns; those after the first begin with `indent` spaces.
pub fn indented(line: &str, width: usize, indent: usize) -> String {
    if width_of(line) <= width {
        return line.to_string();
    }
    let mut filled = Filled { width, indent: indent.min(width / 2), lines: Vec::new(), now: String::new() };
    for (gap, piece) in pieces(line) {
        if filled.fits(gap, piece) {
            continue;
        }
        if width_of(piece) + filled.indent <= width {
            filled.next(piece);
            continue;
        }
        for (at, word) in piece.split(' ').enumerate() {
            let gap = if at == 0 { gap } else { 1 };
            if !filled.fits(gap, word) {
                filled.next(word);
            }
        }
    }
    filled.lines.push(filled.now);
    filled.lines.join("\n")
}

/// Lines that are being filled.
struct Filled {
    width: usize,
    indent: usize,
    lines: Vec<String>,
    now: String,
}

impl Filled {
    /// Appends `text` after `gap` spaces if it fits.
    fn fits(&mut self, gap: usize, text: &str) -> bool {
        let has_space = width_of(&self.now) + gap + width_of(text) <= self.width;
        if has_space {
            self.now.push_str(&" ".repeat(gap));
            self.now.push_str(text);
        }
        has_space
    }

    /// Starts a line with `text`, which may take several.
    fn next(&mut self, text: &str) {
        let ended = std::mem::take(&mut self.now);
        if !ended.trim().is_empty() {
            self.lines.push(ended.trim_end().to_string());
        }
        // A path or an address is left whole if it fits with a smaller indent.
        let indent = if width_of(text) + self.indent <= self.width { self.indent } else { 2.min(self.width / 2) };
        let parts = cut(text, self.width - indent);
        let count = parts.len();
        for (at, part) in parts.into_iter().enumerate() {
            let line = format!("{}{part}", " ".repeat(indent));
            if at + 1 < count { self.lines.push(line) } else { self.now = line }
        }
    }
}

/// The parts of a line between two and more spaces, each with the number of spaces before it.
fn pieces(line: &str) -> Vec<(usize, &str)> {
    let (mut out, mut rest) = (Vec::new(), line);
    loop {
        let text = rest.trim_start_matches(' ');
        let gap = rest.len() - text.len();
        if text.is_empty() {
            return out;
        }
        let end = text.find("  ").unwrap_or(text.len());
        out.push((gap, &text[..end]));
        rest = &text[end..];
    }
}

/// The indent of the lines after the first: where the text of a line `name   text` begins, else two columns more than the line's
/// own.
fn indent_of(line: &str) -> usize {
    let own = line.len() - line.trim_start_matches(' ').len();
    let mut all = pieces(line).into_iter();
    let (first, second) = (all.next(), all.next());
    let (Some((before, first)), Some((gap, _))) = (first, second) else { return own + 2 };
    let at = before + width_of(first) + gap;
    if at <= DEEPEST { at } else { own + 2 }
}

/// A word in parts of at most `width` columns, after a slash, a comma or the like if possible.
fn cut(word: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let (mut parts, mut rest) = (Vec::new(), word);
    while width_of(rest) > width {
        let (mut end, mut good) = (0, None);
        for (at, c) in rest.char_indices() {
            let after = at + c.len_utf8();
            if width_of(&rest[..after]) > width {
                break;
            }
            end = after;
            if "/,;:=_-".contains(c) {
                good = Some(after);
            }
        }
        let end = good.unwrap_or(end).max(rest.chars().next().map_or(1, char::len_utf8));
        parts.push(rest[..end].to_string());
        rest = &rest[end..];
    }
    parts.push(rest.to_string());
    parts
}

/// A command for a shell in lines of at most `width` columns; a backslash ends each line but the last.
pub fn command(words: &str, width: usize) -> String {
    let all = width_of(words);
    if all + 4 <= width {
        return format!("    {words}");
    }
    let (mut lines, mut now) = (Vec::new(), String::new());
    for word in words.split(' ') {
        if now.is_empty() {
            now = word.to_string();
        } else if width_of(&now) + 1 + width_of(word) + 2 <= width {
            now = format!("{now} {word}");
        } else {
            lines.push(std::mem::replace(&mut now, format!("  {word}")) + " \\");
        }
    }
    lines.push(now);
    lines.join("\n")
}

/// A JSON object in lines of at most `width` columns, broken after commas and colons that are in no string. A string is not cut.
pub fn json(object: &str, width: usize) -> String {
    let (mut pieces, mut from, mut in_string, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in object.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' if !in_string => {
                pieces.push((byte, &object[from..=at]));
                from = at + 1;
            }
            _ => {}
        }
    }
    pieces.push((b',', &object[from..]));
    let (mut lines, mut now, mut unit) = (Vec::new(), String::new(), Vec::new());
    let mut place = |text: &str, lines: &mut Vec<String>| {
        if !now.trim().is_empty() && width_of(&now) + width_of(text) > width {
            lines.push(std::mem::replace(&mut now, "  ".to_string()));
        }
        now.push_str(text);
        now.clone()
    };
    let mut last = String::new();
    for (end, piece) in pieces {
        unit.push(piece);
        if end == b':' {
            continue;
        }
        // A name stays beside its value if both fit a line.
        let whole = unit.concat();
        let parts = if width_of(&whole) + 2 <= width { vec![&whole[..]] } else { std::mem::take(&mut unit) };
        parts.into_iter().for_each(|part| last = place(part, &mut lines));
        unit.clear();
    }
    lines.push(last);
    lines.join("\n")
}

/// A text in lines of at most `width` columns, broken at spaces if possible. Control characters are replaced.
pub fn paragraphs(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let visible = |c: char| match c {
            '\t' => ' ',
            c if c.is_control() => '·',
            c => c,
        };
        let line: String = paragraph.chars().filter(|&c| c != '\r').map(visible).collect();
        let mut rest = &line[..];
        while width_of(rest) > width {
            let (mut end, mut space) = (0, None);
            for (at, c) in rest.char_indices() {
                if c == ' ' && at > 0 {
                    space = Some(at);
                }
                if width_of(&rest[..at + c.len_utf8()]) > width {
                    break;
                }
                end = at + c.len_utf8();
            }
            let end = end.max(rest.chars().next().map_or(0, char::len_utf8));
            let (shown, next) = space.map_or((end, end), |at| (at, at + 1));
            lines.push(rest[..shown].trim_end().to_string());
            rest = &rest[next..];
        }
        lines.push(rest.to_string());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_separators_and_numbers_stay_whole() {
        let line = "step 120/800  loss 1.5340  2.21 bits/char  validation 1.6012";
        assert_eq!(fitted(line, 60), line);
        assert_eq!(
            fitted(line, 40),
            "step 120/800  loss 1.5340\n              2.21 bits/char\n              validation 1.6012"
        );
        let fact = "model      LSTM 2 x 256, one-hot input, dropout 0.2 between layers";
        assert_eq!(fitted(fact, 40), "model      LSTM 2 x 256, one-hot input,\n           dropout 0.2 between layers");
        assert_eq!(fitted("one two three four", 10), "one two\n  three\n  four");
        assert_eq!(fitted("a\n\nb", 10), "a\n\nb");
    }

    #[test]
    fn styles_take_no_columns() {
        let line = "\x1b[1mrun        \x1b[0mruns/tales and more";
        assert_eq!(fitted(line, 30), line);
        assert!(fitted(line, 20).lines().all(|line| width_of(line) <= 20), "{:?}", fitted(line, 20));
    }

    #[test]
    fn long_words_are_cut_after_slashes_and_wide_characters_count_twice() {
        assert_eq!(fitted("run        /a/long/path/to/somewhere", 24), "run\n  /a/long/path/to/\n  somewhere");
        assert_eq!(fitted("run        /a/path/to/x", 18), "run\n  /a/path/to/x");
        assert_eq!(fitted("0123456789", 4), "  01\n  23\n  45\n  67\n  89");
        assert_eq!(paragraphs("漢字漢字", 4), ["漢字", "漢字"]);
    }

    #[test]
    fn samples_are_wrapped_at_spaces_and_move_no_cursor() {
        assert_eq!(paragraphs("one two three\n\nfour", 8), ["one two", "three", "", "four"]);
        assert_eq!(paragraphs("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(paragraphs("ab cd", 2), ["ab", "cd"]);
        assert_eq!(paragraphs("a\x1b[2Jb\r\tc", 20), ["a·[2Jb c"]);
    }

    #[test]
    fn a_command_stays_a_command() {
        assert_eq!(command("elman sample runs/a", 40), "    elman sample runs/a");
        assert_eq!(command("elman train --resume runs/tales", 24), "elman train --resume \\\n  runs/tales");
    }

    #[test]
    fn json_breaks_between_its_parts() {
        let object = r#"{"line":1,"label":"a, b: \"c\"","p":[0.25,0.75]}"#;
        let broken = json(object, 24);
        assert_eq!(broken, "{\"line\":1,\n  \"label\":\"a, b: \\\"c\\\"\",\n  \"p\":[0.25,0.75]}");
        assert_eq!(json(object, 100), object);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&broken).unwrap()["label"], "a, b: \"c\"");
    }
}
