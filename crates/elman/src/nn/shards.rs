//! A step on a large batch as S shards of its rows: each goes forward and back on a tape of its own, some at the same
//! time where the threads can be shared out, and the gradients are summed in one balanced tree at one point, `reduce`.
//! Not here: the number of threads. Sizes decide S, because sums of other shards differ in their last bits.

use elman_kernels::{Cpu, Element};
use rand_chacha::ChaCha8Rng;

use crate::autodiff::params::Params;
use crate::autodiff::tape::Tape;
use crate::error::Error;
use crate::nn::state::State;

/// Rows of a batch that are worth two shards: of fewer, a product's tiles would be too short.
const LEAST_BATCH: usize = 16;
/// Positions of a step: for fewer, gradients that are zeroed and summed cost more than the shards bring.
const LEAST_POSITIONS: usize = 1024;
/// Positions times parameters: a step of fewer is over before another thread has begun.
const LEAST_WORK: usize = 1 << 22;
/// Words of the generator between the draws of two shards: more than a shard draws.
const DRAWS_APART: u128 = 1 << 48;

/// S for a step on `[T, B]` tokens: 1 or 2.
pub(crate) fn count(positions: usize, batch: usize, parameters: usize) -> usize {
    let work = positions.saturating_mul(parameters);
    let is_large = batch >= LEAST_BATCH && positions >= LEAST_POSITIONS && work >= LEAST_WORK;
    if is_large && positions.is_multiple_of(batch) { 2 } else { 1 }
}

/// The shards of a batch, kept from one step to the next.
#[derive(Debug)]
pub struct Shards<E> {
    /// S where it is given, whatever the sizes.
    forced: Option<usize>,
    pub(crate) shards: Vec<Shard<E>>,
}

impl<E> Default for Shards<E> {
    /// As many as the sizes of a step ask for.
    fn default() -> Shards<E> {
        Shards { forced: None, shards: Vec::new() }
    }
}

/// One shard of a batch.
#[derive(Debug)]
pub(crate) struct Shard<E> {
    pub tape: Tape<E>,
    /// `[T * rows]` each.
    pub inputs: Vec<u32>,
    pub targets: Vec<u32>,
    pub state: State<E>,
    pub dropout: Option<ChaCha8Rng>,
    /// Its gradients; of the first shard, without memory but while a step is done.
    pub grads: Params<E>,
    /// The sum of its losses.
    pub sum: Result<f64, Error>,
    /// Its first row in the batch.
    first: usize,
}

impl<E: Element> Shards<E> {
    /// Exactly `count` shards in every step of at least as many rows. Errors: not a power of two.
    pub fn of(count: usize) -> Result<Shards<E>, Error> {
        if !count.is_power_of_two() {
            let expected = "a power of two".to_string();
            return Err(Error::Setting { name: "shards", got: count.to_string(), expected });
        }
        Ok(Shards { forced: Some(count), shards: Vec::new() })
    }

    /// Makes ready for a step; whether it is done in several shards. Those of the step before are used again if they are
    /// for the same model and batch.
    ///
    /// Errors: the system gives no more threads.
    pub(crate) fn prepare(
        &mut self,
        cpu: &Cpu,
        params: &Params<E>,
        [positions, batch]: [usize; 2],
        zero_state: impl Fn(usize) -> State<E>,
    ) -> Result<bool, Error> {
        let fits_rows = batch > 0 && positions.is_multiple_of(batch);
        let count = match self.forced {
            Some(count) if fits_rows => count.min(1 << batch.ilog2()),
            Some(_) => 1,
            None => count(positions, batch, params.values().len()),
        };
        if count == 1 {
            return Ok(false);
        }
        let rows = |shard: &Shard<E>| shard.state.batch();
        let is_ready = self.shards.len() == count
            && self.shards[1].grads.is_like(params)
            && self.shards.iter().map(rows).sum::<usize>() == batch;
        if !is_ready {
            self.shards.clear();
            let mut first = 0;
            for (i, cpu) in cpu.shards(count)?.iter().enumerate() {
                // The first shards have a row more where they do not come out even.
                let rows = batch / count + usize::from(i < batch % count);
                self.shards.push(Shard {
                    tape: Tape::new(cpu),
                    inputs: Vec::new(),
                    targets: Vec::new(),
                    state: zero_state(rows),
                    dropout: None,
                    grads: if i == 0 { params.without_memory() } else { params.zeros_like() },
                    sum: Ok(0.0),
                    first,
                });
                first += rows;
            }
        }
        Ok(true)
    }

    /// Whether a state has the parts of the model's.
    pub(crate) fn take_state(&self, state: &State<E>) -> bool {
        self.shards.first().is_some_and(|shard| shard.state.is_like(state))
    }

    /// Hands each shard its rows of the tokens `[T, B]` and of the state, and its place in the generator's stream.
    pub(crate) fn give_out(&mut self, [inputs, targets]: [&[u32]; 2], state: &State<E>, dropout: Option<&ChaCha8Rng>) {
        let mut place = 0;
        for shard in &mut self.shards {
            let (first, rows) = (shard.first, shard.state.batch());
            for (to, from) in [(&mut shard.inputs, inputs), (&mut shard.targets, targets)] {
                to.clear();
                from.chunks_exact(state.batch()).for_each(|step| to.extend_from_slice(&step[first..first + rows]));
            }
            shard.state.copy_rows(state, first);
            shard.dropout = dropout.cloned();
            if let Some(rng) = &mut shard.dropout {
                rng.set_word_pos(rng.get_word_pos() + place);
            }
            place += DRAWS_APART;
        }
    }

    /// Does `work` for every shard, the first with the step's gradients, and reduces. Returns the sum of the losses;
    /// `state` has the rows of all shards.
    ///
    /// Errors: that of a shard; `state` is then as it was.
    pub(crate) fn run(
        &mut self,
        cpu: &Cpu,
        state: &mut State<E>,
        grads: &mut Params<E>,
        work: impl Fn(&mut Shard<E>) + Sync,
    ) -> Result<f64, Error> {
        std::mem::swap(&mut self.shards[0].grads, grads);
        cpu.together(&mut self.shards, work);
        let sum = reduce(cpu, &mut self.shards);
        std::mem::swap(&mut self.shards[0].grads, grads);
        let sum = sum?;
        self.shards.iter().for_each(|shard| state.put_rows(shard.first, &shard.state));
        Ok(sum)
    }
}

/// Sums losses and gradients in a balanced tree: 1 to 0, 3 to 2, ..., then 2 to 0, and so on. The first shard has the
/// sums.
fn reduce<E: Element>(cpu: &Cpu, shards: &mut [Shard<E>]) -> Result<f64, Error> {
    let mut step = 1;
    while step < shards.len() {
        for pair in shards.chunks_mut(2 * step) {
            let Some((left, [right, ..])) = pair.split_at_mut_checked(step) else { continue };
            let right_sum = std::mem::replace(&mut right.sum, Ok(0.0));
            let left_sum = std::mem::replace(&mut left[0].sum, Ok(0.0));
            left[0].sum = left_sum.and_then(|left| Ok(left + right_sum?));
            if left[0].sum.is_ok() {
                left[0].grads.add(cpu, &right.grads);
            }
        }
        step *= 2;
    }
    std::mem::replace(&mut shards[0].sum, Ok(0.0))
}

#[cfg(test)]
mod tests {
    use elman_kernels::{Backend, softmax};

    use super::*;
    use crate::config::{Cell, Config, InitialState};
    use crate::nn::model::LanguageModel;
    use crate::rng::{Purpose, generator};

    const VOCAB: usize = 21;
    /// An odd batch, so that one shard has a row more.
    const BATCH: usize = 17;
    const SEQ_LEN: usize = 61;
    const OTHER_BATCH: usize = 20;

    fn configs() -> Vec<Config> {
        let lstm = Config { hidden_size: 32, num_layers: 2, dropout: 0.2, output_dropout: 0.1, ..Config::default() };
        let gru = Config { cell: Cell::GRU, embed: 32, tied: true, locked_dropout: true, ..lstm.clone() };
        let learned =
            Config { cell: Cell::RNN_TANH, hidden_size: 64, initial_state: InitialState::Learned, ..lstm.clone() };
        vec![lstm, gru, learned]
    }

    /// Tokens to read, and to predict: of these some do not count, nearly all of them in the second half.
    fn tokens(batch: usize) -> (Vec<u32>, Vec<u32>) {
        let inputs: Vec<u32> = (0..batch * SEQ_LEN).map(|i| ((i * i + i / 7) % VOCAB) as u32).collect();
        let ignored = |i: usize| i.is_multiple_of(11) || (i % batch > 10 && !i.is_multiple_of(3));
        let target = |i: usize| if ignored(i) { softmax::IGNORED } else { ((i * 5 + i / 13) % VOCAB) as u32 };
        (inputs, (0..batch * SEQ_LEN).map(target).collect())
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|x| x.to_bits()).collect()
    }

    /// Loss, gradients and state of a step.
    fn step(
        model: &LanguageModel<f64>,
        (tape, shards): (&mut Tape<f64>, &mut Shards<f64>),
        batch: usize,
        dropout: bool,
    ) -> (f64, Params<f64>, State<f64>) {
        let (inputs, targets) = tokens(batch);
        let (mut state, mut grads) = (model.initial_state(batch), model.params().zeros_like());
        let dropout = dropout.then(|| generator(3, Purpose::Dropout, 1));
        let loss = model.loss_and_grads(tape, shards, &inputs, &targets, &mut state, dropout, &mut grads).unwrap();
        assert!(shards.shards.len() > 1, "large enough for shards");
        (loss, grads, state)
    }

    #[test]
    fn two_shards_are_the_whole_but_for_the_rounding_of_sums() {
        let cpu = Cpu::new(Some(2)).unwrap();
        let (inputs, targets) = tokens(BATCH);
        for config in configs() {
            let model: LanguageModel<f64> = LanguageModel::new(&config, VOCAB).unwrap();
            let (loss, grads, state) = step(&model, (&mut Tape::new(&cpu), &mut Shards::default()), BATCH, false);
            // The whole, by the nodes.
            let (mut tape, mut want) = (Tape::new(&cpu), model.params().zeros_like());
            tape.start(true);
            let before = model.begin(&mut tape, &model.initial_state(BATCH)).unwrap();
            let (logits, after) = model.forward(&mut tape, &inputs, &before, None).unwrap();
            let mut want_state = model.initial_state(BATCH);
            want_state.from_tape(&tape, &after);
            let (mean, _) = tape.cross_entropy(logits, &targets).unwrap();
            let want_loss = tape.value(mean)[0];
            tape.backward(mean, model.params(), &mut want).unwrap();

            assert!((loss / want_loss - 1.0).abs() < 1e-14, "{loss} {want_loss}");
            for ((name, _, got), (_, _, want)) in state.tensors().iter().zip(want_state.tensors()) {
                assert!(bits(got) == bits(&want), "{name}");
            }
            assert!(!state.is_initial());
            for name in model.params().names() {
                let (got, want) = (grads.get(name).unwrap(), want.get(name).unwrap());
                let largest = want.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                let apart = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(largest > 0.0 && apart < 1e-13 * largest, "{name}: {apart} of {largest}");
            }
        }
    }

    #[test]
    fn threads_change_no_bit_of_shards_and_a_tape_that_served_another_model_serves_this() {
        for config in configs() {
            let model: LanguageModel<f64> = LanguageModel::new(&config, VOCAB).unwrap();
            // Of the same sizes, of others, and the same of another batch.
            let other = |config: Config| -> LanguageModel<f64> { LanguageModel::new(&config, VOCAB).unwrap() };
            let twin = other(Config { seed: 9, ..config.clone() });
            let wider = other(Config { hidden_size: 80, embed: if config.tied { 80 } else { 0 }, ..config });
            let mut first = None;
            for threads in [1, 2, 3, 4] {
                let cpu = Cpu::with_backend(Backend::detect(), threads).unwrap().with_work_per_thread(1);
                let (mut tape, mut shards) = (Tape::new(&cpu), Shards::default());
                for round in 0..2 {
                    step(&twin, (&mut tape, &mut shards), BATCH, true);
                    step(&wider, (&mut tape, &mut shards), BATCH, true);
                    step(&model, (&mut tape, &mut shards), OTHER_BATCH, true);
                    let (loss, grads, state) = step(&model, (&mut tape, &mut shards), BATCH, true);
                    let states: Vec<u64> = state.tensors().iter().flat_map(|tensor| bits(&tensor.2)).collect();
                    let got = (loss.to_bits(), bits(grads.values()), states);
                    assert!(*first.get_or_insert_with(|| got.clone()) == got, "{threads} threads, round {round}");
                }
            }
        }
    }

    #[test]
    fn what_is_refused_leaves_the_state_and_the_next_step_as_they_were() {
        let model: LanguageModel<f64> = LanguageModel::new(&configs()[0], VOCAB).unwrap();
        let narrow: LanguageModel<f64> =
            LanguageModel::new(&Config { hidden_size: 16, ..configs()[0].clone() }, VOCAB).unwrap();
        let (mut tape, mut shards) = (Tape::new(&Cpu::new(Some(2)).unwrap()), Shards::default());
        let (want, ..) = step(&model, (&mut tape, &mut shards), BATCH, false);
        let (inputs, mut targets) = tokens(BATCH);
        let (mut state, mut grads) = (model.initial_state(BATCH), model.params().zeros_like());
        let mut refused = |targets: &[u32], state: &mut State<f64>| {
            model
                .loss_and_grads(&mut tape, &mut shards, &inputs, targets, state, None, &mut grads)
                .unwrap_err()
                .to_string()
        };
        let error = refused(&targets, &mut narrow.initial_state(BATCH));
        assert!(error.contains("has shape") || error.contains("elements"), "{error}");
        // In the second half, after the first is done.
        targets[BATCH - 1] = VOCAB as u32;
        let error = refused(&targets, &mut state);
        assert!(error.contains(&VOCAB.to_string()), "{error}");
        assert!(state.is_initial() && state.tensors().iter().all(|tensor| tensor.2.iter().all(|&x| x == 0.0)));
        assert_eq!(step(&model, (&mut tape, &mut shards), BATCH, false).0.to_bits(), want.to_bits());
    }

    #[test]
    fn shards_draw_masks_of_their_own() {
        let config = &configs()[0];
        let model: LanguageModel<f64> = LanguageModel::new(config, VOCAB).unwrap();
        // Eight rows twice.
        let rows: Vec<u32> = (0..16 * 64).map(|i| (i % 8 * 3 + i / 16) as u32 % VOCAB as u32).collect();
        let upper_state = |dropout: bool| {
            let (mut state, mut grads) = (model.initial_state(16), model.params().zeros_like());
            let (mut tape, mut shards) = (Tape::new(&Cpu::new(Some(1)).unwrap()), Shards::default());
            let dropout = dropout.then(|| generator(3, Purpose::Dropout, 1));
            model.loss_and_grads(&mut tape, &mut shards, &rows, &rows, &mut state, dropout, &mut grads).unwrap();
            assert_eq!(shards.shards.len(), 2);
            let (_, [_, width], values) = state.tensors().into_iter().find(|tensor| tensor.0 == "h_l1").unwrap();
            values.chunks_exact(width).map(bits).collect::<Vec<_>>()
        };
        let (plain, dropped) = (upper_state(false), upper_state(true));
        assert!((0..8).all(|row| plain[row] == plain[row + 8] && dropped[row] != dropped[row + 8]));
    }

    /// Loss, gradients and state of a step of few rows in exactly `count` shards.
    fn forced(model: &LanguageModel<f64>, cpu: &Cpu, count: usize) -> (f64, Params<f64>, State<f64>) {
        const ROWS: usize = 11;
        let tokens: Vec<u32> = (0..ROWS * 7).map(|i| ((i * i + i / 3) % VOCAB) as u32).collect();
        let (mut shards, mut grads) = (Shards::of(count).unwrap(), model.params().zeros_like());
        let (mut tape, mut state) = (Tape::new(cpu), model.initial_state(ROWS));
        let loss =
            model.loss_and_grads(&mut tape, &mut shards, &tokens, &tokens, &mut state, None, &mut grads).unwrap();
        assert_eq!(shards.shards.len(), if count == 1 { 0 } else { count });
        (loss, grads, state)
    }

    #[test]
    fn any_number_of_shards_has_one_result_on_any_threads_and_the_whole_within_rounding() {
        for config in configs() {
            let model: LanguageModel<f64> = LanguageModel::new(&config, VOCAB).unwrap();
            let (want_loss, want, want_state) = forced(&model, &Cpu::new(Some(1)).unwrap(), 1);
            for count in [1, 2, 4, 8] {
                let mut first: Option<(u64, Vec<u64>)> = None;
                for threads in [1, 2, 5] {
                    let cpu = Cpu::with_backend(Backend::detect(), threads).unwrap().with_work_per_thread(1);
                    let (loss, grads, state) = forced(&model, &cpu, count);
                    let got = (loss.to_bits(), bits(grads.values()));
                    assert!(*first.get_or_insert_with(|| got.clone()) == got, "{count} shards, {threads} threads");
                    // A sum of 77 terms in another order: each rounding is at most half of 2^-52 of the sum of the
                    // sizes.
                    assert!((loss / want_loss - 1.0).abs() < 77.0 * f64::EPSILON, "{count} shards: {loss} {want_loss}");
                    for ((name, _, got), (_, _, want)) in state.tensors().iter().zip(want_state.tensors()) {
                        assert!(bits(got) == bits(&want), "{name}");
                    }
                    for name in model.params().names() {
                        let (got, want) = (grads.get(name).unwrap(), want.get(name).unwrap());
                        let largest = want.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                        let apart = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                        assert!(
                            largest > 0.0 && apart < 1e-13 * largest,
                            "{count} shards, {name}: {apart} of {largest}"
                        );
                    }
                }
            }
        }
        assert!(Shards::<f32>::of(3).unwrap_err().to_string().contains("power of two"));
    }

    #[test]
    fn sizes_decide() {
        assert!(count(1024, 16, 4096) == 2 && count(usize::MAX - 15, 16, usize::MAX) == 2);
        assert!(count(1023, 33, 1 << 20) == 1 && count(2000, 8, 1 << 20) == 1 && count(1024, 16, 4095) == 1);
    }
}
