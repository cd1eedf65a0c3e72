//! Which configurations are checked: of cells a grid that takes seconds, or the full product of options; every part and
//! translator in both. Not here: the checks.

use crate::nn::cells::Cell;
use elman_kernels::Cpu;

use super::layers::{self, LayerProblem};
use super::{Check, InitialState, language_model, parts, translator};
use crate::error::Error;

/// How many of the options are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every cell, depth and length, and every option beside them.
    Each,
    /// Every cell with the whole product of the options.
    Product,
}

/// Layers of one width, and of widths on both sides of a vector's.
const WIDTHS: [&[usize]; 6] = [&[5], &[5, 5], &[5, 5, 5], &[3], &[6, 3], &[4, 17, 3]];

/// Checks all of a scope. `observer` is called after each configuration with its number and how many there are.
pub fn run(cpu: &Cpu, scope: Scope, observer: &mut dyn FnMut(usize, usize)) -> Result<Vec<Check>, Error> {
    let (layers, models) = match scope {
        Scope::Each => (each_layers(), each_model()),
        Scope::Product => (product_of_layers(), product_of_models()),
    };
    let (parts, translators) = (parts::all()?, translator::all());
    let all = layers.len() + models.len() + parts.len() + translators.len();
    let (mut checks, mut done) = (Vec::new(), 0);
    let mut add = |found: Vec<Check>| {
        checks.extend(found);
        done += 1;
        observer(done, all);
    };
    for problem in &layers {
        add(LayerProblem::new(cpu, problem)?.check(None)?);
    }
    for problem in &models {
        add(problem.check(cpu)?);
    }
    for problem in parts {
        add(problem.check(cpu)?);
    }
    for problem in &translators {
        add(problem.check(cpu)?);
    }
    Ok(checks)
}

fn layers_of(cell: Cell, hidden_sizes: &[usize], seq_len: usize) -> layers::Problem {
    layers::Problem {
        cell,
        hidden_sizes: hidden_sizes.to_vec(),
        bidirectional: false,
        initial_state: InitialState::Given,
        masked: false,
        seq_len,
        batch: 2,
        input_size: 3,
    }
}

fn model_of(cell: Cell, hidden_sizes: &[usize], embed: usize) -> language_model::Problem {
    language_model::Problem {
        cell,
        hidden_sizes: hidden_sizes.to_vec(),
        embed,
        tied: false,
        locked_dropout: false,
        learned_state: false,
        masked: false,
    }
}

fn each_layers() -> Vec<layers::Problem> {
    let mut all = Vec::new();
    for &cell in Cell::ALL {
        for widths in &WIDTHS[..3] {
            all.extend((1..=12).map(|seq_len| layers_of(cell, widths, seq_len)));
        }
        for (widths, seq_len) in [(WIDTHS[0], 1), (WIDTHS[0], 12), (WIDTHS[1], 5), (WIDTHS[5], 3)] {
            let plain = layers_of(cell, widths, seq_len);
            for bidirectional in [false, true] {
                for masked in [false, true] {
                    for initial_state in [InitialState::Zero, InitialState::Given, InitialState::Learned] {
                        all.push(layers::Problem { bidirectional, masked, initial_state, ..plain.clone() });
                    }
                }
            }
        }
        // Past one vector, and past one panel of gates.
        all.push(layers::Problem { batch: 3, ..layers_of(cell, &[17], 2) });
        all.push(layers::Problem { batch: 1, input_size: 2, ..layers_of(cell, &[65], 2) });
    }
    all
}

fn each_model() -> Vec<language_model::Problem> {
    let mut all = Vec::new();
    for &cell in Cell::ALL {
        for widths in &WIDTHS[..3] {
            for embed in [0, 4] {
                all.push(model_of(cell, widths, embed));
            }
        }
        let (plain, uneven) = (model_of(cell, WIDTHS[1], 5), model_of(cell, WIDTHS[5], 3));
        for from in [plain, uneven] {
            all.push(language_model::Problem { tied: true, ..from.clone() });
            all.push(language_model::Problem { locked_dropout: true, ..from.clone() });
            all.push(language_model::Problem { learned_state: true, ..from.clone() });
            all.push(language_model::Problem { masked: true, ..from.clone() });
        }
    }
    all
}

fn product_of_layers() -> Vec<layers::Problem> {
    let mut all = Vec::new();
    for &cell in Cell::ALL {
        for widths in WIDTHS {
            for seq_len in 1..=12 {
                for bidirectional in [false, true] {
                    for masked in [false, true] {
                        for initial_state in [InitialState::Zero, InitialState::Given, InitialState::Learned] {
                            let plain = layers_of(cell, widths, seq_len);
                            all.push(layers::Problem { bidirectional, masked, initial_state, ..plain });
                        }
                    }
                }
            }
        }
    }
    all
}

fn product_of_models() -> Vec<language_model::Problem> {
    let mut all = Vec::new();
    for &cell in Cell::ALL {
        for widths in WIDTHS {
            let last = widths.last().copied().unwrap_or_default();
            for (embed, tied) in [(0, false), (4, false), (last, true)] {
                for locked_dropout in [false, true] {
                    for learned_state in [false, true] {
                        for masked in [false, true] {
                            let plain = model_of(cell, widths, embed);
                            all.push(language_model::Problem { tied, locked_dropout, learned_state, masked, ..plain });
                        }
                    }
                }
            }
        }
    }
    all
}
