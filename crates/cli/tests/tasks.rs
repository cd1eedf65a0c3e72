//! Tests the tasks at the command line: `train --task`, `predict`, and errors that name line and column.

mod place;

use std::io::Write;
use std::process::{Output, Stdio};

use place::{Place, stderr};
use serde_json::Value;

const SMALL: [&str; 10] = ["--hidden", "12", "--embed", "8", "--steps", "60", "--lr", "0.02", "--batch", "8"];

/// A directory with `texts.csv`, whose two classes differ in their first letter, and a run on it in `run`.
fn classifier() -> Place {
    let place = Place::new();
    let row = |at: usize| {
        let (letter, class) = if at.is_multiple_of(2) { ('a', "left") } else { ('b', "right") };
        format!("{class},{letter}{}\n", "xyzw".repeat(2)[..1 + at % 7].to_string() + &at.to_string())
    };
    place.write("texts.csv", format!("label,text\n{}", (0..60).map(row).collect::<String>()));
    place.done(&[&["train", "texts.csv", "--task", "classify", "--out", "run", "--json"], &SMALL[..]].concat());
    place
}

/// Runs the program with something on standard input.
fn fed(place: &Place, args: &[&str], input: &[u8]) -> Output {
    let mut command = place.command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_classifier_tells_lines_and_objects_apart_from_what_is_malformed() {
    let place = classifier();
    assert!(String::from_utf8(place.read("run/confusion.svg")).unwrap().contains("predicted"));
    std::fs::remove_file(place.path("texts.csv")).unwrap(); // the model file is enough
    let told = lines(&fed(&place, &["predict", "run"], b"axx\n\nbxx\n"));
    let labels: Vec<(u64, &str)> =
        told.iter().map(|line| (line["line"].as_u64().unwrap(), line["label"].as_str().unwrap())).collect();
    assert_eq!(labels, [(1, "left"), (3, "right")]);
    let sum: f64 = told[0]["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9 && told[0]["probability"] == told[0]["probabilities"]["left"]);

    let objects = b"{\"text\":\"axx\"}\n{\"text\":7}\nnot json\n{\"other\":1}\n{\"text\":\"bxx\"}\n";
    let stopped = fed(&place, &["predict", "run", "--format", "jsonl"], objects);
    assert_eq!(stopped.status.code(), Some(1));
    assert_eq!(lines(&stopped).len(), 1, "what stands before is told");
    assert_eq!(stderr(&stopped), "error: line 2, column text: 7 is given, expected text (standard input)\n");
    let skipped = fed(&place, &["predict", "run", "--format", "jsonl", "--skip-bad", "--top", "1"], objects);
    assert!(skipped.status.success());
    assert_eq!(lines(&skipped).iter().map(|line| line["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 5]);
    assert_eq!(lines(&skipped)[0]["probability"], told[0]["probability"], "an object is what its text is");
    assert_eq!(stderr(&skipped).lines().filter(|line| line.starts_with("warning: line ")).count(), 3);
    let bytes = fed(&place, &["predict", "run"], b"axx\n\xff\n");
    assert!(stderr(&bytes).contains("line 2: the line is not UTF-8 (standard input)"));

    place.refused(1, "the model was trained to classify, expected a language model", &["sample", "run"]);
}

#[test]
fn rows_of_numbers_are_classified_by_group() {
    let place = Place::new();
    let mut text = String::from("run,x,label\n");
    for run in 0..30 {
        let up = run % 2 == 0;
        for t in 0..3 + run % 4 {
            let x = if up { t as f64 } else { -(t as f64) } + 0.1 * (run % 5) as f64;
            text += &format!("{run},{x},{}\n", if up { "up" } else { "down" });
        }
    }
    place.write("traces.csv", &text);
    let args = ["train", "traces.csv", "--task", "classify", "--group", "run", "--out", "run", "--json"];
    place.done(&[&args[..], &SMALL].concat());
    place.write("new.csv", "run,x\nu,0\nd,0\nu,1\nd,-1\nu,2\nd,-2\n");
    let told = lines(&place.done(&["predict", "run", "new.csv"]));
    let of = |at: usize| (told[at]["group"].as_str().unwrap(), told[at]["label"].as_str().unwrap());
    assert_eq!([of(0), of(1)], [("u", "up"), ("d", "down")]);
    place.write("bad.csv", "run,x\nu,0\nu,oops\n");
    place.refused(1, "line 3, column x: \"oops\" is given, expected a finite number", &["predict", "run", "bad.csv"]);
}

#[test]
fn a_series_is_forecast_and_drawn() {
    let place = Place::new();
    let row = |t: usize| {
        let (year, month) = (1990 + t / 12, t % 12 + 1);
        format!("{year}-{month:02},{}\n", 100 + t + [0, 20, 40, 10][t % 4])
    };
    place.write("y.csv", format!("month,y\n{}", (0..96).map(row).collect::<String>()));
    let args = ["train", "y.csv", "--task", "forecast", "--horizon", "4", "--season", "4", "--transform", "seasonal"];
    let output = place
        .done(&[&args[..], &["--out", "run", "--json", "--steps", "80", "--hidden", "8", "--lr", "0.02"]].concat());
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let backtest = &summary["backtest"];
    let mase = |who: &str| backtest[who]["mase"].as_f64().unwrap();
    // The series grows by 4 a season: the seasonal naive forecast misses this, a model of differences does not.
    assert!(mase("model") < 0.5 * mase("seasonal_naive") && mase("model") < mase("naive"), "{summary}");
    let log = String::from_utf8(place.read("run/log.jsonl")).unwrap();
    assert!(
        log.lines().count() > 1 && !log.contains("ppl") && !log.contains("bpc"),
        "a density has no perplexity: {log}"
    );
    let told = place.done(&["predict", "run", "y.csv", "--svg", "y.svg"]);
    let text = String::from_utf8(told.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["month", "forecast", "quantile_0.1", "quantile_0.9"]);
    assert_eq!(rows[1..].iter().map(|row| row[0]).collect::<Vec<_>>(), ["1998-01", "1998-02", "1998-03", "1998-04"]);
    let middle: f64 = rows[1][1].parse().unwrap();
    assert!((middle - 196.0).abs() < 4.0, "{text}");
    assert!(String::from_utf8(place.read("y.svg")).unwrap().contains("80 % interval"));
}

#[test]
fn bad_tables_are_refused_by_row_and_column() {
    let place = Place::new();
    place.write("twice.csv", "t,y\n1990-01,1\n1990-01,2\n");
    place.write("back.csv", "t,y\n1990-02,1\n1990-01,2\n");
    place.write("nan.csv", "t,y\n1990-01,1\n1990-02,NaN\n");
    place.write("short.csv", "t,y\n1,1\n2,2\n3,3\n4,4\n");
    place.write("rows.csv", "text,label\na,b\nc\n");
    place.write("none.csv", "text,label\na,\n");
    place.write("one.csv", "text,label\na,b\nc,b\n");
    place.write("text.txt", "x");
    place.write("folder/empty.txt", "");
    place.write("folder/full.txt", "a\n");
    for (words, task, file) in [
        ("line 3, column t: the time \"1990-01\" occurs twice", "forecast", "twice.csv"),
        ("line 3, column t: the time \"1990-01\" comes after 1990-02", "forecast", "back.csv"),
        ("line 3, column y: \"NaN\" is given, expected a finite number", "forecast", "nan.csv"),
        ("the series has 3 rows to train on, expected at least 14", "forecast", "short.csv"),
        ("line 3: the row has 1 cells, expected 2", "classify", "rows.csv"),
        ("line 2, column label: the cell is empty", "classify", "none.csv"),
        ("every example is b, expected at least 2 classes", "classify", "one.csv"),
        ("the file's ending says nothing, expected .csv, .tsv or .jsonl for a table", "classify", "text.txt"),
        ("the class has no examples, expected at least 1 (folder/empty.txt)", "classify", "folder"),
        ("no column is called label, expected one of t, y", "classify", "nan.csv"),
    ] {
        place.refused(1, words, &["train", file, "--task", task, "--out", "run"]);
    }
    place.refused(
        1,
        "--pooling is given with --task lm, expected it with classify",
        &["train", "text.txt", "--pooling", "max"],
    );
    place.refused(
        1,
        "--horizon is given with --task classify, expected it with forecast",
        &["train", "one.csv", "--task", "classify", "--horizon", "3"],
    );
    place.refused(1, "the data is 0 files, expected one", &["train", "--task", "classify"]);
}

#[test]
fn a_writer_writes_for_a_class_and_a_tagger_tags() {
    let place = classifier();
    place.write("again.csv", "label,text\nleft,aaa\nleft,aab\nright,bba\nright,bbb\nleft,aba\nright,bab\n");
    place.done(&[&["train", "again.csv", "--task", "generate", "--out", "writer", "--json"], &SMALL[..]].concat());
    let args = ["predict", "writer", "--given", "label=left", "-n", "3", "--seed", "5"];
    let texts = place.done(&args).stdout;
    assert_eq!(texts, place.done(&args).stdout);
    assert_eq!(String::from_utf8(texts).unwrap().lines().count(), 3);
    place.refused(
        1,
        "--beam is given with a model of the task generate, expected it with translate",
        &["predict", "writer", "--beam", "3"],
    );
    place.refused(1, "given is label=up, expected one of left, right", &["predict", "writer", "--given", "label=up"]);

    place.write("tags.conll", "the D\ncat N\n\ncat N\nruns V\n\n".repeat(10));
    let train = ["train", "tags.conll", "--task", "tag", "--out", "tagger", "--json"];
    place.done(&[&train[..], &SMALL].concat());
    let told = lines(&fed(&place, &["predict", "tagger"], b"the cat\n"));
    assert_eq!(told[0]["labels"], serde_json::json!(["D", "N"]));
    place.write("bare.conll", "the D\ncat\n");
    place.refused(1, "line 2: the line has one column", &["train", "bare.conll", "--task", "tag", "--out", "x"]);
}
