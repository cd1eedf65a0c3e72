//! Tests the messages about a run that is resumed with other settings or texts, or whose config.toml was edited, and about
//! settings that contradict each other.

mod place;

use place::{Place, TINY, json, stderr, stdout, text};

fn resumed(place: &Place, flags: &[&str]) -> (bool, String) {
    let output = place.elman(&[&["train", "--resume", "run"], flags].concat());
    (output.status.success(), stderr(&output))
}

#[test]
fn a_change_that_cannot_be_forced_is_named() {
    let place = Place::with_run();
    for (flags, words) in [
        (&["--optimizer", "sgd"][..], "optimizer is \"sgd\" here, but run was started with \"adam\""),
        (&["--cell", "gru"], "cell is \"gru\" here, but run was started with"),
        (&["--hidden", "9"], "hidden_size is 9 here, but run was started with 8"),
        (&["--embed", "4"], "embed is 4 here, but run was started with 0"),
        // Other rows give up the carried state, and nothing else.
        (&["--optimizer", "sgd", "--batch", "2"], "optimizer is \"sgd\" here"),
    ] {
        let before = place.files();
        let (succeeded, messages) = resumed(&place, &[&["--force", "--steps", "30"], flags].concat());
        assert!(!succeeded && messages.contains(words), "{flags:?}: {messages}");
        assert!(messages.contains("; no run can be forced to this: ") && messages.contains("hint: omit"), "{messages}");
        assert!(place.files() == before, "{flags:?}");
    }
    let (succeeded, messages) = resumed(&place, &["--force", "--steps", "30", "--batch", "2"]);
    assert!(succeeded && messages.contains("the carried state is reset"), "{messages}");
}

#[test]
fn another_held_out_text_is_named() {
    let place = Place::with_text();
    place.write("val.txt", &text()[..100]);
    place.write("other.txt", &text()[..90]);
    place.train(&["text.txt", "--steps", "10", "--out", "run"]);
    let (_, messages) = resumed(&place, &["--val-file", "val.txt"]);
    let words = "the validation text is val.txt (100 characters), expected none: the run was started without one";
    assert!(messages.contains(words), "{messages}");
    place.train(&["text.txt", "--steps", "10", "--val-file", "val.txt", "--test-file", "other.txt", "--out", "held"]);
    let output = |flags: &[&str]| stderr(&place.elman(&[&["train", "--resume", "held"], flags].concat()));
    let messages = output(&["--val-file", "other.txt"]);
    let words = "the validation text is other.txt (90 characters), expected that of the run, val.txt (100 characters)";
    assert!(messages.contains(words), "{messages}");
    let messages = output(&["--test-file", "val.txt"]);
    assert!(
        messages.contains("the test text is val.txt (100 characters), expected that of the run, other"),
        "{messages}"
    );
}

#[test]
fn an_edited_configuration_is_never_lost_in_silence() {
    let place = Place::with_run();
    let config = String::from_utf8(place.read("run/config.toml")).unwrap();
    let edit = |from: &str, to: &str| {
        assert!(config.contains(from), "{config}");
        place.write("run/config.toml", config.replace(from, to));
    };
    edit("lr = 0.004", "lr = 0.5");
    place.write("before", place.read("run/config.toml"));
    let (succeeded, messages) = resumed(&place, &[]);
    assert!(!succeeded && messages.contains("lr is 0.5 here, but run was started with 0.004"), "{messages}");
    assert!(messages.contains("note: run/config.toml differs from what the run was saved with: lr\n"), "{messages}");
    assert_eq!(place.read("run/config.toml"), place.read("before"));
    // What may change needs no --force, and is kept.
    edit("sample_length = 200", "sample_length = 7");
    let (succeeded, messages) = resumed(&place, &[]);
    assert!(succeeded && messages.contains("sample_length is 7 here"), "{messages}");
    assert!(String::from_utf8(place.read("run/config.toml")).unwrap().contains("sample_length = 7"));
    place.write("run/config.toml", "lr = ");
    let (succeeded, messages) = resumed(&place, &[]);
    assert!(!succeeded && messages.contains("line 1: ") && messages.contains("(run/config.toml)"), "{messages}");
}

#[test]
fn a_recipe_gives_steps_or_epochs() {
    let place = Place::with_text();
    place.write("both.toml", "steps = 5\nepochs = 1\n");
    let words = "steps and epochs are both given, expected one of them (both.toml)";
    place.refused(1, words, &["train", "text.txt", "--config", "both.toml"]);
    // The config.toml of a run by epochs is a recipe, and the run continues by it.
    place.train(&["text.txt", "--epochs", "1", "--out", "run"]);
    let config = String::from_utf8(place.read("run/config.toml")).unwrap();
    assert!(config.contains("epochs = 1\n") && !config.contains("\nsteps = "), "{config}");
    place.done(&["train", "text.txt", "--config", "run/config.toml", "--out", "again"]);
    assert!(place.read("run/model.safetensors") == place.read("again/model.safetensors"));
    let (succeeded, messages) = resumed(&place, &[]);
    assert!(succeeded && messages.contains("nothing is left to do"), "{messages}");
    let (succeeded, messages) = resumed(&place, &["--epochs", "2", "--force"]);
    assert!(succeeded && !messages.contains("nothing is left to do"), "{messages}");
}

#[test]
fn a_text_that_is_too_short_gets_a_hint() {
    let place = Place::new();
    place.write("short.txt", "abcdefghijkl");
    let output = place.elman(&["train", "short.txt"]);
    let messages = stderr(&output);
    assert!(messages.contains("characters to train on, expected at least seq_len + 1 = "), "{messages}");
    assert!(
        messages.contains("hint: a smaller --seq-len needs less text; --val-frac 0 trains on all of it"),
        "{messages}"
    );
    let output = place.elman(&["train", "short.txt", "--tokenizer", "byte"]);
    assert!(stderr(&output).contains("short.txt has 10 bytes to train on"), "{}", stderr(&output));
    place.done(&[&["train", "short.txt", "--val-frac", "0", "--steps", "2"], &TINY[..]].concat());
}

#[test]
fn info_describes_models_of_every_task() {
    let place = Place::new();
    let rows: String = (0..60).map(|k| format!("text {k},{}\n", ["up", "down"][k % 2])).collect();
    place.write("rows.csv", format!("text,label\n{rows}"));
    place.train(&["rows.csv", "--task", "classify", "--steps", "4", "--out", "classes"]);
    let table = stdout(&place.done(&["info", "classes"]));
    for words in [
        "kind = \"classify\"",
        "classes: 2\n  \"down\" \"up\"",
        "characters, the most frequent first",
        "decoder.weight",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let info = json(&place.done(&["info", "classes", "--json"]));
    assert_eq!(info["classes"], serde_json::json!(["down", "up"]), "{info}");
    let series: String = (0..200).map(|k| format!("{k},{}\n", k % 7)).collect();
    place.write("series.csv", format!("time,load\n{series}"));
    place.train(&["series.csv", "--task", "forecast", "--horizon", "2", "--steps", "4", "--out", "series"]);
    let info = json(&place.done(&["info", "series", "--json"]));
    assert_eq!((&info["columns"], info.get("vocab")), (&serde_json::json!(["load"]), None), "{info}");
    assert!(
        info["parameters"].as_u64().unwrap() > 100 && stdout(&place.done(&["info", "series"])).contains("\"load\"")
    );
}

#[test]
fn help_gives_the_defaults_of_every_task() {
    let help = |task: &str| {
        let help = stdout(&Place::new().done(&["train", "--task", task, "--help"]));
        help.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (task, words) in [
        ("lm", "are unknown [default: 1]"),
        ("tag", "are unknown [default: 2]"),
        ("lm", "[default: an epoch, or what makes 10 to 50 validations in the run]"),
        ("lm", "Rows of text in a batch; fewer for a small text [default: 64]"),
        ("restore", "Rows of text in a batch; fewer for a small text [default: 16]"),
        ("translate", "Rows of text in a batch; fewer for a small text [default: 128]"),
    ] {
        let help = help(task);
        assert!(help.contains(words), "{task}: {words}: {help}");
    }
}
