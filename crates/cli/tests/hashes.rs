//! Fingerprints of trained models: every task, cell and number type on every instruction set gives the bytes of
//! `testdata/hashes.txt`. A change of the program that alters a line must say in that file's head why the new result is right.
//!
//! A line is `case model written`: the first 16 digits of the SHA-256 of the tensors after 50 steps (names in order, shapes,
//! bytes; no metadata), and of what `sample` or `predict` writes with that model. `ELMAN_HASHES=write` writes the file anew.

mod place;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use elman_kernels::Backend;
use place::{Place, stderr};
use sha2::{Digest, Sha256};

const CELLS: [&str; 5] = ["lstm", "gru", "rnn", "rnn-relu", "gru-reset-before"];
const TYPES: [&str; 3] = ["f32", "f64", "bf16"];
const STEPS: [&str; 13] = [
    "--steps",
    "50",
    "--lr",
    "0.01",
    "--seed",
    "5",
    "--threads",
    "1",
    "--quiet",
    "--sample-every",
    "0",
    "--save-every",
    "0",
];

/// A training run and the command that uses its model.
struct Case {
    name: String,
    train: Vec<String>,
    /// The arguments after the run's name.
    verb: &'static str,
    ask: Vec<String>,
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_string).collect()
}

/// The six tasks: their data, the flags of a small network, and the command that uses the model.
const TASKS: [(&str, &str, &str, &str); 6] = [
    // A batch of 17 rows of 64 steps is large enough to be computed in two shards, one row longer than the other.
    ("lm", "text.txt --hidden 24,20 --batch 17 --seq-len 64 --dropout 0.1", "sample", "-n 80 --seed 3 --prompt the"),
    (
        "classify",
        "texts.csv --task classify --hidden 12 --embed 8 --batch 8 --layers 2 --dropout 0.1",
        "predict",
        "ask.txt --threads 1",
    ),
    (
        "tag",
        "tags.conll --task tag --hidden 12 --embed 8 --batch 4 --layers 2 --dropout 0.1",
        "predict",
        "words.txt --threads 1",
    ),
    (
        "forecast",
        "y.csv --task forecast --hidden 10 --horizon 4 --season 4 --seq-len 12 --transform log,seasonal",
        "predict",
        "y.csv --threads 1",
    ),
    (
        "generate",
        "texts.csv --task generate --hidden 12 --embed 8 --batch 8 --condition both",
        "predict",
        "--given label=left -n 3 --seed 5 --threads 1",
    ),
    (
        "translate",
        "pairs.tsv --task translate --hidden 12 --embed 8 --batch 8 --min-freq 1 --val-sentences 10 --attention general",
        "predict",
        "from.txt --threads 1",
    ),
];

/// Options of the tasks, one line each, in f32 with an LSTM unless stated otherwise.
const VARIANTS: [(&str, &str, &str, &str); 14] = [
    (
        "lm-tied",
        "text.txt --hidden 24 --embed 24 --tied --locked-dropout --batch 8 --seq-len 16",
        "sample",
        "-n 80 --seed 3",
    ),
    (
        "lm-learned",
        "text.txt --hidden 16,24 --initial-state learned --batch 8 --seq-len 16",
        "sample",
        "-n 80 --seed 3 --num-samples 3",
    ),
    (
        "lm-bytes",
        "text.txt --tokenizer byte --hidden 16 --batches lines --seq-len 40 --batch 8",
        "sample",
        "-n 80 --seed 3 --weights int8",
    ),
    (
        "lm-words",
        "text.txt --tokenizer word --hidden 16 --embed 8 --batches random --seq-len 12 --batch 8",
        "sample",
        "-n 20 --seed 3 --weights bf16",
    ),
    (
        "classify-numbers",
        "traces.csv --task classify --group run --hidden 8 --batch 8 --pooling attention --class-weights balanced",
        "predict",
        "traces.csv --threads 1",
    ),
    (
        "classify-ensemble",
        "texts.csv --task classify --hidden 8 --embed 8 --batch 8 --pooling mean --members 2 --ngrams 3 --token-dropout 0.1 --logit-adjustment 0.3",
        "predict",
        "ask.txt --threads 1",
    ),
    ("tag-numbers", "steps.csv --task tag --group run --hidden 8 --batch 4", "predict", "steps.csv --threads 1"),
    (
        "restore",
        "text.txt --task restore --hidden 12 --embed 8 --batch 8 --seq-len 30",
        "predict",
        "from.txt --threads 1",
    ),
    (
        "forecast-recursive",
        "y.csv --task forecast --strategy recursive --output student --hidden 10 --horizon 3 --paths 20 --seq-len 12",
        "predict",
        "y.csv --threads 1",
    ),
    (
        "forecast-window",
        "y.csv --task forecast --memory window --output quantile --hidden 10 --horizon 3 --recent 6",
        "predict",
        "y.csv --threads 1",
    ),
    (
        "forecast-groups",
        "groups.csv --task forecast --time t --group run --hidden 10 --horizon 3 --seq-len 12 --batch 4",
        "predict",
        "groups.csv --threads 1",
    ),
    (
        "generate-numbers",
        "given.csv --task generate --features x,y --hidden 12 --embed 8 --batch 8 --condition state",
        "predict",
        "--given x=0.5 --given y=1 -n 3 --seed 5 --threads 1",
    ),
    (
        "translate-additive",
        "pairs.tsv --task translate --hidden 12,12 --encoder-hidden 10 --embed 8 --batch 8 --min-freq 1 --val-sentences 10 --attention additive --smoothing 0.1",
        "predict",
        "from.txt --threads 1 --beam 3",
    ),
    (
        "translate-feeding",
        "pairs.tsv --task translate --cell gru --hidden 12 --embed 8 --batch 8 --min-freq 1 --val-sentences 10 --attention dot --input-feeding true",
        "predict",
        "from.txt --threads 1 --beam 3",
    ),
];

fn cases() -> Vec<Case> {
    let case = |name: String, train: &str, more: &[&str], verb, ask| Case {
        name,
        train: [words(train), more.iter().map(|word| word.to_string()).collect()].concat(),
        verb,
        ask: words(ask),
    };
    let mut cases = Vec::new();
    for (task, train, verb, ask) in TASKS {
        for cell in CELLS {
            for dtype in TYPES {
                let more = ["--cell", cell, "--dtype", dtype];
                cases.push(case(format!("{task}/{cell}/{dtype}"), train, &more, verb, ask));
            }
        }
    }
    cases.extend(VARIANTS.map(|(name, train, verb, ask)| case(name.into(), train, &[], verb, ask)));
    cases
}

/// A directory with the data of all cases.
fn data() -> Place {
    let place = Place::with_text();
    let row = |at: usize| {
        let (letter, class) = if at.is_multiple_of(3) { ('a', "left") } else { ('b', "right") };
        format!("{class},{letter}{}{at}\n", &"xyzwxyzw"[..1 + at % 7])
    };
    place.write("texts.csv", format!("label,text\n{}", (0..60).map(row).collect::<String>()));
    place.write("ask.txt", "axx\nbzz\nby\n");
    let word = |at: usize| ["the D", "cat N", "runs V", "a D", "old A"][at * at % 5];
    let sentence = |at: usize| (at..at + 2 + at % 4).map(|i| format!("{}\n", word(i))).collect::<String>() + "\n";
    place.write("tags.conll", (0..40).map(sentence).collect::<String>());
    place.write("words.txt", "the old cat\na cat runs\n");
    let month =
        |t: usize| format!("{}-{:02},{}.5\n", 1990 + t / 12, t % 12 + 1, 100 + t + [0, 20, 40, 10][t % 4] + t * t % 7);
    place.write("y.csv", format!("month,y\n{}", (0..96).map(month).collect::<String>()));
    let digits = [("one", "un"), ("two", "deux"), ("three", "trois"), ("four", "quatre"), ("five", "cinq")];
    let pair = |at: usize| {
        let [a, b, c] = [at % 5, at / 5 % 5, at / 25].map(|digit| digits[digit]);
        format!("{} {} {} .\t{} {} {} !\n", a.0, b.0, c.0, c.1, b.1, a.1)
    };
    place.write("pairs.tsv", (0..100).map(pair).collect::<String>());
    place.write("from.txt", "one two five .\nthree one .\n");
    let (mut traces, mut steps, mut groups) =
        (String::from("run,x,z,label\n"), String::from("run,x,label\n"), String::from("run,t,y\n"));
    for run in 0..30 {
        for t in 0..5 + run % 4 {
            let x = (t * (run % 3)) as f64 / 3.0 - 0.1 * (run % 5) as f64;
            traces += &format!("{run},{x},{},{}\n", t * run % 7, ["up", "down", "level"][run % 3]);
            steps += &format!("{run},{x},{}\n", if x > 0.5 { "high" } else { "low" });
        }
    }
    for run in 0..4 {
        for t in 0..40 {
            groups += &format!("{run},{t},{}\n", (t * (run + 1)) % 11 + t / 4);
        }
    }
    place.write("traces.csv", traces);
    place.write("steps.csv", steps);
    place.write("groups.csv", groups);
    let given = |at: usize| format!("{},{},{}\n", at % 5, at % 3, ["aab", "abc", "cab", "bb"][at % 4]);
    place.write("given.csv", format!("x,y,text\n{}", (0..60).map(given).collect::<String>()));
    place
}

fn digits(hash: Sha256) -> String {
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The tensors of a safetensors file: names in order, shapes and bytes.
fn tensors(file: &[u8]) -> String {
    let len = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + len]).unwrap();
    let mut hash = Sha256::new();
    for (name, tensor) in header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__") {
        let [from, to] = [0, 1].map(|at| 8 + len + tensor["data_offsets"][at].as_u64().unwrap() as usize);
        hash.update(format!("{name} {} {}\n", tensor["dtype"], tensor["shape"]));
        hash.update(&file[from..to]);
    }
    digits(hash)
}

/// Trains a case with an instruction set; returns the fingerprints of the model and of its output.
fn fingerprint(place: &Place, case: &Case, backend: &str) -> String {
    let run = format!("{}-{backend}", case.name.replace('/', "-"));
    let done = |args: &[String]| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = place.command(&args).env("ELMAN_BACKEND", backend).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        output.stdout
    };
    done(
        &[words("train"), case.train.clone(), words("--out"), vec![run.clone()], STEPS.map(str::to_string).to_vec()]
            .concat(),
    );
    let mut written = Sha256::new();
    written.update(done(&[vec![case.verb.to_string(), run.clone(), "--last".into()], case.ask.clone()].concat()));
    format!("{} {}", tensors(&place.read(&format!("{run}/model.safetensors"))), digits(written))
}

#[test]
fn models_and_what_they_write_are_those_of_the_file() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/hashes.txt"));
    let (place, cases, next) = (data(), cases(), AtomicUsize::new(0));
    let mut backends: Vec<&str> = Backend::available().into_iter().map(Backend::name).collect();
    backends.dedup();
    let got = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let all: Vec<String> = backends.iter().map(|name| fingerprint(&place, case, name)).collect();
                    for (one, backend) in all.iter().zip(&backends) {
                        assert_eq!(*one, all[0], "{} on {backend} and on {}", case.name, backends[0]);
                    }
                    got.lock().unwrap().insert(case.name.clone(), all[0].clone());
                }
            });
        }
    });
    let got = got.into_inner().unwrap();
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    let (head, lines): (Vec<&str>, Vec<&str>) = file.lines().partition(|line| line.starts_with('#'));
    if std::env::var("ELMAN_HASHES").is_ok_and(|how| how == "write") {
        let lines = got.iter().map(|(case, hashes)| format!("{case} {hashes}\n"));
        let head = head.iter().map(|line| format!("{line}\n"));
        return std::fs::write(&path, head.chain(lines).collect::<String>()).unwrap();
    }
    let want: BTreeMap<String, String> = lines
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(case, hashes)| (case.into(), hashes.into()))
        .collect();
    let differ = got.iter().filter(|(case, hashes)| want.get(*case) != Some(*hashes));
    let differ: Vec<String> =
        differ.map(|(case, hashes)| format!("{case} {hashes}, expected {:?}", want.get(case))).collect();
    assert!(differ.is_empty(), "{} of {}:\n{}", differ.len(), got.len(), differ.join("\n"));
    assert_eq!(got.len(), want.len(), "cases in the file");
}
