//! A network as it is run: its layers, its parameters, and what a step of its input is. Not here: how it is trained.

use std::sync::Arc;

use elman_kernels::Element;

use crate::autodiff::params::{Declaration, Params, Start};
use crate::error::Error;
use crate::nn::layer::Layer;
use crate::rng::{Purpose, generator, uniform};

/// What a step of a sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// One of this number of tokens.
    Tokens(usize),
    /// So many numbers.
    Vectors(usize),
}

impl Input {
    /// V, or the numbers of a vector.
    pub fn size(self) -> usize {
        match self {
            Input::Tokens(size) | Input::Vectors(size) => size,
        }
    }

    /// In words.
    pub fn kind(self) -> &'static str {
        match self {
            Input::Tokens(_) => "tokens",
            Input::Vectors(_) => "vectors",
        }
    }
}

/// The parameters of a declaration, drawn uniformly: within 1/sqrt(H) of the layer's units, as PyTorch draws its recurrent
/// layers, or of a map's inputs, as it draws its linear ones; embeddings within 1/sqrt of their width. Constants are as declared.
///
/// Errors: no memory; two parameters of one name.
pub fn fresh<E: Element>(declaration: Declaration, seed: u64) -> Result<Params<E>, Error> {
    let (mut params, mut rng): (Params<E>, _) = (declaration.zeros()?, generator(seed, Purpose::Init, 0));
    for fresh in params.fresh() {
        let len = fresh.shape.iter().product();
        let columns = fresh.shape.get(1).copied().unwrap_or(len);
        let bound = 1.0 / libm::sqrt(fresh.units.unwrap_or(columns).max(1) as f64);
        let values: Vec<E> = match fresh.start {
            Start::Constant(value) => vec![E::from_f64(value); len],
            _ => (0..len).map(|_| E::from_f64((2.0 * uniform(&mut rng) - 1.0) * bound)).collect(),
        };
        params.set(&fresh.name, &values)?;
    }
    Ok(params)
}

/// Layers with their parameters. A copy shares the parameters' memory until either side changes it.
#[derive(Clone, Debug)]
pub struct Network<E> {
    layers: Arc<dyn Layer<E>>,
    params: Params<E>,
    input: Input,
}

impl<E: Element> Network<E> {
    /// A network of layers whose parameters are `params`, and of which each step reads `input`.
    pub fn new(layers: Arc<dyn Layer<E>>, params: Params<E>, input: Input) -> Network<E> {
        Network { layers, params, input }
    }

    /// The layers.
    pub fn layers(&self) -> &dyn Layer<E> {
        &*self.layers
    }

    /// The parameters.
    pub fn params(&self) -> &Params<E> {
        &self.params
    }

    /// The parameters.
    pub fn params_mut(&mut self) -> &mut Params<E> {
        &mut self.params
    }

    /// What a step of the input is.
    pub fn input(&self) -> Input {
        self.input
    }
}
