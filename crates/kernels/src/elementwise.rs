//! Functions of one and two rows of numbers, forward beside backward: a cell that is written outside this crate is made of
//! them. Not here: matrix products (`linear.rs`). Sums over rows run in rising order.
//!
//! Rows are `pad(width)` long. The padding of every result is zero, whatever the function is at 0. Gradients are added
//! to what is there.

use crate::cpu::{Shared, saturating_product};
use crate::entry_points::entry_points;
use crate::error::{check_len, check_rows};
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Error, Number, math, pad};

/// Cost of an element in multiply-adds: an exponential is about 16.
const WORK: usize = 16;

/// A function of one number, with its derivative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// `a x + b`, rounded once.
    Affine {
        /// Factor.
        a: f64,
        /// Summand.
        b: f64,
    },
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// x where x > 0, else 0; its derivative at 0 is 0. NaN stays NaN.
    Relu,
    /// e^x.
    Exp,
    /// Natural logarithm, by the crate `libm` in f64: -inf at 0, NaN below.
    Log,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a b`.
    Mul,
}

entry_points! {
    /// y = f(x).
    ///
    /// Shapes: x, y `[rows, pad(width)]`, y overwritten, its padding zero. Errors: lengths that differ.
    pub fn unary(cpu: &Cpu, f: Unary, width: usize, x: &[E], y: &mut [E]) -> Result<(), Error> = unary_for;

    /// grad_x += grad_y f'(x), where y = f(x). Shapes and errors: as [`unary`].
    pub fn unary_backward(
        cpu: &Cpu,
        f: Unary,
        width: usize,
        x: &[E],
        y: &[E],
        grad_y: &[E],
        grad_x: &mut [E],
    ) -> Result<(), Error> = unary_backward_for;

    /// y = a op b, where b is as many rows as a, or one row for all of them.
    ///
    /// Shapes: a, y `[rows, pad(width)]`, b the same or `[pad(width)]`; y overwritten. Errors: another length.
    pub fn binary(
        cpu: &Cpu,
        op: Binary,
        width: usize,
        a: &[E],
        b: &[E],
        y: &mut [E],
    ) -> Result<(), Error> = binary_for;

    /// grad += sign * g * factor: what backward of every [`Binary`] is made of. Without a factor, it is 1. A `grad` of one
    /// row takes the sum over the rows of g, in rising order.
    ///
    /// Shapes: g `[rows, pad(width)]`; factor and grad the same or `[pad(width)]`. Errors: another length.
    pub fn accumulate(
        cpu: &Cpu,
        width: usize,
        negative: bool,
        g: &[E],
        factor: Option<&[E]>,
        grad: &mut [E],
    ) -> Result<(), Error> = accumulate_for;

    /// Sum of the logical elements, one chain in f64: rising columns, then rising rows. Errors: not whole rows.
    pub fn sum(width: usize, x: &[E]) -> Result<f64, Error> = sum_for;
}

fn unary_for<E: Number>(cpu: &Cpu, f: Unary, width: usize, x: &[E], y: &mut [E]) -> Result<(), Error> {
    let step = check_rows("elementwise input", x, width)?;
    check_len("elementwise output", y.len(), "rows * pad(width)", &[x.len()])?;
    let target = Shared::new(y);
    cpu.split(x.len() / step, 1, saturating_product(&[x.len(), WORK]), |rows| {
        let part = rows.start * step..rows.end * step;
        // SAFETY: the rows of a split are disjoint and lie within the common length.
        let y = unsafe { std::slice::from_raw_parts_mut(target.get().add(part.start), part.len()) };
        cpu.run(Forward { f, width, x: &x[part], y });
    });
    Ok(())
}

fn unary_backward_for<E: Number>(
    cpu: &Cpu,
    f: Unary,
    width: usize,
    x: &[E],
    y: &[E],
    grad_y: &[E],
    grad_x: &mut [E],
) -> Result<(), Error> {
    let step = check_rows("elementwise input", x, width)?;
    for (name, len) in [
        ("elementwise output", y.len()),
        ("elementwise output gradient", grad_y.len()),
        ("elementwise input gradient", grad_x.len()),
    ] {
        check_len(name, len, "rows * pad(width)", &[x.len()])?;
    }
    let target = Shared::new(grad_x);
    cpu.split(x.len() / step, 1, saturating_product(&[x.len(), 2]), |rows| {
        let part = rows.start * step..rows.end * step;
        // SAFETY: the rows of a split are disjoint and lie within the common length.
        let grad_x = unsafe { std::slice::from_raw_parts_mut(target.get().add(part.start), part.len()) };
        cpu.run(Backward { f, width, x: &x[part.clone()], y: &y[part.clone()], grad_y: &grad_y[part], grad_x });
    });
    Ok(())
}

fn binary_for<E: Number>(cpu: &Cpu, op: Binary, width: usize, a: &[E], b: &[E], y: &mut [E]) -> Result<(), Error> {
    let step = check_rows("left operand", a, width)?;
    check_broadcast("right operand", b.len(), a.len(), step)?;
    check_len("elementwise output", y.len(), "rows * pad(width)", &[a.len()])?;
    let target = Shared::new(y);
    cpu.split(a.len() / step, 1, saturating_product(&[a.len(), 2]), |rows| {
        for r in rows {
            let (a, b) = (&a[r * step..][..step], row(b, a.len(), r, step));
            // SAFETY: row r lies within the common length and belongs to this part alone.
            let y = unsafe { std::slice::from_raw_parts_mut(target.get().add(r * step), step) };
            cpu.run(Row { op, a, b, y });
        }
    });
    Ok(())
}

fn accumulate_for<E: Number>(
    cpu: &Cpu,
    width: usize,
    negative: bool,
    g: &[E],
    factor: Option<&[E]>,
    grad: &mut [E],
) -> Result<(), Error> {
    let step = check_rows("elementwise gradient", g, width)?;
    if let Some(factor) = factor {
        check_broadcast("factor of the gradient", factor.len(), g.len(), step)?;
    }
    check_broadcast("operand's gradient", grad.len(), g.len(), step)?;
    let (rows, one_row) = (g.len() / step, grad.len() != g.len());
    let target = Shared::new(grad);
    let add = |r: usize, columns: std::ops::Range<usize>| {
        let at = if one_row { 0 } else { r * step } + columns.start;
        // SAFETY: the row lies within `grad`; a part owns the whole row r, or its columns of the only row.
        let grad = unsafe { std::slice::from_raw_parts_mut(target.get().add(at), columns.len()) };
        let factor = factor.map(|f| &row(f, g.len(), r, step)[columns.clone()]);
        cpu.run(Accumulate { negative, g: &g[r * step..][columns], factor, grad });
    };
    if one_row {
        cpu.split(step, 16, saturating_product(&[g.len(), 2]), |columns| {
            (0..rows).for_each(|r| add(r, columns.clone()))
        });
    } else {
        cpu.split(rows, 1, saturating_product(&[g.len(), 2]), |rows| rows.for_each(|r| add(r, 0..step)));
    }
    Ok(())
}

fn sum_for<E: Number>(width: usize, x: &[E]) -> Result<f64, Error> {
    let step = check_rows("sum's input", x, width)?;
    Ok(x.chunks_exact(step).flat_map(|row| &row[..width]).fold(0.0, |sum, x| sum + x.to_f64()))
}

/// Row r of an operand that has as many rows as `len` says, or only one.
#[inline(always)]
fn row<E>(operand: &[E], len: usize, r: usize, step: usize) -> &[E] {
    &operand[if operand.len() == len { r * step } else { 0 }..][..step]
}

fn check_broadcast(name: &'static str, got: usize, len: usize, step: usize) -> Result<(), Error> {
    if got == step { Ok(()) } else { check_len(name, got, "rows * pad(width)", &[len]) }
}

struct Forward<'a, E> {
    f: Unary,
    width: usize,
    x: &'a [E],
    y: &'a mut [E],
}

impl<E: Number> Kernel<E> for Forward<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let step = pad(self.width).max(1);
        for (x, y) in self.x.chunks_exact(step).zip(self.y.chunks_exact_mut(step)) {
            if self.f == Unary::Log {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = E::from_f64(libm::log(x.to_f64()));
                }
            } else {
                for i in (0..step / S::LANES * S::LANES).step_by(S::LANES) {
                    // SAFETY: both rows have `step` elements, and i + LANES is at most that.
                    unsafe { s.store(y.as_mut_ptr().add(i), value(s, self.f, s.load(x.as_ptr().add(i)))) };
                }
            }
            y[self.width..].fill(E::ZERO);
        }
    }
}

#[inline(always)]
fn value<E: Number, S: Simd<E>>(s: S, f: Unary, x: S::V) -> S::V {
    match f {
        Unary::Affine { a, b } => s.fma(s.splat(E::from_f64(a)), x, s.splat(E::from_f64(b))),
        Unary::Tanh => math::tanh(s, x),
        Unary::Sigmoid => math::sigmoid(s, x),
        Unary::Relu => s.max(s.splat(E::ZERO), x),
        Unary::Exp => math::exp(s, x),
        Unary::Log => unreachable!("the logarithm is not computed by vectors"),
    }
}

struct Backward<'a, E> {
    f: Unary,
    width: usize,
    x: &'a [E],
    y: &'a [E],
    grad_y: &'a [E],
    grad_x: &'a mut [E],
}

impl<E: Number> Kernel<E> for Backward<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let step = pad(self.width).max(1);
        let rows = self.x.chunks_exact(step).zip(self.y.chunks_exact(step));
        let grads = self.grad_y.chunks_exact(step).zip(self.grad_x.chunks_exact_mut(step));
        for ((x, y), (g, grad)) in rows.zip(grads) {
            // Logical columns only: 0 / 0 in the padding of a logarithm would not stay zero.
            let columns = grad[..self.width].iter_mut().zip(g).zip(x.iter().zip(y));
            match self.f {
                Unary::Affine { a, .. } => columns.for_each(|((d, &g), _)| *d = g.fma(E::from_f64(a), *d)),
                // tanh' = 1 - y^2, sigmoid' = y (1 - y)
                Unary::Tanh => columns.for_each(|((d, &g), (_, &y))| *d = g.fma((-y).fma(y, E::ONE), *d)),
                Unary::Sigmoid => columns.for_each(|((d, &g), (_, &y))| *d = g.fma((-y).fma(y, y), *d)),
                Unary::Relu => columns.for_each(|((d, &g), (&x, _))| *d += if x > E::ZERO { g } else { E::ZERO }),
                Unary::Exp => columns.for_each(|((d, &g), (_, &y))| *d = g.fma(y, *d)),
                Unary::Log => columns.for_each(|((d, &g), (&x, _))| *d += g / x),
            }
        }
    }
}

struct Row<'a, E> {
    op: Binary,
    a: &'a [E],
    b: &'a [E],
    y: &'a mut [E],
}

impl<E: Number> Kernel<E> for Row<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let columns = self.y.iter_mut().zip(self.a.iter().zip(self.b));
        match self.op {
            Binary::Add => columns.for_each(|(y, (&a, &b))| *y = a + b),
            Binary::Sub => columns.for_each(|(y, (&a, &b))| *y = a - b),
            Binary::Mul => columns.for_each(|(y, (&a, &b))| *y = a * b),
        }
    }
}

struct Accumulate<'a, E> {
    negative: bool,
    g: &'a [E],
    factor: Option<&'a [E]>,
    grad: &'a mut [E],
}

impl<E: Number> Kernel<E> for Accumulate<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let sign = if self.negative { -E::ONE } else { E::ONE };
        let columns = self.grad.iter_mut().zip(self.g);
        match self.factor {
            None => columns.for_each(|(d, &g)| *d = g.fma(sign, *d)),
            Some(factor) => columns.zip(factor).for_each(|((d, &g), &f)| *d = (g * sign).fma(f, *d)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    const ALL: [Unary; 6] =
        [Unary::Affine { a: -1.5, b: 0.25 }, Unary::Tanh, Unary::Sigmoid, Unary::Relu, Unary::Exp, Unary::Log];

    /// Positive and negative numbers (positive only, for the logarithm's sake, where asked), zero in the padding.
    fn rows<E: Number + EntryPoints<E>>(rows: usize, width: usize, salt: usize, positive: bool) -> Vec<E> {
        let mut x = vec![E::ZERO; rows * pad(width)];
        for (r, row) in x.chunks_exact_mut(pad(width)).enumerate() {
            for (c, x) in row[..width].iter_mut().enumerate() {
                let n = ((r * 131 + c * 31 + salt * 17) % 97) as f64 / 24.0;
                *x = E::from_f64(if positive { n + 0.01 } else { n - 2.0 });
            }
        }
        x
    }

    fn bits<E: Number + EntryPoints<E>>(x: &[E]) -> Vec<u64> {
        x.iter().map(|x| x.to_f64().to_bits()).collect()
    }

    /// Everything this file computes, on one backend and number of threads.
    fn everything<E: Number + EntryPoints<E>>(cpu: &Cpu, n: usize, width: usize) -> Vec<Vec<u64>> {
        let (b, g, row) = (rows::<E>(n, width, 1, false), rows::<E>(n, width, 2, false), rows::<E>(1, width, 3, false));
        let mut all = Vec::new();
        for f in ALL {
            let x = rows::<E>(n, width, 0, f == Unary::Log);
            let (mut y, mut grad) = (vec![E::ONE; x.len()], b.clone());
            unary(cpu, f, width, &x, &mut y).unwrap();
            unary_backward(cpu, f, width, &x, &y, &g, &mut grad).unwrap();
            all.extend([bits(&y), bits(&grad)]);
            for row in y.chunks_exact(pad(width)).chain(grad.chunks_exact(pad(width))) {
                assert!(row[width..].iter().all(|&x| x == E::ZERO), "padding of {f:?}");
            }
        }
        for op in [Binary::Add, Binary::Sub, Binary::Mul] {
            for right in [&b, &row] {
                let mut y = vec![E::ONE; g.len()];
                binary(cpu, op, width, &g, right, &mut y).unwrap();
                all.push(bits(&y));
            }
        }
        for grad in [&b, &row] {
            for factor in [None, Some(&b[..]), Some(&row)] {
                let mut grad = grad.clone();
                accumulate(cpu, width, op_sign(factor), &g, factor, &mut grad).unwrap();
                all.push(bits(&grad));
            }
        }
        all
    }

    fn op_sign<E>(factor: Option<&[E]>) -> bool {
        factor.is_none()
    }

    #[test]
    fn neither_backend_nor_threads_change_a_bit_and_padding_stays_zero() {
        let sizes = [(0, 5), (1, 1), (2, 17), (3, 16), (37, 90)];
        // The smallest for Miri, which runs some thousand times slower.
        for &(n, width) in if cfg!(miri) { &sizes[..3] } else { &sizes } {
            let one = Cpu::with_backend(Backend::detect(), 1).unwrap();
            let want = (everything::<f32>(&one, n, width), everything::<f64>(&one, n, width));
            for backend in Backend::available() {
                for threads in [1, 2, 3] {
                    let cpu = Cpu::with_backend(backend, threads).unwrap().with_work_per_thread(1);
                    let got = (everything::<f32>(&cpu, n, width), everything::<f64>(&cpu, n, width));
                    assert!(got == want, "{backend:?}, {threads} threads, {n} rows of {width}");
                }
            }
        }
    }

    #[test]
    fn values_and_sums_are_the_textbook_s() {
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        let x = rows::<f64>(3, 5, 0, true);
        let expected = |f: Unary, x: f64| match f {
            Unary::Affine { a, b } => a * x + b,
            Unary::Tanh => x.tanh(),
            Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Unary::Relu => x.max(0.0),
            Unary::Exp => x.exp(),
            Unary::Log => x.ln(),
        };
        for f in ALL {
            let mut y = vec![0.0; x.len()];
            unary(&cpu, f, 5, &x, &mut y).unwrap();
            for (x, y) in x.chunks_exact(16).zip(y.chunks_exact(16)) {
                for (x, y) in x[..5].iter().zip(y) {
                    let want = expected(f, *x);
                    assert!((y - want).abs() <= 1e-14 * (1.0 + want.abs()), "{f:?}({x}) = {y}, not {want}");
                }
            }
        }
        let want: f64 = x.chunks_exact(16).flat_map(|row| &row[..5]).sum();
        assert_eq!(sum(5, &x).unwrap(), want);
        let mut y = [9.0; 16];
        binary(&cpu, Binary::Sub, 5, &x[..16], &x[16..32], &mut y).unwrap();
        assert_eq!(y[4], x[4] - x[20]);
        let mut y = [1.0f32; 16];
        unary(&cpu, Unary::Relu, 3, &[-1.0, f32::NAN, 2.0, 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.], &mut y)
            .unwrap();
        assert!(y[0] == 0.0 && y[1].is_nan() && y[2] == 2.0 && y[3] == 0.0);
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        let mut y = [0.0f32; 32];
        assert!(unary(&cpu, Unary::Exp, 3, &[0.0; 16], &mut y).is_err());
        assert!(unary(&cpu, Unary::Exp, 3, &[0.0; 15], &mut y[..15]).is_err());
        assert!(binary(&cpu, Binary::Add, 3, &[0.0; 32], &[0.0; 48], &mut y).is_err());
        assert!(binary(&cpu, Binary::Add, 3, &[0.0; 32], &[0.0; 16], &mut y).is_ok());
        assert!(accumulate(&cpu, 3, false, &[0.0; 48], None, &mut y).is_err());
        assert!(sum(17, &[0.0f32; 16]).is_err());
    }
}
