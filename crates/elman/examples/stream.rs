//! Numbers in and out, one step at a time, as an audio callback or a control loop has them: a session is owned and `Send`, and
//! a step allocates nothing. `tests/session.rs` counts that and compares the bits with the whole sequence.
//!
//!     cargo run --release -p elman --example stream

use std::sync::Arc;

use elman::autodiff::params::Declaration;
use elman::infer::{Precision, Session};
use elman::nn::{Cell, Input, Network, Recurrent, Stack, fresh, linear::Linear};
use elman::{Cpu, Error};

fn main() -> Result<(), Error> {
    // Two numbers in, one out.
    let mut declared = Declaration::default();
    let lstm: Stack<f32> = Recurrent::plain(Cell::LSTM, 2, &[24]).declare(&mut declared, "rnn.");
    let layers = Stack::new(vec![Arc::new(lstm), Arc::new(Linear::declare(&mut declared, "head", 24, 1))])?;
    let network = Network::new(Arc::new(layers), fresh(declared, 1)?, Input::Vectors(2));

    let mut session = Session::new(network, 1, Precision::Full, &Cpu::new(Some(1))?)?;
    let callback = std::thread::spawn(move || -> Result<f32, Error> {
        let mut last = 0.0;
        for t in 0..48_000 {
            let x = (t as f32 * 0.05).sin();
            last = session.step(&[x, last])?[0];
        }
        Ok(last)
    });
    println!("the last of 48,000 outputs is {:.6}", callback.join().expect("the thread does not panic")?);
    Ok(())
}
