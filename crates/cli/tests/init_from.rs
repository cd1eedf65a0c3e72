//! Tests runs that start from the weights of another: the same network at the first step, tokens that the new text adds, state
//! dicts of PyTorch, and what is refused.

mod place;

use std::collections::BTreeMap;

use place::{Place, TINY, json, stderr, text};
use serde_json::Value;

/// The tensors of a safetensors file, with their names and shapes.
fn tensors(file: &[u8]) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let len = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + len]).unwrap();
    let entries = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
    let tensor = |(name, entry): (&String, &Value)| {
        let [from, to] = [0, 1].map(|at| 8 + len + entry["data_offsets"][at].as_u64().unwrap() as usize);
        let shape = entry["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        (name.clone(), (shape, file[from..to].to_vec()))
    };
    entries.map(tensor).collect()
}

/// A safetensors file of numbers in f32 without metadata, as PyTorch writes a state dict.
fn state_dict(tensors: &BTreeMap<String, (Vec<usize>, Vec<u8>)>) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, (shape, bytes)) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert(name.clone(), serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": offsets }));
        data.extend_from_slice(bytes);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [(header.len() as u64).to_le_bytes().to_vec(), header, data].concat()
}

/// The loss of the last validation.
fn val_loss(place: &Place, args: &[&str]) -> f64 {
    json(&place.done(&[&["train"], args, &["--json"]].concat()))["val_loss"].as_f64().unwrap()
}

/// A step so short that the model stays what it is.
const STILL: [&str; 6] = ["--steps", "1", "--lr", "1e-9", "--batch", "4"];
/// The same with windows of 8.
const STILL_8: [&str; 8] = ["--steps", "1", "--lr", "1e-9", "--batch", "4", "--seq-len", "8"];

#[test]
fn a_run_starts_from_the_weights_of_another_and_leaves_it_alone() {
    let place = Place::with_run();
    let before = place.files();
    let trained = json(&place.done(&["info", "run", "--json"]))["results"]["best_val_loss"].as_f64().unwrap();
    let fresh = val_loss(&place, &[&["text.txt", "--out", "fresh"], &TINY[..], &STILL[..4]].concat());
    let started = val_loss(&place, &[&["text.txt", "--init-from", "run", "--out", "a"], &STILL_8[..]].concat());
    let of_file = ["text.txt", "--init-from", "run/best.safetensors", "--out", "b"];
    assert_eq!(val_loss(&place, &[&of_file, &STILL_8[..]].concat()), started);
    assert!((started - trained).abs() < 1e-4 && fresh - started > 0.05, "{started} {trained} {fresh}");
    for (path, bytes) in before {
        assert!(!path.is_file() || std::fs::read(&path).unwrap() == bytes, "{}", path.display());
    }
    let config = String::from_utf8(place.read("a/config.toml")).unwrap();
    assert!(config.contains("hidden_size = 8") && config.contains("num_layers = 1"), "{config}");
}

#[test]
fn characters_that_only_the_new_text_has_get_tokens_at_the_end() {
    let place = Place::with_run();
    let vocab = |run: &str| json(&place.done(&["info", run, "--json"]))["vocab"].as_array().unwrap().clone();
    place.write("new.txt", text().replace("bird", "Bïrd"));
    let started = place.done(&[&["train", "new.txt", "--init-from", "run", "--out", "new"], &STILL_8[..]].concat());
    assert!(
        stderr(&started).contains("characters that it lacks: 2, whose rows start as the mean"),
        "{}",
        stderr(&started)
    );
    let (old, new) = (vocab("run"), vocab("new"));
    assert_eq!(new[..old.len()], old[..]);
    assert_eq!(new.len(), old.len() + 2);
    // The first rows and columns are those of the model; the others their mean.
    let (was, is) = (tensors(&place.read("run/best.safetensors")), tensors(&place.read("new/model.safetensors")));
    let number = |bytes: &[u8], at: usize| f32::from_le_bytes(bytes[4 * at..4 * at + 4].try_into().unwrap());
    let (v, w) = (old.len(), new.len());
    let (bias, new_bias) = (&was["decoder.bias"].1, &is["decoder.bias"].1);
    let mean = (0..v).map(|at| number(bias, at)).sum::<f32>() / v as f32;
    assert!((0..v).all(|at| (number(bias, at) - number(new_bias, at)).abs() < 1e-6));
    assert!((v..w).all(|at| (number(new_bias, at) - mean).abs() < 1e-6), "{mean}");
    let (input, new_input) = (&was["rnn.weight_ih_l0"].1, &is["rnn.weight_ih_l0"].1);
    let rows = was["rnn.weight_ih_l0"].0[0];
    for row in 0..rows {
        let mean = (0..v).map(|at| number(input, row * v + at)).sum::<f32>() / v as f32;
        assert!((0..v).all(|at| (number(input, row * v + at) - number(new_input, row * w + at)).abs() < 1e-6));
        assert!((v..w).all(|at| (number(new_input, row * w + at) - mean).abs() < 1e-6));
    }
    // A stopped run continues with its tokens: the same bytes as one that never stopped.
    let flags = ["--batch", "4", "--seq-len", "8", "--save-every", "5"];
    place.done(&[&["train", "new.txt", "--init-from", "run", "--out", "whole", "--steps", "12"], &flags[..]].concat());
    place.done(
        &[
            &["train", "new.txt", "--init-from", "run", "--out", "parts", "--steps", "12", "--minutes", "1e-9"],
            &flags[..],
        ]
        .concat(),
    );
    place.done(&["train", "--resume", "parts"]);
    assert!(place.read("whole/model.safetensors") == place.read("parts/model.safetensors"));
    place.refused(
        1,
        "characters",
        &["train", "new.txt", "--init-from", "run", "--extend-vocab", "false", "--out", "none"],
    );
}

#[test]
fn words_follow_those_of_the_model_or_are_unknown() {
    let place = Place::with_text();
    let flags = ["--batch", "4", "--seq-len", "8", "--steps", "2"];
    place.done(
        &[&["train", "text.txt", "--tokenizer", "word", "--hidden", "8", "--embed", "6", "--out", "run"], &flags[..]]
            .concat(),
    );
    place.write("new.txt", text().replace("bird", "fish"));
    let size = |run: &str, extend: &str| {
        place.done(
            &[&["train", "new.txt", "--init-from", "run", "--extend-vocab", extend, "--out", run], &flags[..]].concat(),
        );
        json(&place.done(&["info", run, "--json"]))["vocab_size"].as_u64().unwrap()
    };
    let old = json(&place.done(&["info", "run", "--json"]))["vocab_size"].as_u64().unwrap();
    assert_eq!((size("more", "true"), size("same", "false")), (old + 1, old));
}

#[test]
fn a_state_dict_of_pytorch_is_started_from() {
    let place = Place::with_text();
    let train =
        ["train", "text.txt", "--hidden", "8", "--layers", "2", "--embed", "6", "--cell", "gru", "--out", "run"];
    place.done(&[&train[..], &["--batch", "4", "--seq-len", "8", "--steps", "40"]].concat());
    let of_model = tensors(&place.read("run/best.safetensors"));
    let renamed =
        |name: &str| name.replace("rnn.", "net.gru.").replace("decoder.", "fc.").replace("encoder.", "net.emb.");
    place.write(
        "gru.safetensors",
        state_dict(&of_model.into_iter().map(|(name, tensor)| (renamed(&name), tensor)).collect()),
    );
    let vocab = json(&place.done(&["info", "run", "--json"]))["vocab"].clone();
    place.write("vocab.json", vocab.to_string());
    let tokens = vocab.as_array().unwrap().iter().enumerate();
    let by_token: serde_json::Map<String, Value> =
        tokens.map(|(id, token)| (token.as_str().unwrap().into(), id.into())).collect();
    place.write("ids.json", Value::Object(by_token).to_string());
    let start = |model: &str, more: &[&str], out: &str| {
        val_loss(&place, &[&["text.txt", "--init-from", model, "--out", out], more, &STILL_8[..]].concat())
    };
    let loss = start("run", &[], "a");
    assert_eq!(start("gru.safetensors", &["--vocab", "vocab.json"], "b"), loss);
    assert_eq!(start("gru.safetensors", &["--vocab", "ids.json"], "c"), loss);
    let refused =
        |words: &str, args: &[&str]| place.refused(1, words, &[&["train", "text.txt", "--init-from"], args].concat());
    refused("a state dict does not say what its tokens are", &["gru.safetensors"]);
    refused("a model with tokens of its own", &["run", "--vocab", "vocab.json"]);
    place.write("short.json", "[\"a\", \"b\"]");
    refused("expected the 2 of the vocabulary", &["gru.safetensors", "--vocab", "short.json"]);
    place.write("twice.json", "{\"a\": 0, \"b\": 0}");
    refused("expected a JSON list of tokens", &["gru.safetensors", "--vocab", "twice.json"]);
    refused("cell is \"lstm\", expected \"gru\"", &["gru.safetensors", "--vocab", "vocab.json", "--cell", "lstm"]);
    refused("hidden_size is 16, expected 8, that of the model", &["run", "--hidden", "16"]);
    place.write("model.pt", "PK\u{3}\u{4}pickle");
    refused("a file of torch.save is not read", &["model.pt"]);
    refused("missing", &["missing"]);
    place.refused(2, "cannot be used with", &["train", "--resume", "run", "--init-from", "run"]);
}

#[test]
fn a_task_without_tokens_starts_from_its_model_and_another_is_refused() {
    let place = Place::with_text();
    let month = |t: usize| format!("{}-{:02},{}\n", 1990 + t / 12, t % 12 + 1, 100 + t + [0, 20, 40, 10][t % 4]);
    place.write("y.csv", format!("month,y\n{}", (0..96).map(month).collect::<String>()));
    place.done(&["train", "y.csv", "--task", "forecast", "--hidden", "6", "--steps", "30", "--out", "run"]);
    let out = place.done(&["train", "y.csv", "--init-from", "run", "--steps", "1", "--lr", "1e-9", "--out", "next"]);
    assert!(stderr(&out).contains("the weights start from run/"), "{}", stderr(&out));
    let (was, is) = (tensors(&place.read("run/best.safetensors")), tensors(&place.read("next/model.safetensors")));
    for (name, (shape, bytes)) in &was {
        let numbers =
            |bytes: &[u8]| bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>();
        assert_eq!(*shape, is[name].0);
        let pairs = numbers(bytes).into_iter().zip(numbers(&is[name].1));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6), "{name}");
    }
    place.refused(
        1,
        "task is \"lm\", expected \"forecast\"",
        &["train", "text.txt", "--task", "lm", "--init-from", "run"],
    );
}

#[test]
fn every_tensor_of_a_state_dict_has_a_place_or_is_named() {
    let place = Place::with_text();
    let train = ["train", "text.txt", "--hidden", "8", "--layers", "1", "--embed", "8", "--tied", "--out", "run"];
    place.done(&[&train[..], &["--batch", "4", "--seq-len", "8", "--steps", "20"]].concat());
    let of_model = tensors(&place.read("run/best.safetensors"));
    place.write("vocab.json", json(&place.done(&["info", "run", "--json"]))["vocab"].to_string());
    // One matrix for embedding and head, as a state dict has it that holds it once.
    let once: BTreeMap<_, _> = of_model
        .iter()
        .map(|(name, tensor)| {
            (name.replace("encoder.", "fc.").replace("decoder.", "fc.").replace("rnn.", ""), tensor.clone())
        })
        .collect();
    place.write("once.safetensors", state_dict(&once));
    let start = |model: &str, more: &[&str], out: &str| {
        val_loss(&place, &[&["text.txt", "--init-from", model, "--out", out], more, &STILL_8[..]].concat())
    };
    let vocab = ["--vocab", "vocab.json"];
    assert_eq!(start("once.safetensors", &vocab, "a"), start("run", &[], "b"));
    // The text may be changed first: a state dict says nothing about it.
    start("once.safetensors", &["--vocab", "vocab.json", "--lowercase"], "c");
    for (name, shape) in
        [("norm.weight", vec![8]), ("h0", vec![1, 8]), ("conv.kernel", vec![2, 2, 2]), ("fc.scale", vec![1])]
    {
        let mut with = once.clone();
        with.insert(name.to_string(), (shape.clone(), vec![0; 4 * shape.iter().product::<usize>()]));
        place.write("more.safetensors", state_dict(&with));
        let args = ["train", "text.txt", "--init-from", "more.safetensors", "--vocab", "vocab.json"];
        place.refused(1, &format!("{name} {shape:?} belongs to no embedding, recurrent layer or linear layer"), &args);
    }
    place.write("twice.json", "[\"a\", \"a\"]");
    place.write(
        "words.json",
        serde_json::to_string(&(0..once["fc.bias"].0[0]).map(|n| format!("w{n}")).collect::<Vec<_>>()).unwrap(),
    );
    let refused = |words: &str, args: &[&str]| {
        place.refused(1, words, &[&["train", "text.txt", "--init-from", "once.safetensors", "--vocab"], args].concat());
    };
    refused(
        "\"w0\" is not one character, expected characters only, or <unk> as the first of a list of words (words.json)",
        &["words.json"],
    );
    place.refused(2, "cannot be used with", &["train", "--resume", "run", "--extend-vocab", "true"]);
}
