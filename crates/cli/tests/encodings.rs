//! Tests texts and tables that are not UTF-8: the hint with their likely encoding, `--encoding` in every verb that reads one, and
//! that a resume reads a text as the run did.

mod place;

use place::{Place, json, stderr, stdout};

/// A text with letters beyond ASCII.
fn german() -> String {
    "Der Müller hörte, wie das Rad über die Straße rollte. Für wen?\n".repeat(20)
}

/// In windows-1252, whose codes for these letters are those of Unicode.
fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

fn utf16(text: &str) -> Vec<u8> {
    b"\xff\xfe".iter().copied().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

#[test]
fn a_text_that_is_not_utf8_gets_a_hint_and_is_read_in_its_encoding() {
    let place = Place::new();
    place.write("utf8.txt", german());
    place.write("latin.txt", latin(&german()));
    place.write("wide.txt", utf16(&german()));
    for (name, offset, encoding) in [("latin.txt", 5, "windows-1252"), ("wide.txt", 0, "utf-16le")] {
        let refused = place.elman(&["train", name]);
        let hint =
            format!("hint: it looks like {encoding}: train, eval and predict read it with --encoding {encoding}");
        let want = format!("error: {name} is not UTF-8: invalid bytes at byte offset {offset}\n{hint}\n");
        assert_eq!(stderr(&refused), want);
        place.train(&[name, "--encoding", encoding, "--steps", "8", "--out", encoding]);
    }
    place.train(&["utf8.txt", "--steps", "8", "--out", "plain"]);
    let tensors = |run: &str| {
        let file = place.read(&format!("{run}/model.safetensors"));
        let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        file[8 + header..].to_vec()
    };
    assert!(tensors("windows-1252") == tensors("plain") && tensors("utf-16le") == tensors("plain"));
    // The run knows its encoding.
    place.done(&["train", "--resume", "windows-1252"]);
    let loss = |args: &[&str]| json(&place.done(&[&["eval", "plain"], args, &["--json"]].concat()))["loss"].clone();
    assert_eq!(loss(&["latin.txt", "--encoding", "latin1"]), loss(&["utf8.txt"]));
    place.refused(2, "invalid value 'utf-9' for '--encoding <NAME>'", &["train", "latin.txt", "--encoding", "utf-9"]);
    place.refused(
        1,
        "encoding is windows-1252, expected utf-8 with the tokenizer byte",
        &["train", "latin.txt", "--encoding", "windows-1252", "--tokenizer", "byte"],
    );
    place.write("broken.txt", b"\x82\xa0 abc \x82\xff");
    place.refused(
        1,
        "broken.txt is not shift_jis: invalid bytes at byte offset 7",
        &["train", "broken.txt", "--encoding", "shift_jis"],
    );
    place.refused(1, "--on-disk is given with", &["train", "latin.txt", "--on-disk", "--encoding", "windows-1252"]);
}

#[test]
fn tables_folders_and_inputs_have_an_encoding_too() {
    let place = Place::new();
    let lines = |words: &[&str]| words.iter().map(|word| format!("{word}\n")).collect::<String>().repeat(4);
    std::fs::create_dir(place.path("names")).unwrap();
    place.write("names/de.txt", latin(&lines(&["Müller", "Größe", "Höß"])));
    place.write("names/en.txt", latin(&lines(&["miller", "size", "hose"])));
    let rows = |text: &str, label: &str| format!("{text},{label}\n");
    let table: String = ["Müller", "Größe", "Höß"].iter().map(|text| rows(text, "de")).collect::<String>()
        + &["miller", "size", "hose"].iter().map(|text| rows(text, "en")).collect::<String>();
    place.write("names.csv", latin(&format!("text,label\n{}", table.repeat(4))));
    let flags = ["--task", "classify", "--keep-duplicates", "--hidden", "6", "--batch", "4", "--steps", "4"];
    for data in ["names", "names.csv"] {
        place.refused(1, "is not UTF-8", &[&["train", data], &flags[..]].concat());
        place.done(
            &[&["train", data, "--encoding", "windows-1252", "--out", &format!("run-{data}")], &flags[..]].concat(),
        );
    }
    place.write("ask.txt", latin("Jäger\n"));
    place.write("ask8.txt", "Jäger\n");
    let ask = |args: &[&str]| stdout(&place.done(&[&["predict", "run-names"], args].concat()));
    assert_eq!(ask(&["ask.txt", "--encoding", "windows-1252"]), ask(&["ask8.txt"]));
}
