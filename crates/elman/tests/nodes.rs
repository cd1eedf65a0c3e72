//! Every elementary node against central differences in f64; a sign error fails; padding stays zero; misuse is an error
//! and no panic. Not here: values, which the kernels' own tests compare.

use elman::autodiff::nodes::LinearIds;
use elman::autodiff::params::{Declaration, ParamId, Params};
use elman::autodiff::tape::{Tape, Var};
use elman::check::{Finding, Loss, Verdict, check_tensor};
use elman::metrics::distribution::{Distribution, Output};
use elman::rng::{Purpose, generator};
use elman::{Cpu, Error};
use elman_kernels::pad;

const ROWS: usize = 3;
const COLS: usize = 18;

/// Numbers without pattern, none within 0.05 of 0 (where relu bends), positive where asked.
fn noise(n: usize, tag: u64, positive: bool) -> Vec<f64> {
    let number = |i: u64| {
        let mut z = (i + tag * 1_000_003 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let x = ((z ^ (z >> 29)) >> 40) as f64 / (1u64 << 23) as f64 - 1.0;
        if positive { x.abs() + 0.3 } else { x + 0.05_f64.copysign(x) }
    };
    (0..n as u64).map(number).collect()
}

/// Parameters of the nodes that have some.
struct Ids {
    weight: ParamId,
    bias: ParamId,
    table: ParamId,
}

fn parameters() -> (Params<f64>, Ids) {
    let mut declaration = Declaration::default();
    let weight = declaration.weight("weight", 5, COLS);
    let bias = declaration.bias("bias", 5);
    let table = declaration.table("table", 4, 5);
    (declaration.zeros().unwrap(), Ids { weight, bias, table })
}

/// A function of x `[ROWS, COLS]`, z `[ROWS, COLS]`, one row `[1, COLS]` and the parameters.
type Node = fn(&mut Tape<f64>, &Params<f64>, &Ids, [Var; 3]) -> Result<Var, Error>;

const NODES: [(&str, Node); 40] = [
    ("add", |t, _, _, [x, z, _]| t.add(x, z)),
    ("add to itself", |t, _, _, [x, _, _]| t.add(x, x)),
    ("add a row", |t, _, _, [x, _, r]| t.add(x, r)),
    ("sub", |t, _, _, [x, z, _]| t.sub(x, z)),
    ("sub a row", |t, _, _, [x, _, r]| t.sub(x, r)),
    ("mul", |t, _, _, [x, z, _]| t.mul(x, z)),
    ("mul by itself", |t, _, _, [x, _, _]| t.mul(x, x)),
    ("mul by a row", |t, _, _, [x, _, r]| t.mul(x, r)),
    ("scale", |t, _, _, [x, _, _]| t.scale(x, -0.7)),
    ("one_minus", |t, _, _, [x, _, _]| t.one_minus(x)),
    ("tanh", |t, _, _, [x, _, _]| t.tanh(x)),
    ("sigmoid", |t, _, _, [x, _, _]| t.sigmoid(x)),
    ("relu", |t, _, _, [_, z, _]| t.relu(z)),
    ("exp", |t, _, _, [x, _, _]| t.exp(x)),
    ("log", |t, _, _, [x, _, _]| t.log(x)),
    ("softmax", |t, _, _, [x, _, _]| t.softmax(x)),
    ("sum", |t, _, _, [x, _, _]| t.sum(x)),
    ("mean", |t, _, _, [x, _, _]| t.mean(x)),
    ("concat", |t, _, _, [x, z, _]| t.concat(&[x, z, x])),
    ("slice", |t, _, _, [x, _, _]| t.slice(x, 3, 7)),
    ("rows", |t, _, _, [x, _, _]| {
        let (first, last) = (t.rows(x, 0, 2)?, t.rows(x, 1, 2)?);
        t.mul(first, last)
    }),
    ("matmul", |t, p, ids, [x, _, _]| t.matmul(p, ids.weight, x)),
    ("linear", |t, p, ids, [x, _, _]| t.linear(p, LinearIds { weight: ids.weight, bias: ids.bias }, 5, x)),
    // Twice, so that the second gradient finds the first.
    ("linear twice", |t, p, ids, [x, z, _]| {
        let linear = LinearIds { weight: ids.weight, bias: ids.bias };
        let (first, second) = (t.linear(p, linear, 5, x)?, t.linear(p, linear, 5, z)?);
        let third = t.linear(p, linear, 5, x)?;
        let product = t.mul(first, second)?;
        t.mul(product, third)
    }),
    ("dropout", |t, _, _, [x, _, _]| t.dropout(0.4, &mut generator(3, Purpose::Dropout, 1), x)),
    ("dropout added to its input", |t, _, _, [x, _, _]| {
        let (first, dropped) = (t.tanh(x)?, t.dropout(0.4, &mut generator(3, Purpose::Dropout, 1), x)?);
        let last = t.tanh(x)?;
        let sum = t.add(first, dropped)?;
        t.add(sum, last)
    }),
    ("a share of the cross-entropy", |t, _, _, [x, z, _]| {
        let logits = t.mul(x, z)?;
        let (loss, _) = t.cross_entropy(logits, &[4, 17, u32::MAX])?;
        let loss = t.scale(loss, -0.7)?;
        t.mul(loss, loss)
    }),
    ("a share of the weighted cross-entropy", |t, _, _, [x, z, _]| {
        let logits = t.mul(x, z)?;
        let weights: Vec<f64> = (0..COLS).map(|class| 0.5 + class as f64).collect();
        let (loss, _) = t.weighted_cross_entropy(logits, &[4, u32::MAX, 0], &weights)?;
        t.scale(loss, -0.7)
    }),
    ("the smoothed cross-entropy", |t, _, _, [x, z, _]| {
        let logits = t.mul(x, z)?;
        let (loss, _) = t.smoothed_cross_entropy(logits, &[4, u32::MAX, 0], 0.3)?;
        t.scale(loss, -0.7)
    }),
    // Every distribution, of as many targets as 18 columns have parameters for; some are missing.
    ("the likelihood of every distribution", |t, _, _, [x, z, _]| {
        let mut sum = t.mean(z)?;
        for (at, &output) in Output::ALL.iter().enumerate() {
            let of = |columns| Distribution::new(output, &[0.05, 0.1, 0.5, 0.9, 0.95], columns);
            let mut distribution = of(1)?;
            while let next = of(distribution.columns() + 1)?
                && next.width() <= COLS
            {
                distribution = next;
            }
            let raw = t.slice(z, 0, distribution.width())?;
            let target = |i: usize| if i % 4 == 1 { f64::NAN } else { (i * 7 % 11) as f64 / 4.0 - 1.2 };
            let targets: Vec<f64> = (0..ROWS * distribution.columns()).map(target).collect();
            let units = vec![4.0; targets.len()];
            let (loss, ..) = t.likelihood(&distribution, raw, &targets, &units)?;
            let loss = t.scale(loss, 0.7 + at as f64)?;
            sum = t.add(sum, loss)?;
        }
        let rest = t.mean(x)?;
        t.mul(sum, rest)
    }),
    // Three sentences of one token, of none and of one; then one of three.
    ("a linear chain over tags", |t, _, _, [x, z, r]| {
        let chain = [t.slice(x, 0, 3)?, t.slice(z, 2, 3)?, t.slice(r, 0, 3)?, t.slice(r, 5, 3)?];
        let (several, ..) = t.crf(chain, &[vec![2], vec![], vec![0]])?;
        let (one, ..) = t.crf(chain, &[vec![1, 0, 2]])?;
        let one = t.scale(one, -0.7)?;
        t.mul(several, one)
    }),
    ("mean over steps", |t, _, _, [x, _, _]| t.pool_mean(x, 1, &[true, false, true])),
    ("largest over steps", |t, _, _, [_, z, _]| t.pool_max(z, 1, &[true, false, true])),
    ("first step", |t, _, _, [_, z, _]| t.pool_first(z, 1, &[false, true, true])),
    // Three queries of a sequence of three steps, one of them absent; keys that are queries and values, too.
    ("attention", |t, _, _, [x, z, _]| t.attention(z, [x, x], 1, &[true, false, true], None)),
    ("attention of a batch", |t, _, _, [x, z, _]| {
        let y = t.attention(z, [x, z], 3, &[true, false, true], None)?;
        t.mul(y, x)
    }),
    ("additive attention", |t, _, _, [x, z, r]| t.additive_attention(z, r, [x, x], 1, &[true, false, true], None)),
    ("additive attention of a batch", |t, _, _, [x, z, r]| {
        let y = t.additive_attention(z, r, [x, z], 3, &[true, false, true], None)?;
        let other = t.additive_attention(x, r, [z, x], 1, &[true, true, true], None)?;
        let y = t.add(y, other)?;
        t.mul(y, x)
    }),
    ("rows picked twice and not at all", |t, _, _, [x, z, _]| {
        let (picked, other) = (t.select(x, &[2, 0, 2])?, t.select(z, &[0, 1, 1])?);
        let product = t.mul(picked, other)?;
        t.mul(product, x)
    }),
    ("param and embed", |t, p, ids, _| {
        let (table, bias) = (t.param(p, ids.table)?, t.param(p, ids.bias)?);
        let (picked, weight) = (t.embed(p, ids.table, 4, 5, &[2, 0, 2, 1])?, t.param(p, ids.weight)?);
        let (product, weight) = (t.mul(table, picked)?, t.slice(weight, 2, 5)?);
        let (weight, product) = (t.rows(weight, 1, 4)?, t.add(product, bias)?);
        t.mul(product, weight)
    }),
];

/// Checks a node under a linear functional of its output: by x, z, the row and every parameter it touches. The
/// analytic gradients are multiplied by `sign`.
fn check(name: &str, node: Node, sign: f64) -> Vec<Finding> {
    let cpu = Cpu::new(Some(1)).unwrap();
    let (mut params, ids) = parameters();
    let mut tape = Tape::new(&cpu);
    let names = ["weight", "bias", "table"];
    let mut values = vec![noise(ROWS * COLS, 1, true), noise(ROWS * COLS, 2, false), noise(COLS, 3, false)];
    values.extend([noise(5 * COLS, 4, false), noise(5, 5, false), noise(20, 6, false)]);
    let run = |tape: &mut Tape<f64>, params: &mut Params<f64>, values: &[Vec<f64>], recording| {
        for (name, values) in names.iter().zip(&values[3..]) {
            params.set(name, values)?;
        }
        tape.start(recording);
        let leaves = [0, 1, 2].map(|i| tape.dense_leaf(COLS, &values[i], true).unwrap());
        let y = node(tape, params, &ids, leaves)?;
        for row in tape.value(y).chunks_exact(pad(y.cols())) {
            assert!(row[y.cols()..].iter().all(|&x| x == 0.0), "padding of {name}");
        }
        Ok::<_, Error>((y, leaves))
    };
    let (y, leaves) = run(&mut tape, &mut params, &values, true).unwrap();
    let weights = noise(y.rows() * y.cols(), 9, false);
    let seed = {
        let mut other = Tape::new(&cpu);
        let leaf = other.dense_leaf(y.cols(), &weights, false).unwrap();
        other.value(leaf).to_vec()
    };
    let mut grads = params.zeros_like();
    tape.seed(y, &seed);
    tape.backward_seeded(&params, &mut grads).unwrap();
    for leaf in leaves {
        for row in tape.grad(leaf).unwrap_or_default().chunks_exact(pad(COLS)) {
            assert!(row[COLS..].iter().all(|&x| x == 0.0), "padding of {name}'s gradient");
        }
    }
    let mut analytic = leaves.map(|leaf| tape.dense_grad(leaf)).to_vec();
    analytic.extend(names.map(|name| grads.get(name).unwrap()));
    let mut findings = Vec::new();
    for (i, analytic) in analytic.iter().enumerate() {
        let flipped: Vec<f64> = analytic.iter().map(|g| g * sign).collect();
        let finding = check_tensor(&mut values, i, &flipped, &mut |values| {
            let (y, _) = run(&mut tape, &mut params, values, false)?;
            let terms = tape.dense_value(y).into_iter().zip(&weights).map(|(y, w)| y * w);
            let (value, magnitude) = terms.fold((0.0, 0.0), |(v, m), term| (v + term, m + term.abs()));
            Ok(Loss { value, magnitude })
        });
        let finding = finding.unwrap();
        // What the node does not touch has no gradient and no numeric one.
        if finding.max_grad > 0.0 || finding.abs_error > 0.0 {
            findings.push(finding);
        }
    }
    findings
}

#[test]
fn every_node_agrees_with_central_differences() {
    for (name, node) in NODES {
        let findings = check(name, node, 1.0);
        assert!(!findings.is_empty(), "{name} touches nothing");
        for finding in findings {
            assert_eq!(finding.verdict, Verdict::Pass, "{name}: {finding:?}");
        }
    }
}

#[test]
fn a_sign_error_fails_in_every_node() {
    for (name, node) in NODES {
        for finding in check(name, node, -1.0) {
            assert_eq!(finding.verdict, Verdict::Fail, "{name}: {finding:?}");
        }
    }
}

#[test]
fn misuse_is_an_error_that_names_both_shapes() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let (params, ids) = parameters();
    let (mut tape, mut other) = (Tape::<f64>::new(&cpu), Tape::<f64>::new(&cpu));
    tape.start(true);
    let a = tape.dense_leaf(3, &[1.0; 6], true).unwrap();
    let b = tape.dense_leaf(2, &[1.0; 4], true).unwrap();
    let c = tape.dense_leaf(3, &[1.0; 9], true).unwrap();
    let message = |result: Result<Var, Error>| result.unwrap_err().to_string();
    assert_eq!(message(tape.add(a, b)), "right operand of add has shape [2, 2], expected [2, 3]");
    assert_eq!(message(tape.mul(a, c)), "right operand of mul has shape [3, 3], expected [2, 3]");
    assert_eq!(message(tape.slice(a, 2, 2)), "input of slice has shape [2, 3], expected [2, 4]");
    assert_eq!(message(tape.rows(a, 1, 2)), "input of rows has shape [2, 3], expected [3, 3]");
    assert_eq!(message(tape.concat(&[a, c])), "part of concat has shape [3, 3], expected [2, 3]");
    assert_eq!(message(tape.matmul(&params, ids.weight, a)), "input of matmul has shape [2, 3], expected [2, 18]");
    assert!(message(tape.matmul(&params, ids.table, a)).starts_with("weight of matmul is Table"));
    assert_eq!(message(tape.concat(&[])), "parts of concat is 0, expected at least 1");
    assert_eq!(message(tape.dense_leaf(4, &[1.0; 6], true)), "leaf has shape [6], expected [1, 4]");
    let foreign = other.dense_leaf(3, &[1.0; 6], true).unwrap();
    assert!(message(tape.add(a, foreign)).starts_with("a value is of another tape or an earlier pass"));
    tape.start(true);
    assert!(tape.tanh(a).is_err(), "a value of an earlier pass");
    let logits = tape.dense_leaf(3, &[1.0; 6], true).unwrap();
    let nothing = tape.cross_entropy(logits, &[]).unwrap_err().to_string();
    assert_eq!(nothing, "targets has shape [0], expected [2]");
    tape.cross_entropy(logits, &[0, 1]).unwrap();
    assert!(message(tape.tanh(logits)).starts_with("a value was consumed by its loss"));
}

/// The logits' gradient is the loss's plus what was there before, times what the loss counts for.
#[test]
fn a_loss_adds_to_the_gradient_of_its_logits() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let (params, _) = parameters();
    let mut tape = Tape::<f64>::new(&cpu);
    let values = noise(ROWS * COLS, 1, false);
    let mut gradient = |seed: f64, share: f64| {
        tape.start(true);
        let logits = tape.dense_leaf(COLS, &values, true).unwrap();
        let padded: Vec<f64> = (0..ROWS * pad(COLS)).map(|i| if i % pad(COLS) < COLS { seed } else { 0.0 }).collect();
        tape.seed(logits, &padded);
        let (loss, _) = tape.cross_entropy(logits, &[3, 0, 17]).unwrap();
        let loss = tape.scale(loss, share).unwrap();
        tape.backward(loss, &params, &mut params.zeros_like()).unwrap();
        tape.dense_grad(logits)
    };
    let (alone, with, scaled) = (gradient(0.0, 1.0), gradient(0.25, 1.0), gradient(0.25, 0.5));
    assert!(alone.iter().any(|g| g.abs() > 0.1));
    for (alone, (with, scaled)) in alone.iter().zip(with.iter().zip(&scaled)) {
        assert!((with - (alone + 0.25)).abs() < 1e-15 && (scaled - (0.5 * alone + 0.25)).abs() < 1e-15);
    }
}

/// By hand: the pinball losses of the levels 0.05, 0.1, 0.5, 0.9 and 0.95. A target that is not known does not count.
#[test]
fn the_loss_of_forecasts_is_a_mean_over_the_targets_that_are_known() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let (params, _) = parameters();
    let mut tape = Tape::<f64>::new(&cpu);
    tape.start(true);
    let raw = tape.dense_leaf(5, &[-1.0, -0.5, 0.0, 0.5, 1.0].repeat(3), true).unwrap();
    let quantiles = Distribution::new(Output::Quantile, &[0.05, 0.1, 0.5, 0.9, 0.95], 1).unwrap();
    let (loss, sum, counted) = tape.likelihood(&quantiles, raw, &[0.25, f64::NAN, -2.0], &[1.0; 3]).unwrap();
    let first = 0.05 * 1.25 + 0.1 * 0.75 + 0.5 * 0.25 + 0.1 * 0.25 + 0.05 * 0.75;
    let last = 0.95 * 1.0 + 0.9 * 1.5 + 0.5 * 2.0 + 0.1 * 2.5 + 0.05 * 3.0;
    let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-15 * 8.0, "{got} {want}");
    assert_eq!(counted, 2);
    near(sum, first + last);
    near(tape.dense_value(loss)[0], 0.5 * (first + last));
    tape.backward(loss, &params, &mut params.zeros_like()).unwrap();
    let want = [-0.05, -0.1, -0.5, 0.1, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.95, 0.9, 0.5, 0.1, 0.05];
    tape.dense_grad(raw).into_iter().zip(want).for_each(|(got, want)| near(got, 0.5 * want));
}

/// As `torch.max` over a dimension: of equal values the first has the whole gradient.
#[test]
fn the_first_of_equal_values_has_the_gradient_of_the_largest() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let (params, _) = parameters();
    let mut tape = Tape::<f64>::new(&cpu);
    for (mask, first) in [([true; 4], 0), ([false, true, true, true], 1), ([false, true, false, true], 1)] {
        tape.start(true);
        let x = tape.dense_leaf(2, &[3.0, -1.0, 3.0, -1.0, 3.0, -1.0, 2.0, -1.0], true).unwrap();
        let y = tape.pool_max(x, 1, &mask).unwrap();
        assert_eq!(tape.dense_value(y), [3.0, -1.0]);
        let sum = tape.sum(y).unwrap();
        tape.backward(sum, &params, &mut params.zeros_like()).unwrap();
        let want: Vec<f64> = (0..8).map(|at| if at / 2 == first { 1.0 } else { 0.0 }).collect();
        assert_eq!(tape.dense_grad(x), want, "{mask:?}");
    }
}
