//! Tests words and parts of words: they are stored in the model file, decode to clean text, and survive a resume; and the
//! cleaning and cutting of texts. Without the feature `bpe` the program reports that it is missing.

mod place;

use place::{Place, json, stderr, stdout};

const SMALL: [&str; 8] = ["--hidden", "16", "--layers", "1", "--batch", "4", "--seq-len", "8"];

fn train(place: &Place, flags: &[&str]) -> String {
    stderr(&place.done(&[&["train"], flags, &SMALL].concat()))
}

#[test]
fn words_are_written_as_a_person_would() {
    let place = Place::new();
    place.write(
        "tale.txt",
        "\"Come in,\" said the miller's wife.\nThe door (it was old) stood open; rain fell.\n".repeat(60),
    );
    let messages = train(
        &place,
        &["tale.txt", "--tokenizer", "word", "--lowercase", "--steps", "150", "--lr", "0.05", "--out", "run"],
    );
    assert!(
        messages.contains("different words") && messages.contains("perplexity ") && messages.contains("nats/word"),
        "{messages}"
    );
    // The model file alone is sufficient.
    std::fs::rename(place.path("run/model.safetensors"), place.path("alone")).unwrap();
    let text = stdout(&place.done(&["sample", "alone", "-n", "300", "--temperature", "0", "--prompt", "The Door"]));
    assert!(
        text.starts_with("The Door (it was old) stood open; rain fell.\n\"come in,\" said the miller's wife.\n"),
        "{text}"
    );
    assert!(!text.contains('￭') && !text.contains("<unk>"), "{text}");
    let prompt = "\"Come in,\" said ";
    let after_space = stdout(&place.done(&["sample", "alone", "-n", "2", "--temperature", "0", "--prompt", prompt]));
    assert_eq!(after_space, "\"Come in,\" said the miller's", "one space between them");
    let unheard = stdout(&place.done(&["sample", "alone", "-n", "30", "--seed", "1", "--prompt", "zzz 漢字 \t"]));
    assert!(unheard.starts_with("zzz 漢字 \t"), "words nobody knows are no failure: {unheard}");
    place.done(&["sample", "alone", "-n", "30", "--seed", "1", "--prompt", "   "]);
    let figures = json(&place.done(&["eval", "alone", "tale.txt", "--json"]));
    assert_eq!(figures["tokens"].as_u64(), Some(60 * 25), "23 words and marks, 2 line ends");
    assert!(stdout(&place.done(&["info", "alone"])).contains(" words, the most frequent first"));
}

#[test]
fn reserved_words_and_moving_losses_are_kept() {
    let place = Place::with_text();
    let flags = ["text.txt", "--tokenizer", "word", "--words", "spaces", "--vocab-size", "12", "--reserve", "pad,bos"];
    train(&place, &[&flags[..], &["--steps", "12", "--moving", "0.9", "--loss", "sum", "--out", "whole"]].concat());
    let info = json(&place.done(&["info", "whole", "--json"]));
    let vocab = info["vocab"].as_array().unwrap();
    assert_eq!((vocab.len(), &vocab[..4]), (12, &["<unk>", "<pad>", "<bos>", "<eos>"].map(Into::into)[..]));
    let log = String::from_utf8(place.read("whole/log.jsonl")).unwrap();
    assert!(log.lines().all(|line| line.contains("\"moving_loss\":")), "{log}");
    let before = place.read("whole/model.safetensors");
    place.done(&["train", "--resume", "whole"]);
    assert_eq!(place.read("whole/model.safetensors"), before, "a finished run has nothing to add");
}

#[test]
fn texts_are_cleaned_and_cut() {
    let place = Place::new();
    place.write("book.txt", "Chapter 1.\n\n The END-of it, said He.\n".repeat(30) + "LICENCE");
    let messages = train(
        &place,
        &["book.txt", "--clean", "letters", "--cut-tail", "7", "--val-frac", "0", "--steps", "2", "--out", "run"],
    );
    // `chapter` and `the end of it said he`, thirty times, with nothing between the lines.
    assert!(messages.contains(&format!("{} characters", 30 * (7 + 21))), "{messages}");
    let info = json(&place.done(&["info", "run", "--json"]));
    assert_eq!(info["vocab_size"], 14, "{}", info["vocab"]);
    place.done(&["sample", "run", "-n", "9", "--seed", "1", "--prompt", "The End!"]);
}

#[test]
fn impossible_pairs_are_named_together() {
    let place = Place::with_text();
    for (words, flags) in [
        ("stateful is true, expected false with batches = random", &["--stateful", "true", "--batches", "random"][..]),
        ("drop_last is true, expected false with batches = chunks", &["--drop-last", "--batches", "chunks"]),
        ("random_offset is true, expected false with batches = lines", &["--random-offset", "--batches", "lines"]),
        ("random_epoch is starts, expected predictions with batches = rows", &["--random-epoch", "starts"]),
        (
            "unk is true, expected false with the tokenizer word, which has <unk> anyway",
            &["--unk", "--tokenizer", "word"],
        ),
        ("clean is d2l, expected none with the tokenizer byte", &["--clean", "letters", "--tokenizer", "byte"]),
        ("vocab_size is 50, expected none with the tokenizer char", &["--vocab-size", "50"]),
        ("reserve is [pad], expected nothing with the tokenizer char", &["--reserve", "pad"]),
        (
            "batches is lines, expected rows, chunks or random with eos = false",
            &["--tokenizer", "word", "--eos", "false", "--batches", "lines"],
        ),
        (
            "batches is lines, expected rows, chunks or random with clean = unicode-letters",
            &["--clean", "unicode-letters", "--batches", "lines"],
        ),
        ("cut_tail is 999999, expected below the", &["--cut-tail", "999999"]),
    ] {
        place.refused(1, words, &[&["train", "text.txt"], flags].concat());
    }
    place.refused(
        1,
        "--tokenizer-file is given with --tokenizer",
        &["train", "text.txt", "--tokenizer", "word", "--tokenizer-file", "x"],
    );
}

#[test]
#[cfg(not(feature = "bpe"))]
fn a_build_without_parts_of_words_says_so() {
    let place = Place::with_text();
    place.refused(
        1,
        "tokenizer is bpe, expected char, byte or word: this program was built without",
        &["train", "text.txt", "--tokenizer", "bpe"],
    );
}

#[test]
#[cfg(feature = "bpe")]
fn parts_of_words_travel_with_the_model() {
    let place = Place::new();
    place.write(
        "tale.txt",
        "\"Come in,\" said the miller's wife.\n\nThe door (été ☃) stood open; rain fell.\n".repeat(80),
    );
    let messages = train(
        &place,
        &["tale.txt", "--tokenizer", "bpe", "--vocab-size", "300", "--steps", "200", "--lr", "0.03", "--out", "run"],
    );
    assert!(messages.contains("300 different tokens"), "{messages}");
    let before = place.read("run/model.safetensors");
    place.done(&["train", "--resume", "run"]);
    assert_eq!(place.read("run/model.safetensors"), before, "a finished run has nothing to add");
    let text = stdout(&place.done(&["sample", "run", "-n", "120", "--temperature", "0", "--prompt", "The door"]));
    let lines: Vec<&str> = text.lines().collect();
    let known = ["\"Come in,\" said the miller's wife.", "The door (été ☃) stood open; rain fell.", ""];
    assert_eq!(lines[0], known[1], "{text}");
    assert!(lines[..lines.len() - 1].iter().all(|line| known.contains(line)), "{text}");
    // Training with the tokenizer.json extracted from the model gives the same model.
    let file = place.read("run/model.safetensors");
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let meta: serde_json::Value = serde_json::from_str(header["__metadata__"]["elman"].as_str().unwrap()).unwrap();
    place.write("tokenizer.json", meta["tokenizer"]["bpe"].as_str().unwrap());
    let flags =
        ["tale.txt", "--tokenizer-file", "tokenizer.json", "--steps", "200", "--lr", "0.03", "--vocab-size", "300"];
    train(&place, &[&flags[..], &["--out", "again"]].concat());
    assert_eq!(place.read("again/model.safetensors"), before);
    place.write("bad.json", "{\"model\":{\"type\":\"Unigram\",\"merges\":[]}}");
    place.refused(
        1,
        "tokenizer: model is Unigram, expected BPE with merges (bad.json)",
        &["train", "tale.txt", "--tokenizer-file", "bad.json"],
    );
}
