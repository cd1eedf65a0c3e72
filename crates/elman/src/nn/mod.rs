//! Networks: recurrent layers and their states, models made of them, initial values. Not here: data, files, training.

pub mod model;
pub mod recurrent;
pub mod shards;
pub mod state;
