//! Tests the verb `bench`: rows selected by name, consistent figures, usage errors.

mod place;

use place::{Place, json, stdout};

#[test]
fn figures_of_a_row_fit_each_other() {
    let place = Place::new();
    let args = ["bench", "--rows", "rnn 1x100,2x128 int8 x1", "--seconds", "0.05", "--threads", "1"];
    let told = json(&place.done(&[&args[..], &["--json"]].concat()));
    let [one, all] = [0, 1].map(|i| told["machine"]["peak_gflops"][i].as_f64().unwrap());
    assert!(one > 0.1 && all > 0.1);
    let all_rows = told["rows"].as_array().unwrap();
    // If the processor has instructions for bfloat16, the training row also exists in bf16.
    let (narrow, rows): (Vec<_>, Vec<_>) =
        all_rows.iter().partition(|row| row["row"].as_str().unwrap().ends_with("T50 bf16"));
    assert!(rows.len() == 2 && narrow.len() <= 1);
    let number = |row: usize, key: &str| rows[row][key].as_f64().unwrap();
    assert_eq!(rows[0]["row"], "rnn 1x100 B1 T50");
    assert_eq!(rows[0]["losses"].as_array().unwrap().len(), 6);
    assert!(rows[0].get("bandwidth_share").is_none());
    // 50 tokens of 3 * 2 * (100 * 100 + 100 * 65) operations.
    let seconds = number(0, "ms_median") / 1e3;
    assert!((number(0, "tokens_per_sec") * seconds / 50.0 - 1.0).abs() < 1e-9);
    assert!((number(0, "gflops") * seconds / (50.0 * 6.0 * 16_500.0 / 1e9) - 1.0).abs() < 1e-9);
    assert!(number(0, "gflops_with_one_hot") > number(0, "gflops") && number(0, "ms_min") <= number(0, "ms_median"));
    // The share is of the peak between the steps, which is at most the machine's peak, except for noise.
    assert!(number(0, "peak_share") > 0.1 * number(0, "gflops") / all && number(0, "peak_share") < 1.5);
    assert_eq!(rows[1]["row"], "sample lstm 2x128 int8 x1");
    assert!(number(1, "bandwidth_share") > 0.0 && number(1, "weights_gb_per_sec") > 0.0);
    // A quarter of the bytes of the full weights, and the embedding of one token in full precision.
    let bytes = number(1, "weights_gb_per_sec") * 1e9 * number(1, "ms_median") / 1e3;
    assert!((bytes - (3.0 * 4.0 * 128.0 * 128.0 + 80.0 * 128.0 + 4.0 * 512.0)).abs() < 1.0, "{bytes}");
    let table = stdout(&place.done(&args));
    assert!(table.contains("peak") && table.lines().count() == 5 + narrow.len(), "{table}");
}

#[test]
fn the_parts_of_a_step_are_the_whole_of_it() {
    let place = Place::new();
    let args =
        ["bench", "--parts", "--rows", "rnn 1x100,lstm 2x128 B50,2x128 int8 x1", "--seconds", "0.3", "--threads", "1"];
    let told = json(&place.done(&[&args[..], &["--json"]].concat()));
    let row = |name: &str| told["rows"].as_array().unwrap().iter().find(|row| row["row"] == name).unwrap().clone();
    assert!(row("sample lstm 2x128 int8 x1").get("parts").is_none());
    let parts = row("rnn 1x100 B1 T50")["parts"].as_array().unwrap().clone();
    let sum = |key: &str| parts.iter().map(|part| part[key].as_f64().unwrap()).sum::<f64>();
    assert!((sum("share") - 1.0).abs() < 1e-9, "{parts:?}");
    assert!((0.3..1.0).contains(&sum("lost")), "a row of one text is far from the peak: {parts:?}");
    let names: Vec<_> = parts.iter().map(|part| part["part"].as_str().unwrap()).collect();
    for name in ["steps forward", "head with its loss", "steps back", "weight gradients", "optimizer"] {
        let part =
            &parts[names.iter().position(|found| *found == name).unwrap_or_else(|| panic!("{name} in {names:?}"))];
        assert_eq!(part.get("peak_share").is_some(), name != "optimizer");
    }
    assert_eq!(names.last(), Some(&"between them"));
    // A network of two layers has all parts with products.
    let layers = row("lstm 2x128 B50 T50")["parts"].as_array().unwrap().clone();
    assert_eq!(layers.iter().filter(|part| part.get("peak_share").is_some()).count(), 6, "{layers:?}");
    place.refused(2, "cannot be used with", &["bench", "--parts", "--growth"]);
}

#[test]
fn what_cannot_be_timed_is_refused() {
    let place = Place::new();
    place.refused(1, "no row's name contains lstm 9x9", &["bench", "--rows", "lstm 9x9"]);
    place.refused(1, "--seconds is 0, expected a finite number above 0", &["bench", "--seconds", "0"]);
    place.refused(1, "threads is 0, expected 1 to 1024", &["bench", "--threads", "0", "--rows", "rnn"]);
}

#[test]
fn growth_is_measured_and_drawn() {
    let place = Place::new();
    let args =
        ["bench", "--growth", "--rows", "H 16,B 1,text 1 MB,subnormal rnn", "--seconds", "0.02", "--threads", "1"];
    let told = json(&place.done(&[&args[..], &["--json", "--figure", "growth.svg"]].concat()));
    let curves = told["curves"].as_array().unwrap();
    let sizes = |i: usize| -> Vec<u64> {
        curves[i]["points"].as_array().unwrap().iter().map(|point| point["size"].as_u64().unwrap()).collect()
    };
    let letters: Vec<&str> = curves.iter().map(|curve| curve["letter"].as_str().unwrap()).collect();
    assert_eq!(letters, ["H", "B", "text"]);
    assert_eq!((sizes(0), sizes(1), sizes(2)), (vec![16], vec![1, 16, 1024], vec![1_000_000]));
    for point in curves.iter().flat_map(|curve| curve["points"].as_array().unwrap()) {
        let number = |key: &str| point[key].as_f64().unwrap();
        assert!(number("ns_per_token_min") > 1.0 && number("ns_per_token_min") <= number("ns_per_token_median"));
    }
    assert!(curves[2]["points"][0]["seconds_to_prepare"].as_f64().unwrap() > 0.0);
    let subnormal = &told["subnormal"][0];
    let number = |key: &str| subnormal[key].as_f64().unwrap();
    assert_eq!((subnormal["cell"].as_str(), subnormal["steps"].as_u64()), (Some("rnn"), Some(100_000)));
    assert!((number("ratio") - number("us_per_step_subnormal") / number("us_per_step_normal")).abs() < 1e-9);
    assert!(String::from_utf8(place.read("growth.svg")).unwrap().contains("bytes of a text on the disk"));
    place.refused(1, "no row's name contains X 9", &["bench", "--growth", "--rows", "X 9"]);
    place.refused(1, "cannot write no/growth.svg", &["bench", "--growth", "--figure", "no/growth.svg"]);
}
