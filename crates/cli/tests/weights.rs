//! Tests the flag `--weights`: text from narrow weights, and the loss that `eval` reports for them.

mod place;

use place::{Place, json, stdout};

#[test]
fn a_text_from_narrow_weights_is_its_own_and_the_same_again() {
    let place = Place::with_run();
    let sample = |flags: &[&str]| stdout(&place.done(&[&["sample", "run", "--seed", "3", "-n", "60"], flags].concat()));
    let full = sample(&[]);
    assert_eq!(sample(&["--weights", "f32"]), full);
    for weights in ["bf16", "int8"] {
        let text = sample(&["--weights", weights]);
        assert_eq!(text.chars().count(), 60);
        assert_eq!(text, sample(&["--weights", weights]), "{weights}");
        // The first of several texts equals a single text.
        let both = sample(&["--weights", weights, "--num-samples", "2"]);
        assert_eq!(both.split("\n--- 2/2\n").next().unwrap(), text, "{weights}");
    }
    place.refused(2, "invalid value 'f16' for '--weights", &["sample", "run", "--weights", "f16"]);
}

#[test]
fn eval_tells_both_losses_and_their_difference() {
    let place = Place::with_run();
    place.write("other.txt", place::text());
    let full = json(&place.done(&["eval", "run", "other.txt", "--json"]));
    for weights in ["full", "bf16", "int8"] {
        let told = json(&place.done(&["eval", "run", "other.txt", "--weights", weights, "--json"]));
        assert_eq!(told["loss"], full["loss"]);
        let [loss, difference] = ["loss", "difference"].map(|key| told["narrow"][key].as_f64().unwrap());
        assert_eq!(told["narrow"]["weights"], weights);
        assert_eq!(difference, loss - full["loss"].as_f64().unwrap());
        assert!(difference.abs() < 0.01 && (difference == 0.0) == (weights == "full"), "{weights}: {difference}");
        let words = stdout(&place.done(&["eval", "run", "other.txt", "--weights", weights]));
        let line = words.lines().last().unwrap();
        assert!(line.starts_with(weights) && line.contains(&format!("{loss:.4} nats per character")), "{words}");
    }
    place.refused(2, "cannot be used with", &["eval", "run", "other.txt", "--weights", "int8", "--per-line"]);
}
