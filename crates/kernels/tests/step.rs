//! Rung 2 for the step of one row: with full weights the bits of the whole sequence's forward, for every cell, small
//! size, backend and number of threads; with narrow weights the bits of a plain statement of the same arithmetic.

use elman_kernels::layout::Layout;
use elman_kernels::recurrent::step::{Network, Precision, Stepper, rounded_to_bfloat16};
use elman_kernels::recurrent::{self, Cell, Dims, Input, Inputs, Weights};
use elman_kernels::{Backend, Buffer, Cpu, Element, gather, linear, pad};

const CELLS: [Cell; 6] = [Cell::RnnTanh, Cell::RnnRelu, Cell::Lstm, Cell::Gru, Cell::MinGru, Cell::Slstm];

/// Numbers without pattern in [-1, 1): a hash of the index.
fn noise<E: Element>(n: usize, tag: u64) -> Vec<E> {
    (0..n as u64)
        .map(|i| {
            let mut z = (i + tag * 1_000_003).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            E::from_f64(((z ^ (z >> 29)) >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
        })
        .collect()
}

/// A network in PyTorch's layout.
#[derive(Clone)]
struct Plain<E> {
    vocab_size: usize,
    embedding: Option<(usize, Vec<E>)>,
    /// Dims, `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
    layers: Vec<(Dims, [Vec<E>; 4])>,
    head: [Vec<E>; 2],
}

impl<E: Element> Plain<E> {
    fn new(cell: Cell, vocab_size: usize, embed: usize, hidden: &[usize]) -> Plain<E> {
        let mut input_size = if embed > 0 { embed } else { vocab_size };
        let mut tag = 0;
        let mut weight = |n: usize, cols: usize| {
            tag += 1;
            let scale = E::from_f64(2.0 / (cols.max(1) as f64).sqrt());
            noise::<E>(n, tag).into_iter().map(|x| x * scale).collect::<Vec<E>>()
        };
        let embedding = (embed > 0).then(|| (embed, weight(vocab_size * embed, 4)));
        let mut layers = Vec::new();
        for &hidden_size in hidden {
            let d = Dims { cell, seq_len: 0, batch: 0, input_size, hidden_size, reverse: false };
            let rows = cell.gates() * hidden_size;
            let recurrent_rows = if cell.has_recurrent_product() { rows } else { 0 };
            let weights = [
                weight(rows * input_size, hidden_size),
                weight(recurrent_rows * hidden_size, hidden_size),
                weight(rows, hidden_size),
                weight(recurrent_rows, hidden_size),
            ];
            layers.push((d, weights));
            input_size = hidden_size;
        }
        let head = [weight(vocab_size * input_size, input_size), weight(vocab_size, input_size)];
        Plain { vocab_size, embedding, layers, head }
    }

    fn packed(&self) -> Packed<E> {
        let pack = |layout: Layout, values: &[E]| {
            let mut packed = Buffer::zeros(layout.packed_len());
            layout.pack(values, &mut packed);
            packed
        };
        let head =
            linear::Dims { rows: 1, inputs: self.layers.last().unwrap().0.hidden_size, outputs: self.vocab_size };
        let table = |(cols, values): &(usize, Vec<E>)| {
            (*cols, pack(Layout::Table { rows: self.vocab_size, cols: *cols }, values))
        };
        let layer = |(d, w): &(Dims, [Vec<E>; 4])| {
            let layouts = [d.weight_ih(), d.weight_hh(), d.bias_ih(), d.bias_hh()];
            (*d, std::array::from_fn(|i| pack(layouts[i], &w[i])))
        };
        Packed {
            vocab_size: self.vocab_size,
            embedding: self.embedding.as_ref().map(table),
            layers: self.layers.iter().map(layer).collect(),
            head: [pack(head.weight(), &self.head[0]), pack(head.bias(), &self.head[1])],
        }
    }

    /// The same with every weight of a product replaced. Rows that a one-hot token picks are none.
    fn with_weights(&self, f: impl Fn(&[E], usize) -> Vec<E>) -> Plain<E> {
        let mut other = self.clone();
        for (l, (d, w)) in other.layers.iter_mut().enumerate() {
            if l > 0 || self.embedding.is_some() {
                w[0] = f(&w[0], d.input_size);
            }
            w[1] = f(&w[1], d.hidden_size);
        }
        other.head[0] = f(&self.head[0], self.layers.last().unwrap().0.hidden_size);
        other
    }
}

struct Packed<E> {
    vocab_size: usize,
    embedding: Option<(usize, Buffer<E>)>,
    layers: Vec<(Dims, [Buffer<E>; 4])>,
    head: [Buffer<E>; 2],
}

impl<E: Element> Packed<E> {
    fn with<T>(&self, f: impl FnOnce(&Network<'_, E>) -> T) -> T {
        let layers: Vec<_> = self.layers.iter().map(|(d, w)| (*d, weights(w))).collect();
        let embedding = self.embedding.as_ref().map(|(width, table)| (*width, &table[..]));
        let [head_weight, head_bias] = &self.head;
        f(&Network { vocab_size: self.vocab_size, embedding, layers: &layers, head_weight, head_bias })
    }

    /// Logits and last states of the whole sequence at once, by the layers that train.
    fn sequence(&self, cpu: &Cpu, tokens: &[u32]) -> Outcome<E> {
        let (seq_len, batch) = (tokens.len(), 1);
        let (mut states, mut x) = (Vec::new(), Vec::new());
        if let Some((width, table)) = &self.embedding {
            x = vec![E::ZERO; seq_len * pad(*width)];
            gather::forward(self.vocab_size, *width, table, tokens, &mut x).unwrap();
        }
        for (d, w) in &self.layers {
            let d = Dims { seq_len, batch, ..*d };
            let input = if x.is_empty() { Input::Tokens(tokens) } else { Input::Dense(&x) };
            let (mut gates, mut cell) = (Buffer::zeros(d.gates_len()), Buffer::zeros(d.cell_len()));
            let mut hidden = Buffer::zeros(d.hidden_len());
            recurrent::forward(
                cpu,
                &d,
                &weights(w),
                Inputs { x: input, mask: None },
                &mut gates,
                &mut hidden,
                &mut cell,
            )
            .unwrap();
            states.push(hidden[seq_len * d.state_len()..].to_vec());
            let last = |state: &[E]| state[seq_len * d.state_len()..].to_vec();
            states.push(cell.chunks_exact(d.hidden_len()).flat_map(last).collect());
            x = hidden[d.state_len()..].to_vec();
        }
        let d =
            linear::Dims { rows: seq_len, inputs: self.layers.last().unwrap().0.hidden_size, outputs: self.vocab_size };
        let mut logits = vec![E::ZERO; seq_len * pad(self.vocab_size)];
        linear::forward(cpu, &d, &x, &self.head[0], Some(&self.head[1]), &mut logits).unwrap();
        Outcome { logits, states }
    }
}

fn weights<E: Element>(w: &[Buffer<E>; 4]) -> Weights<'_, E> {
    let [weight_ih, weight_hh, bias_ih, bias_hh] = w;
    Weights { weight_ih, weight_hh, bias_ih, bias_hh }
}

/// Logits after every token, and h and c of every layer after the last.
#[derive(Debug, PartialEq)]
struct Outcome<E> {
    logits: Vec<E>,
    states: Vec<Vec<E>>,
}

fn steps<E: Element>(mut stepper: Stepper<E>, tokens: &[u32]) -> Outcome<E> {
    let mut state = stepper.zero_state();
    let mut logits = vec![E::ONE; tokens.len() * pad(stepper.vocab_size())];
    for (&token, logits) in tokens.iter().zip(logits.chunks_exact_mut(pad(stepper.vocab_size()))) {
        stepper.step(token, &mut state, logits).unwrap();
    }
    let layers = 0..stepper.layers();
    let states = layers.flat_map(|l| [state.hidden(l).to_vec(), state.cell(l).to_vec()]).collect();
    Outcome { logits, states }
}

fn cpu(backend: Backend) -> Cpu {
    Cpu::with_backend(backend, 1).unwrap()
}

fn tokens(vocab_size: usize) -> Vec<u32> {
    (0..4).map(|i| (i * i + 3 * i + 1) as u32 % vocab_size as u32).collect()
}

/// Backends and numbers of threads. More threads are worth a test where there is more than one panel for them.
fn machines() -> impl Iterator<Item = (Backend, usize)> {
    Backend::available().into_iter().flat_map(|backend| [(backend, 1), (backend, 3)])
}

/// Vocabularies, widths of an embedding (0: none), hidden sizes of the layers: around every vector and panel.
/// Miri, which runs some thousand times slower, gets a few of one and two panels.
fn sizes() -> Vec<(usize, usize, Vec<usize>)> {
    if cfg!(miri) {
        return vec![(5, 0, vec![5]), (17, 3, vec![17, 5])];
    }
    let mut sizes = Vec::new();
    for hidden in [1, 2, 15, 16, 17, 33, 47, 48, 64, 65, 100, 130] {
        sizes.push((1 + hidden % 5, 0, vec![hidden]));
        sizes.push((hidden + 14, 3, vec![hidden, hidden]));
    }
    for vocab_size in [1, 15, 16, 17, 31, 48, 63, 64, 65, 80, 129, 200] {
        sizes.push((vocab_size, vocab_size % 4, vec![7, 7, 7]));
    }
    // The last has a head that threads share.
    sizes.extend([(5, 17, vec![20]), (5, 1, vec![3]), (5, 16, vec![40, 24]), (1100, 3, vec![130])]);
    sizes
}

#[test]
fn a_step_has_the_bits_of_the_whole_sequence() {
    fn check<E: Element>(cell: Cell, vocab_size: usize, embed: usize, hidden: &[usize]) {
        let packed = Plain::<E>::new(cell, vocab_size, embed, hidden).packed();
        let tokens = tokens(vocab_size);
        let want = packed.sequence(&cpu(Backend::detect()), &tokens);
        for (backend, threads) in machines() {
            let stepper = packed.with(|n| Stepper::new(&cpu(backend), n)).unwrap().with_threads(threads).unwrap();
            let got = steps(stepper, &tokens);
            assert!(got == want, "{} {cell:?} V{vocab_size} E{embed} H{hidden:?} {backend:?} {threads}", E::NAME);
        }
    }
    for cell in CELLS {
        for (vocab_size, embed, hidden) in sizes() {
            check::<f32>(cell, vocab_size, embed, &hidden);
            check::<f64>(cell, vocab_size, embed, &hidden);
        }
        // Beyond the block of 256 in k of the product that trains.
        if !cfg!(miri) {
            check::<f32>(cell, 70, 300, &[300, 300]);
        }
    }
}

/// Left to itself, a team goes over from working together to its caller alone and back: some steps are of either. There are
/// too many of them for Miri.
#[test]
#[cfg(not(miri))]
fn bits_do_not_tell_who_took_a_step() {
    let packed = Plain::<f32>::new(Cell::Lstm, 70, 0, &[100, 100]).packed();
    let machine = |threads| Cpu::with_backend(Backend::detect(), threads).unwrap();
    let stepper = |threads| packed.with(|n| Stepper::new(&machine(threads), n)).unwrap();
    let (mut one, mut team) = (stepper(1), stepper(2));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    assert_eq!((one.threads(), team.threads(), stepper(64).threads() <= cores), (1, 2.min(cores), true));
    let mut states = [one.zero_state(), team.zero_state()];
    let mut logits = [vec![0.0; pad(70)], vec![0.0; pad(70)]];
    for i in 0..20_000 {
        let token = i % 70 * (i % 70) % 70;
        one.step(token, &mut states[0], &mut logits[0]).unwrap();
        team.step(token, &mut states[1], &mut logits[1]).unwrap();
        assert!(logits[0] == logits[1], "step {i}");
    }
}

#[test]
fn bfloat16_weights_have_the_bits_of_rounded_ones() {
    for cell in CELLS {
        for (vocab_size, embed, hidden) in sizes() {
            let plain = Plain::<f32>::new(cell, vocab_size, embed, &hidden);
            let rounded = plain.with_weights(|w, _| w.iter().map(|&x| rounded_to_bfloat16(x)).collect()).packed();
            let (packed, tokens) = (plain.packed(), tokens(vocab_size));
            let want = steps(rounded.with(|n| Stepper::new(&cpu(Backend::detect()), n)).unwrap(), &tokens);
            for (backend, threads) in machines() {
                let stepper = packed.with(|n| Stepper::with_precision(&cpu(backend), n, Precision::Bf16)).unwrap();
                let got = steps(stepper.with_threads(threads).unwrap(), &tokens);
                assert!(got == want, "{cell:?} V{vocab_size} E{embed} H{hidden:?} {backend:?} {threads}");
            }
        }
    }
}

#[test]
fn bfloat16_rounds_to_the_nearest_and_ties_to_even() {
    // 1 + 2^-7 is the next bfloat16 after 1.
    let ulp = 1.0 / 128.0f32;
    for (x, want) in [
        (1.0, 1.0),
        (1.0 + 0.49 * ulp, 1.0),
        (1.0 + 0.5 * ulp, 1.0),
        (1.0 + 0.51 * ulp, 1.0 + ulp),
        (1.0 + 1.5 * ulp, 1.0 + 2.0 * ulp),
        (-1.0 - 1.5 * ulp, -1.0 - 2.0 * ulp),
        (0.0, 0.0),
        (1e-40, f32::from_bits(1 << 16)),
        (f32::MAX, f32::from_bits(0x7f7f_0000)),
        (f32::MIN, f32::from_bits(0xff7f_0000)),
    ] {
        assert_eq!(rounded_to_bfloat16(x).to_bits(), want.to_bits(), "{x}");
    }
}

/// A row's 8-bit integers and their scale.
fn int8(row: &[f32]) -> (Vec<i64>, f32) {
    let scale = row.iter().fold(0.0f32, |m, x| m.max(x.abs())) / 127.0;
    let q = |x: &f32| if scale > 0.0 { (x / scale).round_ties_even() as i64 } else { 0 };
    (row.iter().map(q).collect(), scale)
}

/// `y[n] += W x` as `matvec` states it, in 64-bit integers.
fn add_int8(w: &[f32], x: &[f32], y: &mut [f32]) {
    let levels = (i64::from(i32::MAX) / (127 * x.len() as i64)).min(127 * 257) as f32;
    let largest = x.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let factor = if largest > 0.0 { levels / largest } else { 0.0 };
    let integers: Vec<i64> = x.iter().map(|x| (x * factor).round_ties_even() as i64).collect();
    for (row, y) in w.chunks_exact(x.len()).zip(y) {
        let (q, scale) = int8(row);
        let sum: i64 = q.iter().zip(&integers).map(|(q, x)| q * x).sum();
        *y = (i32::try_from(sum).unwrap() as f32).mul_add(largest / levels * scale, *y);
    }
}

#[test]
fn integer_weights_have_the_bits_of_plain_integer_sums() {
    // relu is exact, so that a network of it can be stated in plain loops to the bit.
    for (vocab_size, embed, hidden) in sizes() {
        let plain = Plain::<f32>::new(Cell::RnnRelu, vocab_size, embed, &hidden);
        let tokens = tokens(vocab_size);
        let mut states: Vec<Vec<f32>> = hidden.iter().map(|&h| vec![0.0; h]).collect();
        let mut want = Vec::new();
        for &token in &tokens {
            let mut x = plain.embedding.as_ref().map(|(w, table)| table[token as usize * w..][..*w].to_vec());
            for ((d, [w_ih, w_hh, b_ih, b_hh]), h) in plain.layers.iter().zip(&mut states) {
                let mut a: Vec<f32> = b_ih.iter().zip(b_hh).map(|(a, b)| a + b).collect();
                match &x {
                    Some(x) => add_int8(w_ih, x, &mut a),
                    None => a.iter_mut().enumerate().for_each(|(n, a)| *a += w_ih[n * d.input_size + token as usize]),
                }
                add_int8(w_hh, h, &mut a);
                *h = a.iter().map(|&a| a.max(0.0)).collect();
                x = Some(h.clone());
            }
            let mut logits = plain.head[1].clone();
            add_int8(&plain.head[0], &x.unwrap(), &mut logits);
            logits.resize(pad(vocab_size), 0.0);
            want.extend(logits);
        }
        let packed = plain.packed();
        for (backend, threads) in machines() {
            let stepper = packed.with(|n| Stepper::with_precision(&cpu(backend), n, Precision::Int8)).unwrap();
            let got = steps(stepper.with_threads(threads).unwrap(), &tokens);
            assert!(got.logits == want, "V{vocab_size} E{embed} H{hidden:?} {backend:?} {threads}");
        }
    }
}

#[test]
fn integer_weights_are_near_their_full_values_in_every_cell() {
    for cell in CELLS {
        for (vocab_size, embed, hidden) in sizes() {
            let plain = Plain::<f32>::new(cell, vocab_size, embed, &hidden);
            // The weights that the integers stand for: what is left to differ is the rounding of the vectors.
            let meant = plain.with_weights(|w, cols| {
                let row = |row: &[f32]| {
                    let (q, scale) = int8(row);
                    q.into_iter().map(|q| q as f32 * scale).collect::<Vec<_>>()
                };
                w.chunks_exact(cols).flat_map(row).collect()
            });
            let (packed, meant, tokens) = (plain.packed(), meant.packed(), tokens(vocab_size));
            let want = steps(meant.with(|n| Stepper::new(&cpu(Backend::detect()), n)).unwrap(), &tokens);
            let mut first: Option<Outcome<f32>> = None;
            for (backend, threads) in machines() {
                let stepper = packed.with(|n| Stepper::with_precision(&cpu(backend), n, Precision::Int8)).unwrap();
                let got = steps(stepper.with_threads(threads).unwrap(), &tokens);
                // Half an integer (of 32639; the bound is that of 32767), in each of K terms, at weights of 2 and below over the root of H; twice a
                // layer, over the steps and layers, each of which can stretch it by its weights.
                let (widest, largest) =
                    (hidden[0].max(embed) as f32, want.states.concat().iter().fold(1.0f32, |m, x| m.max(x.abs())));
                let tolerance = 64.0 * widest.sqrt() * largest / 32767.0;
                for (g, w) in got.logits.iter().zip(&want.logits) {
                    assert!((g - w).abs() <= tolerance, "{cell:?} V{vocab_size} E{embed} H{hidden:?}: {g} {w}");
                }
                assert!(
                    *first.get_or_insert_with(|| steps(
                        packed.with(|n| Stepper::with_precision(&cpu(Backend::detect()), n, Precision::Int8)).unwrap(),
                        &tokens
                    )) == got,
                    "{cell:?} V{vocab_size} E{embed} H{hidden:?} {backend:?} {threads}"
                );
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let packed = Plain::<f32>::new(Cell::Lstm, 5, 0, &[7, 7]).packed();
    let machine = cpu(Backend::detect());
    let mut stepper = packed.with(|n| Stepper::new(&machine, n)).unwrap();
    let (mut state, mut logits) = (stepper.zero_state(), vec![0.0; 16]);
    assert_eq!(
        stepper.step(5, &mut state, &mut logits).unwrap_err().to_string(),
        "token 5 at position 0, expected less than 5"
    );
    assert_eq!(
        stepper.step(0, &mut state, &mut logits[..5]).unwrap_err().to_string(),
        "logits has 5 elements, expected pad(V) = 16"
    );
    let other = Plain::<f32>::new(Cell::Gru, 5, 0, &[7, 7]).packed();
    let mut other = other.with(|n| Stepper::new(&machine, n)).unwrap().zero_state();
    assert!(stepper.step(0, &mut other, &mut logits).is_err());
    let refused = |change: &dyn Fn(&mut Network<'_, f32>)| {
        packed.with(|n| {
            let mut n = *n;
            change(&mut n);
            Stepper::new(&machine, &n).map(|_| ()).unwrap_err().to_string()
        })
    };
    assert!(refused(&|n| n.layers = &[]).starts_with("layers has 0 elements"));
    assert!(refused(&|n| n.vocab_size = 6).starts_with("input_size of a layer has 5 elements"));
    assert!(refused(&|n| n.head_bias = &[]).starts_with("head bias has 0 elements"));
}
