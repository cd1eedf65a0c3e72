//! What the program does with the cells minGRU, sLSTM and layer-norm LSTM: it trains, saves, loads, evaluates, samples and
//! resumes a stack of two layers, with one-hot tokens and with an embedding.

mod place;

use place::{Place, json, stdout};

const STEPS: usize = 200;

#[test]
fn new_cells_train_save_evaluate_sample_and_resume() {
    let steps = STEPS.to_string();
    for cell in ["min-gru", "slstm", "layer-norm-lstm"] {
        for embed in ["0", "8"] {
            let (place, context) = (Place::with_text(), format!("{cell}, embed {embed}"));
            let train = |out: &str, flags: &[&str]| {
                let cell =
                    ["train", "text.txt", "--cell", cell, "--embed", embed, "--hidden", "9,7", "--dropout", "0.1"];
                let sizes =
                    ["--batch", "4", "--seq-len", "8", "--lr", "0.02", "--steps", &steps, "--out", out, "--json"];
                json(&place.done(&[&cell[..], &sizes, flags].concat()))
            };
            let whole = train("whole", &[]);
            // A run that stops after its first step and is resumed has the bytes of one that does not stop.
            assert_eq!(train("parts", &["--minutes", "1e-9"])["steps"], 1, "{context}");
            place.done(&["train", "--resume", "parts", "--json"]);
            let model = |run: &str| place.read(&format!("{run}/model.safetensors"));
            assert!(model("parts") == model("whole"), "{context}: another model after a resume");

            let info = json(&place.done(&["info", "whole", "--json"]));
            assert_eq!(info["config"]["cell"], cell, "{info}");
            // The frequencies of the text's characters alone give a loss of 2.65.
            let eval = json(&place.done(&["eval", "whole", "text.txt", "--json"]));
            let loss = eval["loss"].as_f64().unwrap();
            assert!(loss < 2.2, "{context}: {eval}");
            assert!(whole["best_val_loss"].as_f64().unwrap() < 2.2, "{context}: {whole}");
            let sample = |run| stdout(&place.done(&["sample", run, "-n", "60", "--seed", "3", "--prompt", "the "]));
            assert_eq!(sample("whole").trim_end_matches('\n').chars().count(), 64, "{context}");
            assert_eq!(sample("whole"), sample("parts"), "{context}");
        }
    }
}
