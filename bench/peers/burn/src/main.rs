//! burn in the comparison: stacks of `burn::nn::Lstm` on its CPU backend Flex (NdArray is deprecated there), trained with its
//! Adam. Its protocol is that of `peer-elman serve`. Not here: other cells, sampling, and gradients so large that the row would
//! clip them; burn clips by parameter, so the norm is computed, as in the others, but not used.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use burn::module::{Module, Param};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::{Embedding, EmbeddingConfig, GateController, Linear, LinearConfig, Lstm, LstmConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use safetensors::SafeTensors;
use serde_json::{Value, json};

const CHECKED_STEPS: usize = 6;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Module, Debug)]
struct Model {
    encoder: Option<Embedding>,
    layers: Vec<Lstm>,
    decoder: Linear,
}

struct Training {
    model: Model,
    optimizer: ModuleOptimizer,
    loss: CrossEntropyLoss,
    /// `[B, T]`.
    inputs: Tensor<2, Int>,
    /// `[B*T]`.
    targets: Tensor<1, Int>,
    vocab: usize,
    lr: f64,
    clip: f64,
}

/// Rows `rows` of a tensor `[N, K]`, transposed to burn's `[K, N]`.
fn weight(data: &SafeTensors, name: &str, rows: std::ops::Range<usize>, device: &Device) -> Outcome<Param<Tensor<2>>> {
    let view = data.tensor(name)?;
    let k = view.shape()[1];
    let values = floats(view.data())[rows.start * k..rows.end * k].to_vec();
    let mut transposed = vec![0.0; rows.len() * k];
    for (i, value) in values.iter().enumerate() {
        transposed[i % k * rows.len() + i / k] = *value;
    }
    Ok(Param::from_tensor(Tensor::from_data(TensorData::new(transposed, [k, rows.len()]), device)))
}

fn bias(data: &SafeTensors, name: &str, rows: std::ops::Range<usize>, device: &Device) -> Outcome<Param<Tensor<1>>> {
    let values = floats(data.tensor(name)?.data())[rows.clone()].to_vec();
    Ok(Param::from_tensor(Tensor::from_data(TensorData::new(values, [rows.len()]), device)))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn tokens(data: &SafeTensors, name: &str, row: &Value, device: &Device) -> Outcome<Tensor<2, Int>> {
    let all: Vec<i64> =
        data.tensor(name)?.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect();
    let (t, b) = (row["seq_len"].as_u64().unwrap() as usize, row["batch"].as_u64().unwrap() as usize);
    let rows: Vec<i64> = (0..b).flat_map(|r| (0..t).map(move |step| step * b + r)).map(|i| all[i]).collect();
    Ok(Tensor::from_data(TensorData::new(rows, [b, t]), device))
}

impl Training {
    fn new(row: &Value, data: &SafeTensors) -> Outcome<Training> {
        let device = Device::flex().autodiff();
        let size = |key: &str| row[key].as_u64().unwrap() as usize;
        let (layers, hidden, embed, vocab) = (size("layers"), size("hidden"), size("embed"), size("vocab"));
        let mut stack = Vec::new();
        for l in 0..layers {
            let width = if l > 0 {
                hidden
            } else if embed > 0 {
                embed
            } else {
                vocab
            };
            let mut lstm = LstmConfig::new(width, hidden, true).init(&device);
            let fill = |gate: &mut GateController, at: usize| -> Outcome<()> {
                let rows = at * hidden..(at + 1) * hidden;
                gate.input_transform.weight = weight(data, &format!("rnn.weight_ih_l{l}"), rows.clone(), &device)?;
                gate.input_transform.bias = Some(bias(data, &format!("rnn.bias_ih_l{l}"), rows.clone(), &device)?);
                gate.hidden_transform.weight = weight(data, &format!("rnn.weight_hh_l{l}"), rows.clone(), &device)?;
                gate.hidden_transform.bias = Some(bias(data, &format!("rnn.bias_hh_l{l}"), rows, &device)?);
                Ok(())
            };
            fill(&mut lstm.input_gate, 0)?;
            fill(lstm.forget_gate.as_mut().ok_or("no forget gate")?, 1)?;
            fill(&mut lstm.cell_gate, 2)?;
            fill(&mut lstm.output_gate, 3)?;
            stack.push(lstm);
        }
        let encoder = if embed > 0 {
            let mut table = EmbeddingConfig::new(vocab, embed).init(&device);
            let values = floats(data.tensor("encoder.weight")?.data());
            table.weight = Param::from_tensor(Tensor::from_data(TensorData::new(values, [vocab, embed]), &device));
            Some(table)
        } else {
            None
        };
        let mut decoder = LinearConfig::new(hidden, vocab).init(&device);
        decoder.weight = weight(data, "decoder.weight", 0..vocab, &device)?;
        decoder.bias = Some(bias(data, "decoder.bias", 0..vocab, &device)?);
        Ok(Training {
            model: Model { encoder, layers: stack, decoder },
            optimizer: AdamConfig::new().with_epsilon(1e-8).init(),
            loss: CrossEntropyLossConfig::new().init(&device),
            inputs: tokens(data, "inputs", row, &device)?,
            targets: tokens(data, "targets", row, &device)?.flatten(0, 1),
            vocab,
            lr: row["lr"].as_f64().unwrap(),
            clip: row["clip"].as_f64().unwrap(),
        })
    }

    fn step(&mut self) -> Outcome<f64> {
        let mut x: Tensor<3> = match &self.model.encoder {
            Some(table) => table.forward(self.inputs.clone()),
            None => self.inputs.clone().one_hot::<3>(self.vocab).float(),
        };
        for layer in &self.model.layers {
            x = layer.forward(x, None).0;
        }
        let logits: Tensor<2> = self.model.decoder.forward(x).flatten(0, 1);
        let loss = self.loss.forward(logits, self.targets.clone());
        let value: f32 = loss.clone().into_scalar();
        let grads = loss.backward();
        let mut squares = 0.0;
        for layer in &self.model.layers {
            for gate in [&layer.input_gate, layer.forget_gate.as_ref().unwrap(), &layer.cell_gate, &layer.output_gate] {
                for transform in [&gate.input_transform, &gate.hidden_transform] {
                    squares += transform
                        .weight
                        .val()
                        .grad(&grads)
                        .map_or(0.0, |g| g.powi_scalar(2).sum().into_scalar::<f32>());
                }
            }
        }
        if f64::from(squares).sqrt() > self.clip {
            return Err("the gradient would be clipped".into());
        }
        let grads = GradientsParams::from_grads(grads, &self.model);
        self.model = self.optimizer.step(self.lr, self.model.clone(), grads);
        Ok(f64::from(value))
    }
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().collect();
    let row: Value = serde_json::from_slice(&std::fs::read(&args[1])?)?;
    let bytes = std::fs::read(&args[2])?;
    let data = SafeTensors::deserialize(&bytes)?;
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
