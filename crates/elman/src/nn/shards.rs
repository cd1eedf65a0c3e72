//! Holds a step on a large batch as two halves of its rows: each goes forward and back on a tape of its own, at the same time
//! where the threads can be shared out, and the gradients are added at the end: two threads exchange nothing within a step.
//! Refuses to ask for the number of threads: sizes decide, because two sums and one differ in their last bits.

use elman_kernels::{Cpu, Element};
use rand_chacha::ChaCha8Rng;

use crate::autodiff::params::Params;
use crate::autodiff::tape::Tape;
use crate::error::Error;
use crate::nn::state::State;

/// Rows of a batch that are worth two halves: of fewer, a product's tiles would be too short.
const LEAST_BATCH: usize = 16;
/// Positions of a step: for fewer, gradients that are zeroed and added up cost more than the halves bring.
const LEAST_POSITIONS: usize = 1024;
/// Positions times parameters: a step of fewer is over before another thread has begun.
const LEAST_WORK: usize = 1 << 22;
/// Words of the generator between the halves' draws: more than a half draws.
const DRAWS_APART: u128 = 1 << 48;

/// Whether a step on `[T, B]` tokens is done in halves.
pub(crate) fn is_worth_it(positions: usize, batch: usize, parameters: usize) -> bool {
    let work = positions.saturating_mul(parameters);
    batch >= LEAST_BATCH && positions >= LEAST_POSITIONS && work >= LEAST_WORK && positions.is_multiple_of(batch)
}

/// The halves of an earlier step, to be used again.
#[derive(Debug)]
pub struct Shards<E>(pub(crate) Option<Box<Halves<E>>>);

impl<E> Default for Shards<E> {
    fn default() -> Shards<E> {
        Shards(None)
    }
}

/// What the halves work with, kept from one step to the next.
#[derive(Debug)]
pub(crate) struct Halves<E> {
    pub pair: [Half<E>; 2],
    /// The gradients of the second half; those of the first go where the step's go.
    pub second_grads: Params<E>,
}

/// One half of a batch.
#[derive(Debug)]
pub(crate) struct Half<E> {
    pub tape: Tape<E>,
    /// `[T * B/2]` each.
    pub inputs: Vec<u32>,
    pub targets: Vec<u32>,
    pub state: State<E>,
    pub dropout: Option<ChaCha8Rng>,
    /// The sum of its losses.
    pub sum: Result<f64, Error>,
    /// Its first row in the batch.
    first: usize,
}

impl<E: Element> Halves<E> {
    /// For a model of `params`; `zero_state` makes a state of some rows.
    ///
    /// Errors: the system gives no more threads.
    pub fn new(
        cpu: &Cpu,
        params: &Params<E>,
        batch: usize,
        zero_state: impl Fn(usize) -> State<E>,
    ) -> Result<Halves<E>, Error> {
        let half = |cpu: &Cpu, first, rows| Half {
            tape: Tape::new(cpu),
            inputs: Vec::new(),
            targets: Vec::new(),
            state: zero_state(rows),
            dropout: None,
            sum: Ok(0.0),
            first,
        };
        let (cpus, middle) = (cpu.shards(2)?, batch.div_ceil(2));
        let pair = [half(&cpus[0], 0, middle), half(&cpus[1], middle, batch - middle)];
        Ok(Halves { pair, second_grads: params.zeros_like() })
    }

    /// Whether these are for such a model and batch.
    pub fn fit(&self, params: &Params<E>, batch: usize) -> bool {
        self.second_grads.is_like(params) && self.pair.iter().map(|half| half.state.batch()).sum::<usize>() == batch
    }

    /// Whether a state has the parts of the model's.
    pub fn take_state(&self, state: &State<E>) -> bool {
        self.pair[0].state.is_like(state)
    }

    /// Hands each half its rows of the tokens `[T, B]` and of the state, and its place in the generator's stream.
    pub fn give_out(&mut self, inputs: &[u32], targets: &[u32], state: &State<E>, dropout: Option<&ChaCha8Rng>) {
        for (half, place) in self.pair.iter_mut().zip([0, DRAWS_APART]) {
            let (first, rows) = (half.first, half.state.batch());
            for (to, from) in [(&mut half.inputs, inputs), (&mut half.targets, targets)] {
                to.clear();
                from.chunks_exact(state.batch()).for_each(|step| to.extend_from_slice(&step[first..first + rows]));
            }
            half.state.copy_rows(state, first);
            half.dropout = dropout.cloned();
            if let Some(rng) = &mut half.dropout {
                rng.set_word_pos(rng.get_word_pos() + place);
            }
        }
    }

    /// Adds up: the second half's gradients to `grads`, its loss to the first's, and both states in their rows of `state`.
    /// Returns the sum of the losses.
    ///
    /// Errors: that of a half; `state` is then as it was.
    pub fn add_up(&mut self, cpu: &Cpu, state: &mut State<E>, grads: &mut Params<E>) -> Result<f64, Error> {
        let [first, second] = self.pair.each_mut().map(|half| std::mem::replace(&mut half.sum, Ok(0.0)));
        let sum = first? + second?;
        self.pair.iter().for_each(|half| state.put_rows(half.first, &half.state));
        grads.add(cpu, &self.second_grads);
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use elman_kernels::{Backend, softmax};

    use super::*;
    use crate::config::{Cell, Config, InitialState};
    use crate::nn::model::LanguageModel;
    use crate::rng::{Purpose, generator};

    const VOCAB: usize = 21;
    /// An odd batch, so that one half has a row more.
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
        assert!(shards.0.is_some(), "large enough for halves");
        (loss, grads, state)
    }

    #[test]
    fn halves_are_the_whole_but_for_the_rounding_of_sums() {
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
    fn threads_change_no_bit_of_halves_and_a_tape_that_served_another_model_serves_this() {
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
    fn halves_draw_masks_of_their_own() {
        let config = &configs()[0];
        let model: LanguageModel<f64> = LanguageModel::new(config, VOCAB).unwrap();
        // Eight rows twice.
        let rows: Vec<u32> = (0..16 * 64).map(|i| (i % 8 * 3 + i / 16) as u32 % VOCAB as u32).collect();
        let upper_state = |dropout: bool| {
            let (mut state, mut grads) = (model.initial_state(16), model.params().zeros_like());
            let (mut tape, mut shards) = (Tape::new(&Cpu::new(Some(1)).unwrap()), Shards::default());
            let dropout = dropout.then(|| generator(3, Purpose::Dropout, 1));
            model.loss_and_grads(&mut tape, &mut shards, &rows, &rows, &mut state, dropout, &mut grads).unwrap();
            assert!(shards.0.is_some());
            let (_, [_, width], values) = state.tensors().into_iter().find(|tensor| tensor.0 == "h_l1").unwrap();
            values.chunks_exact(width).map(bits).collect::<Vec<_>>()
        };
        let (plain, dropped) = (upper_state(false), upper_state(true));
        assert!((0..8).all(|row| plain[row] == plain[row + 8] && dropped[row] != dropped[row + 8]));
    }

    #[test]
    fn sizes_decide() {
        assert!(is_worth_it(1024, 16, 4096) && is_worth_it(usize::MAX - 15, 16, usize::MAX));
        assert!(!is_worth_it(1023, 33, 1 << 20) && !is_worth_it(2000, 8, 1 << 20) && !is_worth_it(1024, 16, 4095));
    }
}
