//! The dropout node. Its mask comes from the generator it is given, in the order of rows and padded columns, so that it
//! depends on nothing else. Not here: layers and their order.

use elman_kernels::{Cpu, Element, dropout, pad};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Dropout {
    dropout: dropout::Dropout,
    draws: Vec<u16>,
    x: Var,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// Zeroes elements of x with probability `p` and scales the rest by 1 / (1 - p). `p` lies in 0 <= p < 1; with
    /// `p` = 0 nothing is drawn and x itself comes back.
    pub fn dropout(&mut self, p: f64, rng: &mut ChaCha8Rng, x: Var) -> Result<Var, Error> {
        self.memory.check(x)?;
        self.dropped(p, rng, x, x.rows())
    }

    /// As [`Tape::dropout`] for x `[T*B, H]` with B = `batch`, all steps of a row under one mask, drawn as for the
    /// first. Errors: x is not whole steps of `batch` rows.
    pub fn locked_dropout(&mut self, p: f64, rng: &mut ChaCha8Rng, x: Var, batch: usize) -> Result<Var, Error> {
        self.memory.check(x)?;
        if !x.rows().is_multiple_of(batch.max(1)) {
            return Err(shape_error("input of locked_dropout", x, [batch, x.cols()]));
        }
        self.dropped(p, rng, x, batch)
    }

    /// Draws for `rows` rows, again and again for all of x.
    fn dropped(&mut self, p: f64, rng: &mut ChaCha8Rng, x: Var, rows: usize) -> Result<Var, Error> {
        if !(0.0..1.0).contains(&p) {
            return Err(Error::Setting { name: "dropout", got: p.to_string(), expected: "0 <= p < 1".into() });
        }
        if p == 0.0 || x.len() == 0 {
            return Ok(x);
        }
        if rows == 0 {
            return Err(Error::Setting { name: "batch of dropout", got: "0".into(), expected: "at least 1".into() });
        }
        let dropout = dropout::Dropout::new(p);
        let drawn = rows * pad(x.cols());
        let mut draws = self.memory.lists.draws.take();
        draws.resize(x.len(), 0);
        fill(&self.memory.cpu, rng, &mut draws[..drawn]);
        for step in 1..x.len() / drawn {
            draws.copy_within(..drawn, step * drawn);
        }
        let mut y = self.memory.take(x.len());
        dropout.apply(&self.memory.cpu, &draws, self.memory.value(x), false, &mut y)?;
        let y = self.memory.push_rows(y, x.rows(), x.cols());
        self.record(Dropout { dropout, draws, x, y });
        Ok(y)
    }
}

/// Draws `draws.len()` numbers, an even number, from `rng`. Two make a word of the generator, so that every thread
/// finds its place in the stream by counting.
fn fill(cpu: &Cpu, rng: &mut ChaCha8Rng, draws: &mut [u16]) {
    let start = rng.get_word_pos();
    let words = |draws: usize| draws as u128 / 2;
    cpu.fill(draws, 32, 4, |first, part| {
        let mut rng = rng.clone();
        rng.set_word_pos(start + words(first));
        rng.fill_bytes(bytemuck::cast_slice_mut(part));
        part.iter_mut().for_each(|draw| *draw = u16::from_le(*draw));
    });
    rng.set_word_pos(start + words(draws.len()));
}

impl<E: Element> Node<E> for Dropout {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        if m.wants_grad(self.x.slot) {
            let mut grad_x = m.take_grad(self.x.slot);
            self.dropout.apply(&m.cpu, &self.draws, &grad_y, true, &mut grad_x[self.x.range()])?;
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }

    fn recycle(&mut self, m: &mut Memory<E>) {
        m.lists.draws.recycle(std::mem::take(&mut self.draws));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, generator};

    #[test]
    fn threads_draw_what_one_stream_draws() {
        let mut one = generator(3, Purpose::Dropout, 9);
        let mut bytes = vec![0; 2 * 600_000];
        one.fill_bytes(&mut bytes);
        for threads in [1, 2, 3] {
            let mut rng = generator(3, Purpose::Dropout, 9);
            let mut draws = vec![0; 600_000];
            let (first, second) = draws.split_at_mut(400_000);
            let cpu = Cpu::new(Some(threads)).unwrap();
            fill(&cpu, &mut rng, first);
            fill(&cpu, &mut rng, second);
            assert!(draws.iter().zip(bytes.chunks_exact(2)).all(|(&d, b)| d.to_le_bytes() == b));
        }
    }
}
