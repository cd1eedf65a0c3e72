//! A cell of one's own: the minimal gated unit from its equations, gradient-checked and trained on the bundled text.
//! `written_lstm.rs` times an LSTM written the same way beside the fused one.
//!
//!     cargo run --release -p elman --example custom_cell            # 300 steps
//!     cargo run --release -p elman --example custom_cell -- 5       # 5 steps

use std::time::Instant;

use elman::autodiff::nodes::LinearIds;
use elman::autodiff::params::{Declaration, ParamId, Params};
use elman::check::{Loss, check_tensor};
use elman::rng::{Purpose, generator};
use elman::train::optim::{Optimizer, clip_scale};
use elman::{Config, Corpus, Cpu, Element, Error, autodiff::tape::Tape, autodiff::tape::Var};

/// W x + U h + b.
struct Affine([ParamId; 3]);
impl Affine {
    fn declare(d: &mut Declaration, name: &str, inputs: usize, hidden: usize, outputs: usize) -> Affine {
        let (w, u) = (d.weight(format!("w_{name}"), outputs, inputs), d.weight(format!("u_{name}"), outputs, hidden));
        Affine([w, u, d.bias(format!("b_{name}"), outputs)])
    }
    fn of<E: Element>(&self, t: &mut Tape<E>, p: &Params<E>, x: Var, h: Var) -> Result<Var, Error> {
        let Affine([w, u, b]) = *self;
        let (wx, uh, b) = (t.matmul(p, w, x)?, t.matmul(p, u, h)?, t.param(p, b)?);
        let sum = t.add(wx, uh)?;
        t.add(sum, b)
    }
}

/// The minimal gated unit: f = sigmoid(W_f x + U_f h + b_f), n = tanh(W_n x + U_n (f h) + b_n), h' = h - f h + f n.
/// Source: Zhou, Wu, Zhang, Zhou 2016, arXiv:1603.09420.
fn mgu<E: Element>(t: &mut Tape<E>, p: &Params<E>, [f, n]: &[Affine; 2], x: Var, h: Var) -> Result<Var, Error> {
    let a = f.of(t, p, x, h)?;
    let f = t.sigmoid(a)?;
    let fh = t.mul(f, h)?;
    let a = n.of(t, p, x, fh)?;
    let n = t.tanh(a)?;
    let (kept, new) = (t.sub(h, fh)?, t.mul(f, n)?);
    t.add(kept, new)
}

/// A language model over the cell: embedding of `size` columns, `size` hidden units, affine head.
struct Model([usize; 2], ParamId, [Affine; 2], LinearIds);
impl Model {
    fn new<E: Element>(vocab: usize, size: usize) -> Result<(Model, Params<E>), Error> {
        let d = &mut Declaration::default();
        let (table, f) = (d.table("encoder", vocab, size), Affine::declare(d, "f", size, size, size));
        let n = Affine::declare(d, "n", size, size, size);
        let head = LinearIds { weight: d.weight("w_head", vocab, size), bias: d.bias("b_head", vocab) };
        let mut params: Params<E> = std::mem::take(d).zeros()?;
        params.fill_uniform(1.0 / (size as f64).sqrt(), &mut generator(1, Purpose::Init, 0));
        Ok((Model([vocab, size], table, [f, n], head), params))
    }
    /// The mean loss; `state` `[B, size]` is advanced.
    fn loss<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        [inputs, targets]: &[Vec<u32>; 2],
        state: &mut Vec<E>,
    ) -> Result<(Var, f64), Error> {
        let Model([vocab, size], table, cell, head) = self;
        tape.start(true);
        let x = tape.embed(params, *table, *vocab, *size, inputs)?;
        let h = tape.dense_leaf(*size, state, false)?;
        let (y, [h]) = tape.scan(x.rows() / h.rows(), x, [h], |tape, x, [h]| {
            let h = mgu(tape, params, cell, x, h)?;
            Ok((h, [h]))
        })?;
        *state = tape.dense_value(h);
        let logits = tape.linear(params, *head, *vocab, y)?;
        let (loss, sum) = tape.cross_entropy(logits, targets)?;
        Ok((loss, sum / targets.len() as f64))
    }
}

fn check(cpu: &Cpu) -> Result<(), Error> {
    let ((model, mut params), mut tape) = (Model::new::<f64>(7, 5)?, Tape::new(cpu));
    let (window, start) = ([1, 3].map(|k| (0..12).map(|i| (i * k + 2) % 7).collect()), vec![0.3; 2 * 5]);
    let (loss, _) = model.loss(&mut tape, &params, &window, &mut start.clone())?;
    let mut grads = params.zeros_like();
    tape.backward(loss, &params, &mut grads)?;
    let names: Vec<String> = params.names().map(str::to_owned).collect();
    let mut values: Vec<Vec<f64>> = names.iter().filter_map(|name| params.get(name)).collect();
    for (i, name) in names.iter().enumerate() {
        let finding = check_tensor(&mut values, i, &grads.get(name).unwrap_or_default(), &mut |values| {
            names.iter().zip(values).try_for_each(|(name, values)| params.set(name, values))?;
            let (_, value) = model.loss(&mut tape, &params, &window, &mut start.clone())?;
            Ok(Loss { value, magnitude: value })
        })?;
        println!("gradient by {name:8} {:?}, relative error at most {:.0e}", finding.verdict, finding.rel_error);
    }
    Ok(())
}

fn train(cpu: &Cpu, steps: usize) -> Result<(), Error> {
    let (corpus, batch, seq_len, size) = (Corpus::bundled(), 32, 64, 128);
    let mut vocab: Vec<char> = corpus.text().chars().collect();
    let ids =
        |vocab: &[char]| corpus.text().chars().map(|c| vocab.partition_point(|&v| v < c) as u32).collect::<Vec<_>>();
    vocab.sort_unstable();
    vocab.dedup();
    let (ids, (model, mut params)) = (ids(&vocab), Model::new::<f32>(vocab.len(), size)?);
    let (mut grads, mut adam, mut tape) =
        (params.zeros_like(), Optimizer::of(&Config::default(), &params), Tape::new(cpu));
    let (row, mut state, mut since) = ((ids.len() - 1) / batch, vec![0.0; batch * size], Instant::now());
    for step in 0..steps {
        let start = step % (row / seq_len) * seq_len;
        if start == 0 {
            state.fill(0.0);
        }
        let at = |i: usize| i % batch * row + start + i / batch;
        let window = [0, 1].map(|shift| (0..seq_len * batch).map(|i| ids[at(i) + shift]).collect());
        let (loss, value) = model.loss(&mut tape, &params, &window, &mut state)?;
        grads.values_mut().fill(0.0);
        tape.backward(loss, &params, &mut grads)?;
        adam.update(cpu, 4e-3, clip_scale(grads.norm(cpu), 5.0), &mut params, &grads)?;
        if step % 50 == 0 || step + 1 == steps {
            println!("step {:4}  loss {value:.3}  {:.1?}", step + 1, since.elapsed());
            since = Instant::now();
        }
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let (cpu, steps) = (Cpu::new(None)?, std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(300));
    check(&cpu)?;
    train(&cpu, steps)
}
