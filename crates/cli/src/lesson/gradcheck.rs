//! The lesson on gradient checking: the tutorial's three toy networks, at the tutorial's initial values, where the differences
//! mostly measure noise, and at larger ones, where they are conclusive. Not here: the check itself (`elman::check`).

use elman::autodiff::nodes::{LinearIds, Sequence};
use elman::autodiff::params::{Declaration, Params};
use elman::autodiff::tape::Tape;
use elman::check::{Finding, Loss, Verdict, check_tensor};
use elman::nn::{Pass, Recurrent, Stack, State};
use elman::rng::{Purpose, generator, uniform};
use elman::{Cpu, Error};
use elman_kernels::recurrent::Cell;

use super::setting::Setting;
use super::table::Report;

/// Batch, steps, inputs, units and outputs of the toy network.
const N: usize = 2;
const T: usize = 3;
const D: usize = 20;
const H: usize = 6;
const M: usize = 20;

/// A configuration: cell, layers, and the relative errors that the tutorial prints.
type Printed = (Cell, usize, &'static [(&'static str, &'static str)]);

const PRINTED: [Printed; 3] = [
    (
        Cell::RnnTanh,
        1,
        &[
            ("decoder.weight", "4.66e-04"),
            ("weight_hh_l0", "1.13e-01"),
            ("weight_ih_l0", "8.75e-05"),
            ("bias_ih_l0", "4.99e-06"),
            ("decoder.bias", "3.07e-09"),
        ],
    ),
    (
        Cell::Lstm,
        1,
        &[
            ("decoder.weight", "4.57e-05"),
            ("weight_hh_l0", "1.60e-01"),
            ("weight_ih_l0", "1.39e-01"),
            ("bias_ih_l0", "1.61e-01"),
            ("decoder.bias", "3.54e-09"),
        ],
    ),
    (
        Cell::Lstm,
        3,
        &[
            ("decoder.weight", "3.64e-03"),
            ("weight_hh_l0", "1.13e-07"),
            ("weight_hh_l1", "1.85e-07"),
            ("weight_hh_l2", "3.35e-07"),
            ("weight_ih_l0", "3.65e-03"),
            ("weight_ih_l1", "1.25e-03"),
            ("weight_ih_l2", "2.54e-03"),
            ("bias_ih_l0", "2.92e-03"),
            ("bias_ih_l1", "1.41e-02"),
            ("bias_ih_l2", "9.67e-06"),
            ("decoder.bias", "7.68e-10"),
        ],
    ),
];

/// The network: stacked layers, an affine head, cross-entropy summed over the steps, its mean over the batch.
struct Toy {
    rnn: Stack<f64>,
    head: LinearIds,
    params: Params<f64>,
    tape: Tape<f64>,
    state: State<f64>,
    inputs: Vec<f64>,
    targets: Vec<u32>,
}

impl Toy {
    fn new(cpu: &Cpu, cell: Cell, layers: usize) -> Result<Toy, Error> {
        let mut declaration = Declaration::default();
        let rnn = Recurrent::plain(cell, D, &vec![H; layers]).declare(&mut declaration, "");
        let head =
            LinearIds { weight: declaration.weight("decoder.weight", M, H), bias: declaration.bias("decoder.bias", M) };
        let params = declaration.zeros()?;
        let mut rng = generator(0, Purpose::Batches, 0);
        // A sum of twelve draws is near enough to a normal one.
        let inputs = (0..T * N * D).map(|_| (0..12).map(|_| uniform(&mut rng)).sum::<f64>() - 6.0).collect();
        let targets = (0..T * N).map(|_| (uniform(&mut rng) * 10.0) as u32).collect();
        Ok(Toy { state: rnn.as_layer().zero_state(N), rnn, head, params, tape: Tape::new(cpu), inputs, targets })
    }

    /// Draws the parameters: deviation `scale` over the root of the columns, biases of deviation `bias`.
    fn draw(&mut self, scale: f64, bias: f64) -> Result<(), Error> {
        let mut rng = generator(0, Purpose::Init, 0);
        for name in self.names() {
            let shape = self.params.shape(&name).unwrap_or_default().to_vec();
            let deviation = if shape.len() == 1 { bias } else { scale / (shape[1] as f64).sqrt() };
            let mut draw = || ((0..12).map(|_| uniform(&mut rng)).sum::<f64>() - 6.0) * deviation;
            let values: Vec<f64> = (0..shape.iter().product()).map(|_| draw()).collect();
            self.params.set(&name, &values)?;
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        self.params.names().map(str::to_string).collect()
    }

    /// The loss; writes the gradients to `grads`.
    fn loss(&mut self, grads: Option<&mut Params<f64>>) -> Result<f64, Error> {
        let tape = &mut self.tape;
        tape.start(grads.is_some());
        let x = tape.dense_leaf(D, &self.inputs, false)?;
        let before = self.state.to_tape(tape, false);
        let (y, _) = self.rnn.as_layer().run(tape, &self.params, Sequence::Dense(x), &before, &mut Pass::plain(N))?;
        let logits = tape.linear(&self.params, self.head, M, y)?;
        let (mean, sum) = tape.cross_entropy(logits, &self.targets)?;
        if let Some(grads) = grads {
            let loss = tape.scale(mean, T as f64)?;
            tape.backward(loss, &self.params, grads)?;
        }
        Ok(sum / N as f64)
    }

    /// Checks every parameter.
    fn check(&mut self) -> Result<Vec<(String, Finding)>, Error> {
        let names = self.names();
        let mut grads = self.params.zeros_like();
        self.loss(Some(&mut grads))?;
        let mut values: Vec<Vec<f64>> = names.iter().filter_map(|name| self.params.get(name)).collect();
        let mut findings = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let analytic = grads.get(name).unwrap_or_default();
            let finding = check_tensor(&mut values, i, &analytic, &mut |values| {
                names.iter().zip(values).try_for_each(|(name, values)| self.params.set(name, values))?;
                let value = self.loss(None)?;
                Ok(Loss { value, magnitude: value })
            })?;
            findings.push((name.clone(), finding));
        }
        Ok(findings)
    }
}

fn shown(finding: &Finding) -> String {
    let verdict = format!("{:?}", finding.verdict).to_uppercase();
    format!("{verdict}, gradient {:.0e}, off by {:.0e}", finding.max_grad, finding.abs_error)
}

pub fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    for (at, (cell, layers, printed)) in PRINTED.into_iter().enumerate() {
        setting.work.at("network", 1 + at as u64, Some(PRINTED.len() as u64));
        let title = format!("{} x {layers}", if cell == Cell::Lstm { "lstm" } else { "rnn" });
        let mut toy = Toy::new(&setting.cpu, cell, layers)?;
        // Deviation 1e-3 over the root of the inputs, biases 0: the loss is 3 ln 20 and the gradients are tiny.
        toy.draw(1e-3, 0.0)?;
        report.near(format!("{title}: loss at the tutorial's start"), 8.987, toy.loss(None)?, 5e-4, 4);
        for (name, finding) in toy.check()? {
            let Some((_, tutorial)) = printed.iter().find(|(known, _)| *known == name) else { continue };
            // The gradients of the recurrent weights are 1e-6 and below: differences cannot confirm them.
            let (allowed, passes) = match name.starts_with("weight_hh") {
                true => ("INCONCLUSIVE", finding.verdict == Verdict::Inconclusive),
                false => ("not FAIL", finding.verdict != Verdict::Fail),
            };
            report.check(format!("  {name}"), format!("relative error {tutorial}"), shown(&finding), allowed, passes);
        }
        toy.draw(2.0, 0.5)?;
        let findings = toy.check()?;
        let worst = findings.iter().map(|(_, finding)| finding.rel_error).fold(0.0, f64::max);
        let passes = findings.iter().all(|(_, finding)| finding.verdict == Verdict::Pass);
        let here =
            format!("{} of {} PASS, relative error {worst:.0e}", count(&findings, Verdict::Pass), findings.len());
        report.check(format!("{title}: conditioned start, all parameters"), "-", here, "all PASS at 1e-6", passes);
    }
    report.note("INCONCLUSIVE: the gradient is smaller than the noise of the differences. The tutorial's errors of 1e-1 are this noise.");
    report.note("Its 1e-7 for weight_hh of three layers is no agreement: both gradients are far below the floor of its quotient.");
    Ok(())
}

fn count(findings: &[(String, Finding)], verdict: Verdict) -> usize {
    findings.iter().filter(|(_, finding)| finding.verdict == verdict).count()
}
