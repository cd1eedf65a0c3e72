//! Holds the dropout node. Its mask comes from the generator it is handed, in the order of rows and padded columns,
//! so that it depends on nothing else.

use elman_kernels::{Element, mask};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::Op;
use crate::error::Error;
use crate::tape::{Memory, Tape, Var};

#[derive(Debug)]
pub(crate) struct Dropout {
    dropout: mask::Dropout,
    draws: Vec<u16>,
    x: Var,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// Zeroes elements of x with probability `p` and scales the rest by 1 / (1 - p). `p` lies in 0 <= p < 1.
    pub fn dropout(&mut self, p: f64, rng: &mut ChaCha8Rng, x: Var) -> Result<Var, Error> {
        let dropout = mask::Dropout::new(p);
        let mut bytes = vec![0; 2 * x.len()];
        rng.fill_bytes(&mut bytes);
        let draws: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let mut y = self.memory.take(x.len());
        dropout.apply(&self.memory.cpu, &draws, self.memory.value(x), false, &mut y)?;
        let y = self.memory.push_rows(y, x.rows(), x.cols());
        self.record(Op::Dropout(Dropout { dropout, draws, x, y }));
        Ok(y)
    }
}

impl Dropout {
    pub fn backward<E: Element>(&self, m: &mut Memory<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        if m.wants_grad(self.x.slot) {
            let mut grad_x = m.take_grad(self.x.slot);
            self.dropout.apply(&m.cpu, &self.draws, &grad_y, true, &mut grad_x[self.x.range()])?;
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }
}
