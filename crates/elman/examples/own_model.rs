//! A model of one's own: two different layers in a stack, one of them a cell that is written as operations of the tape; saved,
//! loaded, and run step by step.
//!
//!     cargo run --release -p elman --example own_model

use std::sync::Arc;

use elman::autodiff::nodes::Sequence;
use elman::autodiff::params::{Declaration, ParamId, Params};
use elman::autodiff::tape::{Tape, Var};
use elman::files::weights::{Weights, save};
use elman::infer::{Precision, Session};
use elman::nn::cells::scan::{Scan, ScanCell};
use elman::nn::state::StatePart;
use elman::nn::{Cell, Input, Network, Recurrent, Stack, fresh};
use elman::{Cpu, Element, Error};

/// A leaky integrator: h = h' + sigmoid(a) (tanh(W x) - h'), with a rate for each unit.
#[derive(Clone, Debug)]
struct Leaky {
    weight: ParamId,
    rate: ParamId,
    states: Vec<StatePart>,
}

impl Leaky {
    fn declare(declaration: &mut Declaration, name: &str, inputs: usize, units: usize) -> Leaky {
        let weight = declaration.weight(format!("{name}.weight"), units, inputs);
        let rate = declaration.bias(format!("{name}.rate"), units);
        let states = vec![StatePart { name: format!("h_{name}"), width: units, initial: None }];
        Leaky { weight, rate, states }
    }
}

impl<E: Element> ScanCell<E> for Leaky {
    fn outputs(&self) -> usize {
        self.states[0].width
    }

    fn states(&self) -> &[StatePart] {
        &self.states
    }

    fn input(&self, tape: &mut Tape<E>, params: &Params<E>, x: Sequence<'_>) -> Result<Var, Error> {
        let x = tape.matmul(params, self.weight, x.dense("a leaky integrator")?)?;
        tape.tanh(x)
    }

    fn step(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Var,
        before: &[Var],
        after: &mut Vec<Var>,
    ) -> Result<Var, Error> {
        let rate = tape.param(params, self.rate)?;
        let (rate, towards) = (tape.sigmoid(rate)?, tape.sub(x, before[0])?);
        let change = tape.mul(towards, rate)?;
        let h = tape.add(before[0], change)?;
        after.push(h);
        Ok(h)
    }

    fn kept(&self) -> usize {
        6 * elman::pad(self.states[0].width)
    }
}

/// A GRU, and a leaky integrator of its outputs.
fn layers(declaration: &mut Declaration) -> Result<Stack<f32>, Error> {
    let gru: Stack<f32> = Recurrent::plain(Cell::GRU, 3, &[16]).declare(declaration, "gru.");
    let leaky = Scan { cell: Leaky::declare(declaration, "leaky", 16, 4), reverse: false };
    Stack::new(vec![Arc::new(gru), Arc::new(leaky)])
}

fn main() -> Result<(), Error> {
    let mut declared = Declaration::default();
    let network = Network::new(Arc::new(layers(&mut declared)?), fresh(declared, 1)?, Input::Vectors(3));
    let path = std::env::temp_dir().join(format!("elman-own-model-{}.safetensors", std::process::id()));
    save(&path, network.params(), &serde_json::json!({"inputs": ["x", "y", "z"]}))?;

    let mut declared = Declaration::default();
    let layers = Arc::new(layers(&mut declared)?);
    let loaded = Network::new(layers, Weights::read(&path)?.params(declared)?, Input::Vectors(3));
    let _ = std::fs::remove_file(path);

    let cpu = Cpu::new(Some(1))?;
    let mut saved = Session::new(network, 1, Precision::Full, &cpu)?;
    let mut loaded = Session::new(loaded, 1, Precision::Full, &cpu)?;
    for t in 0..5 {
        let x = [t as f32, 1.0, -0.5];
        let (want, got) = (saved.step(&x)?, loaded.step(&x)?);
        assert_eq!(got, want, "the loaded network is the saved one");
        println!("step {t}: {got:?}");
    }
    Ok(())
}
