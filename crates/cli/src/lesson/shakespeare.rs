//! The two lessons on Shakespeare, read in chunks from left to right: one with automatic differentiation and clipping, one with
//! hand-written gradients and no clipping. Both read the same data, so their losses can be compared step by step. Not here:
//! single seeds; they differ by several per cent, and a run without clipping may diverge.

use elman::autodiff::nodes::LinearIds;
use elman::autodiff::params::{Declaration, ParamId, Params};
use elman::autodiff::tape::Tape;
use elman::{Config, Corpus, Error, LanguageModel, Vocab};

use super::runs::{median, recipe, shown, train, write};
use super::setting::Setting;
use super::table::Report;

const AUTOGRAD: &str = include_str!("../../../../recipes/autograd-shakespeare.toml");
const BY_HAND: &str = include_str!("../../../../recipes/min-char-rnn.toml");
/// The losses that the tutorial prints, every hundred steps: sums over 50 characters.
const PRINTED_AUTOGRAD: [f64; 14] =
    [208.72, 149.71, 145.99, 137.14, 133.17, 114.79, 124.66, 101.45, 99.60, 123.16, 120.61, 112.87, 134.52, 121.67];
const PRINTED_BY_HAND: [f64; 8] = [208.72, 149.69, 146.59, 136.27, 134.83, 115.54, 124.32, 102.19];
const SEEDS: u64 = 9;

pub fn autograd(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    lesson(setting, report, &recipe("autograd-shakespeare", AUTOGRAD)?, &PRINTED_AUTOGRAD)
}

pub fn by_hand(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    lesson(setting, report, &recipe("min-char-rnn", BY_HAND)?, &PRINTED_BY_HAND)
}

fn lesson(setting: &Setting, report: &mut Report, config: &Config, printed: &[f64]) -> anyhow::Result<()> {
    let corpus = setting.text("tinyshakespeare")?;
    let steps = config.seq_len as f64;
    let mut by_seed: Vec<Vec<f64>> = Vec::new();
    let mut diverged = 0;
    let mut text = String::new();
    for seed in 1..=SEEDS {
        let config = Config { seed, ..config.clone() };
        let (name, mut losses) = (format!("seed {seed} of {SEEDS}"), Vec::new());
        match train(setting, &name, &config, &corpus, |step, loss| {
            if (step - 1).is_multiple_of(100) {
                losses.push(steps * loss);
            }
        }) {
            Ok(trainer) if text.is_empty() => {
                let plan = trainer.plan();
                report.equal("characters", 1_115_394, plan.train_tokens);
                report.equal("distinct characters", 65, plan.vocab_size);
                report.equal("chunks of 50", 22_307, plan.steps_per_epoch);
                text = write(&trainer, "a", 100, 1.0, &setting.cpu)?;
            }
            Ok(_) => {}
            Err(Error::Diverged { .. }) => diverged += 1,
            Err(error) => return Err(error.into()),
        }
        losses.resize(printed.len(), f64::NAN);
        by_seed.push(losses);
        setting.say(&format!("seed {seed} of {SEEDS}"));
    }
    for (at, &printed) in printed.iter().enumerate() {
        let here: Vec<f64> = by_seed.iter().map(|losses| losses[at]).collect();
        let (low, high) = here.iter().fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        let middle = median(here);
        let name = format!("loss at step {}, sum over 50", 100 * at);
        let passes = (middle / printed - 1.0).abs() <= 0.05;
        let shown = format!("{middle:.2} ({low:.2} to {high:.2})");
        report.check(name, format!("{printed:.2}"), shown, "median of 9 seeds ± 5 %", passes);
    }
    let most = by_seed.len() / 2;
    report.check(
        "seeds that diverge",
        "-",
        format!("{diverged} of {SEEDS}"),
        format!("at most {most}"),
        diverged <= most,
    );
    twin(setting, &corpus, config, printed.len(), report)?;
    report.told("text after the last step", "-", shown(&text, 60));
    Ok(())
}

/// The same network written from its equations on the tape: h = tanh(U x + W h + b), y = V h + b.
struct Written {
    input: ParamId,
    recurrence: ParamId,
    biases: [ParamId; 2],
    head: LinearIds,
    params: Params<f64>,
    sizes: [usize; 2],
}

impl Written {
    /// Copies the parameters of `model`.
    fn of(model: &LanguageModel<f64>, hidden: usize) -> Result<Written, Error> {
        let vocab = model.vocab_size();
        let mut d = Declaration::default();
        let (input, recurrence) = (d.table("u", vocab, hidden), d.weight("w", hidden, hidden));
        let biases = [d.bias("b_ih", hidden), d.bias("b_hh", hidden)];
        let head = LinearIds { weight: d.weight("v", vocab, hidden), bias: d.bias("c", vocab) };
        let mut params: Params<f64> = d.zeros()?;
        let get = |name: &str| model.params().get(name).unwrap_or_default();
        let by_unit = get("rnn.weight_ih_l0");
        let by_token: Vec<f64> = (0..vocab * hidden).map(|i| by_unit[i % hidden * vocab + i / hidden]).collect();
        params.set("u", &by_token)?;
        for (name, other) in [
            ("w", "rnn.weight_hh_l0"),
            ("b_ih", "rnn.bias_ih_l0"),
            ("b_hh", "rnn.bias_hh_l0"),
            ("v", "decoder.weight"),
            ("c", "decoder.bias"),
        ] {
            params.set(name, &get(other))?;
        }
        Ok(Written { input, recurrence, biases, head, params, sizes: [vocab, hidden] })
    }

    /// The mean loss from the zero state; `grads` is overwritten.
    fn loss(&self, tape: &mut Tape<f64>, ids: &[u32], grads: &mut Params<f64>) -> Result<f64, Error> {
        let ([vocab, hidden], params, steps) = (self.sizes, &self.params, ids.len() - 1);
        tape.start(true);
        let x = tape.embed(params, self.input, vocab, hidden, &ids[..steps])?;
        let h = tape.dense_leaf(hidden, &vec![0.0; hidden], false)?;
        let (y, _) = tape.scan(steps, x, [h], |tape, x, [h]| {
            let (wh, [b_ih, b_hh]) = (tape.matmul(params, self.recurrence, h)?, self.biases);
            let (b_ih, b_hh) = (tape.param(params, b_ih)?, tape.param(params, b_hh)?);
            let (a, b) = (tape.add(x, b_ih)?, tape.add(wh, b_hh)?);
            let a = tape.add(a, b)?;
            let h = tape.tanh(a)?;
            Ok((h, [h]))
        })?;
        let logits = tape.linear(params, self.head, vocab, y)?;
        let (loss, sum) = tape.cross_entropy(logits, &ids[1..])?;
        grads.values_mut().fill(0.0);
        tape.backward(loss, params, grads)?;
        Ok(sum / steps as f64)
    }
}

/// A step of gradient descent in f64, with the configured rate and clipping.
fn descend(config: &Config, steps: usize, params: &mut Params<f64>, grads: &Params<f64>) {
    let limit = if config.clip_value > 0.0 { config.clip_value } else { f64::INFINITY };
    for (x, g) in params.values_mut().iter_mut().zip(grads.values()) {
        *x -= config.lr * (g * steps as f64).clamp(-limit, limit);
    }
}

/// Trains the fused layer and the written network in f64 and compares their losses every hundred steps.
fn twin(
    setting: &Setting,
    corpus: &Corpus,
    config: &Config,
    stations: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let vocab = Vocab::fit(corpus.text(), "");
    let (ids, steps) = (vocab.encode(corpus.name(), corpus.text())?, config.seq_len);
    let mut fused: LanguageModel<f64> = LanguageModel::new(config, vocab.len())?;
    let mut written = Written::of(&fused, config.hidden_size)?;
    let (mut grads, mut other_grads) = (fused.params().zeros_like(), written.params.zeros_like());
    let (mut tape, mut other_tape) = (Tape::new(&setting.cpu), Tape::new(&setting.cpu));
    let mut worst: f64 = 0.0;
    let all = 100 * (stations - 1);
    for step in 0..=all {
        setting.at("both networks in f64", step as u64, all as u64, all as u64);
        let chunk = &ids[step * steps..=(step + 1) * steps];
        let mut state = fused.initial_state(1);
        let (inputs, targets) = (&chunk[..steps], &chunk[1..]);
        let loss = fused.loss_and_grads(
            &mut tape,
            &mut elman::nn::shards::Shards::default(),
            inputs,
            targets,
            &mut state,
            None,
            &mut grads,
        )?;
        let other = written.loss(&mut other_tape, chunk, &mut other_grads)?;
        if step % 100 == 0 {
            worst = worst.max(((loss - other) / loss).abs());
        }
        descend(config, steps, fused.params_mut(), &grads);
        descend(config, steps, &mut written.params, &other_grads);
    }
    let name = "fused layer and its written twin, f64, every 100 steps";
    report.check(name, "1 % (its two runs)", format!("{worst:.0e} apart"), "1e-9", worst <= 1e-9);
    Ok(())
}
