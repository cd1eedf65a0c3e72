//! candle in the comparison: stacks of `candle_nn::rnn::LSTM`, trained with its AdamW without decay, which is Adam. Its
//! protocol is that of `peer-elman serve`. Not here: other cells and sampling.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::rnn::{LSTM, LSTMConfig, RNN};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder, VarMap, loss, ops};
use serde_json::{Value, json};

const CHECKED_STEPS: usize = 6;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Training {
    vars: VarMap,
    encoder: Option<Tensor>,
    layers: Vec<LSTM>,
    weight: Tensor,
    bias: Tensor,
    optimizer: AdamW,
    /// `[B, T]`.
    inputs: Tensor,
    /// `[B*T]`.
    targets: Tensor,
    vocab: usize,
    clip: f64,
}

impl Training {
    fn new(row: &Value, data: &HashMap<String, Tensor>) -> Outcome<Training> {
        let size = |key: &str| row[key].as_u64().unwrap() as usize;
        let (layers, hidden, embed, vocab) = (size("layers"), size("hidden"), size("embed"), size("vocab"));
        let vars = VarMap::new();
        for (name, tensor) in data.iter().filter(|(name, _)| *name != "inputs" && *name != "targets") {
            // A layer is named by its number in the builder, too.
            vars.data().lock().unwrap().insert(name.clone(), Var::from_tensor(tensor)?);
        }
        let builder = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let width = |l: usize| {
            if l > 0 {
                hidden
            } else if embed > 0 {
                embed
            } else {
                vocab
            }
        };
        let stack = (0..layers).map(|l| {
            let config = LSTMConfig { layer_idx: l, ..LSTMConfig::default() };
            LSTM::new(width(l), hidden, config, builder.pp("rnn"))
        });
        let encoder = if embed > 0 { Some(builder.get((vocab, embed), "encoder.weight")?) } else { None };
        let params = ParamsAdamW { lr: row["lr"].as_f64().unwrap(), weight_decay: 0.0, ..ParamsAdamW::default() };
        let rows_first = |name: &str| data[name].reshape((size("seq_len"), size("batch")))?.t()?.contiguous();
        Ok(Training {
            encoder,
            layers: stack.collect::<Result<_, _>>()?,
            weight: builder.get((vocab, hidden), "decoder.weight")?,
            bias: builder.get(vocab, "decoder.bias")?,
            optimizer: AdamW::new(vars.all_vars(), params)?,
            inputs: rows_first("inputs")?,
            targets: rows_first("targets")?.flatten_all()?,
            vocab,
            clip: row["clip"].as_f64().unwrap(),
            vars,
        })
    }

    fn loss(&self) -> candle_core::Result<Tensor> {
        let (b, t) = self.inputs.dims2()?;
        let flat = self.inputs.flatten_all()?;
        let mut x = match &self.encoder {
            Some(table) => table.index_select(&flat, 0)?.reshape((b, t, ()))?,
            None => candle_nn::encoding::one_hot(self.inputs.clone(), self.vocab, 1f32, 0f32)?,
        };
        for layer in &self.layers {
            x = layer.states_to_tensor(&layer.seq(&x)?)?;
        }
        let logits = x.reshape((b * t, ()))?.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)?;
        loss::nll(&ops::log_softmax(&logits, 1)?, &self.targets)
    }

    fn step(&mut self) -> Outcome<f64> {
        let loss = self.loss()?;
        let mut grads = loss.backward()?;
        let vars = self.vars.all_vars();
        let mut squares = 0.0;
        for var in &vars {
            if let Some(grad) = grads.get(var) {
                squares += f64::from(grad.sqr()?.sum_all()?.to_scalar::<f32>()?);
            }
        }
        if squares.sqrt() > self.clip {
            for var in &vars {
                if let Some(grad) = grads.remove(var) {
                    grads.insert(var, (grad * (self.clip / squares.sqrt()))?);
                }
            }
        }
        self.optimizer.step(&grads)?;
        Ok(f64::from(loss.to_scalar::<f32>()?))
    }
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().collect();
    let row: Value = serde_json::from_slice(&std::fs::read(&args[1])?)?;
    let data = candle_core::safetensors::load(&args[2], &Device::Cpu)?;
    let mut training: Option<Training> = None;
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let answer = match asked["do"].as_str() {
            Some("prepare") => {
                let ready = training.insert(Training::new(&row, &data)?);
                let losses = (0..CHECKED_STEPS).map(|_| ready.step()).collect::<Outcome<Vec<f64>>>()?;
                json!({"losses": losses, "threads": asked["threads"]})
            }
            Some("time") => {
                let (ready, mut ms) = (training.as_mut().ok_or("nothing is prepared")?, Vec::new());
                for _ in 0..asked["steps"].as_u64().unwrap_or(1) {
                    let start = Instant::now();
                    ready.step()?;
                    ms.push(start.elapsed().as_secs_f64() * 1e3);
                }
                json!({"ms": ms})
            }
            _ => json!({"mb": resident()}),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}
