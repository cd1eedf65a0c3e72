//! `elman eval` for the tasks other than language models: on data that training held out it finds the figures that training
//! printed; classes that a model does not know, files of another kind and flags of other tasks are errors.

mod place;

use std::fmt::Write as _;
use std::fs;

use elman::data::TextEncoding;
use elman::data::table::held_out::{HeldOut, distinct};
use elman::data::table::items::Items;
use elman::data::table::labelled::Labelled;
use place::{Place, json, stderr, stdout};
use serde_json::Value;

const SMALL: [&str; 10] = ["--hidden", "12", "--embed", "8", "--steps", "30", "--lr", "0.02", "--batch", "8"];

/// Trains a run called `run`; returns what `--json` prints and the lines for people.
fn trained(place: &Place, args: &[&str]) -> (Value, String) {
    let output = place.done(&[&["train"], args, &["--out", "run", "--json"], &SMALL[..]].concat());
    (json(&output), stderr(&output))
}

/// The figures of the model that the run uses.
fn evaluated(place: &Place, args: &[&str]) -> Value {
    json(&place.done(&[&["eval", "run", "--json"], args].concat()))
}

/// Two classes that differ in their first letter, with some mistakes in them; others from each `start`.
fn texts(start: usize, count: usize) -> String {
    let mut table = String::from("label,text\n");
    for at in start..start + count {
        let (letter, class) = if at.is_multiple_of(2) { ('a', "left") } else { ('b', "right") };
        let class = if at.is_multiple_of(7) { "right" } else { class };
        writeln!(table, "{class},{letter}{}{}", &"xyzwxyzw"[..1 + at % 7], at % 10).unwrap();
    }
    table
}

#[test]
fn a_classifier_has_the_figures_of_training() {
    let place = Place::new();
    place.write("texts.csv", texts(0, 60));
    place.write("other.csv", texts(100, 40));
    let args = ["texts.csv", "--task", "classify", "--val-file", "other.csv", "--members", "2"];
    let (training, told) = trained(&place, &args);
    let figures = evaluated(&place, &["other.csv"]);
    for key in ["accuracy", "macro_f1", "classes"] {
        assert_eq!(figures[key], training[key], "{key}");
    }
    assert_eq!((&figures["loss"], &figures["examples"]), (&training["val_loss"], &Value::from(40)));
    let counts = figures["confusion"].as_array().unwrap();
    let sum: u64 = counts.iter().flat_map(|row| row.as_array().unwrap()).map(|n| n.as_u64().unwrap()).sum();
    let found = counts[0][0].as_u64().unwrap() + counts[1][1].as_u64().unwrap();
    assert_eq!((sum, &Value::from(found as f64 / 40.0)), (40, &figures["accuracy"]));

    // The same lines as training's, the names of what they are of apart.
    let lines = stdout(&place.done(&["eval", "run", "--last", "other.csv"]));
    let matrix = |text: &str| -> Vec<String> {
        let from = text.lines().skip_while(|line| !line.starts_with("true class"));
        from.take(4).map(str::to_string).collect()
    };
    assert_eq!(matrix(&lines), matrix(&told));
    let accuracy = format!("accuracy   {:.2} % of 40 examples", 100.0 * figures["accuracy"].as_f64().unwrap());
    let loss = format!("loss       {:.4} nats per example", figures["loss"].as_f64().unwrap());
    assert!(lines.starts_with("data       other.csv: 40 examples\n") && lines.contains(&accuracy), "{lines}");
    assert!(lines.contains(&loss) && lines.contains("\nmacro F1   "), "{lines}");

    // The best model is the default, as everywhere.
    let best = json(&place.done(&["eval", "run", "other.csv", "--json"]));
    assert_eq!(best["loss"], training["best_val_loss"]);
}

#[test]
fn rows_of_numbers_need_only_the_columns_of_the_model() {
    let place = Place::new();
    let rows = |more: &str, start: usize| {
        let mut text = format!("run,x,label{}\n", if more.is_empty() { "" } else { ",more" });
        for run in start..start + 30 {
            for t in 0..3 + run % 4 {
                let x = if run % 2 == 0 { t as f64 } else { -(t as f64) } + 0.1 * (run % 5) as f64;
                writeln!(text, "{run},{x},{}{more}", if run % 2 == 0 { "up" } else { "down" }).unwrap();
            }
        }
        text
    };
    place.write("traces.csv", rows("", 0));
    place.write("held.csv", rows("", 31));
    place.write("more.csv", rows(",word", 31));
    let args = ["traces.csv", "--task", "classify", "--group", "run", "--val-file", "held.csv"];
    let (training, _) = trained(&place, &args);
    for file in ["held.csv", "more.csv"] {
        let figures = evaluated(&place, &[file]);
        assert_eq!([&figures["accuracy"], &figures["loss"]], [&training["accuracy"], &training["val_loss"]], "{file}");
    }
    place.write("bad.csv", "run,x,label\n1,0,up\n1,one,up\n2,0,up\n2,1,up\n3,0,up\n3,1,down\n");
    place.refused(1, "line 3, column x: \"one\" is given, expected a finite number", &["eval", "run", "bad.csv"]);
    let output = place.done(&["eval", "run", "bad.csv", "--skip-bad", "--json"]);
    assert_eq!(json(&output)["examples"], 1);
    assert_eq!(stderr(&output).matches("warning: line ").count(), 2, "{}", stderr(&output));
}

#[test]
fn a_tagger_has_the_figures_of_training() {
    let place = Place::new();
    let sentences = |start: usize| -> String {
        let words =
            |at: usize| format!("the D\n{} {}\nruns V\n\n", ["cat", "dog", "red"][at % 3], ["N", "N", "J"][at % 3]);
        (start..start + 25 + start).map(words).collect()
    };
    place.write("tags.conll", sentences(0));
    place.write("held.conll", sentences(2));
    let (training, _) = trained(&place, &["tags.conll", "--task", "tag", "--val-file", "held.conll"]);
    let figures = evaluated(&place, &["held.conll"]);
    for key in ["accuracy", "macro_f1", "micro_f1"] {
        assert_eq!(figures[key], training[key], "{key}");
    }
    assert_eq!((&figures["loss"], &figures["steps"]), (&training["val_loss"], &Value::from(81)));
    // The same sentences in a table.
    let row = |sentence: &str| {
        let pairs: Vec<Vec<&str>> = sentence.lines().map(|line| line.split(' ').collect()).collect();
        let column = |at: usize| pairs.iter().map(|pair| pair[at]).collect::<Vec<_>>().join(" ");
        format!("{},{}\n", column(0), column(1))
    };
    let held = sentences(2);
    place.write("held.csv", format!("text,label\n{}", held.trim_end().split("\n\n").map(row).collect::<String>()));
    assert_eq!(evaluated(&place, &["held.csv"]), figures);

    place.write("bad.conll", "the D\ncat\nruns V\n\nthe D\n");
    place.refused(1, "line 2: the line has 1 column", &["eval", "run", "bad.conll"]);
    assert_eq!(evaluated(&place, &["bad.conll", "--skip-bad"])["steps"], 1, "the sentence is left out as a whole");
    place.write("new.conll", "the D\n\nthe X\n");
    let words = "line 3: the class \"X\" was not trained on, expected one of D, J, N, V (new.conll)";
    place.refused(1, words, &["eval", "run", "new.conll"]);
    place.refused(1, words, &["eval", "run", "new.conll", "--skip-bad"]);
}

#[test]
fn a_network_that_restores_has_the_figures_of_training() {
    let place = Place::new();
    let text = "The cat saw a dog. The dog, it ran. A cat sat, and Tom ran.\n";
    place.write("text.txt", text.repeat(12));
    place.write("held.txt", format!("A dog ran, and Tom saw a cat.\n{text}"));
    let args = ["text.txt", "--task", "restore", "--seq-len", "40", "--val-file", "held.txt"];
    let (training, _) = trained(&place, &args);
    let figures = evaluated(&place, &["held.txt"]);
    for key in ["accuracy", "macro_f1", "micro_f1", "capitals_f1", "punctuation_f1"] {
        assert_eq!(figures[key], training[key], "{key}");
        assert!(figures[key].is_f64(), "{key}");
    }
    assert_eq!(figures["loss"], training["val_loss"]);
    let lines = stdout(&place.done(&["eval", "run", "held.txt"]));
    assert!(lines.contains("capitals   F1 ") && lines.contains(" nats per character"), "{lines}");
    place.write("new.txt", "A cat.\nThe dog!\n");
    place.refused(1, "line 2: the class \"!\" was not trained on", &["eval", "run", "new.txt"]);
    place.refused(
        1,
        "--skip-bad is given with a model of the task restore, expected it with classify, tag, generate, translate",
        &["eval", "run", "held.txt", "--skip-bad"],
    );
}

#[test]
fn a_writer_has_the_loss_of_training() {
    let place = Place::new();
    place.write("texts.csv", texts(0, 60));
    let (training, _) = trained(&place, &["texts.csv", "--task", "generate", "--val-frac", "0.3"]);
    // The texts that training holds out, by its seed: those that come twice with the same class are left out first.
    let data = Labelled::read(&place.path("texts.csv"), &Default::default(), TextEncoding::default()).unwrap();
    let kept = distinct(&data.items, &data.labels);
    let Items::Texts(all) = &data.items else { panic!("texts") };
    let held = HeldOut::stratified(&data.labels, &kept, 0.3, 1).held;
    let row = |&at: &usize| format!("{},{}\n", data.classes[data.labels[at] as usize], all[at]);
    place.write("held.csv", format!("label,text\n{}", held.iter().map(row).collect::<String>()));
    let figures = evaluated(&place, &["held.csv"]);
    assert_eq!((&figures["loss"], &figures["texts"]), (&training["val_loss"], &Value::from(held.len())));
    let tokens: usize = held.iter().map(|&at| all[at].len() + 1).sum();
    assert_eq!(figures["tokens"], tokens, "a character each, and the end of each text");
    let (loss, bits) = (figures["loss"].as_f64().unwrap(), figures["bpc"].as_f64().unwrap());
    assert!((bits - loss / std::f64::consts::LN_2).abs() < 1e-15 * bits.max(1.0) * 4.0);
    let lines = stdout(&place.done(&["eval", "run", "held.csv"]));
    assert!(lines.contains(" nats per character\n") && lines.contains(" bits per character"), "{lines}");
    place.write("up.csv", "label,text\nleft,ax\nup,ax\n");
    place.refused(
        1,
        "line 3, column label: the class \"up\" was not trained on, expected one of left, right (up.csv)",
        &["eval", "run", "up.csv"],
    );
    place.write("new.csv", "label,text\nleft,ax1\nleft,a!\n,ax\n");
    place.refused(1, "line 4, column label: the cell is empty, expected text (new.csv)", &["eval", "run", "new.csv"]);
    let figures = evaluated(&place, &["new.csv", "--skip-bad"]);
    // Four tokens and three, the end of each text among them; `!` was never read.
    assert_eq!([&figures["texts"], &figures["tokens"]], [&Value::from(2), &Value::from(7)]);
    assert_eq!(figures["unknown"], 1.0 / 7.0);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let place = Place::new();
    place.write("texts.csv", texts(0, 60));
    trained(&place, &["texts.csv", "--task", "classify"]);
    place.write("up.csv", "label,text\nleft,ax\nup,ax\n");
    place.write("empty.csv", "");
    place.write("head.csv", "label,text\n");
    place.write("text.txt", "ax");
    place.write("other.csv", "a,b\n1,2\n");
    place.write("folder/left.txt", "ax\n");
    place.write("folder/up.txt", "ax\n");
    place.write("bad.csv", "label,text\nleft,\n");
    let class = "the class \"up\" was not trained on, expected one of left, right";
    let eval = |more: &[&'static str]| [&["eval", "run"], more].concat();
    for (words, args) in [
        (format!("line 3, column label: {class} (up.csv)").as_str(), eval(&["up.csv"])),
        (&format!("line 3, column label: {class} (up.csv)"), eval(&["up.csv", "--skip-bad"])),
        (&format!("{class} (folder/up.txt)"), eval(&["folder"])),
        ("empty.csv", eval(&["empty.csv"])),
        ("the table has no rows, expected at least 1 (head.csv)", eval(&["head.csv"])),
        ("the file's ending says nothing, expected .csv, .tsv, .jsonl", eval(&["text.txt"])),
        ("no column is called label, expected one of a, b (other.csv)", eval(&["other.csv"])),
        ("missing.csv", eval(&["missing.csv"])),
        ("line 2, column text: the cell is empty, expected text (bad.csv)", eval(&["bad.csv"])),
        ("the data is 2 files, expected one file or folder", eval(&["texts.csv", "up.csv"])),
        ("- (standard input) is given with a model of a task", eval(&["-"])),
        (
            "--per-token is given with a model of the task classify, expected it with lm",
            eval(&["up.csv", "--per-token"]),
        ),
        ("--per-line is given with a model of the task classify, expected it with lm", eval(&["up.csv", "--per-line"])),
        ("--weights is given with a model of the task classify", eval(&["up.csv", "--weights", "int8"])),
        (
            "--beam is given with a model of the task classify, expected it with translate",
            eval(&["up.csv", "--beam", "2"]),
        ),
    ] {
        place.refused(1, words, &args);
    }
    let output = place.elman(&eval(&["bad.csv", "--skip-bad"]));
    assert!(
        stderr(&output).contains("error: no row can be read, expected at least 1 (bad.csv)"),
        "{}",
        stderr(&output)
    );
    fs::remove_file(place.path("folder/up.txt")).unwrap();
    assert_eq!(evaluated(&place, &["folder"])["examples"], 1);
    let place = Place::with_run();
    place.refused(1, "--skip-bad is given with a model of the task lm", &["eval", "run", "text.txt", "--skip-bad"]);
}
