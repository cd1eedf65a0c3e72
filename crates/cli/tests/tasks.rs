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
    let methods = summary["backtest"]["methods"].as_array().unwrap();
    let mase = |who: &str| {
        let method = methods.iter().find(|method| method["name"] == who).unwrap();
        method["figures"]["mase"].as_f64().unwrap()
    };
    // The series grows by 4 a season: the seasonal naive forecast misses this, a model of differences does not.
    assert!(mase("the model") < 0.5 * mase("seasonal_naive") && mase("the model") < mase("naive"), "{summary}");
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
    // The exported forecasts of a backtest are those of `predict` on the table up to their origin.
    place.done(&["eval", "run", "y.csv", "--origins", "3", "--forecasts", "all.csv", "--json"]);
    let all = String::from_utf8(place.read("all.csv")).unwrap();
    for (from, known) in [("1997-06", 90), ("1997-07", 91), ("1997-08", 92)] {
        place.write("cut.csv", format!("month,y\n{}", (0..known).map(row).collect::<String>()));
        let predicted = String::from_utf8(place.done(&["predict", "run", "cut.csv"]).stdout).unwrap();
        let exported = all.lines().filter_map(|line| line.strip_prefix(&format!("{from},")));
        assert_eq!(exported.collect::<Vec<_>>(), predicted.lines().skip(1).collect::<Vec<_>>());
    }
    let shorter = place.done(&["predict", "run", "y.csv", "--horizon", "2", "--quantiles", "0.05,0.95"]);
    let shorter = String::from_utf8(shorter.stdout).unwrap();
    assert!(shorter.starts_with("month,forecast,quantile_0.05,quantile_0.95\n") && shorter.lines().count() == 3);
    assert_eq!(shorter.lines().nth(1).unwrap().split(',').nth(1), text.lines().nth(1).unwrap().split(',').nth(1));
    place.refused(1, "horizon is 5, expected at most 4", &["predict", "run", "y.csv", "--horizon", "5"]);
}

#[test]
fn rows_that_are_series_are_read_as_they_are() {
    let place = Place::new();
    let row = |name: &str, count: usize| {
        let values: Vec<String> = (0..count).map(|t| (20 + t % 4 * 5).to_string()).collect();
        format!("{name},{}\n", values.join(","))
    };
    // A header of three names, rows of any length, empty cells at an end.
    let rows = [row("a", 60), row("b", 44), format!("{},,\n", row("c", 30).trim_end())].concat();
    place.write("wide.csv", format!("id,V1,V2\n{rows}"));
    let flags = "--task forecast --wide --horizon 4 --season 4 --hidden 8 --steps 30 --origins 1 --out run";
    place.done(&[&["train", "wide.csv"][..], &flags.split(' ').collect::<Vec<_>>()].concat());
    let told = String::from_utf8(place.done(&["predict", "run", "wide.csv"]).stdout).unwrap();
    assert_eq!(told.lines().count(), 13);
    assert!(told.starts_with("id,step,forecast,quantile_0.1,quantile_0.9\na,60,"), "{told}");
    place.write("next.csv", "id,V1,V2,V3,V4\na,20,25,30,35\nb,20,25,30,35\nc,30,35,20,25\n");
    let scored = place.done(&["eval", "run", "wide.csv", "--future", "next.csv", "--json"]);
    let scored: Value = serde_json::from_slice(&scored.stdout).unwrap();
    assert_eq!((scored["origins"].as_u64(), scored["methods"][2]["figures"]["mae"].as_f64()), (Some(3), Some(0.0)));
}

#[test]
fn the_first_key_of_json_lines_is_the_time() {
    let place = Place::new();
    let line = |t: usize| format!("{{\"week\": {t}, \"meter\": {}}}\n", 50 + t % 3);
    place.write("keys.jsonl", (0..40).map(line).collect::<String>());
    let flags = "--task forecast --horizon 3 --hidden 4 --steps 3 --out run";
    place.done(&[&["train", "keys.jsonl"][..], &flags.split(' ').collect::<Vec<_>>()].concat());
    let told = String::from_utf8(place.done(&["predict", "run", "keys.jsonl"]).stdout).unwrap();
    assert!(told.starts_with("week,forecast,quantile_0.1,quantile_0.9\n40,"), "{told}");
}

#[test]
fn bad_tables_are_refused_by_row_and_column() {
    let place = Place::new();
    place.write("twice.csv", "t,y\n1990-01,1\n1990-01,2\n");
    place.write("back.csv", "t,y\n1990-02,1\n1990-01,2\n");
    place.write("nan.csv", "t,y\n1990-01,1\n1990-02,inf\n");
    place.write("short.csv", "t,y\n1,1\n2,\n");
    place.write("rows.csv", "text,label\na,b\nc\n");
    place.write("none.csv", "text,label\na,\n");
    place.write("one.csv", "text,label\na,b\nc,b\n");
    place.write("text.txt", "x");
    place.write("folder/empty.txt", "");
    place.write("folder/full.txt", "a\n");
    for (words, task, file) in [
        ("line 3, column t: the time \"1990-01\" occurs twice", "forecast", "twice.csv"),
        ("line 3, column t: the time \"1990-01\" comes after 1990-02", "forecast", "back.csv"),
        ("line 3, column y: \"inf\" is given, expected a finite number or an empty cell", "forecast", "nan.csv"),
        ("the longest series has 1 rows, expected 2 to train on", "forecast", "short.csv"),
        ("line 3: the row has 1 cells, expected 2", "classify", "rows.csv"),
        ("line 2, column label: the cell is empty", "classify", "none.csv"),
        ("every example is b, expected at least 2 classes", "classify", "one.csv"),
        (
            "the file's ending says nothing, expected .csv, .tsv, .jsonl, .json or .ts for a table",
            "classify",
            "text.txt",
        ),
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
    place.refused(1, "line 2: the line has 1 column", &["train", "bare.conll", "--task", "tag", "--out", "x"]);
}
