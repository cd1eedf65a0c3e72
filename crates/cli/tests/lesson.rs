//! Tests `elman lesson`: the list, a lesson that needs no text, a lesson whose text is missing; and that every recipe trains on
//! any text.

#[path = "../../../.ci/not_run.rs"]
mod not_run;
mod place;

use not_run::not_run;
use place::{Place, json, stderr, stdout};

#[test]
fn lessons_are_listed_run_and_told_in_json() {
    let place = Place::new();
    let list = stdout(&place.done(&["lesson"]));
    assert_eq!(list.lines().count(), 11, "{list}");
    let table = stdout(&place.done(&["lesson", "softmax"]));
    assert!(table.contains("0.53647929") && table.trim_end().ends_with("8 rows pass, 0 fail"), "{table}");
    let report = json(&place.done(&["lesson", "walkthrough", "--json"]));
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() > 12 && rows.iter().all(|row| row["verdict"] != "fail"), "{report}");
    assert_eq!(rows[1]["here"], "(3, 14, 17)");
    assert_eq!(json(&place.done(&["lesson", "--json"]))["lessons"].as_array().unwrap().len(), 11);
    place.refused(1, "no lesson is called softmix", &["lesson", "softmix"]);
}

#[test]
fn a_lesson_without_its_text_says_how_to_get_it() {
    let place = Place::new();
    let output = place.elman(&["lesson", "d2l-words", "--data", "texts"]);
    let words = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        words.starts_with("error: this lesson reads timemachine_d2l.txt (178979 bytes, SHA-256 8424dbd9"),
        "{words}"
    );
    assert!(words.contains("hint: elman data get timemachine-d2l --to texts"), "{words}");
    place.write("texts/timemachine_d2l.txt", "another text");
    place.refused(1, "texts/timemachine_d2l.txt has the SHA-256", &["lesson", "d2l-words", "--data", "texts"]);
}

#[test]
fn every_recipe_trains_on_any_data_of_its_task() {
    let place = Place::new();
    place.write("y.csv", (0..600).fold("t,y\n".to_string(), |text, t| text + &format!("{t},{}\n", 5 + t % 12)));
    place.write("classes/a.txt", "anna\nada\nalma\n");
    place.write("classes/b.txt", "bert\nbodo\nbela\n");
    let (subjects, verbs) =
        ([("i", "je"), ("you", "tu"), ("we", "nous")], [("run", "cours"), ("see", "vois"), ("go", "vais")]);
    let pairs = subjects.iter().flat_map(|(s, t)| verbs.map(|(v, w)| format!("{s} {v}\t{t} {w}\n")));
    place.write("pairs.txt", pairs.collect::<String>());
    let hours = (0..260).map(|t| format!(",{}", 20 + t % 24)).collect::<String>();
    place.write("wide.csv", format!("id,V1\na{hours}\nb{hours}\n"));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Small models; every other setting is the recipe's.
        let recipe = path.to_str().unwrap();
        let run = format!("run-{}", path.file_stem().unwrap().to_str().unwrap());
        // A language model trains on the bundled tales; a task needs a table or a folder.
        let text = std::fs::read_to_string(&path).unwrap();
        let data = match text.lines().find_map(|line| line.strip_prefix("kind = ")) {
            None => vec![],
            Some("\"forecast\"") if text.contains("wide = true") => vec!["wide.csv"],
            Some("\"forecast\"") => vec!["y.csv"],
            Some("\"translate\"") => vec!["pairs.txt", "--val-sentences", "2", "--test-sentences", "2"],
            Some(_) => vec!["classes"],
        };
        let flags = ["--hidden", "8", "--batch", "2", "--steps", "2", "--quiet", "--json", "--out", &run];
        let figures = json(&place.done(&[&["train", "--config", recipe], &data[..], &flags[..]].concat()));
        assert_eq!(figures["steps"], 2, "{recipe}");
        count += 1;
    }
    assert!(count >= 16, "{count}");
}

#[test]
fn quick_lessons_pass() {
    let place = Place::new();
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = data.to_str().unwrap();
    let mut lessons = vec!["numpy-gradcheck"];
    if std::path::Path::new(data).join("timemachine_d2l.txt").is_file() {
        lessons.push("d2l-words");
    } else {
        not_run("the lesson d2l-words: timemachine_d2l.txt is not here");
    }
    for lesson in lessons {
        let table = stdout(&place.done(&["lesson", lesson, "--data", data]));
        assert!(table.trim_end().ends_with(" rows pass, 0 fail"), "{table}");
    }
}
