//! The command `words` on small files: what it finds, on which line, and what it leaves alone.

use std::fs;
use std::process::{Command, Output};

fn run(files: &[(&str, &str)], flags: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let program = env!("CARGO_BIN_EXE_elman-checks");
    Command::new(program).current_dir(dir.path()).arg("words").args(flags).output().unwrap()
}

fn lines(files: &[(&str, &str)]) -> Vec<String> {
    let output = run(files, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!text.is_empty())), "{text}");
    text.lines().map(str::to_string).collect()
}

#[test]
fn words_are_found_in_every_kind_of_text_with_their_lines() {
    let source = "//! Holds the threads.\n//! Refuses to wait.\n\n/// A crew.\nfn crew_of() {\n    // what goes\n    // on\n    \
                  let s = \"a ledger\";\n}\nstruct TextMark;\n";
    assert_eq!(
        lines(&[("a/one.rs", source), ("README.md", "First.\n\nEvery stranger\nis to\nstop.\n"), ("a/b.txt", "crew")]),
        [
            "README.md:3: stranger -> untrusted input",
            "README.md:4: is to stop -> stops, must stop",
            "a/one.rs:2: Refuses -> Not here: ...",
            "a/one.rs:1: Holds -> what the file is for",
            "a/one.rs:4: crew -> thread team",
            "a/one.rs:5: crew_of -> thread team",
            "a/one.rs:6: goes on -> continues",
            "a/one.rs:8: ledger -> profiler, timings",
            "a/one.rs:10: TextMark -> fingerprint",
        ]
    );
}

/// Each line holds one word of the list, in prose.
#[test]
fn every_word_of_the_list_is_found() {
    for (prose, term) in [
        ("the crews", "thread team"),
        ("its pace", "adaptive choice between the team and one thread"),
        ("the sum of halves", "shard"),
        ("each half is summed", "shard"),
        ("memory that is lent", "borrow, return"),
        ("a loan", "scratch buffer"),
        ("the shelf", "scratch pool"),
        ("public doors", "entry point, public function"),
        ("the ledger", "profiler, timings"),
        ("members of the ensemble", "ensemble size, models; threads of the team"),
        ("for both ways", "num_directions; choice"),
        ("the text's mark", "fingerprint"),
        ("the usual norm", "moving average of the gradient norm"),
        ("absent positions", "mask, masked"),
        ("rows that are present", "mask, masked"),
        ("what the model said", "raw output; stated"),
        ("no room knows the other", "module; memory, space"),
        ("rules need a wall", "boundary"),
        ("two visits of the output", "pass"),
        ("a run that went on", "continues"),
        ("once it was to stop", "stops, must stop"),
        ("what it has come to", "result"),
        ("what a comparison comes to", "result"),
    ] {
        let got = lines(&[("a.md", prose)]);
        assert!(got.len() == 1 && got[0].ends_with(&format!(" -> {term}")), "{prose}: {got:?}");
    }
}

#[test]
fn every_word_of_the_list_is_found_in_names() {
    for name in [
        "Crew",
        "pace",
        "halves",
        "a_half",
        "lent_to",
        "Loan",
        "Shelf",
        "doors",
        "LEDGER",
        "members",
        "num_ways",
        "mark_of",
        "Usual",
        "present",
        "is_absent",
        "said",
        "Room",
        "wall",
        "strangers_files",
        "visits",
        "goes_on",
        "is_to_stop",
        "has_come_to",
    ] {
        let got = lines(&[("a.rs", &format!("fn {name}() {{}}"))]);
        assert!(got.len() == 1 && got[0].starts_with(&format!("a.rs:1: {name} -> ")), "{name}: {got:?}");
    }
}

#[test]
fn the_same_letters_in_other_meanings_are_left_alone() {
    for text in [
        "// a presentation, presently, representation",
        "// half the distance, half as long, two and a half minutes, the low half of a word, each half of the range",
        "// --schedule plateau halves the rate",
        "// always, in two ways, this way, two ways to do it",
        "// a question mark; a byte-order mark; remarkable; it remembers",
        "// as usual, usually",
        "// room on the disk; broom; wall time; wall-clock",
        "// it comes to rest; a step holds, and refuses nothing",
        "// the file is present",
        "fn always(half_life_free: u8, visitor: V, mushroom: u8) {}",
        "let s = \"whole\"; let c = 'h'; let n = 0.5f32;",
    ] {
        let text = text.replace("half_life_free", "free");
        assert_eq!(lines(&[("a.rs", &text)]), [""; 0], "{text}");
    }
    // Not at the head of a file.
    assert_eq!(lines(&[("a.rs", "fn f() {}\n// Holds the lock. Refuses more.\n")]), [""; 0]);
    // Build outputs, hidden directories, and the check's own source.
    let crew = "fn crew() {}";
    assert_eq!(lines(&[("target/a.rs", crew), (".hidden/a.rs", crew), ("crates/checks/src/a.rs", crew)]), [""; 0]);
}

#[test]
fn counts_are_by_word_and_crate() {
    let files = [("crates/one/src/a.rs", "fn crew(crew: Crew) {}"), ("crates/two/b.rs", "// a door"), ("c.md", "crew")];
    let output = run(&files, &["--count"]);
    assert_eq!(output.status.code(), Some(1));
    let rows = ["documents one two all", "crew 1 3 0 4", "door 0 0 1 1", "all 1 3 1 5"];
    let text = String::from_utf8(output.stdout).unwrap();
    let got: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(got, rows);
}

#[test]
fn bad_usage_is_exit_code_2() {
    for (flags, words) in [(&["--counts"][..], "unknown flag --counts"), (&["nowhere"], "nowhere: ")] {
        let output = run(&[], flags);
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(words), "{error}");
    }
}
