//! A network as it is run: its layers, its parameters, and what a step of its input is. Not here: how it is trained.

use std::sync::Arc;

use elman_kernels::Element;

use crate::autodiff::params::Params;
use crate::nn::layer::Layer;

/// What a step of a sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// One of so many tokens.
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
