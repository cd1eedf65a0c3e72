//! Tests errors: one clear line, exit code 1 or 2, no panic, no files left.

#[path = "../../../.ci/not_run.rs"]
mod not_run;
mod place;

use place::{Place, TINY};

/// `elman train text.txt` with the given flags.
fn train<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [&["train", "text.txt"], flags].concat()
}

#[test]
fn bad_usage() {
    let place = Place::with_text();
    for (words, args) in [
        ("unexpected argument '--hiden'", vec!["train", "--hiden", "8"]),
        ("unexpected argument '--no-such'", vec!["train", "--no_such"]),
        ("unrecognized subcommand 'tran'", vec!["tran"]),
        ("'mgu' for '--cell <CELL>'", vec!["train", "--model", "mgu"]),
        ("'many' for '--hidden <N[,N..]>'", vec!["train", "--rnn_size", "many"]),
        ("'-1' for '--hidden <N[,N..]>'", vec!["train", "--hidden", "-1"]),
        ("'0' for '--minutes <X>': expected a finite number above 0", vec!["train", "--minutes", "0"]),
        ("'nan' for '--minutes <X>'", vec!["train", "--minutes", "nan"]),
        ("'lion' for '--optimizer", vec!["train", "--optimizer", "lion"]),
        ("'xavier' for '--init", vec!["train", "--init", "xavier"]),
        ("'words' for '--batches", vec!["train", "--batches", "words"]),
        ("'linear' for '--schedule", vec!["train", "--schedule", "linear"]),
        ("'cuda' for '--device", vec!["train", "--device", "cuda"]),
        ("'0' for '--threads <N>'", vec!["train", "--threads", "0"]),
        ("'99999999999999999999' for '--seed <N>'", vec!["train", "--seed", "99999999999999999999"]),
        ("--steps", vec!["train", "--steps", "1", "--epochs", "1"]),
        ("--resume", vec!["train", "--out", "a", "--resume", "b"]),
        ("<RUN>", vec!["sample"]),
        ("<TEXT>", vec!["eval", "run"]),
        ("'x' for '--top-k <N>'", vec!["sample", "run", "--top-k", "x"]),
    ] {
        place.refused(2, words, &args);
    }
}

#[test]
fn a_misspelt_flag_gets_a_hint() {
    let place = Place::new();
    let output = place.elman(&["train", "--hiden", "8"]);
    assert!(place::stderr(&output).ends_with("hint: did you mean '--hidden'?\n"), "{}", place::stderr(&output));
}

#[test]
fn no_verb_shows_the_help() {
    let output = Place::new().elman(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(place::stderr(&output).contains("gradcheck"));
}

#[test]
fn bad_settings() {
    let place = Place::with_text();
    for (words, flags) in [
        ("hidden_size is 0", ["--hidden", "0"]),
        ("num_layers is 0", ["--layers", "0"]),
        ("batch is 0", ["--batch", "0"]),
        ("seq_len is 0", ["--seq-len", "0"]),
        ("epochs is 0", ["--epochs", "0"]),
        ("steps is 0", ["--steps", "0"]),
        ("lr is NaN", ["--lr", "nan"]),
        ("lr is inf", ["--lr", "inf"]),
        ("lr is -1", ["--lr", "-1"]),
        ("clip is -1", ["--clip", "-1"]),
        ("momentum is 1", ["--momentum", "1"]),
        ("weight_decay is -1", ["--l2", "-1"]),
        ("init_scale is inf", ["--init-scale", "inf"]),
        ("clip_value is NaN", ["--clip-value", "nan"]),
        ("lr_decay is 2", ["--lr-decay", "2"]),
        ("halve_every is 0", ["--halve-every", "0"]),
        ("dropout is 1", ["--dropout", "1"]),
        ("val_frac is 1.5", ["--val-frac", "1.5"]),
        ("min_lr_frac is 2", ["--min-lr-frac", "2"]),
        ("hidden_size is 1000000000000", ["--hidden", "1000000000000"]),
        ("hidden_size is 0", ["--hidden", "8,0"]),
    ] {
        place.refused(1, words, &train(&flags));
    }
    place.refused(1, "embed is 5, expected hidden_size = 256 with tied", &train(&["--tied", "--embed", "5"]));
    let two = ["--schedule", "cosine", "--lr-decay", "0.9"];
    place.refused(1, "lr_decay is 0.9, expected it with schedule = decay, not cosine", &train(&two));
    place.refused(1, "patience is 2, expected a validation split", &train(&["--patience", "2", "--val-frac", "0"]));
    place.refused(1, "bytes of memory, but", &train(&["--hidden", "60000", "--layers", "60"]));
    place.refused(1, "spike is 0.5", &train(&["--spike", "0.5"]));
    place.refused(1, "keep is 0", &train(&["--keep", "0"]));
}

#[test]
fn bad_texts() {
    let place = Place::new();
    place.write("empty.txt", "");
    place.write("one.txt", "a");
    place.write("short.txt", "a short text");
    place.write("bad.txt", b"caf\xc3\xa9 \xff and on");
    place.write("pictures/cat.jpg", "no text");
    for (words, text) in [
        ("empty.txt has 0 characters", "empty.txt"),
        ("one.txt has", "one.txt"),
        ("short.txt has", "short.txt"),
        ("byte offset 6", "bad.txt"),
        ("missing.txt", "missing.txt"),
        ("pictures holds no text", "pictures"),
        ("standard input has 0 characters", "-"),
    ] {
        place.refused(1, words, &["train", text]);
    }
    place.refused(1, "expected it alone", &["train", "-", "one.txt"]);
}

#[test]
fn bad_places() {
    let place = Place::with_text();
    place.write("here/keep.txt", "mine");
    place.write("file", "a file");
    place.refused(1, "here exists already", &train(&["--out", "here"]));
    place.refused(1, "file exists already", &train(&["--save", "file"]));
    place.refused(1, "cannot create file", &train(&["--out", "file/run"]));
    place.write("runs", "a file where the runs go");
    place.refused(1, "cannot create runs", &train(&[]));
}

#[cfg(unix)]
#[test]
fn a_directory_without_the_right_to_write() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_text();
    std::fs::create_dir(place.path("closed")).unwrap();
    std::fs::set_permissions(place.path("closed"), std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(place.path("closed/probe"), "").is_ok() {
        not_run::not_run("a directory without the right to write: this user may write everywhere");
        return;
    }
    place.refused(1, "cannot create closed/run: Permission denied", &train(&["--out", "closed/run"]));
}

#[test]
fn bad_recipes() {
    let place = Place::with_text();
    place.write("unknown.toml", "hidden_size = 8\nhiden = 9\n");
    place.write("kind.toml", "batch = \"many\"\n");
    place.write("broken.toml", "batch = 8\nlr = = 1\n");
    place.write("zero.toml", "num_layers = 0\n");
    for (words, recipe) in [
        ("hiden", "unknown.toml"),
        ("batch", "kind.toml"),
        ("line 2", "broken.toml"),
        ("num_layers is 0", "zero.toml"),
        ("cannot read missing.toml", "missing.toml"),
    ] {
        place.refused(1, words, &train(&["--config", recipe]));
    }
}

#[test]
fn bad_models() {
    let place = Place::with_run();
    let model = place.read("run/model.safetensors");
    place.write("cut.safetensors", &model[..model.len() - 10]);
    place.write("header.safetensors", &model[..5]);
    place.write("other.safetensors", b"\x13\0\0\0\0\0\0\0{\"__metadata__\":{}} ");
    let wrong = replaced(&model, b"\\\"hidden_size\\\":8", b"\\\"hidden_size\\\":9");
    place.write("damaged.safetensors", &wrong);
    place.write("wrong.safetensors", without_checksum(&wrong));
    place.write("folder/readme.txt", "not a run");
    for (words, model) in [
        ("cut.safetensors", "cut.safetensors"),
        ("header.safetensors", "header.safetensors"),
        ("other.safetensors", "other.safetensors"),
        ("damaged: the checksum", "damaged.safetensors"),
        ("has no checksum", "wrong.safetensors"),
        ("text.txt", "text.txt"),
        ("folder", "folder"),
        ("missing", "missing"),
        ("run/state.safetensors", "run/state.safetensors"),
    ] {
        place.refused(1, words, &["sample", model]);
        place.refused(1, words, &["info", model]);
        place.refused(1, words, &["eval", model, "text.txt"]);
    }
}

/// The model with spaces in the place of its checksum.
fn without_checksum(model: &[u8]) -> Vec<u8> {
    let begin = br#"{\"checksum\":\""#;
    let at = model.windows(begin.len()).position(|window| window == begin).expect("a checksum comes first");
    let mut model = model.to_vec();
    model[at + 1..at + begin.len() + 64 + br#"\","#.len()].fill(b' ');
    model
}

/// The bytes with `old`, which must be there, replaced by `new` of the same length.
fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let at = bytes.windows(old.len()).position(|window| window == old).expect("the model file's header has changed");
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

#[test]
fn bad_sampling() {
    let place = Place::with_run();
    for (words, flags) in [
        ("temperature is -1", ["--temperature", "-1"]),
        ("temperature is NaN", ["--temperature", "nan"]),
        ("top_p is 2", ["--top-p", "2"]),
        ("top_p is -1", ["--top-p", "-1"]),
        ("'☃' (U+2603)", ["--prompt", "the ☃"]),
    ] {
        place.refused(1, words, &[&["sample", "run"][..], &flags].concat());
    }
}

#[test]
fn bad_evaluations() {
    let place = Place::with_run();
    place.write("new.txt", "the wind ☃");
    place.write("one.txt", "t");
    place.refused(1, "'☃' (U+2603)", &["eval", "run", "new.txt"]);
    place.refused(1, "1 character", &["eval", "run", "one.txt"]);
    place.refused(1, "missing.txt", &["eval", "run", "missing.txt"]);
}

#[test]
fn bad_resumes() {
    let place = Place::with_run();
    place.write("other.txt", "another text ".repeat(40));
    place.write("recipe.toml", "hidden_size = 8\nlr = 0.5\n");
    place.refused(
        1,
        "hidden_size is 16 here, but run was started with 8",
        &["train", "--resume", "run", "--hidden", "16"],
    );
    place.refused(1, "lr is 0.5 here", &["train", "--resume", "run", "--config", "recipe.toml"]);
    place.refused(
        1,
        "the text is other.txt (520 characters), expected that of the run",
        &["train", "other.txt", "--resume", "run"],
    );
    place.refused(1, "missing", &["train", "--resume", "missing"]);
    place.refused(1, "expected a run directory", &["train", "--resume", "text.txt"]);
    let state = place.read("run/state.safetensors");
    place.write("run/state.safetensors", &state[..state.len() / 2]);
    place.refused(1, "state.safetensors", &["train", "--resume", "run"]);
}

#[test]
fn a_text_that_moved_is_asked_for() {
    let place = Place::with_run();
    std::fs::rename(place.path("text.txt"), place.path("moved.txt")).unwrap();
    place.refused(1, "cannot find the text of run", &["train", "--resume", "run"]);
    place.done(&[&["train", "moved.txt", "--resume", "run"], &TINY[..]].concat());
}
