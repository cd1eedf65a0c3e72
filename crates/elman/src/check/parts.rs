//! The checks of losses, heads, poolings and attentions, each under a linear functional of its output, by every input
//! and parameter. Losses and heads come from their tables. Not here: whole networks.

use std::fmt;

use elman_kernels::Cpu;

use super::layers::padded;
use super::{Check, Kind, Loss, Part, Subject, check_tensor, draws};
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::heads::{Pooling, Steps};
use crate::nn::losses;

/// A part with its numbers.
pub struct Problem {
    part: Part,
    inputs: Vec<Input>,
    params: Params<f64>,
    run: Run,
}

/// Name, columns and values of what a part is differentiated by, beside its parameters.
type Input = (&'static str, usize, Vec<f64>);
type Run = Box<dyn Fn(&mut Tape<f64>, &Params<f64>, &[Var]) -> Result<Var, Error>>;

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem").field("part", &self.part).finish_non_exhaustive()
    }
}

/// Every part. Errors: parameters that have no memory or no names of their own.
pub fn all() -> Result<Vec<Problem>, Error> {
    let mut all = Vec::new();
    for losses::Example { name, options, shape: [rows, columns], mean } in losses::examples() {
        let inputs = vec![("outputs", columns, draws(3000, rows * columns))];
        let part = Part { kind: Kind::Loss, name, options: options.into() };
        all.push(Problem::new(part, inputs, move |tape, _, inputs| Ok(mean(tape, inputs[0])?.value))?);
    }
    for sizes in Sizes::ALL {
        for &head in Pooling::ALL {
            all.push(of_head(head, sizes)?);
        }
        for (name, pool) in POOLINGS {
            let part = sizes.part(Kind::Pooling, name);
            let mask = sizes.mask();
            let run = move |tape: &mut Tape<f64>, _: &Params<f64>, inputs: &[Var]| pool(tape, inputs[0], BATCH, &mask);
            all.push(Problem::new(part, vec![sizes.outputs()], run)?);
        }
        for (name, attention) in ATTENTIONS {
            let (part, mask) = (sizes.part(Kind::Attention, name), sizes.mask());
            let run = move |tape: &mut Tape<f64>, _: &Params<f64>, inputs: &[Var]| attention(tape, inputs, &mask);
            all.push(Problem::new(part, sizes.looks(), run)?);
        }
    }
    Ok(all)
}

const BATCH: usize = 3;

/// What varies: T, columns on both sides of a vector's width, and whether steps are masked.
#[derive(Clone, Copy)]
struct Sizes {
    steps: usize,
    columns: usize,
    masked: bool,
}

impl Sizes {
    const ALL: [Sizes; 4] = [
        Sizes { steps: 1, columns: 4, masked: false },
        Sizes { steps: 1, columns: 17, masked: true },
        Sizes { steps: 5, columns: 17, masked: false },
        Sizes { steps: 5, columns: 4, masked: true },
    ];

    fn part(self, kind: Kind, name: &str) -> Part {
        let masked = if self.masked { ", masked" } else { "" };
        Part { kind, name: name.into(), options: format!("T {} B {BATCH} H {}{masked}", self.steps, self.columns) }
    }

    /// `[T*B]`: gaps and padding at both ends; with one step, a sequence without any.
    fn mask(self) -> Vec<bool> {
        (0..self.steps * BATCH).map(|i| !self.masked || !(i / BATCH + i % BATCH).is_multiple_of(3)).collect()
    }

    /// The outputs of all steps. Those of a unit differ by 0.2 at least, so that no difference crosses the kink of a
    /// maximum.
    fn outputs(self) -> Input {
        let Sizes { steps, columns, .. } = self;
        let level = |i: usize| ((i / columns / BATCH * 3 + i / columns + i) % steps) as f64 / steps as f64;
        let values = draws(3001, steps * BATCH * columns).into_iter().enumerate();
        ("outputs", columns, values.map(|(i, x)| 2.0 * level(i) - 1.0 + 0.1 * x).collect())
    }

    /// Queries of two steps, keys, values of another width, and the vector of an additive score.
    fn looks(self) -> Vec<Input> {
        let Sizes { steps, columns, .. } = self;
        let input = |name, tag, rows: usize, columns: usize| (name, columns, draws(tag, rows * columns));
        vec![
            input("queries", 3002, 2 * BATCH, columns),
            input("keys", 3003, steps * BATCH, columns),
            input("values", 3004, steps * BATCH, columns + 3),
            input("score", 3005, 1, columns),
        ]
    }
}

fn of_head(head: Pooling, sizes: Sizes) -> Result<Problem, Error> {
    let mut declaration = Declaration::default();
    let layer = head.declare::<f64>(&mut declaration, "", sizes.columns);
    let ends = [("h", 3006), ("h_reverse", 3007)];
    let ends = ends.map(|(name, tag)| (name, sizes.columns, draws(tag, BATCH * sizes.columns)));
    let mask = sizes.mask();
    let run = move |tape: &mut Tape<f64>, params: &Params<f64>, inputs: &[Var]| {
        layer.rows(tape, params, Steps { output: inputs[0], last: &inputs[1..], rows: BATCH, mask: &mask })
    };
    let inputs = [sizes.outputs()].into_iter().chain(ends).collect();
    let mut problem = Problem::new(sizes.part(Kind::Head, head.name()), inputs, run)?;
    problem.params = declaration.zeros()?;
    Ok(problem)
}

type Pool = fn(&mut Tape<f64>, Var, usize, &[bool]) -> Result<Var, Error>;

const POOLINGS: [(&str, Pool); 3] = [("mean", Tape::pool_mean), ("max", Tape::pool_max), ("first", Tape::pool_first)];

type Attention = fn(&mut Tape<f64>, &[Var], &[bool]) -> Result<Var, Error>;

const ATTENTIONS: [(&str, Attention); 2] = [
    ("dot", |tape, inputs, mask| tape.attention(inputs[0], [inputs[1], inputs[2]], BATCH, mask, None)),
    ("additive", |tape, inputs, mask| {
        tape.additive_attention(inputs[0], inputs[3], [inputs[1], inputs[2]], BATCH, mask, None)
    }),
];

impl Problem {
    fn new(
        part: Part,
        inputs: Vec<Input>,
        run: impl Fn(&mut Tape<f64>, &Params<f64>, &[Var]) -> Result<Var, Error> + 'static,
    ) -> Result<Problem, Error> {
        Ok(Problem { part, inputs, params: Declaration::default().zeros()?, run: Box::new(run) })
    }

    /// Checks every input and parameter that the output depends on.
    pub fn check(self, cpu: &Cpu) -> Result<Vec<Check>, Error> {
        let Problem { part, inputs, mut params, run } = self;
        let (mut tape, mut grads) = (Tape::new(cpu), params.zeros_like());
        let parameters: Vec<String> = params.names().map(str::to_owned).collect();
        let sizes = parameters.iter().map(|name| params.shape(name).unwrap_or_default().iter().product::<usize>());
        let starts: Vec<Vec<f64>> = sizes.enumerate().map(|(tag, size)| draws(tag as u64, size)).collect();
        let mut values: Vec<Vec<f64>> = inputs.iter().map(|(.., values)| values.clone()).chain(starts).collect();
        let forward = |tape: &mut Tape<f64>, params: &mut Params<f64>, values: &[Vec<f64>], recording: bool| {
            for (name, values) in parameters.iter().zip(&values[inputs.len()..]) {
                params.set(name, values)?;
            }
            tape.start(recording);
            let leaves =
                inputs.iter().zip(values).map(|((_, columns, _), values)| tape.dense_leaf(*columns, values, true));
            let leaves = leaves.collect::<Result<Vec<Var>, Error>>()?;
            Ok::<_, Error>((run(tape, params, &leaves)?, leaves))
        };
        let (y, leaves) = forward(&mut tape, &mut params, &values, true)?;
        let weights = match y.rows() * y.cols() {
            1 => vec![1.0],
            numbers => draws(3008, numbers),
        };
        tape.seed(y, &padded(&weights, y.cols()));
        tape.backward_seeded(&params, &mut grads)?;
        let by_inputs = leaves.into_iter().map(|leaf| tape.dense_grad(leaf));
        let by_parameters = parameters.iter().filter_map(|name| grads.get(name));
        let analytic: Vec<Vec<f64>> = by_inputs.chain(by_parameters).collect();
        let names = inputs.iter().map(|&(name, ..)| name).chain(parameters.iter().map(String::as_str));
        let mut checks = Vec::new();
        for (at, parameter) in names.enumerate() {
            let finding = check_tensor(&mut values, at, &analytic[at], &mut |values| {
                let (y, _) = forward(&mut tape, &mut params, values, false)?;
                let terms = tape.dense_value(y).into_iter().zip(&weights).map(|(y, w)| y * w);
                let (value, magnitude) = terms.fold((0.0, 0.0_f64), |(v, m), term| (v + term, m + term.abs()));
                // A mean of losses is a sum of terms of order 1, some of which are negative.
                Ok(Loss { value, magnitude: magnitude.max(1.0) })
            })?;
            if finding.max_grad > 0.0 || finding.abs_error > 0.0 {
                checks.push(Check { subject: Subject::Part(part.clone()), parameter: parameter.into(), finding });
            }
        }
        Ok(checks)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn every_part_agrees_and_a_gradient_that_misses_a_term_fails() {
        let cpu = Cpu::new(Some(1)).unwrap();
        for problem in all().unwrap() {
            let what = format!("{problem:?}");
            let checks = problem.check(&cpu).unwrap();
            assert!(!checks.is_empty(), "{what} depends on nothing");
            assert!(checks.iter().all(|check| check.finding.verdict == Verdict::Pass), "{checks:?}");
        }
        let part = Part { kind: Kind::Loss, name: "wrong".into(), options: String::new() };
        let run = |tape: &mut Tape<f64>, _: &Params<f64>, inputs: &[Var]| {
            let copy = tape.dense_value(inputs[0]);
            let copy = tape.dense_leaf(2, &copy, false)?;
            tape.add(inputs[0], copy)
        };
        let wrong = Problem::new(part, vec![("x", 2, vec![0.5, -0.25])], run).unwrap().check(&cpu).unwrap();
        assert_eq!(wrong.iter().map(|check| check.finding.verdict).collect::<Vec<_>>(), [Verdict::Fail]);
    }
}
