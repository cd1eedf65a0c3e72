//! Tests taggers at the command line: sentences with a token a line in their formats, spans, chains over the tags.

mod place;

use std::fmt::Write as _;

use place::{Place, json, stderr};
use serde_json::Value;

const SMALL: [&str; 10] = ["--hidden", "16", "--embed", "12", "--steps", "80", "--lr", "0.02", "--batch", "8"];

fn lines(output: &std::process::Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Sentences of CoNLL-U with a comment, a multi-word token and an empty node each.
fn universal(count: usize) -> String {
    let mut text = String::new();
    for at in 0..count {
        let (noun, verb) = ([("cat", "sleeps"), ("dog", "runs"), ("bird", "sings")])[at % 3];
        writeln!(text, "# sent_id = {at}\n1-2\tthe{noun}\t_\t_\t_\t_\t_\t_\t_\t_").unwrap();
        writeln!(text, "1\tthe\tthe\tDET\tDT\t_\t2\tdet\t_\t_\n2\t{noun}\t{noun}\tNOUN\tNN\t_\t3\tnsubj\t_\t_")
            .unwrap();
        writeln!(text, "2.1\tgap\t_\t_\t_\t_\t_\t_\t_\t_\n3\t{verb}\t_\tVERB\tVBZ\t_\t0\troot\t_\t_\n").unwrap();
    }
    text
}

#[test]
fn conll_u_is_read_by_its_columns_and_gets_one_more() {
    let place = Place::new();
    place.write("a.conllu", universal(60));
    let train = [&["train", "a.conllu", "--task", "tag", "--out", "run", "--json"], &SMALL[..]].concat();
    let output = place.done(&train);
    assert!(stderr(&output).contains("3: DET NOUN VERB"), "{}", stderr(&output));
    assert_eq!(json(&output)["accuracy"], 1.0);
    let told = lines(&place.done(&["predict", "run", "a.conllu"]));
    assert_eq!(told.len(), 60);
    assert_eq!(told[0].to_string(), r#"{"labels":["DET","NOUN","VERB"],"line":3,"tokens":["the","cat","sleeps"]}"#);
    let column = String::from_utf8(place.done(&["predict", "run", "a.conllu", "--column"]).stdout).unwrap();
    let written: Vec<&str> = column.lines().take(7).collect();
    assert_eq!(written[0], "# sent_id = 0");
    assert!(written[1].ends_with("\t_\t_") && written[2].ends_with("\t_\tDET") && written[3].ends_with("\t_\tNOUN"));
    assert!(written[4].ends_with("\t_\t_") && written[5].ends_with("\t_\tVERB") && written[6].is_empty(), "{column}");
    let other =
        [&["train", "a.conllu", "--task", "tag", "--label", "xpos", "--out", "other", "--json"], &SMALL[..]].concat();
    assert_eq!(json(&place.done(&other))["classes"], Value::Null);
    assert_eq!(lines(&place.done(&["predict", "other", "a.conllu"]))[0]["labels"][2], "VBZ");
    place.refused(
        1,
        "no column is called pos, expected one of id, form",
        &["train", "a.conllu", "--task", "tag", "--label", "pos"],
    );
}

/// Sentences whose names are spans: every B-PER is followed by an I-PER.
fn spans(count: usize) -> String {
    let mut text = String::new();
    for at in 0..count {
        let city = ["Rome", "Oslo", "New York"][at % 3];
        let (first, last) = (["Ada", "Alan", "Grace"][at % 3], ["Byron", "Turing", "Hopper"][at / 3 % 3]);
        writeln!(text, "{first}\tB-PER\n{last}\tI-PER\nsaw\tO\n{city}\tB-LOC\n").unwrap();
    }
    text
}

#[test]
fn tabs_and_blank_lines_make_sentences_with_spaces_in_their_tokens() {
    let place = Place::new();
    place.write("a.tsv", spans(60));
    let output = place.done(&[&["train", "a.tsv", "--task", "tag", "--out", "run", "--json"], &SMALL[..]].concat());
    assert!(stderr(&output).contains("4: B-LOC B-PER I-PER O"), "{}", stderr(&output));
    let told = lines(&place.done(&["predict", "run", "a.tsv", "--format", "conll"]));
    assert_eq!(told[2]["tokens"][3], "New York");
    assert_eq!(told[2]["labels"][3], "B-LOC");
    assert_eq!(json(&output)["span_f1"], 1.0);
    place.write("odd.tsv", "a\tX\nb\n\nc\tX\n");
    place.refused(1, "line 2: the line has 1 column, expected 2", &["train", "odd.tsv", "--task", "tag"]);
}

#[test]
fn a_chain_over_the_tags_keeps_the_rules_of_spans_and_is_measured_as_it_tells() {
    let place = Place::new();
    place.write("a.tsv", spans(60));
    // Words that were not seen in training say little by themselves.
    place.write("b.tsv", spans(30).replace("Byron", "Lovelace").replace("Ada", "Barbara"));
    let train = ["train", "a.tsv", "--task", "tag", "--crf", "--out", "run", "--json"];
    place.done(&[&train[..], &SMALL].concat());
    let told = lines(&place.done(&["predict", "run", "b.tsv", "--format", "conll"]));
    let measured = json(&place.done(&["eval", "run", "b.tsv", "--json"]));
    let truth = ["B-PER", "I-PER", "O", "B-LOC"];
    let mut right = 0;
    for sentence in &told {
        let labels: Vec<&str> =
            sentence["labels"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect();
        right += labels.iter().zip(truth).filter(|(label, truth)| *label == truth).count();
        for (at, label) in labels.iter().enumerate().filter(|(_, label)| label.starts_with("I-")) {
            assert!(at > 0 && labels[at - 1][1..] == label[1..], "{labels:?}");
        }
    }
    assert!((measured["accuracy"].as_f64().unwrap() - right as f64 / 120.0).abs() < 1e-12, "{measured}");
    // A resume has the bytes of a run that did not stop.
    place.done(
        &[&["train", "a.tsv", "--task", "tag", "--crf", "--out", "parts", "--minutes", "1e-9"], &SMALL[..]].concat(),
    );
    place.done(&["train", "--resume", "parts"]);
    assert!(place.read("run/model.safetensors") == place.read("parts/model.safetensors"));
}

#[test]
fn what_goes_wrong_with_texts_of_several_tasks() {
    let place = Place::new();
    // A folder whose files have endings of their own: their names are the classes.
    std::fs::create_dir(place.path("polarity")).unwrap();
    let texts = |words: &[&str]| (0..20).map(|at| format!("{} {at}\n", words[at % words.len()])).collect::<String>();
    place.write("polarity/film.pos", texts(&["good", "lovely", "fine"]));
    place.write("polarity/film.neg", texts(&["bad", "awful", "dull"]));
    let output = place.done(&[&["train", "polarity", "--task", "classify", "--out", "polar"], &SMALL[..]].concat());
    assert!(stderr(&output).contains("2: film.neg, film.pos"), "{}", stderr(&output));
    place.done(&["train", "--resume", "polar"]);
    // An array of JSON objects.
    let object =
        |at: usize| format!("{{\"text\":\"{}{at}\",\"label\":\"{}\"}}", "ab".as_bytes()[at % 2] as char, at % 2);
    let array = (0..30).map(object).collect::<Vec<_>>().join(",\n");
    place.write("a.json", format!("[{array}]"));
    place.done(&[&["train", "a.json", "--task", "classify", "--out", "array"], &SMALL[..]].concat());
    assert_eq!(lines(&place.done(&["predict", "array", "a.json"])).len(), 30);
    place.write("b.json", "[{\"text\":\"a\",\"label\":[1]}]");
    place.refused(1, "line 1, column label: the cell holds an array", &["train", "b.json", "--task", "classify"]);
    // Blank lines of a text that is restored stay.
    place.write("long.txt", "The cat sat. A dog ran, and it fell!\n".repeat(60));
    place.done(&[&["train", "long.txt", "--task", "restore", "--out", "restore"], &SMALL[..]].concat());
    place.write("bare.txt", "the cat\n\na dog\n");
    let restored = String::from_utf8(place.done(&["predict", "restore", "bare.txt"]).stdout).unwrap();
    assert_eq!((restored.lines().count(), restored.lines().nth(1)), (3, Some("")), "{restored}");
    // A tagger whose held-out sentences repeat those of training says so.
    place.write("same.conll", "the DET\ncat NOUN\n\n".repeat(30));
    let told = stderr(&place.done(&[&["train", "same.conll", "--task", "tag", "--out", "same"], &SMALL[..]].concat()));
    assert!(told.contains("held-out sequences that are in the training part too: 3 of 3"), "{told}");
    // A class with a comma in its name can be asked for.
    place.write("comma.csv", format!("text,label\n{}", "xy,\"a, b\"\nzw,c\n".repeat(20)));
    place.done(&[&["train", "comma.csv", "--task", "generate", "--out", "comma"], &SMALL[..]].concat());
    place.done(&["predict", "comma", "--given", "label=a, b"]);
}
