//! The processor that all targets use. Not here: the targets.

use std::sync::LazyLock;

use elman::Cpu;

pub static CPU: LazyLock<Cpu> = LazyLock::new(|| Cpu::new(Some(1)).expect("one thread"));
