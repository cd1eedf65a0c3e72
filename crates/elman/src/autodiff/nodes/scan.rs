//! Holds the node that runs steps of the user's own over time and replays them backwards: to the outer tape it is one
//! node, whatever T is. Refuses equations: they are the closure's.
//!
//! The steps are recorded one after the other on one inner tape, so the state's values pass from step to step without a
//! copy and backward is one loop over its nodes: nothing recurses in T. A recorded scan holds every value that any step
//! computed until backward is done, T times the memory of a step; truncate long sequences as any other. A scan
//! that is not recorded forgets each step before the next and holds one. Inner tapes and their buffers are used again.

use elman_kernels::Element;

use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

/// Which value of the outer tape stands for which of the inner.
#[derive(Debug)]
struct Pair {
    outer: Var,
    inner: Var,
}

#[derive(Debug)]
pub(crate) struct Scan<E> {
    /// Taken out when the node is recycled.
    inner: Option<Tape<E>>,
    /// x and the initial states.
    inputs: Vec<Pair>,
    /// y `[T*B, *]` and its steps on the inner tape.
    y: Var,
    steps: Vec<Var>,
    /// The last states.
    last: Vec<Pair>,
}

impl<E: Element> Tape<E> {
    /// Runs `step` for each of `seq_len` steps over x, from `states`: y of all steps and the states after the last.
    ///
    /// Shapes: x `[T*B, I]`, time-major. `step(tape, x_t, states)` gets x_t `[B, I]` and the states after the step
    /// before, and returns y_t, usually `[B, *]`, and the states after this step; y is the y_t one below the other,
    /// `[T*B, *]`. y_t and the states may have any shape; it never changes from step to step. What every step reads, such as the keys of an attention, is a state that
    /// comes back as it is: no copy is made, and its gradients add up.
    ///
    /// The closure works on the tape it is handed, with the values it is handed; parameters are used as everywhere.
    /// Memory: see the head of this file. Errors: `seq_len` is 0 or does not divide the rows of x; another shape
    /// than the step before; a value of another tape; whatever `step` returns.
    pub fn scan<const N: usize>(
        &mut self,
        seq_len: usize,
        x: Var,
        states: [Var; N],
        mut step: impl FnMut(&mut Tape<E>, Var, [Var; N]) -> Result<(Var, [Var; N]), Error>,
    ) -> Result<(Var, [Var; N]), Error> {
        let (m, recording) = (&mut self.memory, self.recording);
        [x].iter().chain(&states).try_for_each(|&var| m.check(var))?;
        if seq_len == 0 || !x.rows().is_multiple_of(seq_len) {
            let expected = format!("at least 1, and a divisor of the {} rows of x", x.rows());
            return Err(Error::Setting { name: "seq_len of scan", got: seq_len.to_string(), expected });
        }
        let batch = x.rows() / seq_len;
        let mut inner = m.inner.pop().unwrap_or_else(|| Tape::new(&m.cpu));
        inner.start(recording);
        let mut leaf = |outer: Var| Pair { outer, inner: inner.copy(m.value(outer), outer, m.wants_grad(outer.slot)) };
        let mut inputs: Vec<Pair> = states.iter().map(|&state| leaf(state)).collect();
        let mut current: [Var; N] = std::array::from_fn(|i| inputs[i].inner);
        inputs.extend(recording.then(|| leaf(x)));

        let (mut y, mut y_shape, mut steps) = (None, [0, 0], Vec::new());
        for t in 0..seq_len {
            if !recording && t > 0 {
                current = inner.start_from(current);
            }
            let rows = m.view(x.slot, x.first_row + t * batch, batch, x.cols());
            let x_t = match inputs.get(N) {
                Some(x) => inner.rows(x.inner, t * batch, batch)?,
                None => inner.copy(m.value(rows), rows, false),
            };
            let (y_t, after) = step(&mut inner, x_t, current)?;
            for (i, (state, before)) in after.iter().zip(&current).enumerate() {
                inner.memory.check(*state)?;
                let expected = [before.rows(), before.cols()];
                if [state.rows(), state.cols()] != expected {
                    return Err(shape_error(&format!("state {i} after step {t} of scan"), *state, expected));
                }
            }
            inner.memory.check(y_t)?;
            if t == 0 {
                y_shape = [y_t.rows(), y_t.cols()];
            }
            if [y_t.rows(), y_t.cols()] != y_shape {
                return Err(shape_error(&format!("y of step {t} of scan"), y_t, y_shape));
            }
            let y = y.get_or_insert_with(|| m.take(seq_len * y_t.len()));
            y[t * y_t.len()..][..y_t.len()].copy_from_slice(inner.value(y_t));
            current = after;
            steps.extend(recording.then_some(y_t));
        }
        let y = m.push_rows(y.unwrap_or_default(), seq_len * y_shape[0], y_shape[1]);
        let after = current.map(|state| {
            let mut value = m.take(state.len());
            value.copy_from_slice(inner.value(state));
            m.push_rows(value, state.rows(), state.cols())
        });
        let last = after.iter().zip(current).map(|(&outer, inner)| Pair { outer, inner }).collect();
        self.record(Scan { inner: Some(inner), inputs, y, steps, last });
        Ok((y, after))
    }

    /// A leaf with the shape of `like` and these rows.
    fn copy(&mut self, rows: &[E], like: Var, wants_grad: bool) -> Var {
        let mut buffer = self.memory.take(rows.len());
        buffer.copy_from_slice(rows);
        let slot = self.memory.push(buffer, wants_grad);
        self.memory.view(slot, 0, like.rows(), like.cols())
    }

    /// Forgets all but these values.
    fn start_from<const N: usize>(&mut self, kept: [Var; N]) -> [Var; N] {
        let values = kept.map(|var| {
            let mut buffer = self.memory.take(var.len());
            buffer.copy_from_slice(self.memory.value(var));
            (buffer, var)
        });
        self.start(false);
        values.map(|(buffer, var)| self.memory.push_rows(buffer, var.rows(), var.cols()))
    }
}

impl<E: Element> Node<E> for Scan<E> {
    fn backward(&mut self, m: &mut Memory<E>, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let Some(steps) = &mut self.inner else { return Ok(()) };
        let mut any = false;
        if let Some(grad_y) = m.take_grad_if_any(self.y.slot) {
            for (&y_t, grad) in self.steps.iter().zip(grad_y.chunks_exact((self.y.len() / self.steps.len()).max(1))) {
                steps.seed(y_t, grad);
            }
            m.recycle(grad_y);
            any = true;
        }
        for Pair { outer, inner } in &self.last {
            if let Some(grad) = m.take_grad_if_any(outer.slot) {
                steps.seed(*inner, &grad);
                m.recycle(grad);
                any = true;
            }
        }
        if !any {
            return Ok(());
        }
        steps.backward_seeded(params, grads)?;
        for Pair { outer, inner } in &self.inputs {
            if let (true, Some(grad)) = (m.wants_grad(outer.slot), steps.grad(*inner)) {
                let mut target = m.take_grad(outer.slot);
                target[outer.range()].iter_mut().zip(grad).for_each(|(d, &g)| *d += g);
                m.put_grad(outer.slot, target);
            }
        }
        Ok(())
    }

    fn recycle(&mut self, m: &mut Memory<E>) {
        if let Some(mut inner) = self.inner.take() {
            inner.start(false);
            m.inner.push(inner);
        }
    }
}
