//! Files: safetensors with checksums, model files, state files, run directories, atomic writes. Not here: what a run does.

pub mod atomic_file;
mod before_checksums;
mod checksum;
pub mod disk;
pub mod model_file;
pub mod regular;
pub mod run_dir;
pub mod state_file;
mod tensor_file;
pub mod weights;
