//! Tests the verb `sample`: several texts, stop strings, random starts, interactive turns.

mod place;

use std::io::Write;
use std::process::{Output, Stdio};

use place::{Place, stderr, stdout};

/// What `elman sample run --seed 3` prints with the given flags.
fn sample(place: &Place, flags: &[&str]) -> String {
    stdout(&place.done(&[&["sample", "run", "--seed", "3"], flags].concat()))
}

/// The program with `input` on standard input.
fn fed(place: &Place, args: &[&str], input: &[u8]) -> Output {
    let mut command = place.command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn several_texts_are_separated_and_each_is_what_it_is_alone() {
    let place = Place::with_run();
    let alone = |prompt| sample(&place, &["-n", "40", "--prompt", prompt]);
    // The first text has the draws that it has alone; greedy texts have none.
    let together = sample(&place, &["-n", "40", "--prompt", "the ", "--prompt", "a stone"]);
    assert!(together.starts_with(&format!("{}\n--- 2/2\na stone", alone("the "))), "{together}");
    let greedy = |prompts: &[&str]| sample(&place, &[&["-n", "40", "--temperature", "0"], prompts].concat());
    let both = [greedy(&["--prompt", "the "]), greedy(&["--prompt", "a stone"])].join("\n--- 2/2\n");
    assert_eq!(greedy(&["--prompt", "the ", "--prompt", "a stone"]), both);
    let three = sample(&place, &["-n", "40", "--prompt", "the ", "--num-samples", "3"]);
    let texts: Vec<&str> = three.split("\n--- ").collect();
    assert_eq!(texts.len(), 3);
    assert_eq!(texts[0], alone("the "));
    assert!(texts[1].starts_with("2/3\nthe ") && texts[2].starts_with("3/3\nthe "), "{three}");
    assert!(texts[1][4..] != texts[2][4..] && texts[1][4..] != *texts[0]);
    // A sample does not depend on the number of samples.
    assert_eq!(
        sample(&place, &["-n", "40", "--prompt", "the ", "--num-samples", "5"]).split("\n--- ").nth(2).unwrap()[4..],
        texts[2][4..]
    );
    let both = sample(&place, &["-n", "9", "--prompt", "a", "--prompt", "bi", "--num_samples", "2"]);
    assert_eq!(both.matches("\n--- ").count(), 3);
    assert!(
        both.contains("\n--- 2/4\na") && both.contains("\n--- 3/4\nbi") && both.contains("\n--- 4/4\nbi"),
        "{both}"
    );
}

#[test]
fn a_text_ends_before_the_stop_string() {
    let place = Place::with_run();
    let whole = sample(&place, &["-n", "200"]);
    let stop: String = whole.chars().skip(50).take(4).collect();
    let at = whole.find(&stop).unwrap();
    assert_eq!(sample(&place, &["-n", "200", "--stop", &stop]), whole[..at]);
    assert_eq!(sample(&place, &["-n", "200", "--stop", "☃", "--stop", &stop]), whole[..at]);
    assert_eq!(sample(&place, &["-n", "200", "--stop", "--no"]), whole, "a stop string may look like a flag");
    place.refused(1, "stop is empty", &["sample", "run", "--stop", ""]);
}

#[test]
fn choices_are_narrowed() {
    let place = Place::with_run();
    let greedy = sample(&place, &["-n", "60", "--temperature", "0"]);
    assert_eq!(sample(&place, &["-n", "60", "--min-p", "1"]), greedy);
    assert_ne!(sample(&place, &["-n", "60", "--temperature", "0", "--repetition-penalty", "1e9"]), greedy);
    for (words, flags) in [
        ("min_p is 2", ["--min-p", "2"]),
        ("min_p is -1", ["--min-p", "-1"]),
        ("repetition_penalty is 0", ["--repetition_penalty", "0"]),
        ("the number of samples is more than", ["--num-samples", "99999999999"]),
    ] {
        place.refused(1, words, &[&["sample", "run"][..], &flags].concat());
    }
    place.refused(2, "'0' for '--num-samples <N>'", &["sample", "run", "--num-samples", "0"]);
    place.refused(2, "--random-start", &["sample", "run", "--random-start", "--prompt", "a"]);
    place.refused(2, "--interactive", &["sample", "run", "-i", "--num-samples", "2"]);
}

#[test]
fn a_random_start_is_part_of_the_text() {
    let place = Place::with_run();
    let text = sample(&place, &["-n", "12", "--random-start", "--num-samples", "12"]);
    let firsts: std::collections::BTreeSet<char> = text
        .split("\n--- ")
        .map(|t| t.split_once("/12\n").map_or(t, |t| t.1))
        .filter_map(|t| t.chars().next())
        .collect();
    assert!(firsts.len() > 3, "{firsts:?}");
    assert_eq!(text.split("\n--- ").next().unwrap().chars().count(), 12);
}

#[test]
fn a_conversation_keeps_its_state() {
    let place = Place::with_run();
    let args = ["sample", "run", "-i", "-n", "20", "--temperature", "0", "--seed", "3"];
    let output = fed(&place, &args, b"the sea\n wind\r\n\n");
    assert!(output.status.success(), "{}", stderr(&output));
    // Greedy text continues itself, so the turns are pieces of one text. The line ends are printed, not generated.
    let text = |prompt: &str, n: &str| sample(&place, &["-n", n, "--temperature", "0", "--prompt", prompt]);
    let first = text("the sea", "20");
    let second = text(&format!("{first} wind"), "20");
    let third = text(&second, "20");
    let expected = format!("{first}\n{}\n{}\n", &second[first.len()..], &third[second.len()..]);
    assert_eq!(stdout(&output), expected);
    let prompted = fed(&place, &[&args[..], &["--prompt", "the sea"]].concat(), b" wind\n\n");
    assert_eq!(stdout(&prompted), expected, "a prompt is the first turn");
    let nothing = fed(&place, &args, b"");
    assert_eq!((nothing.status.code(), stdout(&nothing), stderr(&nothing)), (Some(0), String::new(), String::new()));
    let unknown = fed(&place, &args, "the ☃\n".as_bytes());
    assert_eq!((unknown.status.code(), stdout(&unknown)), (Some(1), String::new()));
    assert!(stderr(&unknown).contains("U+2603"), "{}", stderr(&unknown));
    let broken = fed(&place, &args, b"the \xff\n");
    assert!(broken.status.code() == Some(1) && !stderr(&broken).contains("panicked"), "{}", stderr(&broken));
}

#[test]
fn a_run_in_double_precision_is_used_as_any_other() {
    let place = Place::with_text();
    place.train(&["text.txt", "--out", "run", "--steps", "20", "--dtype", "f64"]);
    assert_eq!(sample(&place, &["-n", "30"]).chars().count(), 30);
    let figures = stdout(&place.done(&["eval", "run", "text.txt", "--json"]));
    assert!(figures.starts_with("{\"loss\":"), "{figures}");
    assert!(stdout(&place.done(&["info", "run"])).contains("dtype = \"f64\""));
    place.done(&["train", "--resume", "run"]);
    place.refused(1, "weights of int8 are made of f32; these are f64", &["sample", "run", "--weights", "int8"]);
    place.refused(1, "dtype is \"f32\" here", &["train", "--resume", "run", "--dtype", "f32"]);
    place.refused(2, "f16", &["train", "text.txt", "--dtype", "f16"]);
}

#[test]
fn equal_prompts_write_texts_of_their_own() {
    let place = Place::with_run();
    let texts = sample(&place, &["--prompt", "the", "--prompt", "the", "--prompt", "the", "-n", "200"]);
    let each: Vec<&str> =
        texts.split("\n--- ").map(|text| text.split_once("/3\n").map_or(text, |(_, text)| text)).collect();
    assert_eq!(each.len(), 3, "{texts}");
    assert!(each[0] != each[1] && each[1] != each[2] && each[0] != each[2], "{texts}");
    // The first is what one prompt alone has always given.
    assert_eq!(each[0], sample(&place, &["--prompt", "the", "-n", "200"]));
}

#[test]
fn a_conversation_continues_after_an_unknown_character() {
    let place = Place::with_run();
    let output = fed(&place, &["sample", "run", "-i", "-n", "5", "--seed", "1"], "the\nŁ\nsea\n".as_bytes());
    let (text, messages) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{messages}");
    assert!(messages.contains("never saw: 'Ł' (U+0141)"), "{messages}");
    assert!(text.starts_with("the") && text.lines().any(|line| line.starts_with("sea")), "{text}");
}

#[test]
fn a_prompt_of_a_model_of_lines_begins_a_line() {
    let place = Place::new();
    place.write("lines.txt", "hey how are you\ngood i am fine\nhave a nice day\n".repeat(20));
    let train =
        ["train", "lines.txt", "--batches", "lines", "--seq-len", "20", "--batch", "20", "--val-frac", "0", "--quiet"];
    place.done(
        &[
            &train[..],
            &["--hidden", "32", "--layers", "1", "--steps", "120", "--lr", "0.02", "--dropout", "0", "--out", "run"],
        ]
        .concat(),
    );
    for (prompt, line) in [("good", "good i am fine\n"), ("ha", "have a nice day\n")] {
        let length = (line.len() - prompt.len()).to_string();
        let args = ["sample", "run", "--temperature", "0", "--prompt", prompt, "-n", &length];
        assert_eq!(stdout(&place.done(&args)), line);
    }
    let next = stdout(&place.done(&["sample", "run", "--prompt", "goo", "--top", "1"]));
    assert!(next.trim_end().ends_with("\"d\""), "{next}");
}
