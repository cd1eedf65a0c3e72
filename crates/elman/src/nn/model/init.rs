//! How the parameters of a fresh model are drawn. Not here: layers, which declare how each of theirs starts.
//! All arithmetic is in f64, so that models of both number types begin with the same numbers, rounded.

use elman_kernels::Element;
use rand_chacha::ChaCha8Rng;

use crate::autodiff::params::{Fresh, Params, Start};
use crate::config::{Config, Init, InitBias};
use crate::error::Error;
use crate::rng::{self, Purpose, uniform};

/// Draws every parameter in the order of the state dict, then adds `forget_bias` to the rows of a forget gate.
pub fn draw<E: Element>(config: &Config, params: &mut Params<E>) -> Result<(), Error> {
    let mut rng = rng::generator(config.seed, Purpose::Init, 0);
    for fresh in params.fresh() {
        let drawn = values(config, &fresh, &mut rng);
        let mut values: Vec<E> = drawn.into_iter().map(E::from_f64).collect();
        values[fresh.forget_gate.clone()].iter_mut().for_each(|x| *x += E::from_f64(config.forget_bias));
        params.set(&fresh.name, &values)?;
    }
    Ok(())
}

/// The initial values of a parameter, row-major. Draws come from `rng` in their order.
///
/// With s = `init_scale` and H = `hidden_size`:
/// * `pytorch`: uniform in ±s/sqrt(H), PyTorch's own start of its recurrent layers, for every parameter; but for the
///   embeddings of tasks other than language models, which are normal with deviation s;
/// * `normal`: normal with deviation s;
/// * `fan`: normal with deviation s/sqrt(columns), and s/sqrt(H) for biases;
/// * `orthogonal`: each H x H block of `weight_hh` is s times an orthogonal matrix, the rest as `pytorch` with s = 1.
///
/// H is that of the layer, the last layer's for embedding and head. With `init_bias = "zero"` biases are zero and draw
/// nothing; constants, such as a learned initial state, draw nothing.
pub fn values(config: &Config, fresh: &Fresh, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let shape = &fresh.shape;
    let len = shape.iter().product();
    let is_bias = shape.len() == 1;
    if let Start::Constant(value) = fresh.start {
        return vec![value; len];
    }
    if is_bias && config.init_bias == InitBias::Zero {
        return vec![0.0; len];
    }
    let hidden = fresh.units.unwrap_or(config.hidden_size);
    let scale = config.init_scale();
    let within = |bound: f64, rng: &mut ChaCha8Rng| (0..len).map(|_| (2.0 * uniform(rng) - 1.0) * bound).collect();
    let bound = 1.0 / libm::sqrt(hidden as f64);
    match config.init {
        // PyTorch's own start of an embedding. A language model's was always drawn like its layers.
        Init::Pytorch if config.task.is_some() && fresh.start == Start::Embedding => normals(len, scale, rng),
        Init::Pytorch => within(scale * bound, rng),
        Init::Normal => normals(len, scale, rng),
        Init::Fan => {
            let fan_in = if is_bias { hidden } else { shape[1] };
            normals(len, scale / libm::sqrt(fan_in as f64), rng)
        }
        Init::Orthogonal if fresh.start == Start::Square => {
            let side = shape[1];
            let blocks = (0..shape[0] / side).flat_map(|_| orthogonal(side, rng));
            blocks.map(|x| scale * x).collect()
        }
        Init::Orthogonal => within(bound, rng),
    }
}

/// Draws from a normal distribution of mean 0. Source: Box and Muller 1958, one draw of the pair.
fn normals(len: usize, deviation: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut draw = || {
        let (radius, angle) = (1.0 - uniform(rng), 2.0 * std::f64::consts::PI * uniform(rng));
        deviation * libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(angle)
    };
    (0..len).map(|_| draw()).collect()
}

/// An orthogonal n x n matrix, uniform among them: the rows of a normal matrix made orthonormal one after another, each
/// projected twice against those before it, so that rounding leaves nothing of them.
fn orthogonal(n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let mut matrix = normals(n * n, 1.0, rng);
    for i in 0..n {
        let (before, rest) = matrix.split_at_mut(i * n);
        let row = &mut rest[..n];
        for _ in 0..2 {
            for earlier in before.chunks_exact(n) {
                let along = dot(earlier, row);
                row.iter_mut().zip(earlier).for_each(|(x, e)| *x -= along * e);
            }
        }
        let length = libm::sqrt(dot(row, row));
        row.iter_mut().for_each(|x| *x /= length);
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autodiff::params::Params;
    use crate::nn::model::LanguageModel;

    const H: usize = 24;

    fn params(config: &Config) -> Params<f64> {
        let config = Config { hidden_size: H, num_layers: 2, embed: 10, forget_bias: 0.0, ..config.clone() };
        LanguageModel::new(&config, 40).unwrap().params().clone()
    }

    fn deviation(values: &[f64]) -> f64 {
        (values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn every_scheme_has_its_own_spread() {
        let base = Config::default();
        let root = (H as f64).sqrt();
        let cases = [
            // weight_ih_l0 has 10 columns, decoder.weight 24; a uniform in ±b has the deviation b/sqrt(3).
            (base.clone(), [1.0 / root / 3f64.sqrt(); 3]),
            (Config { init_scale: Some(0.1), ..base.clone() }, [0.1 / root / 3f64.sqrt(); 3]),
            (Config { init: Init::Normal, ..base.clone() }, [0.01; 3]),
            (Config { init: Init::Normal, init_scale: Some(0.3), ..base.clone() }, [0.3; 3]),
            (Config { init: Init::Fan, ..base.clone() }, [1.0 / 10f64.sqrt(), 1.0 / root, 1.0 / root]),
            (Config { init: Init::Fan, init_scale: Some(2.0), ..base }, [2.0 / 10f64.sqrt(), 2.0 / root, 2.0 / root]),
        ];
        for (config, want) in cases {
            let params = params(&config);
            let names = ["rnn.weight_ih_l0", "decoder.weight", "rnn.bias_hh_l1"];
            for (name, want) in names.into_iter().zip(want) {
                let values = params.get(name).unwrap();
                // A deviation of n draws has the standard error 1/sqrt(2n) of itself; five of them.
                let error = 5.0 / (2.0 * values.len() as f64).sqrt();
                let got = deviation(&values);
                assert!((got / want - 1.0).abs() < error, "{:?} {name}: {got} {want}", config.init);
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                assert!(mean.abs() < 5.0 * want / (values.len() as f64).sqrt(), "{name}: mean {mean}");
            }
        }
    }

    #[test]
    fn orthogonal_blocks_are_orthogonal_and_the_rest_is_pytorchs() {
        let scale = 1.5;
        let got = params(&Config { init: Init::Orthogonal, init_scale: Some(scale), ..Config::default() });
        for name in ["rnn.weight_hh_l0", "rnn.weight_hh_l1"] {
            let values = got.get(name).unwrap();
            assert_eq!(values.len(), 4 * H * H);
            for block in values.chunks_exact(H * H) {
                for i in 0..H {
                    for j in 0..H {
                        let dot: f64 = (0..H).map(|k| block[i * H + k] * block[j * H + k]).sum();
                        let want = if i == j { scale * scale } else { 0.0 };
                        assert!((dot - want).abs() < 1e-13, "{name} rows {i}, {j}: {dot}");
                    }
                }
            }
            assert_ne!(values[..H * H], values[H * H..2 * H * H]);
        }
        let bound = 1.0 / (H as f64).sqrt();
        let others = ["encoder.weight", "rnn.weight_ih_l1", "rnn.bias_hh_l0", "decoder.weight"];
        assert!(others.iter().all(|name| got.get(name).unwrap().iter().all(|x| x.abs() <= bound)));
    }

    #[test]
    fn zero_biases_are_zero_but_for_the_forget_gate() {
        let config = Config { hidden_size: H, init: Init::Normal, init_bias: InitBias::Zero, ..Config::default() };
        let model: LanguageModel<f64> = LanguageModel::new(&config, 40).unwrap();
        for name in model.params().names() {
            let values = model.params().get(name).unwrap();
            match name {
                "rnn.bias_ih_l0" | "rnn.bias_ih_l1" => {
                    assert!(values[H..2 * H].iter().all(|&x| x == 1.0));
                    assert!(values[..H].iter().chain(&values[2 * H..]).all(|&x| x == 0.0));
                }
                name if name.contains("bias") => assert!(values.iter().all(|&x| x == 0.0), "{name}"),
                name => assert!(values.iter().all(|&x| x != 0.0), "{name}"),
            }
        }
    }
}
