//! Tests numbers, labels and signals at the command line: training, measuring, predicting; figures that follow from what
//! `predict` writes; a resume; errors that name what is wrong.

mod place;

use std::fmt::Write as _;
use std::path::Path;

use elman::data::signal::{Format, WavReader, WavWriter};
use place::{Place, json, stderr};
use serde_json::Value;

const SMALL: [&str; 8] = ["--hidden", "12", "--steps", "60", "--lr", "0.02", "--batch", "8"];

fn lines(output: &std::process::Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Sequences whose numbers to predict are their mean and their last value, in other units; every seventh is not known.
fn traces(first: usize, count: usize) -> String {
    let mut table = String::from("run,x,mean,last\n");
    for run in first..first + count {
        let level = (run * 7 % 11) as f64 / 5.0 - 1.0;
        let steps = 3 + run % 4;
        let x: Vec<f64> = (0..steps).map(|t| level + 0.1 * ((t * 5 + run) % 3) as f64).collect();
        let mean = 1e6 * x.iter().sum::<f64>() / steps as f64;
        let mean = if run.is_multiple_of(7) { String::new() } else { mean.to_string() };
        x.iter().for_each(|x_t| writeln!(table, "r{run},{x_t},{mean},{}", 1e-3 * x[steps - 1]).unwrap());
    }
    table
}

#[test]
fn numbers_of_a_sequence_are_learned_whatever_their_units() {
    let place = Place::new();
    place.write("train.csv", traces(0, 60));
    place.write("test.csv", traces(60, 30));
    let train = ["train", "train.csv", "--task", "regress", "--group", "run", "--labels", "mean,last", "--out", "run"];
    let trained = json(&place.done(&[&train[..], &SMALL, &["--json", "--output-dropout", "0"]].concat()));
    let counts = trained["columns"].as_array().unwrap().iter().map(|column| column["count"].as_u64().unwrap());
    assert_eq!(trained["count"].as_u64(), Some(counts.sum()));
    let measured = json(&place.done(&["eval", "run", "test.csv", "--json"]));
    for column in measured["columns"].as_array().unwrap() {
        assert!(column["r2"].as_f64().unwrap() > 0.9, "{measured}");
    }
    // The figures follow from the predictions; groups without a known mean count for the other column alone.
    let told = lines(&place.done(&["predict", "run", "test.csv"]));
    assert_eq!(told.len(), 30);
    let table = traces(60, 30);
    let mut errors = Vec::new();
    for line in &told {
        let row = table.lines().find(|row| row.starts_with(&format!("{},", line["group"].as_str().unwrap()))).unwrap();
        let truth = row.split(',').nth(2).unwrap();
        if !truth.is_empty() {
            errors.push((line["prediction"]["mean"].as_f64().unwrap() - truth.parse::<f64>().unwrap()).abs());
        }
    }
    let mae = errors.iter().sum::<f64>() / errors.len() as f64;
    assert_eq!(measured["columns"][0]["count"].as_u64(), Some(errors.len() as u64));
    assert!((measured["columns"][0]["mae"].as_f64().unwrap() - mae).abs() < 1e-9 * mae, "{measured} {mae}");
    let picture = String::from_utf8(place.read("run/predictions.svg")).unwrap();
    assert!(picture.contains("true number") && picture.contains("prediction"));
    // A resume has the bytes of a run that did not stop.
    let parts = [&train[..8], &["--out", "parts", "--minutes", "1e-9", "--output-dropout", "0"], &SMALL].concat();
    place.done(&parts);
    place.done(&["train", "--resume", "parts"]);
    assert!(place.read("run/model.safetensors") == place.read("parts/model.safetensors"));
}

#[test]
fn every_output_predicts_and_quantiles_rise() {
    let place = Place::new();
    place.write("train.csv", traces(0, 40));
    for output in ["squared", "absolute", "huber", "quantile", "gaussian", "student", "joint"] {
        let train = ["train", "train.csv", "--task", "regress", "--group", "run", "--labels", "mean,last", "--quiet"];
        place.done(&[&train[..], &SMALL, &["--output", output, "--out", output]].concat());
        let first = lines(&place.done(&["predict", output, "train.csv"])).swap_remove(0);
        let has_quantiles = !matches!(output, "squared" | "absolute" | "huber");
        assert_eq!(first.get("quantiles").is_some(), has_quantiles, "{first}");
        if has_quantiles {
            let of = |level: &str| first["quantiles"]["last"][level].as_f64().unwrap();
            assert!(of("0.1") <= of("0.5") && of("0.5") <= of("0.9"), "{first}");
        }
    }
    let refused = ["train", "train.csv", "--task", "regress", "--group", "run", "--label", "mean", "--output"];
    place.refused(1, "output is poisson, expected one of", &[&refused[..], &["poisson"]].concat());
    place.refused(1, "labels are the task multilabel", &[&refused[..], &["bernoulli"]].concat());
    place.refused(
        1,
        "output is squared, expected one of",
        &["train", "train.csv", "--task", "forecast", "--output", "squared"],
    );
}

/// Frames of three labels, of which the second follows the first after a step.
fn rolls(first: usize, count: usize) -> String {
    let mut table = String::from("song,a,b,c\n");
    for song in first..first + count {
        let mut before = 0;
        for t in 0..12 + song % 5 {
            let a = (t * (song + 3) / 2 + song) % 3 / 2;
            writeln!(table, "{song},{a},{before},{}", u8::from(t == 4 && song % 4 == 0)).unwrap();
            before = a;
        }
    }
    table
}

#[test]
fn labels_of_every_step_are_learned_and_their_thresholds_are_kept() {
    let place = Place::new();
    place.write("train.csv", rolls(0, 40));
    place.write("test.csv", rolls(40, 20));
    let task = ["--task", "multilabel", "--group", "song", "--labels", "a,b,c", "--features", "a,b,c"];
    let train =
        [&["train", "train.csv"], &task[..], &["--every-step", "--ahead", "1", "--out", "run"], &SMALL].concat();
    let trained = json(&place.done(&[&train[..], &["--json"]].concat()));
    let measured = json(&place.done(&["eval", "run", "test.csv", "--json"]));
    let of = |at: usize| measured["labels"][at]["f1"].as_f64().unwrap();
    assert!(of(1) > 0.99, "what the frame before says is known: {measured}");
    // The thresholds of the part that was held out are used on other data.
    assert_eq!(measured["labels"][2]["threshold"], trained["labels"][2]["threshold"]);
    let thresholds: Vec<f64> = (0..3).map(|at| measured["labels"][at]["threshold"].as_f64().unwrap()).collect();
    // Figures from what `predict` writes: the labels of a frame are those of the next row, the last has none.
    let told = lines(&place.done(&["predict", "run", "test.csv"]));
    let rows: Vec<Vec<f64>> =
        rolls(40, 20).lines().skip(1).map(|row| row.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    let (mut found, mut predicted, mut there, mut nats, mut frames) = (0, 0, 0, 0.0, 0);
    for (line, pair) in told.iter().zip(rows.windows(2)) {
        if pair[0][0] != pair[1][0] {
            continue;
        }
        frames += 1;
        for (d, name) in ["a", "b", "c"].into_iter().enumerate() {
            let (p, y) = (line["probabilities"][name].as_f64().unwrap(), pair[1][1 + d]);
            nats -= if y > 0.0 { p.ln() } else { (1.0 - p).ln() };
            let is_predicted = p >= thresholds[d];
            assert_eq!(line["labels"].as_array().unwrap().iter().any(|label| label == name), is_predicted);
            found += u32::from(is_predicted && y > 0.0);
            predicted += u32::from(is_predicted);
            there += u32::from(y > 0.0);
        }
    }
    let micro = f64::from(2 * found) / f64::from(predicted + there);
    assert!((measured["micro_f1"].as_f64().unwrap() - micro).abs() < 1e-12, "{measured} {micro}");
    assert!(
        (measured["nll"].as_f64().unwrap() - nats / f64::from(frames)).abs() < 1e-6,
        "{measured} {}",
        nats / f64::from(frames)
    );
    // Thresholds survive a stop.
    let parts: Vec<&str> = train.iter().map(|&word| if word == "run" { "parts" } else { word }).collect();
    place.done(&[&parts[..], &["--minutes", "1e-9"]].concat());
    place.done(&["train", "--resume", "parts"]);
    assert!(place.read("run/model.safetensors") == place.read("parts/model.safetensors"));
    place.write("odd.csv", "song,a,b,c\n1,0,1,0\n1,0,1,2\n");
    place.refused(
        1,
        "line 3, column c: \"2\" is given, expected 0 or 1",
        &[&["train", "odd.csv"], &task[..], &["--every-step", "--ahead", "1"]].concat(),
    );
}

#[test]
fn a_table_without_groups_is_one_sequence_whose_end_is_held_out() {
    let place = Place::new();
    let row = |t: usize| format!("{},{}\n", (t * 7 % 5) as f64 / 5.0, ((t + 4) * 7 % 5) as f64 / 5.0);
    place.write("log.csv", format!("x,y\n{}", (0..200).map(row).collect::<String>()));
    let train =
        ["train", "log.csv", "--task", "regress", "--label", "y", "--every-step", "--seq-len", "30", "--out", "run"];
    let output =
        place.done(&[&train[..], &["--hidden", "12", "--steps", "200", "--lr", "0.02", "--batch", "8"]].concat());
    assert!(stderr(&output).contains("180 numbers to train on, 20 held out"), "{}", stderr(&output));
    assert!(stderr(&output).contains("sequences to train on read in pieces of seq_len = 30 steps: 6"));
    let told = lines(&place.done(&["predict", "run", "log.csv"]));
    assert_eq!(told.len(), 200);
    let measured = json(&place.done(&["eval", "run", "log.csv", "--json"]));
    assert_eq!(measured["count"], 200);
    let ahead = [
        "train",
        "log.csv",
        "--task",
        "regress",
        "--label",
        "y",
        "--every-step",
        "--features",
        "x,y",
        "--out",
        "ahead",
    ];
    place.done(&[&ahead[..], &["--ahead", "1"], &SMALL].concat());
    place.refused(1, "features is y, expected none that is predicted", &[&ahead[..9], &SMALL].concat());
    let error = (20..200).map(|t| {
        let want = ((t + 4) * 7 % 5) as f64 / 5.0;
        // A piece begins without a past.
        if t % 30 < 3 { 0.0 } else { (told[t]["prediction"]["y"].as_f64().unwrap() - want).abs() }
    });
    assert!(error.fold(0.0, f64::max) < 0.15);
}

#[test]
fn rows_that_are_sequences_and_ts_files_are_read_by_every_task() {
    let place = Place::new();
    let (mut tsv, mut ts) = (String::new(), String::from("@classLabel true 1 2\n@data\n"));
    for at in 0..40 {
        let class = 1 + at % 2;
        let values: Vec<String> =
            (0..6 + at % 3).map(|t| (if class == 1 { t } else { -t } as f64 + 0.01 * at as f64).to_string()).collect();
        writeln!(tsv, "{class}\t{}", values.join("\t")).unwrap();
        writeln!(ts, "{}:{class}", values.join(",")).unwrap();
    }
    place.write("a.tsv", &tsv);
    place.write("a.ts", &ts);
    let wide = ["--wide", "--header", "false", "--label", "1"];
    let classify = [&["train", "a.tsv", "--task", "classify", "--out", "wide", "--json"], &wide[..], &SMALL].concat();
    assert_eq!(json(&place.done(&classify))["accuracy"], 1.0);
    let long = [&["train", "a.ts", "--task", "classify", "--out", "ts", "--json"], &SMALL[..]].concat();
    assert_eq!(json(&place.done(&long))["accuracy"], 1.0);
    let labels = |args: &[&str]| lines(&place.done(args)).iter().map(|line| line["label"].clone()).collect::<Vec<_>>();
    assert_eq!(labels(&["predict", "wide", "a.tsv"]), labels(&["predict", "ts", "a.ts"]));
    let regress = [&["train", "a.ts", "--task", "regress", "--out", "regress", "--json"], &SMALL[..]].concat();
    assert!(json(&place.done(&regress))["rmse"].as_f64().unwrap() < 0.2);
    place.write("gap.tsv", "1\t2\t\t4\n2\t1\t2\t3\n");
    place.refused(
        1,
        "line 1, column 3: the cell is empty",
        &[&["train", "gap.tsv", "--task", "classify"], &wide[..]].concat(),
    );
}

#[test]
fn numbers_as_classes_are_told_of_the_other_task() {
    let place = Place::new();
    let rows: String = (0..60).map(|at| format!("w{},{}\n", at % 9, at as f64 * 0.5)).collect();
    place.write("n.csv", format!("text,label\n{rows}"));
    let told = stderr(&place.done(&[&["train", "n.csv", "--task", "classify", "--out", "run"], &SMALL[..]].concat()));
    assert!(told.contains("--task regress"), "{told}");
}

fn wav(path: &Path, rate: u32, samples: &[f32]) {
    let mut writer = WavWriter::create(path, Format { rate, bits: Some(24) }).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
}

/// A waveform without pattern, and what a device with memory makes of it, a number of samples late.
fn recording(samples: usize, tag: u64, knob: f32, late: usize) -> [Vec<f32>; 2] {
    let mut state = tag | 1;
    let mut x = Vec::with_capacity(samples);
    let mut low = 0.0_f32;
    for _ in 0..samples {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low += 0.3 * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0 - low);
        x.push(low);
    }
    let mut before = 0.0;
    let mut y: Vec<f32> = Vec::with_capacity(samples);
    for &x in &x {
        before = 0.6 * before + 0.4 * (2.0 * knob * x).clamp(-0.25, 0.25);
        y.push(before);
    }
    let delayed = (0..samples).map(|t| if t < late { 0.0 } else { y[t - late] }).collect();
    [x, delayed]
}

#[test]
fn a_device_is_learned_from_recordings_and_predicted_block_by_block() {
    let place = Place::new();
    let [x, y] = recording(30_000, 5, 1.0, 100);
    wav(&place.path("in.wav"), 8000, &x);
    wav(&place.path("out.wav"), 8000, &y);
    let small =
        ["--hidden", "8", "--seq-len", "200", "--windows", "4", "--settle", "100", "--steps", "400", "--lr", "0.02"];
    let train =
        [&["train", "in.wav", "out.wav", "--task", "signal", "--out", "run", "--listen", "0.1"], &small[..]].concat();
    let output = place.done(&[&train[..], &["--json"]].concat());
    assert!(stderr(&output).contains("is 100 samples late: its first 96 are left out"), "{}", stderr(&output));
    let trained = json(&output);
    let esr = trained["test"]["esr"].as_f64().unwrap();
    assert!(esr < 0.05, "{trained}");
    for name in ["input", "truth", "prediction"] {
        assert_eq!(WavReader::read_all(&place.path(&format!("run/{name}.wav"))).unwrap().0.len(), 800, "{name}");
    }
    // What is written is what was measured: the ratio of the test part follows from the file.
    place.done(&["predict", "run", "in.wav", "--out", "p.wav"]);
    let (p, format) = WavReader::read_all(&place.path("p.wav")).unwrap();
    assert_eq!((p.len(), format), (30_000, Format { rate: 8000, bits: Some(24) }));
    let whole = json(&place.done(&["eval", "run", "in.wav", "out.wav", "--json"]));
    let truth = &y[96..];
    let sum = |of: &dyn Fn(usize) -> f32| (0..truth.len()).map(|t| f64::from(of(t)).powi(2)).sum::<f64>();
    let ratio = sum(&|t| p[t] - truth[t]) / sum(&|t| truth[t]);
    assert!((ratio / whole["esr"].as_f64().unwrap() - 1.0).abs() < 1e-4, "{ratio} {whole}");
    // A resume has the bytes of a run that did not stop, also from the middle of a segment.
    let parts: Vec<&str> = train.iter().map(|&word| if word == "run" { "parts" } else { word }).collect();
    place.done(&[&parts[..], &["--minutes", "1e-9"]].concat());
    place.done(&["train", "--resume", "parts", "--minutes", "1e-9"]);
    place.done(&["train", "--resume", "parts"]);
    assert!(place.read("run/model.safetensors") == place.read("parts/model.safetensors"));
    // Refusals.
    wav(&place.path("fast.wav"), 16_000, &x);
    place.refused(
        1,
        "there are 16000 samples a second, expected 8000",
        &["predict", "run", "fast.wav", "--out", "q.wav"],
    );
    if cfg!(unix) {
        place.refused(1, "which is no regular file", &["predict", "run", "in.wav", "--out", "/dev/null"]);
    }
    place.refused(1, "the input itself", &["predict", "run", "in.wav", "--out", "in.wav"]);
    place.refused(1, "a file of the run", &["predict", "run", "in.wav", "--out", "run/best.safetensors"]);
    place.refused(1, "signal_loss", &["train", "--resume", "run", "--signal-loss", "squared"]);
    place.refused(1, "--out is not given", &["predict", "run", "in.wav"]);
    place.refused(
        1,
        "expected none: the model has no knobs",
        &["predict", "run", "in.wav", "--out", "q.wav", "--knob", "a=1"],
    );
    place.refused(1, "expected 8000 as in the others", &["train", "in.wav", "fast.wav", "--task", "signal"]);
    place.refused(1, "data is 3 files", &["train", "in.wav", "out.wav", "in.wav", "--task", "signal"]);
    assert!(!place.path("q.wav").exists());
}

#[test]
fn knobs_come_from_a_table_of_recordings() {
    let place = Place::new();
    let mut table = String::from("input,target,gain\n");
    for (at, gain) in [0.2_f32, 0.4, 0.8, 1.0, 0.6].into_iter().enumerate() {
        let [x, y] = recording(8000, 9 + at as u64, gain, 0);
        wav(&place.path(&format!("x{at}.wav")), 8000, &x);
        wav(&place.path(&format!("y{at}.wav")), 8000, &y);
        if at < 4 {
            writeln!(table, "x{at}.wav,y{at}.wav,{gain}").unwrap();
        }
    }
    place.write("all.csv", &table);
    place.write("new.csv", "input,target,gain\nx4.wav,y4.wav,0.6\n");
    let small =
        ["--hidden", "8", "--seq-len", "200", "--windows", "4", "--settle", "100", "--steps", "400", "--lr", "0.02"];
    place.done(&[&["train", "all.csv", "--task", "signal", "--knobs", "gain", "--out", "run"], &small[..]].concat());
    let measured = json(&place.done(&["eval", "run", "new.csv", "--json"]));
    assert!(measured["esr"].as_f64().unwrap() < 0.15, "a place between those of training: {measured}");
    place.refused(1, "the knob gain is not given", &["predict", "run", "x2.wav", "--out", "p.wav"]);
    let told = stderr(&place.done(&["predict", "run", "x2.wav", "--out", "p.wav", "--knob", "gain=2"]));
    assert!(told.contains("gain is 2, in training it was from 0.2 to 1"), "{told}");
    place.refused(1, "the column gain has no use", &["train", "all.csv", "--task", "signal"]);
}
