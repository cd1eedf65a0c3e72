//! Tests the program when nothing fails: streams, names of flags, run directories, figures.

mod place;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use place::{Place, TINY, json, run_files, stderr, stdout};

#[test]
fn training_says_what_it_does_and_what_comes_next() {
    let place = Place::with_text();
    let output =
        place.train(&["text.txt", "--steps", "20", "--print-every", "1", "--eval-every", "5", "--save-every", "10"]);
    assert_eq!(stdout(&output), "");
    let messages = stderr(&output);
    for words in [
        "text.txt: 2,000 characters",
        "vocabulary",
        "LSTM 1 x 8",
        "parameters",
        "device     cpu, backend",
        "thread",
        "runs/text",
    ] {
        assert!(messages.contains(words), "{words} in {messages}");
    }
    assert!(messages.contains("step 5/20  loss ") && messages.contains(" tokens/s"), "{messages}");
    assert!(messages.contains("sample after step"), "{messages}");
    // A line for each validation and for each save, none for the other reports.
    let of_steps =
        |ending: fn(&&str) -> bool| messages.lines().filter(|line| line.starts_with("step ")).filter(ending).count();
    assert_eq!(
        (of_steps(|line| line.contains("  validation ")), of_steps(|line| line.ends_with("  saved"))),
        (4, 2),
        "{messages}"
    );
    assert_eq!(of_steps(|_| true), 6, "{messages}");
    assert!(
        messages.contains("validation loss") && messages.trim_end().ends_with("elman sample runs/text"),
        "{messages}"
    );
    assert!(!messages.contains('\x1b'), "no colours off a terminal: {messages}");
    let expected = [
        ".lock",
        "best.safetensors",
        "config.toml",
        "log.jsonl",
        "loss.svg",
        "model.safetensors",
        "samples.txt",
        "state.safetensors",
    ];
    assert_eq!(run_files(&place.path("runs/text")), expected);
}

#[test]
fn a_run_without_validation_tells_its_training_loss_at_most_twenty_times() {
    let place = Place::with_text();
    let flags = ["--steps", "300", "--print-every", "1", "--sample-every", "0", "--save-every", "300"];
    for never in [&["--val-frac", "0"], &["--eval-every", "0"]] {
        let messages = stderr(&place.train(&[&["text.txt"], &flags[..], &never[..]].concat()));
        let lines: Vec<&str> = messages.lines().filter(|line| line.contains("/300  loss ")).collect();
        assert!((19..=21).contains(&lines.len()), "{messages}");
        assert!(lines[0].starts_with("step 1/300") && lines[lines.len() - 1].starts_with("step 300/300"), "{messages}");
    }
}

#[test]
fn started_by_cargo_it_says_cargo() {
    let place = Place::with_text();
    let args = [&["train", "text.txt", "--steps", "2"], &TINY[..]].concat();
    let output = place.command(&args).env("CARGO", "cargo").output().unwrap();
    let messages = stderr(&output);
    assert!(messages.contains("cargo run") && messages.contains("-- sample runs/text"), "{messages}");
}

#[test]
fn a_second_run_does_not_collide() {
    let place = Place::with_text();
    for _ in 0..2 {
        place.train(&["text.txt", "--steps", "2"]);
    }
    place.train(&["--steps", "2"]);
    assert_eq!(run_files(&place.path("runs")), ["tales", "text", "text-2"]);
    place.train(&["text.txt", "--steps", "2", "--out", "deep/down/mine"]);
    assert!(place.path("deep/down/mine/model.safetensors").is_file());
}

#[test]
fn standard_input_is_a_text() {
    let place = Place::new();
    let args = [&["train", "-", "--steps", "2"], &TINY[..]].concat();
    let mut child = place.command(&args).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(place::text().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && place.path("runs/stdin/loss.svg").is_file(), "{}", stderr(&output));
}

#[test]
fn folders_are_texts() {
    let place = Place::new();
    place.write("books/a.txt", place::text());
    place.write("books/b.txt", place::text());
    assert!(stderr(&place.train(&["books", "--steps", "2"])).contains("4,000 characters"));
    assert!(place.path("runs/books").is_dir());
}

#[test]
fn train_json_is_one_object() {
    let place = Place::with_text();
    let output = place.train(&["text.txt", "--steps", "6", "--json"]);
    let summary = json(&output);
    let keys: Vec<&String> = summary.as_object().unwrap().keys().collect();
    let mut expected = [
        "run",
        "steps",
        "train_loss",
        "val_loss",
        "best_val_loss",
        "test_loss",
        "seconds",
        "tokens_per_sec",
        "parameters",
        "peak_memory_bytes",
        "estimated_memory_bytes",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!((summary["run"].as_str(), summary["steps"].as_u64()), (Some("runs/text"), Some(6)));
    let (last, best) = (summary["val_loss"].as_f64().unwrap(), summary["best_val_loss"].as_f64().unwrap());
    assert!(best <= last && best > 0.0);
    let without = json(&place.train(&["text.txt", "--steps", "6", "--json", "--val-frac", "0"]));
    assert!(without["val_loss"].is_null() && without["best_val_loss"].is_null());
}

#[test]
fn patience_and_time_run_out_in_words() {
    let place = Place::with_text();
    let flags = ["--lr", "1e-30", "--steps", "90", "--eval-every", "2", "--patience", "3", "--schedule", "plateau"];
    let messages = stderr(&place.train(&[&["text.txt", "--out", "early"], &flags[..]].concat()));
    assert!(messages.contains("8 steps") && messages.contains("3 validations without a lower loss"), "{messages}");
    // The time limit passes during the first step; the step is finished and saved, and the run can be resumed.
    let messages = stderr(&place.train(&["text.txt", "--steps", "3", "--minutes", "1e-9", "--out", "brief"]));
    assert!(messages.contains("stopped after step 1 of 3") && messages.contains("train --resume brief"), "{messages}");
    place.done(&["train", "--resume", "brief"]);
    place.train(&["text.txt", "--steps", "3", "--out", "whole"]);
    assert_eq!(place.read("brief/model.safetensors"), place.read("whole/model.safetensors"));
}

#[test]
fn every_setting_reaches_the_recipe() {
    let place = Place::with_text();
    let flags = "--steps 3 --optimizer nesterov --momentum 0.8 --l2 0.001 --clip-value 2 --clip-param-norm 3 --halve-every 1 --init normal --init-scale 0.1 --init-bias zero --batches random";
    place.train(&[&["text.txt", "--out", "a"], &flags.split(' ').collect::<Vec<_>>()[..]].concat());
    let recipe = String::from_utf8(place.read("a/config.toml")).unwrap();
    for line in [
        "optimizer = \"nesterov\"",
        "momentum = 0.8",
        "weight_decay = 0.001",
        "clip_value = 2.0",
        "clip_param_norm = 3.0",
        "schedule = \"halve\"",
        "halve_every = 1",
        "init = \"normal\"",
        "init_scale = 0.1",
        "init_bias = \"zero\"",
        "batches = \"random\"",
    ] {
        assert!(recipe.lines().any(|have| have == line), "{line} in {recipe}");
    }
    place.done(&["train", "text.txt", "--config", "a/config.toml", "--out", "b"]);
    assert_eq!(place.read("a/model.safetensors"), place.read("b/model.safetensors"));
}

#[test]
fn quiet_is_quiet() {
    let output = Place::with_text().train(&["text.txt", "--steps", "6", "--quiet"]);
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), String::new()));
}

#[test]
fn every_name_of_a_flag_is_the_same_flag() {
    let place = Place::with_text();
    let spellings = [
        "--cell lstm --hidden 9 --layers 2 --embed 3 --seq-len 7 --batch 3 --epochs 2 --lr 0.01 --clip 2 --print-every 5",
        "--model lstm --rnn-size 9 --num-layers 2 --emsize 3 --seq-length 7 --batch-size 3 --num-epochs 2 --learning-rate 0.01 --grad-clip 2 --log-interval 5",
        "--model=lstm --nhid=9 --nlayers=2 --wordvec-size=3 --bptt=7 --batch_size=3 --max-epochs=2 --learning_rate=0.01 --grad_clip=2 --log_interval=5",
        "--cell lstm --hidden_size 9 --num_layers 2 --wordvec_size 3 --seq_length 7 --batch_size 3 --max_epochs 2 --lr 1e-2 --clip 2.0 --print_every 5",
        "--cell lstm --rnn_size 9 --num_layers 2 --embed 3 --seq_len 7 --batch 3 --num_epochs 2 --lr 0.01 --clip 2 --print_every 5",
    ];
    for (at, (flags, out)) in
        spellings.iter().zip(["--out", "--save", "--checkpoint-dir", "--checkpoint_dir", "--out"]).enumerate()
    {
        let run = format!("run{at}");
        let mut args = vec!["train", "text.txt", out, &run];
        args.extend(flags.split_whitespace());
        place.done(&args);
        assert_eq!(place.read("run0/config.toml"), place.read(&format!("{run}/config.toml")), "{flags}");
        assert_eq!(place.read("run0/model.safetensors"), place.read(&format!("{run}/model.safetensors")), "{flags}");
    }
}

#[test]
fn flags_override_the_recipe_and_the_recipe_the_defaults() {
    let place = Place::with_text();
    place.write("recipe.toml", "hidden_size = 12\nnum_layers = 1\nsteps = 3\nbatch = 2\nseq_len = 8\nlr = 1\n");
    let config = |out: &str, flags: &[&str]| -> toml::Table {
        place.done(&[&["train", "text.txt", "--config", "recipe.toml", "--out", out], flags].concat());
        toml::from_str(std::str::from_utf8(&place.read(&format!("{out}/config.toml"))).unwrap()).unwrap()
    };
    let plain = config("a", &[]);
    assert_eq!((plain["hidden_size"].as_integer(), plain["steps"].as_integer()), (Some(12), Some(3)));
    assert_eq!((plain["lr"].as_float(), plain["forget_bias"].as_float()), (Some(1.0), Some(1.0)));
    let flagged = config("b", &["--hidden", "6", "--lr", "0.25"]);
    assert_eq!((flagged["hidden_size"].as_integer(), flagged["batch"].as_integer()), (Some(6), Some(2)));
    assert_eq!(flagged["lr"].as_float(), Some(0.25));
    let widths = |config: &toml::Table| (config.get("hidden_sizes").cloned(), config["num_layers"].as_integer());
    let both = config("d", &["--hidden", "9,6"]);
    assert_eq!(widths(&both), (Some(toml::Value::Array(vec![9.into(), 6.into()])), Some(2)));
    assert_eq!(both["hidden_size"].as_integer(), Some(6));
    place.write("recipe.toml", "hidden_sizes = [5, 4, 3]\nsteps = 3\nbatch = 2\nseq_len = 8\n");
    assert_eq!(widths(&config("e", &[])).1, Some(3));
    assert_eq!(widths(&config("f", &["--hidden", "6"])), (None, Some(3)));
    assert_eq!(widths(&config("g", &["--hidden", "6,7"])).1, Some(2));
    let args = ["train", "text.txt", "--config", "recipe.toml", "--layers", "2"];
    place.refused(1, "num_layers is 2, expected 3, the number of hidden_sizes", &args);
    // --epochs overrides the recipe's steps: 1,800 characters in 2 rows are about 112 windows of 8.
    place.write("recipe.toml", "hidden_size = 12\nnum_layers = 1\nsteps = 3\nbatch = 2\nseq_len = 8\n");
    let by_epochs = config("c", &["--epochs", "1"]);
    assert_eq!((by_epochs["epochs"].as_integer(), by_epochs.get("steps")), (Some(1), None));
    assert!(json(&place.done(&["info", "c", "--json"]))["results"]["step"].as_u64().unwrap() > 100);
}

/// The help of a flag in one line.
fn help_of(help: &str, flag: &str) -> String {
    let lines: Vec<&str> = help.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| line.starts_with(flag)).unwrap_or_else(|| panic!("{flag}: {help}"));
    let is_next = |line: &&&str| line.is_empty() || line.starts_with('-');
    let after = lines[at + 1..].iter().position(|line| is_next(&line) && !line.is_empty());
    lines[at..].iter().take(after.map_or(9, |n| n + 1)).copied().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_defaults_in_the_help_are_the_librarys_and_those_of_the_task() {
    let help = |args: &[&str]| stdout(&Place::new().done(&[&["train"], args].concat()));
    let (plain, forecast) = (help(&["--help"]), help(&["--task", "forecast", "--help"]));
    let defaults = elman::Config::default();
    let of_forecast = elman::Config::of_task(elman::config::TaskSettings::of_kind("forecast"));
    for (flag, plain_value, forecast_value) in [
        ("--hidden <N[,N..]>", defaults.hidden_size, of_forecast.hidden_size),
        ("--batch <N>", defaults.batch, of_forecast.batch),
        ("--seq-len <N>", defaults.seq_len, of_forecast.seq_len),
    ] {
        for (help, value) in [(&plain, plain_value), (&forecast, forecast_value)] {
            let words = help_of(help, flag);
            assert!(words.contains(&format!("[default: {value}]")), "{words}");
        }
    }
    assert!(help_of(&forecast, "--horizon <N>").contains("steps ahead [default: 12]"), "{forecast}");
    for other in ["--tokenizer", "--beam", "--attention", "--ngrams", "--batches", "forecast: "] {
        assert!(!forecast.contains(other), "{other}: {forecast}");
    }
    assert!(plain.contains("--tokenizer") && !plain.contains("--horizon"), "{plain}");
    assert_eq!(stdout(&Place::new().done(&["help", "train"])), plain);
}

#[test]
fn short_help_fits_a_small_terminal_and_a_flag_of_another_task_is_refused() {
    let place = Place::with_text();
    for task in [&[][..], &["--task", "forecast"], &["--task", "translate"]] {
        let help = stdout(&place.done(&[&["train"], task, &["-h"]].concat()));
        // Lines of the default width, 100: those of 80 columns are counted by tests/terminal.rs.
        assert!(help.lines().count() <= 40 && help.contains("\nExample: elman train "), "{help}");
    }
    place.refused(
        1,
        "--horizon is given with --task lm, expected it with forecast",
        &["train", "text.txt", "--horizon", "3"],
    );
    place.refused(
        1,
        "--batches is given with --task classify, expected it with lm",
        &["train", "text.txt", "--task", "classify", "--batches", "rows"],
    );
    place.refused(
        1,
        "--members is given with --task tag, expected it with classify, forecast",
        &["train", "text.txt", "--task", "tag", "--members", "3"],
    );
}

#[test]
fn sample_writes_text_and_nothing_else() {
    let place = Place::with_run();
    let sample = |flags: &[&str]| place.done(&[&["sample", "run"], flags].concat());
    let first = sample(&["-n", "50", "--seed", "3", "--prompt", "the "]);
    let written = stdout(&first);
    assert!(written.starts_with("the ") && written.chars().count() == 54, "{written:?}");
    assert_eq!(stderr(&first), "");
    for name in ["--prime", "--primetext", "--prefix", "--start-text", "--start_text"] {
        assert_eq!(stdout(&sample(&["--length", "50", "--seed", "3", name, "the "])), written, "{name}");
    }
    assert_ne!(stdout(&sample(&["-n", "50", "--seed", "4", "--prompt", "the "])), written);
    // Without a seed the program draws one and prints it, so that the text can be reproduced.
    let free = sample(&["-n", "50"]);
    let messages = stderr(&free);
    let seed = messages.strip_prefix("seed ").and_then(|rest| rest.strip_suffix('\n')).unwrap();
    assert_eq!(stdout(&sample(&["-n", "50", "--seed", seed])), stdout(&free));
    // A model file works like a run directory; greedy sampling needs no seed.
    let greedy = place.done(&["sample", "run/model.safetensors", "--temperature", "0", "-n", "5"]);
    assert_eq!((stdout(&greedy).len(), stderr(&greedy)), (5, String::new()));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let place = Place::with_run();
    for (args, bytes) in [(&["sample", "run", "-n", "1000000", "--seed", "1"][..], 10), (&["info", "run"], 1)] {
        let mut child = place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut head = vec![0; bytes];
        child.stdout.take().unwrap().read_exact(&mut head).unwrap(); // and closed here
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{args:?}");
    }
}

#[test]
fn a_closed_stderr_does_not_stop_training() {
    let place = Place::with_text();
    let args = [&["train", "text.txt", "--steps", "300", "--print-every", "1"], &TINY[..]].concat();
    let mut child = place.command(&args).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(place.path("runs/text/model.safetensors").is_file());
}

#[test]
fn eval_measures() {
    let place = Place::with_run();
    let figures = json(&place.done(&["eval", "run", "text.txt", "--json"]));
    let of = |key: &str| figures[key].as_f64().unwrap();
    assert_eq!((figures.as_object().unwrap().len(), of("tokens")), (5, 2000.0));
    assert!((of("ppl") - of("loss").exp()).abs() < 1e-9);
    assert!((of("bpc") - of("loss") / std::f64::consts::LN_2).abs() < 1e-12);
    assert!((of("bits_per_byte") - of("bpc")).abs() < 1e-12, "a character is a byte here");
    assert!(stdout(&place.done(&["eval", "run/best.safetensors", "text.txt"])).contains("bits per character"));
    let mut child =
        place.command(&["eval", "run", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(place::text().as_bytes()).unwrap();
    assert_eq!(json(&child.wait_with_output().unwrap()), figures);
}

#[test]
fn eval_agrees_with_training() {
    let place = Place::with_text();
    let trained = json(&place.train(&["text.txt", "--steps", "30", "--out", "run", "--json"]));
    let text = place::text();
    place.write("tail.txt", &text[1800..]);
    let figures = json(&place.done(&["eval", "run", "tail.txt", "--json"]));
    assert_eq!(figures["loss"], trained["val_loss"]);
}

#[test]
fn info_tells_about_machine_and_model() {
    let place = Place::with_run();
    let machine = json(&place.done(&["info", "--json"]));
    assert_eq!(machine["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        machine["threads"].as_u64().unwrap() >= 1
            && machine["backend"].is_string()
            && machine["instruction_sets"].is_array()
    );
    assert!(stdout(&place.done(&["info"])).contains("backend"));
    let model = json(&place.done(&["info", "run", "--json"]));
    assert_eq!(model["config"]["hidden_size"], 8);
    let count = |tensor: &serde_json::Value| {
        tensor["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product::<u64>()
    };
    let tensors = model["tensors"].as_array().unwrap();
    assert_eq!(tensors.iter().map(count).sum::<u64>(), model["parameters"].as_u64().unwrap());
    assert_eq!(model["vocab"].as_array().unwrap().len() as u64, model["vocab_size"].as_u64().unwrap());
    assert!(stdout(&place.done(&["info", "run"])).contains("rnn.weight_hh_l0"));
}

#[test]
fn gradcheck_gives_verdicts() {
    let place = Place::new();
    let output = place.done(&["gradcheck", "--all", "--json"]);
    let summary = json(&output);
    let checks = summary["checks"].as_array().unwrap();
    let counted: u64 = ["pass", "fail", "inconclusive"].iter().map(|key| summary[key].as_u64().unwrap()).sum();
    assert_eq!((counted, summary["fail"].as_u64()), (checks.len() as u64, Some(0)));
    for key in ["layers", "parameter", "max_grad", "abs_error", "rel_error", "verdict"] {
        assert!(checks[0].get(key).is_some(), "{key} in {}", checks[0]);
    }
    let of_cells: Vec<_> = checks.iter().filter(|check| check.get("cell").is_some()).collect();
    let seen = |key: &str| of_cells.iter().map(|check| check[key].to_string()).collect::<BTreeSet<_>>();
    let both = || BTreeSet::from(["false", "true"].map(str::to_string));
    for key in ["bidirectional", "masked", "tied", "locked_dropout"] {
        assert_eq!(seen(key), both(), "{key}");
    }
    assert_eq!(seen("initial_state"), BTreeSet::from(["zero", "given", "learned"].map(|s| format!("{s:?}"))));
    assert_eq!(seen("cell").len(), elman::config::Cell::ALL.len());
    // The tables' names are there, so that a head or loss that is added is checked.
    let named = |kind: &str| {
        let of_kind = checks.iter().filter(|check| check["network"] == kind);
        of_kind.map(|check| check["name"].as_str().unwrap().to_string()).collect::<BTreeSet<_>>()
    };
    let heads = elman::config::Pooling::ALL.iter().map(|head| head.name().to_string());
    assert_eq!(named("head"), heads.collect());
    let losses = elman::metrics::distribution::Output::ALL.iter().map(|output| output.name().to_string());
    assert_eq!(named("loss"), losses.chain(["cross-entropy", "error-to-signal"].map(str::to_string)).collect());
    let attentions = elman::config::Attention::ALL.iter().map(|attention| format!("{attention:?}").to_lowercase());
    assert_eq!(named("translator"), attentions.collect());
    assert_eq!(named("pooling"), ["first", "max", "mean"].map(str::to_string).into());
    assert_eq!(named("attention"), ["additive", "dot"].map(str::to_string).into());
    assert_eq!(summary["inconclusive"], 0);
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_resume_with_the_same_settings_is_welcome() {
    let place = Place::with_run();
    let before = place.read("run/model.safetensors");
    place.write("recipe.toml", "hidden_size = 8\nlr = 0.004\n");
    place.done(&[&["train", "--resume", "run", "--config", "recipe.toml"], &TINY[..]].concat());
    assert_eq!(place.read("run/model.safetensors"), before, "a finished run has nothing to add");
    // A batch that the text reduces to the run's batch is no change of settings.
    place.done(&["train", "--resume", "run", "--batch", "64"]);
    place.refused(1, "batch is 2 here", &["train", "--resume", "run", "--batch", "2"]);
}

#[test]
fn an_incomplete_line_of_the_log_does_not_stop_a_resume() {
    let place = Place::with_run();
    let before = place.read("run/log.jsonl");
    place.write("run/log.jsonl", [&before[..], &b"{\"step\": 7, \"tra"[..]].concat());
    place.done(&["train", "--resume", "run"]);
    assert_eq!(place.read("run/log.jsonl"), before);
}

#[test]
fn runs_are_set_side_by_side() {
    let place = Place::with_run();
    place.done(&[
        "train",
        "text.txt",
        "--cell",
        "gru",
        "--hidden",
        "6,5",
        "--steps",
        "4",
        "--batch",
        "2",
        "--seq-len",
        "8",
        "--out",
        "other",
    ]);
    let compared = json(&place.done(&["compare", "run", "other", "--svg", "both.svg", "--json"]));
    let rows = compared["runs"].as_array().unwrap();
    let log = String::from_utf8(place.read("other/log.jsonl")).unwrap();
    let losses =
        log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["val_loss"].as_f64());
    assert_eq!(rows[1]["best_val_loss"].as_f64(), losses.reduce(f64::min));
    assert_eq!((rows[0]["cell"].as_str(), rows[1]["cell"].as_str()), (Some("lstm"), Some("gru")));
    assert_eq!(rows[1]["hidden_sizes"], serde_json::json!([6, 5]));
    let picture = String::from_utf8(place.read("both.svg")).unwrap();
    assert!(picture.contains("lstm") && picture.contains("gru") && picture.contains("<polyline"));
    assert!(stdout(&place.done(&["compare", "run"])).starts_with("run"));
    place.refused(1, "nowhere", &["compare", "nowhere"]);
}
