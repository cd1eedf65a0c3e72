//! Products with operands of bfloat16: the affine map against sums of rounded numbers, the layers against plain loops with rounded operands,
//! and every backend and number of threads, the processor's own instruction among them, bit for bit. Miri, which has the
//! portable source alone, gets the small sizes.

mod case;
mod rounded;
mod rows;

use case::{Case, bits};
use elman_kernels::head::{self, Head, HeadGrads};
use elman_kernels::recurrent::step::rounded_to_bfloat16;
use elman_kernels::recurrent::{Cell, Dims};
use elman_kernels::{Backend, Cpu, Scalar, linear};
use rounded::Rounded;
use rows::{assert_close, dense, noise, packed, padded, splitting, unpacked};

/// Every backend that multiplies such pairs, with 1, 2 or 3 threads in turn.
fn cpus() -> Vec<Cpu> {
    let backends = Backend::available().into_iter().filter(|backend| backend.multiplies_bfloat16());
    let first = usize::from(cfg!(miri)); // two threads
    let cpu = |(i, backend)| splitting(backend, 1 + (first + i) % 3).with_bfloat16().unwrap();
    let cpus: Vec<Cpu> = backends.enumerate().map(cpu).collect();
    assert!(cpus.len() >= if cfg!(miri) { 1 } else { 2 }, "the portable source is always there");
    cpus
}

/// An affine map and its gradients, from rows and weights as they are.
fn affine(cpu: &Cpu, d: linear::Dims, x: &[f32], w: &[f32], b: &[f32], grad_y: &[f32]) -> Vec<Vec<f32>> {
    let (x, grad_y) = (padded(x, d.inputs), padded(grad_y, d.outputs));
    let (w, b) = (packed(d.weight(), w), packed(d.bias(), b));
    let mut y = padded(&vec![0.0; d.rows * d.outputs], d.outputs);
    linear::forward(cpu, &d, &x, &w, Some(&b), &mut y).unwrap();
    let mut g_x = vec![0.0; x.len()];
    let (mut g_w, mut g_b) = (vec![0.0; w.len()], vec![0.0; b.len()]);
    linear::backward(cpu, &d, &x, &w, &grad_y, Some(&mut g_x), &mut g_w, Some(&mut g_b)).unwrap();
    vec![dense(&y, d.outputs), dense(&g_x, d.inputs), unpacked(d.weight(), &g_w), unpacked(d.bias(), &g_b)]
}

#[test]
fn an_affine_map_is_the_sum_of_rounded_operands() {
    for (rows, inputs, outputs) in [(1, 1, 1), (5, 3, 17), (7, 16, 65), (13, 600, 20), (521, 7, 3), (300, 33, 130)] {
        if cfg!(miri) && rows * inputs * outputs > 300 {
            continue;
        }
        let d = linear::Dims { rows, inputs, outputs };
        let (x, w) = (noise::<f32>(rows * inputs, 1), noise::<f32>(outputs * inputs, 2));
        let (b, grad_y) = (noise::<f32>(outputs, 3), noise::<f32>(rows * outputs, 4));
        let round = |x: &[f32]| x.iter().map(|&x| f64::from(rounded_to_bfloat16(x))).collect::<Vec<f64>>();
        let (x_, w_, g_) = (round(&x), round(&w), round(&grad_y));
        let mut want = vec![Vec::new(); 4];
        for r in 0..rows {
            for n in 0..outputs {
                let sum: f64 = (0..inputs).map(|k| x_[r * inputs + k] * w_[n * inputs + k]).sum();
                want[0].push((f64::from(b[n]) + sum) as f32);
            }
            for k in 0..inputs {
                want[1].push((0..outputs).map(|n| g_[r * outputs + n] * w_[n * inputs + k]).sum::<f64>() as f32);
            }
        }
        for n in 0..outputs {
            for k in 0..inputs {
                want[2].push((0..rows).map(|r| g_[r * outputs + n] * x_[r * inputs + k]).sum::<f64>() as f32);
            }
            want[3].push((0..rows).map(|r| f64::from(grad_y[r * outputs + n])).sum::<f64>() as f32);
        }
        let cpus = cpus();
        let first = affine(&cpus[0], d, &x, &w, &b, &grad_y);
        let tolerance = f32::ROUNDING * (8 + rows + inputs + outputs) as f64;
        for (i, (got, want)) in first.iter().zip(&want).enumerate() {
            assert_close(&format!("{d:?} result {i}"), got, want, tolerance);
        }
        for cpu in &cpus[1..] {
            assert!(affine(cpu, d, &x, &w, &b, &grad_y) == first, "{cpu:?} changed the bits of {d:?}");
        }
    }
}

/// Operands of every exponent, subnormal and infinite ones too, sums that cancel and that leave the range: what the
/// instruction makes of them is what is computed without it.
#[test]
fn every_exponent_gives_the_bits_of_the_instruction() {
    // Without padding, where an infinite operand would meet zeros.
    let d = linear::Dims { rows: 64, inputs: 16, outputs: 80 };
    let wild = |n: usize, tag: u64| -> Vec<f32> {
        let bits = noise::<f64>(n, tag).into_iter().map(|x| ((x + 1.0) * f64::from(1u32 << 31)) as u32);
        bits.map(f32::from_bits).map(|x| if x.is_nan() { 0.0 } else { x }).collect()
    };
    let cpus = cpus();
    let mut finite = [0, 0];
    for tag in 0..if cfg!(miri) { 0 } else { 40 } {
        let tags = [0, 1, 2, 3].map(|i| 100 + 4 * tag + i);
        let (x, w) = (wild(d.rows * d.inputs, tags[0]), wild(d.outputs * d.inputs, tags[1]));
        let (b, g) = (wild(d.outputs, tags[2]), wild(d.rows * d.outputs, tags[3]));
        // A NaN is a NaN, whatever its bits.
        let outcome = |cpu: &Cpu| -> Vec<u32> {
            let all = affine(cpu, d, &x, &w, &b, &g).concat();
            all.into_iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
        };
        let first = outcome(&cpus[0]);
        for cpu in &cpus[1..] {
            let got = outcome(cpu);
            let differs = first.iter().zip(&got).position(|(a, b)| a != b);
            assert_eq!(differs, None, "{cpu:?}: {:x?}", differs.map(|i| (first[i], got[i])));
        }
        for bits in first {
            finite[usize::from(f32::from_bits(bits).is_finite())] += 1;
        }
    }
    assert!(cfg!(miri) || finite[0] > 1000 && finite[1] > 1000, "{finite:?} of either kind say little");
}

/// A product that takes the least normal number below the normal ones, and rounds up to it again: the instruction says 0.
#[test]
fn what_is_tiny_before_it_is_rounded_is_flushed() {
    let (a, b) = (f32::from_bits(0x9a00_0000), f32::from_bits(0x1a00_0000)); // -2^-75, 2^-75
    let word = |x: f32, odd: bool| f32::from_bits(if odd { x.to_bits() } else { x.to_bits() >> 16 });
    for (odd, sign) in [(false, 1.0), (true, 1.0), (false, -1.0), (true, -1.0)] {
        let got = f32::dot(word(a * sign, odd), word(b, odd), f32::MIN_POSITIVE * sign);
        assert_eq!(got.abs(), 0.0, "{odd} {sign}");
        let above = f32::dot(word(-a * sign, odd), word(b, odd), f32::MIN_POSITIVE * sign);
        assert_eq!(above, f32::MIN_POSITIVE * sign, "{odd} {sign}");
    }
    // Through the public functions, for which this machine may have the instruction.
    let d = linear::Dims { rows: 1, inputs: 2, outputs: 1 };
    for (x, w) in [([a, 0.0], [b, 0.0]), ([0.0, a], [0.0, b])] {
        for cpu in cpus() {
            assert_eq!(affine(&cpu, d, &x, &w, &[f32::MIN_POSITIVE], &[0.0])[0], [0.0], "{cpu:?}");
        }
    }
}

/// How many numbers were compared, and how many of them with a wide bound: a rounding that may fall on either side.
#[derive(Debug, Default)]
struct Numbers {
    all: usize,
    wide: usize,
}

/// Each of the T + 2 products that a number passes rounds operands to 8 bits.
fn tolerance(d: &Dims) -> f64 {
    (d.seq_len + 2) as f64 / 256.0
}

/// The layer against the one with rounded operands, number by number, within what f32 sums and roundings that may fall on
/// either side leave (see `rounded`); cells that are not stated there against the plain layer in f64.
fn everywhere(numbers: &mut Numbers, d: Dims, with_tokens: bool, mask: Option<Vec<bool>>) {
    let mut case = Case::<f32>::new(d, with_tokens, mask);
    if d.cell == Cell::Slstm {
        // A loss by c, n and m has a kink where the maximum takes its other operand, which rounding may decide. One by h has none.
        case.before.c0.fill(0.0);
    }
    let cpus = cpus();
    let first = case.fused(&cpus[0]);
    if matches!(d.cell, Cell::MinGru | Cell::Slstm) {
        // minGRU's candidate has a kink at 0, like relu: another side of it is another gradient altogether.
        let smooth = |name: &str| d.cell != Cell::MinGru || !name.starts_with("d_");
        for ((name, got), (_, want)) in first.iter().zip(&case.reference()).filter(|((name, _), _)| smooth(name)) {
            assert_close(&format!("{d:?} {name}"), got, want, tolerance(&d));
        }
    } else {
        let want = Rounded::results(&case, &first[0].1);
        assert_eq!(first.len(), want.len());
        for ((name, got), (of, want)) in first.iter().zip(&want) {
            assert_eq!((*name, got.len()), (*of, want.len()));
            let largest = want.iter().fold(1.0f64, |largest, x| largest.max(x.value.abs()));
            let widest = tolerance(&d) * largest;
            for (i, (&got, want)) in got.iter().zip(want).enumerate() {
                assert!(want.error <= widest, "{d:?} {name}[{i}]: {want:?} says too little");
                let error = (f64::from(got) - want.value).abs();
                assert!(error <= want.error, "{d:?} {name}[{i}] is {got}, off by {error:e}: {want:?}");
                numbers.all += 1;
                numbers.wide += usize::from(want.error > 1e-4 * want.value.abs().max(1.0));
            }
        }
    }
    for cpu in &cpus[1..] {
        assert!(bits(&case.fused(cpu)) == bits(&first), "{cpu:?} changed the bits of {d:?}");
    }
    // Without a recurrent product, a one-hot input leaves none to round, and so does an empty one.
    let has_product = (!with_tokens && d.input_size > 0) || d.cell.has_recurrent_product();
    if has_product && d.seq_len * d.batch * d.hidden_size > 20 {
        let full = splitting(Backend::detect(), 1);
        assert!(bits(&case.fused(&full)) != bits(&first), "{d:?} was computed in f32");
    }
}

#[test]
fn every_cell_multiplies_rounded_operands_and_all_backends_agree() {
    let mut numbers = Numbers::default();
    for &cell in Cell::ALL {
        for [seq_len, batch, input_size, hidden_size] in [
            [1, 1, 1, 1],
            [2, 3, 5, 7],
            [2, 2, 2, 17],
            [3, 13, 17, 16],
            [3, 6, 3, 33],
            [2, 2, 16, 70],
            [0, 2, 3, 5],
            [2, 0, 3, 5],
            [2, 3, 0, 5],
            [2, 3, 4, 0],
        ] {
            if cfg!(miri) && (batch > 3 || hidden_size > 17) {
                continue;
            }
            for reverse in [false, true] {
                let d = Dims { cell, seq_len, batch, input_size, hidden_size, reverse };
                let some: Vec<bool> = noise::<f64>(seq_len * batch, 9).into_iter().map(|x| x > -0.3).collect();
                everywhere(&mut numbers, d, false, None);
                if input_size > 0 {
                    everywhere(&mut numbers, d, false, Some(Vec::clone(&some)));
                    everywhere(&mut numbers, d, true, Some(some));
                }
            }
        }
        if cfg!(miri) {
            continue;
        }
        // More rows than a block of 192, more columns than a block of 256 pairs.
        everywhere(
            &mut numbers,
            Dims { cell, seq_len: 2, batch: 200, input_size: 3, hidden_size: 9, reverse: false },
            false,
            None,
        );
        everywhere(
            &mut numbers,
            Dims { cell, seq_len: 2, batch: 3, input_size: 530, hidden_size: 20, reverse: false },
            false,
            None,
        );
    }
    println!("{numbers:?}");
    assert!(numbers.all > 1000 && 4 * numbers.wide < numbers.all, "{numbers:?}: too few bounds are narrow");
}

#[test]
fn the_head_gives_the_bits_of_its_parts() {
    let d = linear::Dims { rows: if cfg!(miri) { 5 } else { 300 }, inputs: 33, outputs: 70 };
    let (x, w) = (padded(&noise::<f32>(d.rows * d.inputs, 1), d.inputs), noise::<f32>(d.outputs * d.inputs, 2));
    let (w, b) = (packed(d.weight(), &w), packed(d.bias(), &noise::<f32>(d.outputs, 3)));
    let targets: Vec<u32> = (0..d.rows as u32).map(|i| i * 7 % 70).collect();
    let all = |cpu: &Cpu, fused: bool| -> Vec<Vec<f32>> {
        let mut losses = vec![0.0; d.rows];
        let (mut g_x, mut g_w, mut g_b) = (vec![0.5; x.len()], vec![0.0; w.len()], vec![0.0; b.len()]);
        if fused {
            let grads = HeadGrads { scale: 0.25, x: &mut g_x, weight: &mut g_w, bias: &mut g_b };
            let head = Head { x: &x, weight: &w, bias: &b, targets: &targets, batch: 1 };
            head::losses(cpu, &d, head, &mut losses, Some(grads)).unwrap();
        } else {
            let mut logits = padded(&vec![0.0; d.rows * d.outputs], d.outputs);
            linear::forward(cpu, &d, &x, &w, Some(&b), &mut logits).unwrap();
            elman_kernels::softmax::cross_entropy(cpu, d.outputs, &targets, 0.25, &mut logits, &mut losses).unwrap();
            linear::backward(cpu, &d, &x, &w, &logits, Some(&mut g_x), &mut g_w, Some(&mut g_b)).unwrap();
        }
        vec![losses, g_x, g_w, g_b]
    };
    for cpu in cpus() {
        assert!(all(&cpu, true) == all(&cpu, false), "{cpu:?}");
    }
}
