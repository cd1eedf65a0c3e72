//! The configuration of a run: every choice that changes the result, in one flat table. Impossible values are errors
//! that name the setting, before any work starts. Not here: what does not change the result (threads, backend, output
//! paths).

#[macro_use]
mod declare;

mod answers;
mod by_name;
mod check;
mod check_task;
mod check_text;
mod choices;
mod fields;
mod limits;
mod of_task;
mod open;
mod recipe;
pub mod schedule;
mod task;
mod text;

pub use crate::metrics::distribution::Output;
pub use crate::nn::cells::Cell;
pub use crate::nn::heads::Pooling;
pub use answers::{Answers, Numbers};
pub use choices::{BatchKind, Dtype, Init, InitBias, InitialState, OnNan, TokenizerKind};
pub use elman_kernels::descent::OptimizerKind;
pub use fields::Config;
pub use schedule::{Place, Rates, Schedule};
pub use task::{
    Attention, ClassWeights, Classify, Condition, Forecast, Generate, Memory, Missing, MultiLabel, Regress, Scale,
    Sides, Signal, SignalLoss, Source, Strategy, Tag, TaskSettings, Transform, Translate,
};
pub use text::{Clean, LossKind, RandomEpoch, Reserved, Words};
