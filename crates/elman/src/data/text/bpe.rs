//! Subwords by byte-pair encoding over bytes, with the crate `tokenizers`: trained on a text, or read from a
//! `tokenizer.json`. Every text can be encoded and is restored byte for byte.
//!
//! What would lose text or need a guess is an error: vocabularies without all bytes, other models, splits and decoders.
//! An untrusted file is checked here, entry by entry, before that crate builds anything from it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::{Value, json};
use tokenizers::{
    Model, NormalizedString, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior,
    Trainer,
    models::bpe::{BPE, BpeTrainer},
    pre_tokenizers::{
        byte_level::ByteLevel,
        split::{Split, SplitPattern},
    },
};

use crate::error::Error;

/// Bytes of a text that are split at once: memory per byte is large there.
const BLOCK: usize = 1 << 16;
/// The most tokens of a vocabulary.
const MAX_TOKENS: usize = 1 << 24;

/// Subwords.
#[derive(Clone, Debug)]
pub(crate) struct Bpe {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    model: BPE,
    split: Vec<Step>,
    nfc: bool,
    /// The text of each token; none for special tokens.
    bytes: Vec<Vec<u8>>,
    /// Its `tokenizer.json`, in one form for one content.
    json: String,
}

/// A step of the split of a text into pieces that no token reaches over.
#[derive(Debug)]
enum Step {
    Pattern(Split),
    Bytes(ByteLevel),
}

impl PartialEq for Bpe {
    fn eq(&self, other: &Bpe) -> bool {
        self.inner.json == other.inner.json
    }
}

impl Bpe {
    /// Learns `vocab_size` parts from a text, fewer where it has no more: the 256 bytes first, then pairs by how often
    /// they come. Errors: a size below 256.
    pub fn train(text: &str, vocab_size: usize) -> Result<Bpe, Error> {
        let refuse = |got: String| {
            Err(Error::Setting { name: "vocab_size", got, expected: "256 or more, the bytes being parts".into() })
        };
        if vocab_size < 256 {
            return refuse(vocab_size.to_string());
        }
        let trainer = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .min_frequency(2)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect());
        let (mut trainer, mut model) = (trainer.build(), BPE::default());
        let split = [Step::Bytes(byte_level(true))];
        let process = |block: &str| {
            let mut words = Vec::new();
            pieces(block, &split, false, |piece| {
                words.push(piece.to_string());
                Ok(())
            })?;
            Ok(words)
        };
        let json = trainer.feed(blocks(text), process).and_then(|()| trainer.train(&mut model)).and_then(|_| {
            let model = serde_json::to_value(&model)?;
            Ok(json!({ "model": model, "pre_tokenizer": pre_tokenizer(None) }).to_string())
        });
        match json {
            Ok(json) => Bpe::from_json(&json, Path::new("subwords")),
            Err(error) => refuse(format!("{vocab_size} ({error})")),
        }
    }

    /// What a `tokenizer.json` says. `path` is where it came from.
    ///
    /// Errors: no JSON; another model than BPE over bytes; a vocabulary whose ids are not 0 to n-1 or that lacks a
    /// byte; a merge of what is no token; a normalizer other than NFC; a split other than that of GPT-2 or one by a
    /// pattern.
    pub fn from_json(text: &str, path: &Path) -> Result<Bpe, Error> {
        let refuse = |problem: String| Error::file(path, format!("tokenizer: {problem}"));
        let value: Value = serde_json::from_str(text).map_err(|error| refuse(format!("no JSON: {error}")))?;
        let parts = Parts::read(&value).map_err(refuse)?;
        let split = parts.split().map_err(refuse)?;
        let json = parts.json();
        let model = json["model"].to_string();
        let model: BPE = serde_json::from_str(&model).map_err(|error| refuse(error.to_string()))?;
        let json = json.to_string();
        let (nfc, bytes) = (parts.nfc, parts.bytes);
        Ok(Bpe { inner: Arc::new(Inner { model, split, nfc, bytes, json }) })
    }

    /// Its `tokenizer.json`.
    pub fn json(&self) -> &str {
        &self.inner.json
    }

    /// Every token as people may read it.
    pub fn shown(&self) -> Vec<String> {
        self.inner.bytes.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// The text of a token.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.inner.bytes.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// The tokens of a text. Errors: what the crate rejects, by the text's name.
    pub fn encode(&self, name: &str, text: &str) -> Result<Vec<u32>, Error> {
        let mut ids = Vec::new();
        for block in blocks(text) {
            let done = pieces(block, &self.inner.split, self.inner.nfc, |piece| {
                ids.extend(self.inner.model.tokenize(piece)?.into_iter().map(|token| token.id));
                Ok(())
            });
            done.map_err(|error| Error::Setting {
                name: "tokenizer",
                got: format!("unable to read {name} ({error})"),
                expected: "a text it can split".into(),
            })?;
        }
        Ok(ids)
    }
}

/// The text in blocks, cut where every split cuts too: between a letter or digit and a space.
fn blocks(text: &str) -> impl Iterator<Item = &str> + Send {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let is_cut = |&at: &usize| {
            rest.as_bytes()[at] == b' ' && rest[..at].chars().next_back().is_some_and(char::is_alphanumeric)
        };
        let at = (BLOCK..rest.len()).find(is_cut).unwrap_or(rest.len());
        let (block, after) = rest.split_at(at);
        rest = after;
        Some(block)
    })
}

/// Hands `take` the pieces of a block.
fn pieces(
    block: &str,
    split: &[Step],
    nfc: bool,
    mut take: impl FnMut(&str) -> tokenizers::Result<()>,
) -> tokenizers::Result<()> {
    let mut text = NormalizedString::from(block);
    if nfc {
        text.nfc();
    }
    let mut text = PreTokenizedString::from(text.get());
    for step in split {
        match step {
            Step::Pattern(pattern) => pattern.pre_tokenize(&mut text)?,
            Step::Bytes(bytes) => bytes.pre_tokenize(&mut text)?,
        }
    }
    let pieces = text.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    pieces.into_iter().try_for_each(|(piece, _, _)| take(piece))
}

fn byte_level(use_regex: bool) -> ByteLevel {
    ByteLevel::new(false, true, use_regex)
}

/// How a text is split, as `tokenizer.json` has it: GPT-2's pattern, or another.
fn pre_tokenizer(pattern: Option<&str>) -> Value {
    let bytes = |use_regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex });
    match pattern {
        None => bytes(true),
        Some(pattern) => {
            let split =
                json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
            json!({ "type": "Sequence", "pretokenizers": [split, bytes(false)] })
        }
    }
}

/// What was read and understood of a `tokenizer.json`.
struct Parts {
    vocab: BTreeMap<String, u32>,
    merges: Vec<(String, String)>,
    ignore_merges: bool,
    nfc: bool,
    pattern: Option<String>,
    /// Special tokens: their ids and names.
    special: BTreeMap<u32, String>,
    bytes: Vec<Vec<u8>>,
}

impl Parts {
    fn read(value: &Value) -> Result<Parts, String> {
        let model = &value["model"];
        let kind = model["type"].as_str().unwrap_or("BPE");
        if kind != "BPE" || !model["merges"].is_array() {
            return Err(format!("model is {kind}, expected BPE with merges"));
        }
        for name in ["continuing_subword_prefix", "end_of_word_suffix", "dropout", "byte_fallback"] {
            let plain = match &model[name] {
                Value::Null | Value::Bool(false) => true,
                Value::String(text) => text.is_empty(),
                Value::Number(number) => number.as_f64() == Some(0.0),
                _ => false,
            };
            if !plain {
                return Err(format!("model.{name} is {}, expected none", model[name]));
            }
        }
        let nfc = match (&value["normalizer"], value["normalizer"]["type"].as_str()) {
            (Value::Null, _) => false,
            (_, Some("NFC")) => true,
            (other, _) => return Err(format!("normalizer is {other}, expected none or NFC")),
        };
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let mut vocab = BTreeMap::new();
        for (token, value) in model["vocab"].as_object().ok_or("model.vocab is missing")? {
            vocab.insert(token.clone(), id(value).ok_or_else(|| format!("model.vocab {token:?} has no id"))?);
        }
        let mut special = BTreeMap::new();
        for added in value["added_tokens"].as_array().unwrap_or(&Vec::new()) {
            let content = added["content"].as_str().ok_or("an entry of added_tokens has no content")?;
            let id = id(&added["id"]).ok_or_else(|| format!("added_tokens {content:?} has no id"))?;
            if vocab.get(content).is_some_and(|&known| known != id) {
                return Err(format!("added_tokens {content:?} has another id than in model.vocab"));
            }
            special.insert(id, content.to_string());
        }
        let bytes = token_bytes(&vocab, &special)?;
        let merges = merges(&model["merges"], &vocab)?;
        let pattern = pattern(&value["pre_tokenizer"])?;
        let ignore_merges = model["ignore_merges"].as_bool().unwrap_or(false);
        Ok(Parts { vocab, merges, ignore_merges, nfc, pattern, special, bytes })
    }

    fn split(&self) -> Result<Vec<Step>, String> {
        let Some(pattern) = &self.pattern else { return Ok(vec![Step::Bytes(byte_level(true))]) };
        let split = Split::new(SplitPattern::Regex(pattern.clone()), SplitDelimiterBehavior::Isolated, false);
        let split = split.map_err(|error| format!("pre_tokenizer's pattern is not valid: {error}"))?;
        Ok(vec![Step::Pattern(split), Step::Bytes(byte_level(false))])
    }

    /// The same content as a `tokenizer.json` that others read too.
    fn json(&self) -> Value {
        let added = |(id, content): (&u32, &String)| {
            json!({ "id": id, "content": content, "special": true, "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false })
        };
        json!({
            "version": "1.0",
            "added_tokens": self.special.iter().map(added).collect::<Vec<_>>(),
            "normalizer": if self.nfc { json!({ "type": "NFC" }) } else { Value::Null },
            "pre_tokenizer": pre_tokenizer(self.pattern.as_deref()),
            "decoder": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
            "model": {
                "type": "BPE",
                "ignore_merges": self.ignore_merges,
                "vocab": self.vocab,
                "merges": self.merges.iter().map(|(a, b)| json!([a, b])).collect::<Vec<_>>(),
            },
        })
    }
}

/// The text of every id. Errors: ids that are not 0 to n-1; a token that is not made of bytes; a byte without a token.
fn token_bytes(vocab: &BTreeMap<String, u32>, special: &BTreeMap<u32, String>) -> Result<Vec<Vec<u8>>, String> {
    let shown = shown_bytes();
    let count = vocab.values().chain(special.keys()).collect::<std::collections::BTreeSet<_>>().len();
    let mut bytes: Vec<Option<Vec<u8>>> = vec![None; count.min(MAX_TOKENS)];
    let mut set = |id: u32, text: Vec<u8>| match bytes.get_mut(id as usize) {
        Some(place) => {
            *place = Some(text);
            Ok(())
        }
        None => Err(format!("id {id} of {count} tokens, expected ids from 0 on without holes")),
    };
    for (token, &id) in vocab {
        if special.contains_key(&id) {
            continue;
        }
        let text = token.chars().map(|c| shown.get(&c).copied()).collect::<Option<Vec<u8>>>();
        set(id, text.ok_or_else(|| format!("token {token:?} is not made of bytes as GPT-2 shows them"))?)?;
    }
    special.keys().try_for_each(|&id| set(id, Vec::new()))?;
    if let Some(byte) = shown.iter().find(|(c, _)| !vocab.contains_key(&c.to_string())).map(|(_, byte)| byte) {
        return Err(format!("byte 0x{byte:02X} has no token, expected all 256"));
    }
    bytes
        .into_iter()
        .enumerate()
        .map(|(id, text)| text.ok_or_else(|| format!("two tokens share an id: {id} has none")))
        .collect()
}

fn merges(value: &Value, vocab: &BTreeMap<String, u32>) -> Result<Vec<(String, String)>, String> {
    let mut merges = Vec::new();
    for merge in value.as_array().unwrap_or(&Vec::new()) {
        let pair = match (merge.as_str().and_then(|text| text.split_once(' ')), merge[0].as_str(), merge[1].as_str()) {
            (Some(pair), _, _) => pair,
            (None, Some(a), Some(b)) => (a, b),
            _ => return Err(format!("merge {} is {merge}, expected two tokens", merges.len())),
        };
        let whole = format!("{}{}", pair.0, pair.1);
        if let Some(unknown) = [pair.0, pair.1, &whole].into_iter().find(|token| !vocab.contains_key(*token)) {
            return Err(format!("merge {} needs {unknown:?}, which is no token", merges.len()));
        }
        merges.push((pair.0.to_string(), pair.1.to_string()));
    }
    Ok(merges)
}

/// The pattern of a split; None for that of GPT-2.
fn pattern(value: &Value) -> Result<Option<String>, String> {
    let refuse = || Err(format!("pre_tokenizer is {value}, expected ByteLevel, or Split by a Regex and ByteLevel"));
    let is_bytes = |step: &Value| step["type"] == "ByteLevel" && !step["add_prefix_space"].as_bool().unwrap_or(true);
    let uses_regex = |step: &Value| step["use_regex"].as_bool().unwrap_or(true);
    if is_bytes(value) && uses_regex(value) {
        return Ok(None);
    }
    let (split, bytes) = match value["pretokenizers"].as_array().map(Vec::as_slice) {
        Some([split, bytes]) if is_bytes(bytes) && !uses_regex(bytes) => (split, bytes),
        _ => return refuse(),
    };
    let is_plain = split["type"] == "Split" && split["behavior"] == "Isolated" && split["invert"] != true;
    match split["pattern"]["Regex"].as_str().filter(|_| is_plain && !bytes.is_null()) {
        Some(pattern) => Ok(Some(pattern.to_string())),
        None => refuse(),
    }
}

/// The byte of a character of a token: itself where it can be seen, else the n-th such byte is U+0100 + n.
/// Source: GPT-2's encoder.
fn shown_bytes() -> BTreeMap<char, u8> {
    let is_seen = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut hidden = 0x100..;
    let shown = (0..=255_u8).map(|byte| match is_seen(byte) {
        true => (char::from(byte), byte),
        false => (hidden.next().and_then(char::from_u32).unwrap_or_default(), byte),
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "the cat sat on the mat, the cat's hat isn't flat.\n\nthe 3 cats, été ☃!\n";

    fn trained() -> Bpe {
        Bpe::train(&TEXT.repeat(30), 280).unwrap()
    }

    fn decoded(bpe: &Bpe, ids: &[u32]) -> String {
        String::from_utf8(ids.iter().flat_map(|&id| bpe.bytes(id).to_vec()).collect()).unwrap()
    }

    #[test]
    fn every_text_comes_back_and_a_known_one_is_shorter() {
        let bpe = trained();
        assert_eq!(bpe.shown().len(), 280);
        for text in
            [TEXT, "", " ", "\n\n \n", "неизвестно \u{0} 漢字 \t\t x", &"ab".repeat(200_000), &TEXT.repeat(4000)]
        {
            assert_eq!(decoded(&bpe, &bpe.encode("t", text).unwrap()), text);
        }
        let ids = bpe.encode("t", TEXT).unwrap();
        assert!(ids.len() * 2 < TEXT.len(), "{} of {}", ids.len(), TEXT.len());
    }

    #[test]
    fn blocks_change_no_token() {
        let bpe = trained();
        let text = TEXT.repeat(3000);
        assert!(blocks(&text).count() > 2);
        let mut whole = Vec::new();
        pieces(&text, &bpe.inner.split, false, |piece| {
            whole.extend(bpe.inner.model.tokenize(piece)?.into_iter().map(|token| token.id));
            Ok(())
        })
        .unwrap();
        assert_eq!(bpe.encode("t", &text).unwrap(), whole);
    }

    #[test]
    fn training_and_files_give_the_same_again() {
        let (one, two) = (trained(), trained());
        assert_eq!(one.json(), two.json());
        let read = Bpe::from_json(one.json(), Path::new("t")).unwrap();
        assert_eq!(read, one);
        assert_eq!(read.encode("t", TEXT).unwrap(), one.encode("t", TEXT).unwrap());
        assert!(Bpe::train(TEXT, 255).is_err());
        assert_eq!(Bpe::train("ab", 400).unwrap().shown().len(), 256, "nothing comes twice");
    }

    #[test]
    fn a_pattern_of_its_own_and_special_tokens_are_read() {
        let mut value: Value = serde_json::from_str(trained().json()).unwrap();
        value["pre_tokenizer"] = pre_tokenizer(Some(r"\p{L}+|[^\p{L}]"));
        value["normalizer"] = json!({ "type": "NFC" });
        value["added_tokens"] = json!([{ "id": 280, "content": "<|end|>", "special": true }]);
        let bpe = Bpe::from_json(&value.to_string(), Path::new("t")).unwrap();
        assert_eq!((bpe.shown().len(), bpe.bytes(280)), (281, &b""[..]));
        let ids = bpe.encode("t", "the e\u{301}<|end|>").unwrap();
        assert_eq!(decoded(&bpe, &ids), "the é<|end|>", "a special token's name in a text is text");
        assert!(ids.iter().all(|&id| !bpe.bytes(id).starts_with(b" t")), "the pattern parts space and letters");
        assert_eq!(Bpe::from_json(bpe.json(), Path::new("t")).unwrap(), bpe);
    }

    #[test]
    fn untrusted_files_are_refused_by_what_is_wrong_with_them() {
        let good: Value = serde_json::from_str(trained().json()).unwrap();
        let message = |spoil: &dyn Fn(&mut Value)| {
            let mut value = good.clone();
            spoil(&mut value);
            Bpe::from_json(&value.to_string(), Path::new("T")).unwrap_err().to_string()
        };
        type Spoil<'s> = &'s dyn Fn(&mut Value);
        let cases: [(&str, Spoil); 13] = [
            ("tokenizer: model is WordPiece", &|v| v["model"]["type"] = "WordPiece".into()),
            ("tokenizer: model.dropout is 0.1", &|v| v["model"]["dropout"] = 0.1.into()),
            ("tokenizer: model.end_of_word_suffix", &|v| v["model"]["end_of_word_suffix"] = "</w>".into()),
            ("tokenizer: normalizer is", &|v| v["normalizer"] = json!({ "type": "Lowercase" })),
            ("tokenizer: model.vocab is missing", &|v| v["model"]["vocab"] = json!([])),
            ("tokenizer: model.vocab \"a\" has no id", &|v| v["model"]["vocab"]["a"] = (-1).into()),
            ("tokenizer: id 4000000000 of 280", &|v| v["model"]["vocab"]["a"] = 4_000_000_000_u32.into()),
            ("tokenizer: id 279 of 279 tokens", &|v| v["model"]["vocab"]["a"] = 5.into()),
            ("tokenizer: merge 24 needs \"zzzz\"", &|v| {
                v["model"]["merges"].as_array_mut().unwrap().push(json!(["zzzz", "a"]));
            }),
            ("tokenizer: merge 24 is 7", &|v| v["model"]["merges"].as_array_mut().unwrap().push(7.into())),
            ("tokenizer: pre_tokenizer is", &|v| v["pre_tokenizer"] = json!({ "type": "Whitespace" })),
            ("tokenizer: pre_tokenizer's pattern", &|v| v["pre_tokenizer"] = pre_tokenizer(Some("(("))),
            ("tokenizer: byte 0x61 has no token", &|v| {
                let id = v["model"]["vocab"].as_object_mut().unwrap().remove("a").unwrap();
                v["model"]["vocab"]["aaaaaaaa"] = id;
            }),
        ];
        for (want, spoil) in cases {
            let got = message(spoil);
            assert!(got.starts_with(want) && got.ends_with("(T)"), "{want}: {got}");
        }
        // A merge whose whole is longer than any token: the crate alone would panic.
        let long = message(&|v| v["model"]["merges"].as_array_mut().unwrap().push(json!(["the", "the"])));
        assert!(long.contains("is no token"), "{long}");
        for text in ["", "[]", "{", "null", "{\"model\":{\"merges\":[]}}", &"[".repeat(10_000)] {
            assert!(Bpe::from_json(text, Path::new("T")).is_err());
        }
    }
}
