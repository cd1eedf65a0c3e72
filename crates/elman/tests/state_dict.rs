//! A GRU of PyTorch, loaded by the names of its state dict and run step by step as docs/book/src/library.md shows it. The files are
//! `testdata/make_fixtures.py`'s, written by PyTorch.

use std::sync::Arc;

use elman::autodiff::params::Declaration;
use elman::files::weights::Weights;
use elman::infer::{Precision, Session};
use elman::nn::linear::Linear;
use elman::nn::{Cell, Input, Network, Recurrent, Stack};
use elman::{Cpu, Error};
use safetensors::SafeTensors;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata");
const RUNS: &str = "state_dict_runs.safetensors";

/// A tensor of f32 in the file of inputs and outputs.
fn tensor(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(format!("{FOLDER}/{RUNS}")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    file.tensor(name).unwrap().data().chunks_exact(4).map(number).collect()
}

/// Every step's outputs with the weights of a file.
fn outputs(path: &str, steps: &[f32]) -> Result<Vec<f32>, Error> {
    let mut all = Vec::new();
    // docs/book/src/library.md has these lines.
    let mut declared = Declaration::default();
    let gru: Stack<f32> = Recurrent::plain(Cell::GRU, 3, &[5]).declare(&mut declared, "gru.");
    let layers = Stack::new(vec![Arc::new(gru), Arc::new(Linear::declare(&mut declared, "fc", 5, 2))])?;
    let network = Network::new(Arc::new(layers), Weights::read(path)?.params(declared)?, Input::Vectors(3));
    let mut session = Session::new(network, 1, Precision::Full, &Cpu::new(None)?)?;
    for x in steps.chunks_exact(3) {
        all.extend_from_slice(session.step(x)?);
    }
    Ok(all)
}

/// The largest difference of a file's outputs from PyTorch's.
fn error(file: &str, expected: &str) -> f32 {
    let (got, want) = (outputs(&format!("{FOLDER}/{file}"), &tensor("x")).unwrap(), tensor(expected));
    assert_eq!((got.len(), want.len()), (18, 18));
    got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, |largest, error| {
        assert!(!error.is_nan());
        largest.max(error)
    })
}

#[test]
fn a_gru_of_a_state_dict_gives_what_pytorch_gives() {
    let (own, f16) = (error("state_dict.safetensors", "y"), error("state_dict_f16.safetensors", "y_f16"));
    eprintln!("largest difference {own:.1e}, with weights of f16 {f16:.1e}");
    assert!(own <= 1e-6 && f16 <= 1e-6, "{own} {f16}");
    // Rounding to f16 shows, so that neither file stands for the other.
    assert!(error("state_dict.safetensors", "y_f16") > 1e-5);
}
