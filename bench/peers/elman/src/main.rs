//! elman in the comparison: prints the rows of `elman bench` as JSON, writes their weights and data as a safetensors file with
//! PyTorch's names, and checks and times rows for `compare.py`. Not here: the other libraries.
//!
//!     peer-elman list              one JSON array of rows
//!     peer-elman export ROW FILE   weights, and the tokens to read and to predict
//!     peer-elman serve ROW         a JSON object a line on stdin: see `serve`

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use elman::Cpu;
use elman_bench::{Row, Runner, Work, rows};
use elman::infer::Precision;
use elman_kernels::peak;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

/// Steps of sampling that are timed together.
const TOGETHER: usize = 32;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] => println!("{}", Value::Array(rows().iter().map(described).collect())),
        ["export", name, path] => export(&row(name)?, path)?,
        ["serve", name] => serve(&row(name)?)?,
        _ => return Err("expected: list | export ROW FILE | serve ROW".into()),
    }
    Ok(())
}

fn row(name: &str) -> Outcome<Row> {
    rows().into_iter().find(|row| row.name == name).ok_or_else(|| format!("no row is called {name}").into())
}

fn described(row: &Row) -> Value {
    let (flops, flops_with_one_hot) = row.flops();
    let mut value = json!({
        "name": row.name, "cell": row.sizes.cell.name(), "layers": row.sizes.num_layers, "hidden": row.sizes.hidden_size,
        "embed": row.sizes.embed, "vocab": row.sizes.vocab_size, "tokens": row.tokens(),
        "flops": flops, "flops_with_one_hot": flops_with_one_hot,
    });
    let more = match row.work {
        Work::Train { batch, seq_len, optimizer, lr, dtype } => {
            json!({"kind": "train", "dtype": dtype.name(), "batch": batch, "seq_len": seq_len, "optimizer": optimizer.name(), "lr": lr, "clip": 5.0})
        }
        Work::Sample { streams, precision } => {
            let weights = match precision {
                Precision::Full => "f32",
                Precision::Bf16 => "bf16",
                Precision::Int8 => "int8",
            };
            json!({"kind": "sample", "streams": streams, "weights": weights})
        }
    };
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

fn export(row: &Row, path: &str) -> Outcome<()> {
    let model = row.model()?;
    let params = model.params();
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for name in params.names() {
        let (shape, values) = (params.shape(name).unwrap(), params.get(name).unwrap());
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        tensors.push((name.to_string(), Dtype::F32, shape.to_vec(), bytes));
    }
    let (inputs, targets) = row.data();
    for (name, tokens) in [("inputs", inputs), ("targets", targets)] {
        let bytes = tokens.iter().flat_map(|&x| i64::from(x).to_le_bytes()).collect();
        tensors.push((name.to_string(), Dtype::I64, vec![tokens.len()], bytes));
    }
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)));
    let views: Vec<_> = views.collect::<Result<_, safetensors::SafeTensorError>>()?;
    safetensors::serialize_to_file(views, None::<HashMap<String, String>>, path.as_ref())?;
    Ok(())
}

/// Answers each line with one:
/// `{"do": "prepare", "threads": n}` -> `{"losses": [...], "threads": n}`, from fresh weights;
/// `{"do": "time", "steps": n}` -> `{"ms": [...]}`, by step;
/// `{"do": "peak", "threads": n}` -> `{"flops": ...}` a second, at this moment;
/// `{"do": "reading", "threads": n}` -> `{"weights": ..., "bytes": ...}`: their bytes, and how many such can be read a second;
/// `{"do": "memory"}` -> `{"mb": ...}`, the most that was resident.
fn serve(row: &Row) -> Outcome<()> {
    let mut cpu = Cpu::new(None)?;
    let mut runner: Option<Runner> = None;
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let number = |key: &str| asked[key].as_u64().map(|n| n as usize);
        let answer = match asked["do"].as_str() {
            Some("prepare") => {
                cpu = Cpu::new(number("threads"))?;
                let (ready, losses) = Runner::new(row, &cpu)?;
                let threads = ready.threads().unwrap_or(cpu.threads());
                runner = Some(ready);
                json!({"losses": losses, "threads": threads, "backend": cpu.backend_name()})
            }
            Some("time") => {
                let runner = runner.as_mut().ok_or("nothing is prepared")?;
                json!({"ms": time(row, runner, number("steps").ok_or("no steps")?)?})
            }
            Some("peak") => {
                let threads = number("threads").unwrap_or(1);
                let rate = |_| peak::multiply_adds(cpu.backend(), threads, Duration::from_millis(8));
                // Threads that were just begun may share a core at first.
                json!({"flops": (0..4).map(rate).fold(0.0, f64::max)})
            }
            Some("reading") => {
                let (threads, bytes) = (number("threads").unwrap_or(1), runner.as_ref().and_then(Runner::bytes));
                let rate = |bytes| peak::reading(cpu.backend(), threads, bytes, Duration::from_millis(60));
                let best = bytes.map(|bytes| (0..5).map(|_| rate(bytes)).fold(0.0, f64::max));
                json!({"weights": bytes, "bytes": best})
            }
            Some("memory") => json!({"mb": resident()}),
            _ => return Err(format!("not understood: {asked}").into()),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn time(row: &Row, runner: &mut Runner, steps: usize) -> Outcome<Vec<f64>> {
    let together = if matches!(row.work, Work::Sample { .. }) { TOGETHER } else { 1 };
    let mut ms = Vec::new();
    for _ in 0..steps.div_ceil(together) {
        let start = Instant::now();
        for _ in 0..together {
            runner.step()?;
        }
        ms.push(start.elapsed().as_secs_f64() * 1e3 / together as f64);
    }
    Ok(ms)
}

fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}
