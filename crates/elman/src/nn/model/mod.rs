//! The models: small files that combine layers for a task. Not here: loops and data.

pub(crate) mod conditioned;
mod first_state;
pub mod forecaster;
mod init;
pub(crate) mod language_model;
mod ngrams;
pub mod predictor;
mod reader;
mod recurrent;
pub mod seq2seq;
pub mod signal;

use elman_kernels::Element;

use crate::autodiff::params::{Declaration, Params};
use crate::config::Config;
use crate::error::Error;

pub use crate::nn::network::Input;
pub use conditioned::{Conditioned, Conditions};
pub use forecaster::Forecaster;
pub use language_model::LanguageModel;
pub use ngrams::NGrams;
pub use predictor::Predictor;
pub use reader::{Read, Reader};
pub use seq2seq::Seq2Seq;
pub use signal::SignalModel;

/// The layers of a model, without the memory of their parameters.
pub trait Declared: Sized {
    /// What the data decides: numbers of tokens and classes, and widths.
    type Sizes;

    /// Declares the parameters, in the order of the state dict. Errors: settings of another task; impossible sizes.
    fn declare(config: &Config, sizes: Self::Sizes) -> Result<(Self, Declaration), Error>;
}

/// Layers and their parameters.
#[derive(Clone, Debug)]
pub struct Model<E, L> {
    layers: L,
    params: Params<E>,
}

impl<E: Element, L: Declared> Model<E, L> {
    /// A fresh model: every parameter drawn as `init` says, in the order of the state dict, then `forget_bias` added to
    /// the forget gate's part of each `bias_ih`.
    ///
    /// Errors: an impossible configuration, or one of another task; impossible sizes; no memory.
    pub fn new(config: &Config, sizes: L::Sizes) -> Result<Self, Error> {
        config.check()?;
        let mut model = Self::zeros(config, sizes)?;
        init::draw(config, &mut model.params)?;
        Ok(model)
    }

    /// A model of zeros, to be filled. Errors: as [`Model::new`].
    pub fn zeros(config: &Config, sizes: L::Sizes) -> Result<Self, Error> {
        let (layers, declaration) = L::declare(config, sizes)?;
        Ok(Model { layers, params: declaration.zeros()? })
    }
}

impl<E: Element, L> Model<E, L> {
    /// A model with given parameters, declared by its layers.
    pub(crate) fn of(layers: L, params: Params<E>) -> Self {
        Model { layers, params }
    }

    /// The parameters.
    pub fn params(&self) -> &Params<E> {
        &self.params
    }

    /// The parameters.
    pub fn params_mut(&mut self) -> &mut Params<E> {
        &mut self.params
    }
}
