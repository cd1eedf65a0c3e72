//! What must hold of a run whose products take bfloat16: losses near those of f32 but not equal, the same bytes on
//! every backend, for every number of threads and after a resume, and a file in f32 that every reader accepts.

#[path = "../../../.ci/not_run.rs"]
mod not_run;
mod runs;

use std::fs;

use elman::config::{Cell, Dtype};
use elman::files::model_file::Stored;
use elman::{Config, Cpu, RunDir, Trainer};
use elman_kernels::Backend;
use runs::{corpus, cpu, losses_to as train, quick_dir};

fn config(cell: Cell, dtype: Dtype) -> Config {
    Config { cell, dtype, ..runs::config() }
}

/// How far the mean loss of the n-th step may be from that in f32.
///
/// bfloat16 has a significand of 8 bits: a rounded operand is off by at most u = 2^-8 of itself, the product of two by
/// 2 u. A prediction passes the products of L layers and of the head. Its logits, and the sums of the products before
/// them, are below about 1 here, so that one prediction is off by at most about 2 u (L + 1). The errors of different
/// operands are independent: the mean over N predictions is off by 1 / sqrt(N) of that. So is each step's gradient, and
/// the errors of n steps, independent too, add up to sqrt(n) times that of one.
fn tolerance(step: usize) -> f64 {
    let Config { num_layers, batch, seq_len, .. } = runs::config();
    2.0 / 256.0 * (num_layers + 1) as f64 * (step as f64 / (batch * seq_len) as f64).sqrt()
}

#[test]
fn losses_stay_near_those_of_f32_and_every_backend_and_thread_count_gives_the_same_bytes() {
    let dir = quick_dir();
    // A norm divides by a deviation that may be small, so that a rounding counts for more than the tolerance says.
    for &cell in Cell::ALL.iter().filter(|&&cell| cell != Cell::LAYER_NORM_LSTM) {
        let run = |name: String| RunDir::create(dir.path().join(format!("{cell:?}{name}"))).unwrap();
        let trained = |dtype, cpu: &Cpu, run: &RunDir| {
            let config = Config { steps: Some(12), ..config(cell, dtype) };
            train(&mut Trainer::new(config, &corpus(), cpu).unwrap(), run, 0)
        };
        let (full, narrow) = (run("full".into()), run("narrow".into()));
        let losses = trained(Dtype::F32, &cpu(), &full);
        // Whether this machine has the instruction or computes its numbers without it.
        let backends: Vec<Backend> = Backend::available().into_iter().filter(|b| b.multiplies_bfloat16()).collect();
        let cpu = |backend, threads| Cpu::with_backend(backend, threads).unwrap().with_work_per_thread(1);
        let rounded = trained(Dtype::Bf16, &cpu(backends[0], 1), &narrow);
        for (step, (a, b)) in losses.iter().zip(&rounded).enumerate() {
            let allowed = tolerance(step + 1);
            assert!((a - b).abs() < allowed, "{cell:?} step {}, {allowed} allowed: {losses:?} {rounded:?}", step + 1);
        }
        assert_ne!(losses, rounded, "{cell:?} was computed in f32");
        for (i, &backend) in backends.iter().enumerate() {
            let threads = 2 + i % 2;
            let other = run(format!("{backend:?} {threads}"));
            trained(Dtype::Bf16, &cpu(backend, threads), &other);
            runs::assert_same(&other, &narrow, &format!("{cell:?} {backend:?}, {threads} threads"));
        }
    }
}

#[test]
fn a_run_resumes_to_the_same_bytes_and_its_file_is_of_f32() {
    let dir = quick_dir();
    let config = config(Cell::LSTM, Dtype::Bf16);
    let cpu = cpu();
    if !cpu.backend().multiplies_bfloat16() {
        let refusal = Trainer::new(config, &corpus(), &cpu).map(|_| ()).unwrap_err().to_string();
        assert!(refusal.starts_with("bfloat16 needs AVX512-BF16"), "{refusal}");
        not_run::not_run("resuming in bfloat16: the backend cannot multiply such numbers");
        return;
    }
    let config = Config { steps: Some(30), ..config };
    let whole = RunDir::create(dir.path().join("whole")).unwrap();
    train(&mut Trainer::new(config.clone(), &corpus(), &cpu).unwrap(), &whole, 0);
    let cut = RunDir::create(dir.path().join("cut")).unwrap();
    train(&mut Trainer::new(config, &corpus(), &cpu).unwrap(), &cut, 11);
    train(&mut Trainer::resume(&cut, &corpus(), &cpu).unwrap(), &cut, 0);
    runs::assert_same(&cut, &whole, "cut after 11");
    let text = fs::read(whole.model()).unwrap();
    assert!(String::from_utf8_lossy(&text).contains("\"dtype\":\"F32\""));
    let stored = Stored::read(whole.path()).unwrap();
    assert_eq!(stored.config().dtype, Dtype::Bf16);
    let written: String =
        stored.load::<f32>().unwrap().generate("", Default::default(), 1, &cpu).unwrap().take(40).collect();
    assert_eq!(written.chars().count(), 40);
}
