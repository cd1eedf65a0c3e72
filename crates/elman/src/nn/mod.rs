//! Networks: the trait `Layer`, cells, stacks and other layers, their states, heads and losses, initial
//! values, and models made of them.
//! Not here: data, files, training.

pub mod bidirectional;
pub mod cells;
pub mod crf;
pub mod dropout;
pub mod embedding;
pub mod heads;
pub mod layer;
pub mod linear;
pub mod losses;
pub mod model;
pub mod network;
pub mod residual;
pub mod shards;
pub mod stack;
pub mod state;

pub use cells::Cell;
pub use layer::{Layer, Pass};
pub use network::{Input, Network, fresh};
pub use stack::{Recurrent, Stack};
pub use state::State;
