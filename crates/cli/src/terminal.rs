//! Prints: lines on stderr, lines and one JSON object on stdout, colours, short forms of numbers. A closed stderr is not an error; a closed stdout is one for the caller. Not here: the
//! size of the terminal (`stream.rs`), progress (`progress.rs`), breaking lines (`wrap.rs`), tables (`columns.rs`).

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;

use crate::control::{self, visible_but_styles};
use crate::stream::Stream;
use crate::wrap::{self, fitted};

/// The error message when stdout is closed or full.
pub const NO_STDOUT: &str = "cannot write to standard output";

/// Prints a line on stderr.
macro_rules! say {
    ($($word:tt)*) => { $crate::terminal::say_line(format_args!($($word)*)) };
}
pub(crate) use say;

/// See `say!`.
pub fn say_line(words: fmt::Arguments) {
    let _ = match Stream::Err.width() {
        Some(width) => writeln!(io::stderr().lock(), "{}", fitted(&visible_but_styles(&words.to_string()), width)),
        None => writeln!(io::stderr().lock(), "{words}"),
    };
}

/// Prints one JSON object on stdout. Errors: stdout is closed or full.
pub fn print_json(object: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = control::stdout();
    out.json(&serde_json::to_string(object)?).and_then(|()| out.flush()).context(NO_STDOUT)
}

/// Prints lines on stdout. Errors: stdout is closed or full.
pub fn print(lines: &str) -> anyhow::Result<()> {
    let mut out = control::stdout();
    out.lines(lines).and_then(|()| out.flush()).context(NO_STDOUT)
}

/// Prints lines on stdout as they are, also on a terminal: for other programs. Errors: stdout is closed or full.
pub fn print_exact(lines: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{lines}").and_then(|()| out.flush()).context(NO_STDOUT)
}

/// `text` dimmed where stderr is coloured.
pub fn dim(text: &str) -> String {
    if Stream::Err.is_coloured() { format!("\x1b[2m{text}\x1b[0m") } else { text.to_string() }
}

/// `text` in bold where stderr is coloured.
pub fn bold(text: &str) -> String {
    bold_on(Stream::Err, text)
}

/// `text` in bold where `stream` is coloured.
pub fn bold_on(stream: Stream, text: &str) -> String {
    if stream.is_coloured() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_string() }
}

/// A line `name   text` in two columns.
pub fn row(name: &str, words: &str) -> String {
    format!("{name:<11}{words}")
}

/// The same with the name in bold, for stderr.
pub fn fact(name: &str, words: &str) -> String {
    format!("{}{words}", bold(&format!("{name:<11}")))
}

/// `1234567` as `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share, 0 to 1, in percent: `4.76 %`.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// `n` and the noun, in the plural unless `n` is 1: `1 layer`, `2 layers`.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// The short name of a token, as in `nats/char`.
pub fn short_unit(unit: &'static str) -> &'static str {
    if unit == "character" { "char" } else { unit }
}

/// The unit of a loss: nats, but of points and quantiles that of the scaled numbers, and of signals that of the error.
pub fn loss_unit(unit: &'static str) -> String {
    match unit {
        "number" => "scaled".to_string(),
        "sample" => "error".to_string(),
        _ => format!("nats/{}", short_unit(unit)),
    }
}

/// A loss in the usual unit: bits for characters and bytes, perplexity for words and parts of words.
pub fn measure(loss: f64, unit: &'static str) -> String {
    match unit {
        "word" | "token" => format!("perplexity {}", perplexity(loss)),
        "example" | "value" | "label" | "number" | "sample" => loss_unit(unit),
        _ => format!("{:.2} bits/{}", loss / std::f64::consts::LN_2, short_unit(unit)),
    }
}

/// The unit of a speed: tokens for texts, else the unit of a prediction.
pub fn spoken(unit: &'static str) -> &'static str {
    if matches!(unit, "character" | "byte" | "word") { "token" } else { unit }
}

/// exp(loss) with four significant digits.
pub fn perplexity(loss: f64) -> String {
    let value = loss.exp();
    match value {
        x if x < 10.0 => format!("{x:.3}"),
        x if x < 100.0 => format!("{x:.2}"),
        x if x < 1000.0 => format!("{x:.1}"),
        x => short(x),
    }
}

/// A rate with three significant digits: `987`, `12.3k`, `4.56M`.
pub fn short(value: f64) -> String {
    let (scaled, unit) = if value >= 999_500.0 {
        (value / 1e6, "M")
    } else if value >= 999.5 {
        (value / 1e3, "k")
    } else {
        return format!("{value:.0}");
    };
    let decimals = if scaled < 9.995 {
        2
    } else if scaled < 99.95 {
        1
    } else {
        0
    };
    format!("{scaled:.decimals$}{unit}")
}

/// A duration: `8s`, `1m 05s`, `2h 03m`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A word for a shell, quoted if necessary.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The program with arguments, as a command to copy: indented, in lines that fit stderr.
pub fn command(arguments: &str) -> String {
    let words = format!("{} {arguments}", this_program());
    let lines = wrap::command(&words, Stream::Err.width().unwrap_or(usize::MAX - 4));
    lines.split('\n').map(bold).collect::<Vec<_>>().join("\n")
}

/// The command that started this program: `cargo run --release --`, or its name.
fn this_program() -> String {
    if std::env::var_os("CARGO").is_some() {
        let profile = if cfg!(debug_assertions) { "" } else { " --release" };
        return format!("cargo run{profile} --");
    }
    shell_word(&std::env::args().next().unwrap_or_else(|| "elman".to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([grouped(0), grouped(999), grouped(1000), grouped(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([short(0.0), short(987.4), short(12_345.0), short(999_600.0)], ["0", "987", "12.3k", "1.00M"]);
        assert_eq!([counted(1, "layer"), counted(2, "layer")], ["1 layer", "2 layers"]);
    }

    #[test]
    fn times_read_well() {
        let of = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([of(0), of(59), of(65), of(7380)], ["0s", "59s", "1m 05s", "2h 03m"]);
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(
            [shell_word("runs/a-1"), shell_word("my run"), shell_word("it's")],
            ["runs/a-1", "'my run'", r"'it'\''s'"]
        );
    }
}
