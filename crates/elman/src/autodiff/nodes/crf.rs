//! The loss node of a linear chain over tags: the negative log-likelihood of the true tags, by the emissions and by the scores of
//! the chain. Not here: the sums (`nn/crf.rs`).

use elman_kernels::Element;

use crate::autodiff::tape::{Memory, Tape, Var, shape_error};
use crate::error::Error;
use crate::nn::crf::Chain;

impl<E: Element> Tape<E> {
    /// The negative log-likelihood of the tags of B sentences under a linear chain, in nats, the mean over their tokens: as a value
    /// of one element, and the sum with the number of tokens. `inputs`: emissions `[T*B, K]`, transitions `[K, K]` from a row to a
    /// column, scores of the first tag and of the last `[1, K]`. `tags` has a list for each sentence; a row after its end does not
    /// count. The sums run in f64, sentence by sentence.
    ///
    /// Errors: other shapes; a tag beyond K; no tokens.
    pub fn crf(&mut self, inputs: [Var; 4], tags: &[Vec<usize>]) -> Result<(Var, f64, usize), Error> {
        let m = &mut self.memory;
        inputs.iter().try_for_each(|&input| m.check(input))?;
        let ([x, transitions, start, end], k) = (inputs, inputs[0].cols());
        let (rows, longest) = (tags.len().max(1), tags.iter().map(Vec::len).max().unwrap_or(0));
        if !x.rows().is_multiple_of(rows) || x.rows() / rows < longest {
            return Err(shape_error("emissions of a chain", x, [longest * rows, k]));
        }
        for (name, var, shape) in
            [("transitions", transitions, [k, k]), ("first scores", start, [1, k]), ("last scores", end, [1, k])]
        {
            if [var.rows(), var.cols()] != shape {
                return Err(shape_error(name, var, shape));
            }
        }
        let counted: usize = tags.iter().map(Vec::len).sum();
        if let Some(&tag) = tags.iter().flatten().find(|&&tag| tag >= k) {
            return Err(Error::Setting { name: "tag", got: tag.to_string(), expected: format!("below {k}") });
        }
        if counted == 0 {
            return Err(Error::Value { problem: "is the loss of a chain without tokens" });
        }
        let dense = |m: &Memory<E>, var: Var| -> Vec<f64> {
            let rows = m.value(var).chunks_exact(var.stride());
            rows.flat_map(|row| row[..k].iter().map(|x| x.to_f64())).collect()
        };
        let chain = Chain::new(k, dense(m, transitions), dense(m, start), dense(m, end))?;
        let emissions = dense(m, x);
        let mut grads = inputs.map(|input| {
            let mut grad = m.take(input.len());
            grad.fill(E::ZERO);
            grad
        });
        let share = 1.0 / counted as f64;
        let (mut sum, mut of_chain) = (0.0, [vec![0.0; k * k], vec![0.0; k], vec![0.0; k]]);
        for (b, path) in tags.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let own: Vec<f64> =
                (0..path.len()).flat_map(|t| emissions[(t * rows + b) * k..][..k].iter().copied()).collect();
            let summed = chain.summed(&own);
            sum += summed.log_sum - chain.score(&own, path);
            let mut marginals = summed.marginals;
            path.iter().enumerate().for_each(|(t, &tag)| marginals[t * k + tag] -= 1.0);
            for (t, row) in marginals.chunks_exact(k).enumerate() {
                let at = (t * rows + b) * x.stride();
                grads[0][at..at + k].iter_mut().zip(row).for_each(|(to, &g)| *to = E::from_f64(g * share));
            }
            of_chain[0].iter_mut().zip(&summed.pairs).for_each(|(to, pair)| *to += pair);
            path.windows(2).for_each(|pair| of_chain[0][pair[0] * k + pair[1]] -= 1.0);
            let last = (path.len() - 1) * k;
            for (list, row) in [(1, &marginals[..k]), (2, &marginals[last..])] {
                of_chain[list].iter_mut().zip(row).for_each(|(to, g)| *to += g);
            }
        }
        for (var, (grad, from)) in inputs[1..].iter().zip(grads[1..].iter_mut().zip(&of_chain)) {
            let rows = grad.chunks_exact_mut(var.stride()).zip(from.chunks_exact(k));
            rows.for_each(|(to, from)| to.iter_mut().zip(from).for_each(|(to, g)| *to = E::from_f64(g * share)));
        }
        Ok((self.loss_of(sum * share, inputs, grads), sum, counted))
    }
}
