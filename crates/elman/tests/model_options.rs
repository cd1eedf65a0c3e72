//! What each option of a language model does to its numbers: tied weights, locked dropout, a learned initial state,
//! different widths. Each is compared with the plain model it is made of, to the bit. Not here: text and training
//! loops.

use elman::autodiff::nodes::Sequence;
use elman::autodiff::params::{Declaration, Params};
use elman::autodiff::tape::Tape;
use elman::config::{Cell, InitialState};
use elman::nn::shards::Shards;
use elman::nn::{Layer, Pass, Recurrent, Stack};
use elman::rng::{Purpose, generator};
use elman::{Config, Cpu, LanguageModel};

const V: usize = 9;
const B: usize = 3;

fn tape() -> Tape<f64> {
    Tape::new(&Cpu::new(Some(1)).unwrap())
}

fn base() -> Config {
    let (dropout, output_dropout) = (0.0, 0.0);
    Config { cell: Cell::LSTM, hidden_size: 6, num_layers: 2, embed: 6, dropout, output_dropout, ..Config::default() }
}

fn tokens(n: usize, salt: usize) -> Vec<u32> {
    (0..n).map(|i| ((i * 5 + i * i + salt) % V) as u32).collect()
}

/// Loss and gradients of one step from the initial state.
fn step(model: &LanguageModel<f64>, seq_len: usize) -> (f64, Params<f64>) {
    let mut grads = model.params().zeros_like();
    let (inputs, targets) = (tokens(seq_len * B, 1), tokens(seq_len * B, 2));
    let state = &mut model.initial_state(B);
    let loss =
        model.loss_and_grads(&mut tape(), &mut Shards::default(), &inputs, &targets, state, None, &mut grads).unwrap();
    (loss, grads)
}

#[test]
fn tied_weights_are_one_weight_in_two_places() {
    let tied = LanguageModel::<f64>::new(&Config { tied: true, ..base() }, V).unwrap();
    let mut apart = LanguageModel::<f64>::zeros(&base(), V).unwrap();
    assert_eq!(tied.params().get("decoder.weight"), None);
    for name in tied.params().names() {
        apart.params_mut().set(name, &tied.params().get(name).unwrap()).unwrap();
    }
    apart.params_mut().set("decoder.weight", &tied.params().get("encoder.weight").unwrap()).unwrap();
    let ((loss, grads), (apart_loss, apart_grads)) = (step(&tied, 5), step(&apart, 5));
    assert_eq!(loss.to_bits(), apart_loss.to_bits());
    let [of_encoder, of_decoder] = ["encoder.weight", "decoder.weight"].map(|name| apart_grads.get(name).unwrap());
    for (i, sum) in grads.get("encoder.weight").unwrap().into_iter().enumerate() {
        let want = of_encoder[i] + of_decoder[i];
        assert!((sum - want).abs() <= 1e-15 * (1.0 + want.abs()), "{i}: {sum}, expected {want}");
    }
    for name in apart.params().names().filter(|name| name.starts_with("rnn.") || *name == "decoder.bias") {
        assert_eq!(grads.get(name), apart_grads.get(name), "{name}");
    }
}

#[test]
fn a_learned_initial_state_equals_the_same_state_given() {
    for cell in [Cell::LSTM, Cell::GRU] {
        let config = Config { cell, ..base() };
        let learned = Config { initial_state: InitialState::Learned, ..config.clone() };
        let mut learned = LanguageModel::<f64>::new(&learned, V).unwrap();
        let mut plain = LanguageModel::<f64>::zeros(&config, V).unwrap();
        let names: Vec<String> = learned.params().names().map(str::to_owned).collect();
        let initial: Vec<&String> = names.iter().filter(|name| name.contains("initial_")).collect();
        assert_eq!(initial.len(), if cell == Cell::LSTM { 4 } else { 2 });
        let mut given = plain.initial_state(B);
        for (k, name) in initial.iter().enumerate() {
            assert!(learned.params().get(name).unwrap().iter().all(|&x| x == 0.0), "{name} does not begin with zero");
            let row: Vec<f64> = (0..6).map(|i| 0.1 * (i as f64 - 2.5) + 0.05 * k as f64).collect();
            learned.params_mut().set(name, &row).unwrap();
            given.set(&name.replace("rnn.initial_", ""), &[&row[..]; B].concat()).unwrap();
        }
        for name in names.iter().filter(|name| !name.contains("initial_")) {
            plain.params_mut().set(name, &learned.params().get(name).unwrap()).unwrap();
        }
        assert_eq!(learned.initial_state(B).tensors(), given.tensors());

        let (inputs, targets) = (tokens(4 * B, 1), tokens(4 * B, 2));
        let (mut grads, mut plain_grads) = (learned.params().zeros_like(), plain.params().zeros_like());
        let mut state = learned.initial_state(B);
        let loss = learned
            .loss_and_grads(&mut tape(), &mut Shards::default(), &inputs, &targets, &mut state, None, &mut grads)
            .unwrap();
        let plain_loss = plain
            .loss_and_grads(&mut tape(), &mut Shards::default(), &inputs, &targets, &mut given, None, &mut plain_grads)
            .unwrap();
        assert_eq!(loss.to_bits(), plain_loss.to_bits());
        assert_eq!(state.tensors(), given.tensors());
        for name in plain.params().names() {
            assert_eq!(grads.get(name), plain_grads.get(name), "{name}");
        }
        assert!(initial.iter().all(|name| grads.get(name).unwrap().iter().all(|&g| g != 0.0)));

        // A window that continues from a carried state teaches the initial one nothing, until the text begins again.
        learned
            .loss_and_grads(&mut tape(), &mut Shards::default(), &inputs, &targets, &mut state, None, &mut grads)
            .unwrap();
        assert!(initial.iter().all(|name| grads.get(name).unwrap().iter().all(|&g| g == 0.0)));
        learned.reset(&mut state);
        let again = learned
            .loss_and_grads(&mut tape(), &mut Shards::default(), &inputs, &targets, &mut state, None, &mut grads)
            .unwrap();
        assert_eq!(again.to_bits(), loss.to_bits());
    }
}

#[test]
fn locked_masks_stay_over_time_and_free_ones_do_not() {
    let (cols, seq_len) = (20, 5);
    let ones = vec![1.0; seq_len * B * cols];
    let masks = |locked: bool| {
        let mut tape = tape();
        let x = tape.dense_leaf(cols, &ones, false).unwrap();
        let mut rng = generator(4, Purpose::Dropout, 1);
        let y = match locked {
            true => tape.locked_dropout(0.4, &mut rng, x, B).unwrap(),
            false => tape.dropout(0.4, &mut rng, x).unwrap(),
        };
        tape.dense_value(y)
    };
    let (locked, free) = (masks(true), masks(false));
    let step = B * cols;
    assert_eq!(locked[..step], free[..step], "the first step's masks are the same draws");
    assert!(locked.chunks_exact(step).all(|mask| mask == &locked[..step]));
    assert!(free.chunks_exact(step).skip(1).all(|mask| mask != &free[..step]));
    assert!(locked[..cols] != locked[cols..2 * cols], "each row has a mask of its own");
    let mut tape = tape();
    let x = tape.dense_leaf(1, &[0.0; 7], false).unwrap();
    let error = tape.locked_dropout(0.4, &mut generator(4, Purpose::Dropout, 1), x, 2).unwrap_err();
    assert!(error.to_string().contains("locked_dropout"), "{error}");
}

#[test]
fn widths_of_their_own_are_layers_one_upon_another() {
    let config = Config { hidden_sizes: Some(vec![4, 7, 5]), num_layers: 3, hidden_size: 5, embed: 0, ..base() };
    let model = LanguageModel::<f64>::new(&config, V).unwrap();
    let shape = |name: &str| model.params().shape(name).unwrap().to_vec();
    assert_eq!(shape("rnn.weight_ih_l0"), [16, V]);
    assert_eq!(shape("rnn.weight_ih_l1"), [28, 4]);
    assert_eq!(shape("rnn.weight_hh_l2"), [20, 5]);
    assert_eq!(shape("decoder.weight"), [V, 5]);
    // The forget gate's bias of each layer was raised by 1, beyond PyTorch's bound of 1/sqrt(H).
    for (layer, hidden) in [(0, 4), (1, 7), (2, 5)] {
        let bias = model.params().get(&format!("rnn.bias_ih_l{layer}")).unwrap();
        let bound = 1.0 / (hidden as f64).sqrt();
        let raised = |x: &f64| (1.0 - bound..1.0 + bound).contains(x);
        assert!(bias[hidden..2 * hidden].iter().all(raised), "layer {layer}");
        assert!(bias[..hidden].iter().chain(&bias[2 * hidden..]).all(|x| x.abs() < bound), "layer {layer}");
    }
}

#[test]
fn the_reverse_direction_is_the_forward_one_on_the_sequence_turned_round() {
    let (cols, hidden, seq_len) = (3, 5, 6);
    for &cell in Cell::ALL {
        let mut declaration = Declaration::default();
        let both = Recurrent { bidirectional: true, ..Recurrent::plain(cell, cols, &[5]) };
        let both: Stack<f64> = both.declare(&mut declaration, "");
        let mut params = declaration.zeros::<f64>().unwrap();
        params.fill_uniform(0.7, &mut generator(1, Purpose::Init, 0));
        let mut declaration = Declaration::default();
        let one: Stack<f64> = Recurrent::plain(cell, cols, &[hidden]).declare(&mut declaration, "");
        let mut turned = declaration.zeros::<f64>().unwrap();
        for name in turned.names().map(str::to_owned).collect::<Vec<_>>() {
            turned.set(&name, &params.get(&format!("{name}_reverse")).unwrap()).unwrap();
        }
        let x: Vec<f64> = (0..seq_len * B * cols).map(|i| ((i * i) % 17) as f64 / 8.0 - 1.0).collect();
        let steps_back =
            |rows: &[f64], width: usize| -> Vec<f64> { rows.chunks(B * width).rev().flatten().copied().collect() };
        let states = one.states().len();
        let run = |rnn: &Stack<f64>, params: &Params<f64>, x: &[f64]| {
            let rnn = rnn.as_layer();
            let mut tape = tape();
            let x = tape.dense_leaf(cols, x, false).unwrap();
            let before = rnn.begin(&mut tape, params, &rnn.initial_state(params, B), false).unwrap();
            let (y, after) = rnn.run(&mut tape, params, Sequence::Dense(x), &before, &mut Pass::plain(B)).unwrap();
            let last = after[after.len() - states];
            (tape.dense_value(y), tape.dense_value(last))
        };
        let (y, last) = run(&both, &params, &x);
        let (turned_y, turned_last) = run(&one, &turned, &steps_back(&x, cols));
        let reverse_columns: Vec<f64> = y.chunks(2 * hidden).flat_map(|row| row[hidden..].to_vec()).collect();
        assert_eq!(reverse_columns, steps_back(&turned_y, hidden), "{cell:?}");
        assert_eq!(last, turned_last, "{cell:?}");
    }
}
