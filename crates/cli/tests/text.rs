//! Tests the handling of texts: bytes, unknown characters, held-out files, lines; and the texts that the program prints about
//! itself.

mod place;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use place::{Place, TINY, json, stderr, stdout};

#[test]
fn bytes_of_anything_are_a_text() {
    let place = Place::new();
    let raw: Vec<u8> = (0..2000_u32).map(|k| (k * k % 251 + k % 5) as u8).collect();
    place.write("raw.bin", &raw);
    place.refused(1, "raw.bin is not UTF-8", &["train", "raw.bin"]);
    let output = place.train(&["raw.bin", "--tokenizer", "byte", "--steps", "20", "--out", "run"]);
    assert!(stderr(&output).contains("2,000 bytes") && stderr(&output).contains("256 different bytes"));
    // Bytes come out as they are, and are counted; a prompt may be any bytes.
    let mut command = place.command(&["sample", "run", "-n", "400", "--seed", "1", "--temperature", "3", "--prompt"]);
    let sampled = command.arg(OsStr::from_bytes(b"\xe9\xff")).output().unwrap();
    assert_eq!((&sampled.stdout[..2], sampled.stdout.len()), (&b"\xe9\xff"[..], 402), "{}", stderr(&sampled));
    assert!(std::str::from_utf8(&sampled.stdout[2..]).is_err(), "at this temperature, few bytes are UTF-8");
    let samples = String::from_utf8(place.read("run/samples.txt")).unwrap();
    assert!(samples.contains("\\x") && !samples.contains('\u{fffd}'), "{samples}");
    let figures = json(&place.done(&["eval", "run", "raw.bin", "--json"]));
    assert_eq!((figures["tokens"].as_u64(), &figures["bits_per_byte"]), (Some(2000), &figures["bpc"]));
    assert!(stdout(&place.done(&["eval", "run", "raw.bin"])).contains("nats per byte"));
    assert!(stdout(&place.done(&["info", "run"])).contains("the 256 bytes"));
    // A resume reads bytes again, even without config.toml; a finished run does not change.
    let before = place.read("run/model.safetensors");
    place.done(&["train", "--resume", "run"]);
    std::fs::remove_file(place.path("run/config.toml")).unwrap();
    place.done(&["train", "--resume", "run"]);
    assert_eq!(place.read("run/model.safetensors"), before);
}

#[test]
fn unknown_characters_are_welcome_where_asked_for() {
    let place = Place::with_text();
    place.train(&["text.txt", "--unk", "--min-freq", "20", "--steps", "20", "--out", "run"]);
    let info = json(&place.done(&["info", "run", "--json"]));
    assert_eq!((info["vocab"][0].as_str(), info["config"]["min_freq"].as_u64()), (Some("<unk>"), Some(20)));
    let text = stdout(&place.done(&["sample", "run", "-n", "300", "--seed", "1", "--prompt", "☃"]));
    assert!(text.chars().count() == 301 && !text.contains('<'), "{text}");
    place.write("new.txt", "the ☃ sea");
    assert_eq!(json(&place.done(&["eval", "run", "new.txt", "--json"]))["tokens"], 9);
    let messages = stderr(&place.done(&["sample", "run", "-n", "3", "--prompt", "t☃☄☃"]));
    assert!(messages.contains("note: not in the vocabulary, read as <unk>: \"☃\", \"☄\"\n"), "{messages}");
    for (words, flags) in [
        ("min_freq is 3, expected 1 without unk", &["--min-freq", "3"][..]),
        ("unk is true, expected false", &["--unk", "--tokenizer", "byte"]),
        ("min_freq is 5000, expected at most", &["--unk", "--min-freq", "5000"]),
    ] {
        place.refused(1, words, &[&["train", "text.txt"], flags].concat());
    }
    place.refused(1, "unk is true here", &["train", "text.txt", "--resume", &plain(&place), "--unk"]);
}

#[test]
fn bits_per_byte_need_every_token_of_the_text() {
    let place = Place::new();
    // 8 tokens a line, of which a vocabulary of 3 knows five: `<unk>`, `<eos>` and the most frequent. 241 tokens to train on.
    place.write("train.txt", "a a b a c a d\n".repeat(60));
    place.write("new.txt", "a b c a d a a\n");
    let word = ["--tokenizer", "word", "--val-frac", "0.5", "--steps", "2"];
    let trained = place.train(&[&["train.txt", "--vocab-size", "3", "--out", "few", "--json"], &word[..]].concat());
    let messages = stderr(&trained);
    assert!(messages.contains("3 different words; unknown: 37.34 % to train on, 37.66 % to validate"), "{messages}");
    let summary = json(&trained);
    assert_eq!(
        (summary["unknown_train"].as_f64(), summary["unknown_val"].as_f64()),
        (Some(90.0 / 241.0), Some(90.0 / 239.0))
    );
    let figures = json(&place.done(&["eval", "few", "new.txt", "--json"]));
    assert_eq!((figures["unknown"].as_f64(), figures.get("bits_per_byte")), (Some(3.0 / 8.0), None), "{figures}");
    let table = stdout(&place.done(&["eval", "few", "new.txt"]));
    assert!(table.contains("unknown    37.50 % of the words") && !table.contains("per byte"), "{table}");
    // With all words known, there are bits per byte: those of 8 tokens, 7 of them predicted, in the 13 bytes after `a`.
    place.train(&[&["train.txt", "--out", "all"], &word[..]].concat());
    let figures = json(&place.done(&["eval", "all", "new.txt", "--json"]));
    let [bits, bpc] = ["bits_per_byte", "bpc"].map(|name| figures[name].as_f64().unwrap());
    assert!(figures["unknown"] == 0.0 && (bits - bpc * 7.0 / 13.0).abs() < 1e-12, "{figures}");
    // A text that is changed first has other bytes.
    for (run, flags) in [("low", &["--lowercase"][..]), ("clean", &["--clean", "unicode-letters"])] {
        place.train(&[&["train.txt", "--out", run, "--steps", "2"], flags].concat());
        let figures = json(&place.done(&["eval", run, "new.txt", "--json"]));
        assert_eq!(figures.get("bits_per_byte"), None, "{run}: {figures}");
    }
    // Without a token for unknown characters their share is not printed.
    place.train(&["train.txt", "--out", "chars", "--steps", "2"]);
    assert!(!stdout(&place.done(&["eval", "chars", "new.txt"])).contains("unknown"));
}

#[test]
fn a_sample_has_as_many_tokens_as_were_asked_for() {
    let place = Place::with_text();
    place.train(&[
        "text.txt",
        "--tokenizer",
        "word",
        "--words",
        "spaces",
        "--eos",
        "false",
        "--steps",
        "2",
        "--out",
        "run",
    ]);
    let text = stdout(&place.done(&["sample", "run", "-n", "5", "--seed", "1", "--prompt", "the zebra"]));
    let words: Vec<&str> = text.split(' ').collect();
    assert_eq!(words.len(), 7, "{text}");
    let known = place::text();
    assert!(words[2..].iter().all(|word| known.split_whitespace().any(|known| known == *word)), "{text}");
    let messages = stderr(&place.done(&["sample", "run", "-n", "1", "--prompt", "the zebra"]));
    assert!(messages.contains("read as <unk>: \"zebra\"\n"), "{messages}");
}

#[test]
fn letters_of_every_script_make_words() {
    let place = Place::new();
    place.write("de.txt", "Die Straße\nist 7 breit.\n".repeat(40));
    let clean = |name: &str, run: &str| {
        place.train(&["de.txt", "--clean", name, "--val-frac", "0", "--steps", "2", "--out", run]);
        let info = json(&place.done(&["info", run, "--json"]));
        let characters: Vec<&str> = info["vocab"].as_array().unwrap().iter().filter_map(|c| c.as_str()).collect();
        (characters.concat().contains('ß'), info["config"]["clean"].as_str().unwrap().to_string())
    };
    assert_eq!(clean("unicode-letters", "new"), (true, "unicode-letters".into()));
    // The old name is that of d2l's rule, in flags and in recipes.
    assert_eq!(clean("letters", "old"), (false, "d2l".into()));
    place.write("old.toml", "clean = \"letters\"\nval_frac = 0.0\nsteps = 2\n");
    place.train(&["de.txt", "--config", "old.toml", "--out", "recipe"]);
    assert!(place.read("recipe/model.safetensors") == place.read("old/model.safetensors"));
    // 40 times `die straße ` and `ist breit `, a space for each line's end.
    let messages = stderr(&place.train(&["de.txt", "--clean", "unicode-letters", "--val-frac", "0", "--steps", "2"]));
    assert!(messages.contains("840 characters"), "{messages}");
}

/// A run on `text.txt` without special settings.
fn plain(place: &Place) -> String {
    place.train(&["text.txt", "--steps", "2", "--out", "plain"]);
    "plain".into()
}

#[test]
fn files_are_kept_for_validation_and_test() {
    let place = Place::with_text();
    let text = place::text();
    place.write("val.txt", &text[..300]);
    place.write("test.txt", &text[300..700]);
    let flags = ["text.txt", "--steps", "20", "--val-file", "val.txt", "--test-file", "test.txt", "--out", "run"];
    let output = place.train(&[&flags[..], &["--json"]].concat());
    let summary = json(&output);
    let loss = |file: &str| json(&place.done(&["eval", "run", file, "--json"]))["loss"].clone();
    assert_eq!((&summary["val_loss"], &summary["test_loss"]), (&loss("val.txt"), &loss("test.txt")));
    let messages = stderr(&output);
    assert!(messages.contains("2,000 characters, all to train on; 300 of val.txt to validate"), "{messages}");
    assert!(messages.contains("test       loss ") && messages.contains("nats/char, "), "{messages}");
    // The whole text is used for training, as without a validation share.
    place.train(&["text.txt", "--steps", "20", "--val-frac", "0", "--out", "whole"]);
    let tokens = |run: &str| json(&place.done(&["info", run, "--json"]))["results"]["train_loss"].clone();
    assert_eq!(tokens("run"), tokens("whole"));
    // A resumed run finds the files again; different ones are an error.
    place.done(&[&["train", "--resume", "run"], &TINY[..]].concat());
    let refused = |words: &str, flags: &[&str]| place.refused(1, words, &[&["train", "--resume"], flags].concat());
    refused(
        "the validation text is test.txt (400 characters), expected that of the run, val.txt (300",
        &["run", "--val-file", "test.txt"],
    );
    refused("the validation text is val.txt (300 characters), expected none", &["whole", "--val-file", "val.txt"]);
    place.write("val.txt", &text[..299]);
    refused("the validation text is val.txt (299 characters), expected that of the run, val.txt (300", &["run"]);
    place.write("val.txt", &text[..300]);
    place.write("test.txt", "another");
    refused("the test text is test.txt (7 characters), expected that of the run, test.txt (400", &["run"]);
    place.write("one.txt", "t");
    for flag in ["--val-file", "--test-file"] {
        place.refused(1, "one.txt has 1 character, expected at least 2", &["train", "text.txt", flag, "one.txt"]);
        place.refused(1, "cannot read missing.txt", &["train", "text.txt", flag, "missing.txt"]);
    }
}

#[test]
fn lines_are_scored_by_themselves() {
    let place = Place::with_run();
    place.write("lines.txt", "the sea\n\nthe sea\nwind\n");
    let output = stdout(&place.done(&["eval", "run", "lines.txt", "--per-line", "--json"]));
    let lines: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |at: usize, key: &str| lines[at][key].as_f64().unwrap();
    assert_eq!(lines.len(), 4);
    assert_eq!((of(0, "line"), of(0, "tokens"), of(1, "tokens"), of(1, "log_prob")), (1.0, 7.0, 0.0, 0.0));
    assert_eq!(of(0, "log_prob"), of(2, "log_prob"));
    place.write("one.txt", "\nwind");
    let stream = json(&place.done(&["eval", "run", "one.txt", "--json"]));
    assert!((of(3, "log_prob") + 4.0 * stream["loss"].as_f64().unwrap()).abs() < 1e-9);
    let table = stdout(&place.done(&["eval", "run", "lines.txt", "--per-line"]));
    assert!(table.lines().count() == 5 && table.starts_with("line  log-prob, nats  tokens\n"), "{table}");
}

#[test]
fn shells_and_readers_get_their_pages() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&place.done(&["completions", shell]));
        assert!(script.contains("elman") && script.contains("repetition-penalty"), "{shell}");
    }
    place.refused(2, "'csh' for '<SHELL>'", &["completions", "csh"]);
    let page = stdout(&place.done(&["man"]));
    assert!(page.contains(".TH elman 1") && page.contains("elman\\-sample"), "{page}");
    let page = stdout(&place.done(&["man", "train"]));
    assert!(page.contains(".TH elman-train 1") && page.contains("\\-\\-val\\-file"), "{page}");
    place.refused(1, "'fly' is not a verb", &["man", "fly"]);
}

#[test]
fn a_text_on_the_disk_gives_the_same_run() {
    let place = Place::with_text();
    let flags = ["text.txt", "--steps", "20", "--eval-every", "7", "--out"];
    place.train(&[&flags[..], &["memory"]].concat());
    place.train(&[&flags[..], &["disk", "--on-disk"]].concat());
    for file in ["model.safetensors", "best.safetensors", "state.safetensors", "config.toml", "samples.txt"] {
        assert!(place.read(&format!("disk/{file}")) == place.read(&format!("memory/{file}")), "{file}");
    }
    // One byte per token, and a header that identifies the text.
    assert!(!place.path("memory/tokens.bin").exists());
    let tokens = place.read("disk/tokens.bin");
    assert!((place::text().len()..place::text().len() + 200).contains(&tokens.len()), "{}", tokens.len());
    place.done(&["train", "--resume", "disk"]);
    place.done(&["train", "--resume", "memory", "--on-disk"]);
    assert!(place.read("memory/tokens.bin") == tokens && place.read("disk/tokens.bin") == tokens);
    place.write("text.txt", place::text() + "!");
    place.refused(
        1,
        "the text is text.txt (2001 characters), expected that of the run",
        &["train", "--resume", "disk"],
    );

    place.refused(1, "--on-disk is given without files", &["train", "--on-disk"]);
    let lines = ["train", "text.txt", "--on-disk", "--batches", "lines", "--out", "none"];
    place.refused(1, "--on-disk is given with --tokenizer bpe, --batches lines, --cut-tail or --encoding", &lines);
    assert!(!place.path("none").exists(), "a run that never began is none");
}

#[test]
fn a_large_text_stays_on_the_disk_unasked() {
    let place = Place::new();
    place.write("large.txt", "a ".repeat(32 << 20));
    let output = place.train(&["large.txt", "--steps", "1", "--val-frac", "0", "--out", "run", "--json"]);
    assert_eq!(place.read("run/tokens.bin").len() >> 20, 64);
    let peak = json(&output)["peak_memory_bytes"].as_u64();
    assert!(peak.is_none_or(|bytes| bytes < 48 << 20), "neither the text nor its tokens are in memory: {peak:?}");
}

#[test]
fn a_byte_order_mark_is_no_character_of_a_text() {
    let place = Place::new();
    let (first, second) = (place::text()[..1000].to_string(), place::text()[1000..].to_string());
    for (folder, bom) in [("plain", ""), ("marked", "\u{feff}")] {
        // In the middle of a folder's text, too.
        place.write(&format!("{folder}/a.txt"), format!("{bom}{first}"));
        place.write(&format!("{folder}/b.txt"), format!("{bom}{second}"));
    }
    for (name, flags) in [("memory", &[][..]), ("disk", &["--on-disk"]), ("bytes", &["--tokenizer", "byte"])] {
        for folder in ["plain", "marked"] {
            let out = format!("{name}-{folder}");
            place.train(&[&[folder, "--steps", "5", "--out", &out][..], flags].concat());
        }
        let [plain, marked] =
            ["plain", "marked"].map(|folder| place.read(&format!("{name}-{folder}/model.safetensors")));
        assert_eq!(plain == marked, name != "bytes", "{name}: bytes keep the byte-order mark, a text has none");
    }
    let scored = |text: &str| stdout(&place.done(&["eval", "memory-plain", text, "--json"]));
    assert_eq!(scored("marked/a.txt"), scored("plain/a.txt"));
}

#[test]
fn a_list_is_given_once_and_a_warmup_that_never_ends_is_noted() {
    let place = Place::with_text();
    place.refused(2, "--hidden", &["train", "text.txt", "--hidden", "256", "--hidden", "128"]);
    let output = place.train(&["text.txt", "--out", "run", "--steps", "5", "--warmup", "9"]);
    assert!(stderr(&output).contains("warmup = 9 is not shorter than the run of 5 steps"), "{}", stderr(&output));
}
