//! The node that runs user-defined steps over time and replays them backward: to the outer tape it is one node,
//! whatever T is. Not here: equations, which are the closure's.
//!
//! The steps are recorded one after the other on one inner tape, so the state's values pass from step to step without a
//! copy and backward is one loop over its nodes: nothing recurses in T. A recorded scan keeps every value that any step
//! computed until backward is done, T times the memory of a step; truncate long sequences as any other. A scan
//! that is not recorded drops each step before the next and keeps one. Inner tapes and their buffers are used again.

use elman_kernels::Element;

use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

/// The values of the outer tape and the inner values that represent them.
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
    seq_len: usize,
    /// Of the steps in which something was read.
    steps: Vec<(usize, Var)>,
    /// The last states.
    last: Vec<Pair>,
}

/// How a scan runs.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions<'a> {
    /// T.
    pub seq_len: usize,
    /// Whether the last step is run first.
    pub reverse: bool,
    /// `[T*B]`: the positions that are read; all where it is None.
    pub mask: Option<&'a [bool]>,
}

/// A step of a scan: x_t `[B, I]` and the states before it; y_t, and the states after it pushed to the list.
pub type ScanStep<'a, E> = dyn FnMut(&mut Tape<E>, Var, &[Var], &mut Vec<Var>) -> Result<Var, Error> + 'a;

impl<E: Element> Tape<E> {
    /// Runs `step` for each of `seq_len` steps over x, from `states`: y of all steps and the states after the last.
    ///
    /// Shapes: x `[T*B, I]`, time-major. `step(tape, x_t, states)` gets x_t `[B, I]` and the states after the step
    /// before, and returns y_t, usually `[B, *]`, and the states after this step; y is the y_t one below the other,
    /// `[T*B, *]`. y_t and the states may have any shape; it never changes from step to step. What every step reads,
    /// such as the keys of an attention, is a state that comes back as it is: no copy is made, and its gradients add
    /// up.
    ///
    /// The closure works on the tape and the values it is given; parameters are used as everywhere.
    /// Memory: see the head of this file. Errors: `seq_len` is 0 or does not divide the rows of x; another shape
    /// than the step before; a value of another tape; whatever `step` returns.
    pub fn scan<const N: usize>(
        &mut self,
        seq_len: usize,
        x: Var,
        states: [Var; N],
        mut step: impl FnMut(&mut Tape<E>, Var, [Var; N]) -> Result<(Var, [Var; N]), Error>,
    ) -> Result<(Var, [Var; N]), Error> {
        let mut after = self.memory.lists.vars.take();
        let options = ScanOptions { seq_len, reverse: false, mask: None };
        let y = self.scan_states(options, x, &states, &mut after, &mut |tape, x, before, after| {
            let (y, states) = step(tape, x, std::array::from_fn(|i| before[i]))?;
            after.extend(states);
            Ok(y)
        })?;
        let states = std::array::from_fn(|i| after[i]);
        self.memory.lists.vars.recycle(after);
        Ok((y, states))
    }

    /// As [`Tape::scan`], with any number of states and a mask. The states after the last step are pushed to `after`.
    ///
    /// Under a mask every state has B rows, and a step is run for the rows that read something; of the others the states pass
    /// through and y is 0. Where no row ever reads, y has no rows, because no step says how wide it is. So
    /// more padding changes no bit, and x may be anything where nothing is read.
    pub fn scan_states(
        &mut self,
        options: ScanOptions<'_>,
        x: Var,
        states: &[Var],
        after: &mut Vec<Var>,
        step: &mut ScanStep<'_, E>,
    ) -> Result<Var, Error> {
        let (m, recording) = (&mut self.memory, self.recording);
        let ScanOptions { seq_len, reverse, mask } = options;
        [x].iter().chain(states).try_for_each(|&var| m.check(var))?;
        if seq_len == 0 || !x.rows().is_multiple_of(seq_len) {
            let expected = format!("at least 1, and a divisor of the {} rows of x", x.rows());
            return Err(Error::Setting { name: "seq_len of scan", got: seq_len.to_string(), expected });
        }
        if let Some(mask) = mask.filter(|mask| mask.len() != x.rows()) {
            return Err(Error::Shape { name: "mask".into(), got: vec![mask.len()], expected: vec![x.rows()] });
        }
        let batch = x.rows() / seq_len;
        if let (true, Some(&state)) = (mask.is_some(), states.iter().find(|state| state.rows() != batch)) {
            return Err(shape_error("state of a scan under a mask", state, [batch, state.cols()]));
        }
        let mut inner = m.inner.pop().unwrap_or_else(|| Tape::new(&m.cpu));
        inner.start(recording);
        let mut leaf = |outer: Var| Pair { outer, inner: inner.copy(m.value(outer), outer, m.wants_grad(outer.slot)) };
        let mut inputs: Vec<Pair> = states.iter().map(|&state| leaf(state)).collect();
        let mut current: Vec<Var> = inputs.iter().map(|pair| pair.inner).collect();
        let whole_x = recording.then(|| leaf(x));

        let (mut y, mut y_shape, mut steps) = (None, [0, 0], Vec::new());
        for turn in 0..seq_len {
            let t = if reverse { seq_len - 1 - turn } else { turn };
            if !recording && turn > 0 {
                inner.start_from(&mut current);
            }
            let rows = m.view(x.slot, x.first_row + t * batch, batch, x.cols());
            let x_t = match &whole_x {
                Some(x) => inner.rows(x.inner, t * batch, batch)?,
                None => inner.copy(m.value(rows), rows, false),
            };
            let mut next = inner.memory.lists.vars.take();
            let y_t = match mask.map(|mask| &mask[t * batch..(t + 1) * batch]).filter(|mask| mask.contains(&false)) {
                None => Some(step(&mut inner, x_t, &current, &mut next)?),
                Some(mask) => masked(&mut inner, x_t, &current, &mut next, mask, step)?,
            };
            if next.len() != current.len() {
                let (got, expected) = (vec![next.len()], vec![current.len()]);
                return Err(Error::Shape { name: format!("list of states after step {t} of scan"), got, expected });
            }
            for (i, (state, before)) in next.iter().zip(&current).enumerate() {
                inner.memory.check(*state)?;
                let expected = [before.rows(), before.cols()];
                if [state.rows(), state.cols()] != expected {
                    return Err(shape_error(&format!("state {i} after step {t} of scan"), *state, expected));
                }
            }
            if let Some(y_t) = y_t {
                inner.memory.check(y_t)?;
                if y.is_none() {
                    y_shape = [y_t.rows(), y_t.cols()];
                }
                if [y_t.rows(), y_t.cols()] != y_shape {
                    return Err(shape_error(&format!("y of step {t} of scan"), y_t, y_shape));
                }
                let y = y.get_or_insert_with(|| {
                    let mut y = m.take(seq_len * y_t.len());
                    if mask.is_some() {
                        y.fill(E::ZERO);
                    }
                    y
                });
                y[t * y_t.len()..][..y_t.len()].copy_from_slice(inner.value(y_t));
                if recording {
                    steps.push((t, y_t));
                }
            }
            let before = std::mem::replace(&mut current, next);
            inner.memory.lists.vars.recycle(before);
        }
        let y = m.push_rows(y.unwrap_or_default(), seq_len * y_shape[0], y_shape[1]);
        let mut last = Vec::new();
        for &state in &current {
            let mut value = m.take(state.len());
            value.copy_from_slice(inner.value(state));
            let outer = m.push_rows(value, state.rows(), state.cols());
            after.push(outer);
            if recording {
                last.push(Pair { outer, inner: state });
            }
        }
        inner.memory.lists.vars.recycle(current);
        inputs.extend(whole_x);
        self.record(Scan { inner: Some(inner), inputs, y, seq_len, steps, last });
        Ok(y)
    }

    /// A leaf with the shape of `like` and these rows.
    fn copy(&mut self, rows: &[E], like: Var, wants_grad: bool) -> Var {
        let mut buffer = self.memory.take(rows.len());
        buffer.copy_from_slice(rows);
        let slot = self.memory.push(buffer, wants_grad);
        self.memory.view(slot, 0, like.rows(), like.cols())
    }

    /// Forgets all but these values, which are then where the list says.
    fn start_from(&mut self, kept: &mut [Var]) {
        let values: Vec<_> = kept
            .iter()
            .map(|&var| {
                let mut buffer = self.memory.take(var.len());
                buffer.copy_from_slice(self.memory.value(var));
                buffer
            })
            .collect();
        self.start(false);
        for (var, buffer) in kept.iter_mut().zip(values) {
            *var = self.memory.push_rows(buffer, var.rows(), var.cols());
        }
    }
}

/// A step for the rows of a mask: the states of the others pass through, and their rows of y are 0. None where no row
/// reads anything.
fn masked<E: Element>(
    tape: &mut Tape<E>,
    x: Var,
    before: &[Var],
    after: &mut Vec<Var>,
    mask: &[bool],
    step: &mut ScanStep<'_, E>,
) -> Result<Option<Var>, Error> {
    let at: Vec<usize> = (0..mask.len()).filter(|&row| mask[row]).collect();
    if at.is_empty() {
        after.extend_from_slice(before);
        return Ok(None);
    }
    let x = tape.select(x, &at)?;
    let some: Vec<Var> = before.iter().map(|&state| tape.select(state, &at)).collect::<Result<_, _>>()?;
    let mut next = Vec::with_capacity(before.len());
    let y = step(tape, x, &some, &mut next)?;
    for (&whole, &some) in before.iter().zip(&next) {
        after.push(tape.merge(whole, some, &at)?);
    }
    let zero = vec![E::ZERO; mask.len() * y.stride()];
    let zero = tape.leaf(y.cols(), &zero, false);
    tape.merge(zero, y, &at).map(Some)
}

impl<E: Element> Node<E> for Scan<E> {
    fn backward(&mut self, m: &mut Memory<E>, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let Some(steps) = &mut self.inner else { return Ok(()) };
        let mut any = false;
        if let Some(grad_y) = m.take_grad_if_any(self.y.slot) {
            let len = self.y.len() / self.seq_len.max(1);
            for &(t, y_t) in &self.steps {
                steps.seed(y_t, &grad_y[t * len..(t + 1) * len]);
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
