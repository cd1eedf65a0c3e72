//! Tests `--task translate` at the command line: training on pairs, translating lines, measuring the held-out parts, drawing
//! attention weights, and errors.

mod place;

use place::{Place, stderr, stdout};
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::process::Stdio;

const SMALL: [&str; 16] = [
    "--task",
    "translate",
    "--hidden",
    "32",
    "--embed",
    "16",
    "--min-freq",
    "1",
    "--batch",
    "16",
    "--lr",
    "1e-2",
    "--val-sentences",
    "20",
    "--test-sentences",
    "10",
];

/// Numbers of three digits in words, and reversed in another language.
fn pairs() -> String {
    let digits = [("one", "un"), ("two", "deux"), ("three", "trois"), ("four", "quatre"), ("five", "l'cinq")];
    let line = |at: usize| {
        let [a, b, c] = [at % 5, at / 5 % 5, at / 25].map(|digit| digits[digit]);
        format!("{} {} {} .\t{} {} {} !\n", a.0, b.0, c.0, c.1, b.1, a.1)
    };
    (0..125).map(line).collect()
}

fn trained(steps: &str, more: &[&str]) -> (Place, Value) {
    let place = Place::new();
    place.write("numbers.tsv", pairs());
    let args = [&["train", "numbers.tsv", "--out", "run", "--json", "--steps", steps], &SMALL[..], more].concat();
    let output = place.done(&args);
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    (place, json)
}

fn translate(place: &Place, input: &str, more: &[&str]) -> (bool, String, String) {
    let mut command = place.command(&[&["predict", "run"], more].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that refuses its arguments ends without reading.
    match child.stdin.take().unwrap().write_all(input.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.unwrap(),
    }
    let output = child.wait_with_output().unwrap();
    (output.status.success(), stdout(&output), stderr(&output))
}

#[test]
fn a_translator_is_trained_used_measured_and_looked_at() {
    let (place, json) = trained("300", &["--attention", "general", "--dropout", "0", "--output-dropout", "0"]);
    let exact = json["validation"]["exact_match"].as_f64().unwrap();
    assert!(exact > 0.9 && json["test"]["bleu"].as_f64().unwrap() > 90.0, "{json}");
    assert_eq!((json["validation"]["sentences"].as_u64(), json["test"]["sentences"].as_u64()), (Some(20), Some(10)));

    let lines = "five two one .\n\n two  three one .\n";
    let (done, out, err) = translate(&place, lines, &["--svg", "look.svg"]);
    assert!(done, "{err}");
    let told: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |at: usize| told[at]["text"].as_str().unwrap();
    assert_eq!((text(0), text(1), told.len()), ("un deux l'cinq !", "un trois deux !", 2));
    assert_eq!((told[1]["line"].as_u64(), told[1]["log_probability"].as_f64().unwrap() < 0.0), (Some(3), true));
    let picture = String::from_utf8(place.read("look.svg")).unwrap();
    assert!(picture.contains(">five</text>") && picture.contains(">l'</text>") && picture.contains("&lt;eos&gt;"));

    let (done, beams, err) = translate(&place, "{\"1\": \"five two one .\"}\n", &["--format", "jsonl", "--beam", "4"]);
    assert!(done && beams.contains("un deux l'cinq !"), "{beams} {err}");

    // `predict` finds the same held-out parts in the data and measures the same figures as training.
    let output = place.done(&["predict", "run", "numbers.tsv", "--part", "test"]);
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again, json["test"]);

    // In other data there are no such parts, and a model file does not know its data.
    place.write("other.tsv", pairs().replace("one", "two"));
    let data = "other.tsv is not the data that run was trained on, expected that data, numbers.tsv";
    place.refused(1, data, &["predict", "run", "other.tsv", "--part", "test"]);
    let model = "--part test is given with run/model.safetensors, a model file, expected the run directory";
    place.refused(1, model, &["predict", "run/model.safetensors", "numbers.tsv", "--part", "test"]);
}

#[test]
fn separate_data_has_the_figures_of_training() {
    let place = Place::new();
    let all = pairs();
    let (train, held): (Vec<_>, Vec<_>) = all.lines().enumerate().partition(|(at, _)| at % 4 > 0);
    let table = |lines: &[(usize, &str)]| lines.iter().map(|(_, line)| format!("{line}\n")).collect::<String>();
    place.write("train.tsv", table(&train));
    place.write("held.tsv", table(&held));
    let args = ["train", "train.tsv", "--val-file", "held.tsv", "--out", "run", "--json", "--steps", "60"];
    let json = place::json(&place.done(&[&args[..], &SMALL[..14], &["--test-sentences", "5"]].concat()));
    let figures = place::json(&place.done(&["eval", "run", "--last", "held.tsv", "--json"]));
    for (key, value) in json["validation"].as_object().unwrap() {
        assert_eq!(&figures[key], value, "{key}");
    }
    assert_eq!((&figures["loss"], &figures["pairs"]), (&json["val_loss"], &Value::from(32)));
    assert_eq!(
        (&figures["sentences"], &figures["tokens"]),
        (&Value::from(32), &Value::from(32 * 5 + apostrophes(&held)))
    );
    let lines = stdout(&place.done(&["eval", "run", "held.tsv", "--beam", "2"]));
    assert!(lines.contains(" nats per word\nppl  ") && lines.contains("\nscores     BLEU "), "{lines}");

    // The validation part of such a run is its validation file, and nothing else; its test part is in the training data.
    let part = |file: &str, part: &str| place::json(&place.done(&["predict", "run", "--last", file, "--part", part]));
    assert_eq!(part("held.tsv", "validation"), json["validation"]);
    assert_eq!(part("train.tsv", "test"), json["test"]);
    let args = ["predict", "run", "train.tsv", "--part", "validation"];
    place.refused(1, "train.tsv is the run's training data, expected held.tsv, the run's --val-file", &args);
    assert!(stderr(&place.elman(&args)).contains("hint: 'elman eval run FILE'"), "{}", stderr(&place.elman(&args)));
    place.refused(1, "held.tsv is not the data", &["predict", "run", "held.tsv", "--part", "test"]);

    place.write("bad.tsv", "one\tun !\ntwo\t\n");
    place.refused(1, "line 2, column 2: the cell is empty, expected text (bad.tsv)", &["eval", "run", "bad.tsv"]);
    let output = place.done(&["eval", "run", "bad.tsv", "--skip-bad", "--json"]);
    assert_eq!(place::json(&output)["pairs"], 1);
    place.write("long.tsv", format!("{}\tun\n", "one ".repeat(60)));
    place.refused(1, "no pair is left to measure, expected at least 1 (long.tsv)", &["eval", "run", "long.tsv"]);
}

/// How many words are two tokens: `l'cinq`.
fn apostrophes(lines: &[(usize, &str)]) -> usize {
    lines.iter().map(|(_, line)| line.matches("l'cinq").count()).sum()
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let place = Place::new();
    place.write("numbers.tsv", pairs());
    place.write("bad.tsv", "a\tb\nc\t\n");
    for (args, want) in [
        (vec!["bad.tsv"], "line 2, column 2: the cell is empty, expected text (bad.tsv)"),
        (vec!["numbers.tsv", "--from", "en"], "no column is called en, expected one of 1, 2 (numbers.tsv)"),
        (vec!["numbers.tsv", "--encoder-hidden", "10"], "hidden_size is 32, expected 20 with attention = dot"),
        (vec!["numbers.tsv", "--forcing", "1.5"], "forcing is 1.5, expected 0 to 1"),
        (vec!["numbers.tsv", "--smoothing", "1"], "smoothing is 1, expected at least 0 and below 1"),
        (vec!["numbers.tsv", "--tokenizer", "char"], "tokenizer is char, expected word"),
        (
            vec!["numbers.tsv", "--attention", "none", "--input-feeding", "true"],
            "input_feeding is true, expected false",
        ),
        (vec!["numbers.tsv", "--max-from", "2"], "no pair is left to train on, expected at least 1 (numbers.tsv)"),
        (
            vec!["numbers.tsv", "--pooling", "max"],
            "--pooling is given with --task translate, expected it with classify",
        ),
    ] {
        let output = place.elman(&[&["train", "--out", "no"], &SMALL[..], &args].concat());
        let err = stderr(&output);
        assert!(!output.status.success() && err.contains(want), "{args:?}: {err}");
        assert!(!place.path("no").exists(), "{args:?}");
    }
}

#[test]
fn without_attention_there_is_nothing_to_draw() {
    let (place, _) = trained("2", &["--attention", "none", "--quiet"]);
    let (done, _, err) = translate(&place, "one two three .\n", &["--svg", "look.svg"]);
    assert!(!done && err.contains("attention is none, expected dot, general or additive"), "{err}");
    let (done, out, err) = translate(&place, "{\"1\": 3}\n", &["--format", "jsonl"]);
    assert!(!done && out.is_empty() && err.contains("line 1, column 1: 3 is given, expected text"), "{err}");
    let (done, _, err) = translate(&place, "x", &["--part", "test"]);
    assert!(!done && err.contains("--part test is given without the run's data"), "{err}");
}
