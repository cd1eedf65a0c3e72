//! The workloads on which growth is measured: one size grows over its range while the others stay fixed; a text that
//! grows; a state that decays through subnormal numbers. Not here: the clock and printing (the caller has both).

use std::{
    fs::File,
    io::{BufWriter, Write},
    ops::Range,
    path::Path,
};

use elman_kernels::recurrent::Cell as FusedCell;
use elman_kernels::{
    Buffer, Cpu,
    recurrent::{self, Dims, Input, Inputs, Weights},
};

use super::{Row, Sizes, Work};
use elman::{
    config::{Cell, Config, Dtype, OptimizerKind},
    data::Corpus,
    error::Error,
    rng::{Purpose, generator, uniform_f32},
    task::Language,
    train::Trainer,
};

/// A size that grows, and the work at each of its values.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Its letter in the legend of dimensions.
    pub letter: &'static str,
    /// What it counts.
    pub what: &'static str,
    /// Its values and the rows that are timed there.
    pub points: Vec<(usize, Row)>,
}

/// T, H, B and V, each from small to as large as it gets.
pub fn curves() -> Vec<Curve> {
    let (optimizer, lr, dtype) = (OptimizerKind::Adam, 1e-3, Dtype::F32);
    let adam = |batch, seq_len| Work::Train { batch, seq_len, optimizer, lr, dtype };
    let lstm =
        |hidden_size, embed, vocab_size| Sizes { cell: Cell::LSTM, num_layers: 1, hidden_size, embed, vocab_size };
    let curve = |letter, what, values: &[usize], row: &dyn Fn(usize) -> (Sizes, Work)| {
        let point = |&value: &usize| {
            let (sizes, work) = row(value);
            (value, Row { name: format!("{letter} {value}"), sizes, work })
        };
        Curve { letter, what, points: values.iter().map(point).collect() }
    };
    vec![
        curve("T", "steps of a sequence (LSTM 64, B 4)", &[16, 64, 256, 1024, 4096, 16_384, 100_000], &|t| {
            (lstm(64, 0, 65), adam(4, t))
        }),
        curve("H", "hidden units (LSTM, B 32, T 32)", &[16, 32, 64, 128, 256, 512, 1024, 2048], &|h| {
            (lstm(h, 0, 65), adam(32, 32))
        }),
        curve("B", "rows of a batch (LSTM 128, T 32)", &[1, 2, 4, 16, 64, 256, 1024], &|b| {
            (lstm(128, 0, 65), adam(b, 32))
        }),
        curve("V", "tokens of the vocabulary (LSTM 128, B 16, T 32)", &[64, 256, 1024, 4096, 16_384, 50_000], &|v| {
            (lstm(128, 128, v), adam(16, 32))
        }),
    ]
}

/// Sizes of the texts, bytes.
pub const TEXTS: [u64; 4] = [1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Writes a text of `bytes` characters, words of drawn letters in lines of drawn lengths. Errors: the file cannot be
/// written.
pub fn write_text(path: &Path, bytes: u64) -> Result<(), Error> {
    let write = || {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        // A multiplicative generator is enough for a text that nobody reads, and quick.
        let mut drawn = 1_u64;
        for _ in 0..bytes {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let letter = match drawn >> 58 {
                n @ 0..52 => b"etaoinshrdlucmfwypvbgkqjxzETAOINSHRDLUCMFWYPVBGKQJXZ"[n as usize],
                52..62 => b' ',
                _ => b'\n',
            };
            file.write_all(&[letter])?;
        }
        file.flush()
    };
    write().map_err(Error::io("write", path))
}

/// What a text of any size is trained on with: LSTM 128, B 64, T 32, nothing validated, reported or written on the way.
fn text_config() -> Config {
    Config {
        hidden_size: 128,
        num_layers: 1,
        dropout: 0.0,
        output_dropout: 0.0,
        batch: 64,
        seq_len: 32,
        val_frac: 0.0,
        steps: Some(u64::MAX / 2),
        eval_every: Some(0),
        sample_every: Some(0),
        save_every: Some(0),
        ..Config::default()
    }
}

/// A trainer on the text at `path`, which stays on the disk, as do its tokens, in `tokens`. Errors: as [`Trainer::new`].
pub fn on_text(path: &Path, tokens: &Path, cpu: &Cpu) -> Result<Trainer<Language<f32>>, Error> {
    let corpus = Corpus::on_disk_of(&[path.to_path_buf()], false)?.with_tokens_in(tokens);
    Trainer::new(text_config(), &corpus, cpu)
}

/// Steps that a state decays for.
pub const DECAY_STEPS: usize = 100_000;
/// Of those, the steps of one call.
const DECAY_CALL: usize = 100;
/// The cells that decay.
pub const DECAY_CELLS: [FusedCell; 3] = [FusedCell::RnnTanh, FusedCell::Lstm, FusedCell::Gru];

/// A layer of 128 units, 8 rows, that forgets a little of its state at each step and adds nothing to it: over
/// [`DECAY_STEPS`] the state falls to a millionth or to where rounding holds it.
pub struct Decay {
    d: Dims,
    weights: [Buffer<f32>; 4],
    gates: Buffer<f32>,
    hidden: Buffer<f32>,
    cell: Buffer<f32>,
}

impl Decay {
    /// The layer of `cell`.
    pub fn new(cell: FusedCell) -> Decay {
        let d = Dims { cell, seq_len: DECAY_CALL, batch: 8, input_size: 1, hidden_size: 128, reverse: false };
        let (h, gates) = (d.hidden_size, cell.gates());
        let kept = libm::exp2(-20.0 / DECAY_STEPS as f64);
        let mut rng = generator(1, Purpose::Init, 0);
        // Gate 1 keeps (LSTM's f, GRU's z), gate 2 is what is added (g, n); the RNN's one gate keeps by its weight.
        let mut weight_hh = vec![0.0; gates * h * h];
        for (at, weight) in weight_hh.iter_mut().enumerate() {
            let (row, col) = (at / h, at % h);
            *weight = match (gates, row / h) {
                (1, _) if row == col => kept as f32,
                (1, _) | (_, 2) => 0.0,
                _ => (2.0 * uniform_f32(&mut rng) - 1.0) / (h as f32).sqrt(),
            };
        }
        let keeps = |row: usize| if gates > 1 && row / h == 1 { libm::log(kept / (1.0 - kept)) as f32 } else { 0.0 };
        let bias: Vec<f32> = (0..gates * h).map(keeps).collect();
        let mut weights =
            [d.weight_ih(), d.weight_hh(), d.bias_ih(), d.bias_hh()].map(|l| Buffer::zeros(l.packed_len()));
        d.weight_hh().pack(&weight_hh, &mut weights[1]);
        d.bias_ih().pack(&bias, &mut weights[2]);
        let [gates, hidden, cell] = [d.gates_len(), d.hidden_len(), d.cell_len()].map(Buffer::zeros);
        Decay { d, weights, gates, hidden, cell }
    }

    /// All steps from a state of `start` everywhere. Errors: the state leaves `stays_in` before the last step; no
    /// memory.
    pub fn run(&mut self, cpu: &Cpu, start: f32, stays_in: Range<f32>) -> Result<(), Error> {
        let Decay { d, weights, gates, hidden, cell } = self;
        let [weight_ih, weight_hh, bias_ih, bias_hh] = weights;
        let w = Weights { weight_ih, weight_hh, bias_ih, bias_hh };
        let (slot, tokens) = (d.state_len(), vec![0; d.seq_len * d.batch]);
        // 128 is a multiple of 16: a state has no padding.
        hidden[..slot].fill(start);
        if d.cell.has_cell() {
            cell[..slot].fill(start);
        }
        for _ in 0..DECAY_STEPS / d.seq_len {
            recurrent::forward(cpu, d, &w, Inputs::all(Input::Tokens(&tokens)), gates, hidden, cell)?;
            for state in [&mut *hidden, &mut *cell].into_iter().filter(|state| !state.is_empty()) {
                state.copy_within(d.seq_len * slot.., 0);
                if let Some(bad) = state[..slot].iter().find(|h| !stays_in.contains(h)) {
                    let expected = format!("{:e} to {:e}", stays_in.start, stays_in.end);
                    return Err(Error::Setting { name: "a state that decays", got: bad.to_string(), expected });
                }
            }
        }
        Ok(())
    }
}

/// What subnormal numbers and normal ones above them are: the ranges of a state, each with where it starts. The smallest
/// subnormal is in its range, 0 in none.
pub const SUBNORMAL: (f32, Range<f32>) = (f32::MIN_POSITIVE / 2.0, f32::from_bits(1)..f32::MIN_POSITIVE);
/// See [`SUBNORMAL`].
pub const NORMAL: (f32, Range<f32>) = (0.5, 1e-20..1.0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_grows_in_its_own_size_alone() {
        for curve in curves() {
            assert!(curve.points.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for (value, row) in &curve.points {
                let Work::Train { batch, seq_len, .. } = row.work else { panic!("{row:?}") };
                let Sizes { hidden_size, vocab_size, .. } = row.sizes;
                let of = [("T", seq_len), ("H", hidden_size), ("B", batch), ("V", vocab_size)];
                let first = &curve.points[0].1;
                assert!(of.contains(&(curve.letter, *value)));
                assert!(curve.letter == "T" || matches!(first.work, Work::Train { seq_len: t, .. } if t == seq_len));
                assert!(curve.letter == "B" || matches!(first.work, Work::Train { batch: b, .. } if b == batch));
                assert!(curve.letter == "H" || first.sizes.hidden_size == hidden_size);
                assert!(curve.letter == "V" || first.sizes.vocab_size == vocab_size);
            }
        }
    }

    #[test]
    fn subnormal_states_stay_what_they_are_and_are_never_flushed() {
        let cpu = Cpu::new(Some(1)).unwrap();
        for cell in DECAY_CELLS {
            let mut decay = Decay::new(cell);
            for (start, range) in [SUBNORMAL, NORMAL] {
                decay.run(&cpu, start, range.clone()).unwrap();
                // It decays: what is left is far below the start.
                assert!(decay.hidden[0] < start / 100.0, "{cell:?} {start:e} {:e}", decay.hidden[0]);
            }
            assert!(decay.run(&cpu, 0.5, 0.4..1.0).is_err(), "a state that leaves its range is told");
        }
    }

    #[test]
    fn a_text_of_any_size_is_written_and_trained_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text.txt");
        write_text(&path, 50_000).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let kinds: std::collections::BTreeSet<char> = text.chars().collect();
        assert_eq!((text.len(), kinds.len()), (50_000, 54));
        let cpu = Cpu::new(Some(1)).unwrap();
        let mut trainer = on_text(&path, &dir.path().join("tokens.bin"), &cpu).unwrap();
        assert_eq!(trainer.plan().train_tokens, 50_000);
        let mut steps = 0;
        let outcome = trainer.run(None, &mut |event| {
            steps += u64::from(matches!(event, elman::train::Event::Step { .. }));
            if steps == 3 { elman::train::Control::Stop } else { elman::train::Control::Continue }
        });
        assert_eq!(outcome.unwrap().steps, 3);
    }
}
