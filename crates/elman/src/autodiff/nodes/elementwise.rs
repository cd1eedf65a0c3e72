//! The elementwise nodes: functions of one value, and sums and products of two. Padding stays zero, whatever the
//! function is at 0. Not here: products of matrices (`linear.rs`).

use elman_kernels::Element;
use elman_kernels::elementwise::{self, Binary, Unary};

use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct One {
    f: Unary,
    x: Var,
    y: Var,
}

#[derive(Debug)]
pub(crate) struct Two {
    op: Binary,
    a: Var,
    b: Var,
    y: Var,
}

/// Nodes that work element by element. Errors of all: a value of another tape; shapes that differ.
impl<E: Element> Tape<E> {
    /// `factor * x`.
    pub fn scale(&mut self, x: Var, factor: f64) -> Result<Var, Error> {
        self.one(Unary::Affine { a: factor, b: 0.0 }, x)
    }

    /// `1 - x`.
    pub fn one_minus(&mut self, x: Var) -> Result<Var, Error> {
        self.one(Unary::Affine { a: -1.0, b: 1.0 }, x)
    }

    /// Hyperbolic tangent.
    pub fn tanh(&mut self, x: Var) -> Result<Var, Error> {
        self.one(Unary::Tanh, x)
    }

    /// 1 / (1 + e^-x).
    pub fn sigmoid(&mut self, x: Var) -> Result<Var, Error> {
        self.one(Unary::Sigmoid, x)
    }

    /// x where x > 0, else 0; the derivative at 0 is 0.
    pub fn relu(&mut self, x: Var) -> Result<Var, Error> {
        self.one(Unary::Relu, x)
    }

    /// e^x.
    pub fn exp(&mut self, x: Var) -> Result<Var, Error> {
        self.one(Unary::Exp, x)
    }

    /// Natural logarithm: -inf at 0, NaN below.
    pub fn log(&mut self, x: Var) -> Result<Var, Error> {
        self.one(Unary::Log, x)
    }

    /// `a + b`; b is `[rows, cols]` as a is, or one row `[1, cols]` for all rows of a.
    pub fn add(&mut self, a: Var, b: Var) -> Result<Var, Error> {
        self.two(Binary::Add, "right operand of add", a, b)
    }

    /// `a - b`; shapes as in [`Tape::add`].
    pub fn sub(&mut self, a: Var, b: Var) -> Result<Var, Error> {
        self.two(Binary::Sub, "right operand of sub", a, b)
    }

    /// `a b`, element by element; shapes as in [`Tape::add`].
    pub fn mul(&mut self, a: Var, b: Var) -> Result<Var, Error> {
        self.two(Binary::Mul, "right operand of mul", a, b)
    }

    fn one(&mut self, f: Unary, x: Var) -> Result<Var, Error> {
        let m = &mut self.memory;
        m.check(x)?;
        let mut y = m.take(x.len());
        elementwise::unary(&m.cpu, f, x.cols(), m.value(x), &mut y)?;
        let y = m.push_rows(y, x.rows(), x.cols());
        self.record(One { f, x, y });
        Ok(y)
    }

    fn two(&mut self, op: Binary, name: &str, a: Var, b: Var) -> Result<Var, Error> {
        let m = &mut self.memory;
        m.check(a)?;
        m.check(b)?;
        if b.cols() != a.cols() || (b.rows() != a.rows() && b.rows() != 1) {
            return Err(shape_error(name, b, [a.rows(), a.cols()]));
        }
        let mut y = m.take(a.len());
        elementwise::binary(&m.cpu, op, a.cols(), m.value(a), m.value(b), &mut y)?;
        let y = m.push_rows(y, a.rows(), a.cols());
        self.record(Two { op, a, b, y });
        Ok(y)
    }
}

impl<E: Element> Node<E> for One {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        if m.wants_grad(self.x.slot) {
            let mut grad_x = m.take_grad(self.x.slot);
            let (x, y) = (m.value(self.x), m.value(self.y));
            let target = &mut grad_x[self.x.range()];
            elementwise::unary_backward(&m.cpu, self.f, self.x.cols(), x, y, &grad_y, target)?;
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }
}

impl<E: Element> Node<E> for Two {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let is_product = self.op == Binary::Mul;
        // d_a += d_y b | d_y, then d_b += d_y a | d_y | -d_y. One after the other: a and b may share a gradient.
        for (x, other, negative) in [(self.a, self.b, false), (self.b, self.a, self.op == Binary::Sub)] {
            if m.wants_grad(x.slot) {
                let mut grad = m.take_grad(x.slot);
                let factor = is_product.then(|| m.value(other));
                elementwise::accumulate(&m.cpu, x.cols(), negative, &grad_y, factor, &mut grad[x.range()])?;
                m.put_grad(x.slot, grad);
            }
        }
        m.recycle(grad_y);
        Ok(())
    }
}
