//! What is written where: control characters of a hostile vocabulary are shown on a terminal and exact in a pipe, and a
//! full disk is an error of every verb that prints.
#![cfg(target_os = "linux")]

mod place;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use place::{Place, stderr, stdout};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Runs a command with a terminal as standard output and standard error; all that it writes there.
fn on_a_terminal(command: Command) -> String {
    on_a_terminal_of(command, 0, 0)
}

/// The same on a terminal of some rows and columns.
fn on_a_terminal_of(mut command: Command, rows: u16, columns: u16) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    tcsetwinsize(&master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    // Without O_NOCTTY the terminal could become that of the test.
    let open = || OpenOptions::new().read(true).write(true).custom_flags(0o400).open(&name).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(open()).stderr(open()).spawn().unwrap();
    drop(command); // and with it the terminal's other ends
    let (mut seen, mut master) = (Vec::new(), File::from(master));
    let _ = master.read_to_end(&mut seen); // ends with an error when the last other end is closed
    child.wait().unwrap();
    String::from_utf8_lossy(&seen).into_owned()
}

/// A run on a text that sets a terminal's title and clears its screen.
fn hostile() -> Place {
    let place = Place::new();
    place.write("text.txt", "\x1b]0;owned\x07 \x1b[2J \u{9b}31m the sea\n".repeat(60));
    place.train(&["text.txt", "--out", "run", "--steps", "30"]);
    place
}

/// The lines that a terminal of `columns` columns breaks itself: a text continues in the next row. A bar fills its rows with spaces,
/// which is no such line.
fn broken(raw: &str, columns: usize) -> Vec<String> {
    let (mut found, mut row, mut chars) = (Vec::new(), String::new(), raw.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                chars.by_ref().take_while(|c| !c.is_ascii_alphabetic()).for_each(drop);
            }
            '\r' | '\n' => row.clear(),
            c => {
                if row.chars().count() == columns {
                    if !row.ends_with(' ') && c != ' ' {
                        found.push(row.clone());
                    }
                    row.clear();
                }
                row.push(c);
            }
        }
    }
    found
}

/// Verbs that print wide lines, after a run has been trained.
const WIDE: [&[&str]; 9] = [
    &["info", "run"],
    &["eval", "run", "text.txt"],
    &["eval", "run", "text.txt", "--per-line"],
    &["compare", "run", "run"],
    &["data", "list"],
    &["lesson"],
    &["lesson", "softmax"],
    &["info", "run", "--json"],
    &["train", "--resume", "a/directory/that/is/not/there/and/has/a/long/name/with/many/parts"],
];

#[test]
fn nothing_is_wider_than_the_terminal() {
    for columns in [40, 80] {
        let place = Place::with_text();
        let train =
            ["train", "text.txt", "--out", "run", "--steps", "40", "--eval-every", "10", "--sample-every", "20"];
        let shown = on_a_terminal_of(place.command(&[&train[..], &place::TINY].concat()), 24, columns);
        assert!(shown.contains("validation") && shown.contains("sample after step 40"), "{shown}");
        assert!(shown.contains("⠒ training") && shown.contains("step 0"), "a curve: {shown}");
        let broken_of = |shown: &str| broken(shown, columns.into());
        assert_eq!(broken_of(&shown), Vec::<String>::new(), "train, {columns} columns");
        for args in WIDE {
            let shown = on_a_terminal_of(place.command(args), 24, columns);
            assert_eq!(broken_of(&shown), Vec::<String>::new(), "{args:?}, {columns} columns: {shown}");
        }
    }
}

#[test]
fn a_wide_line_is_found() {
    assert_eq!(broken("abcdef\r\n", 4), ["abcd"]);
    assert_eq!(broken("abcd\r\nab  abcd\r\n", 4), Vec::<String>::new());
    assert_eq!(broken("\x1b[1mab\x1b[0mcd\r\n", 4), Vec::<String>::new());
}

#[test]
fn a_curve_is_drawn_only_where_it_fits_and_was_not_refused() {
    let place = Place::with_text();
    let train = ["train", "text.txt", "--steps", "40", "--eval-every", "10", "--sample-every", "0"];
    let args = [&train[..], &place::TINY].concat();
    let has_curve = |command: Command, rows| on_a_terminal_of(command, rows, 80).contains("⠒ training");
    assert!(has_curve(place.command(&args), 12));
    assert!(!has_curve(place.command(&args), 11));
    assert!(!has_curve(place.command(&[&args[..], &["--quiet"]].concat()), 24));
    let with = |name: &str, value: &str| {
        let mut command = place.command(&args);
        command.env(name, value);
        command
    };
    let dumb = on_a_terminal_of(with("TERM", "dumb"), 24, 80);
    assert!(!dumb.contains("⠒ training") && !dumb.contains('\x1b') && dumb.contains("step 40/40  loss"), "{dumb}");
    let plain = on_a_terminal_of(with("NO_COLOR", "1"), 24, 80);
    let colours = ["\x1b[1m", "\x1b[2m", "\x1b[33m"];
    assert!(plain.contains("⠒ training") && !colours.iter().any(|colour| plain.contains(colour)), "{plain}");
    // Standard error that is no terminal.
    assert!(!stderr(&place.done(&args)).contains("⠒ training"));
}

/// Whether it has a control character that a terminal obeys, other than the styles of the program and line ends.
fn obeys(text: &str) -> bool {
    let plain =
        ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\r\n"].iter().fold(text.to_string(), |text, own| text.replace(own, ""));
    plain.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
}

#[test]
fn a_terminal_gets_control_characters_as_words_and_a_pipe_gets_the_text() {
    let place = hostile();
    let prompt = "\x1b]0;owned\x07 \u{9b}31m";
    let args = ["sample", "run", "--seed", "1", "-n", "200", "--prompt", prompt, "--num-samples", "2"];
    let piped = stdout(&place.done(&args));
    assert!(piped.starts_with(prompt) && obeys(&piped));
    let shown = on_a_terminal(place.command(&args));
    assert!(!obeys(&shown), "{shown:?}");
    // The same text, its control characters as words.
    let mut words = String::new();
    for c in piped.chars() {
        match c.is_control() && c != '\n' && c != '\t' {
            true => words.extend(c.escape_unicode()),
            false => words.push(c),
        }
    }
    assert_eq!(shown.replace("\r\n", "\n").trim_end(), words.trim_end());
}

#[test]
fn messages_and_progress_are_shown_likewise() {
    let place = hostile();
    let train = ["train", "text.txt", "--out", "again", "--steps", "10", "--sample-every", "5"];
    for args in [&[&train[..], &place::TINY].concat()[..], &["info", "run"], &["eval", "run", "text.txt"]] {
        let shown = on_a_terminal(place.command(args));
        // A bar moves the cursor itself: of those codes, none has the text's.
        assert!(
            !shown.contains("\x1b]") && !shown.contains("\x1b[2J") && !shown.contains('\u{9b}'),
            "{args:?}: {shown:?}"
        );
        assert!(!shown.contains('\x07'), "{args:?}: {shown:?}");
    }
    let shown = on_a_terminal(place.command(&["sample", "run", "--prompt", "\x1b[31m☃"]));
    assert!(!obeys(&shown) && shown.contains("error: "), "{shown:?}");
}

#[test]
fn a_full_disk_is_an_error_of_all_that_print() {
    let place = Place::with_run();
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["--help"],
        vec!["--version"],
        vec!["sample", "run", "-n", "10"],
        vec!["info"],
        vec!["info", "run", "--json"],
        vec!["eval", "run", "text.txt"],
        vec!["compare", "run"],
        vec!["data", "list"],
        vec!["data", "list", "--json"],
        vec!["completions", "bash"],
        vec!["man"],
        vec!["man", "train"],
    ];
    for verb in ["train", "sample", "predict", "eval", "gradcheck", "info", "compare", "bench", "lesson", "data", "man"]
    {
        commands.push(vec![verb, "--help"]);
    }
    for args in commands {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = place.command(&args).stdout(full).output().unwrap();
        let messages = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {messages}");
        assert!(messages.contains("error: cannot write to standard output: No space left"), "{args:?}: {messages}");
        // A reader that needs no more is no error.
        let mut child = place.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}, closed pipe: {}", stderr(&output));
    }
}
