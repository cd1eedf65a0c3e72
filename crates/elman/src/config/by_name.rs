//! How a configuration reads and writes a choice from a table: by its name there. An unknown name is an error.

use elman_kernels::descent::OptimizerKind;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::nn::cells::Cell;

/// A choice out of a table of names.
pub trait Named: Copy + 'static {
    /// What it is a choice of.
    const WHAT: &'static str;
    /// All there are.
    const ALL: &'static [Self];
    /// What it is called.
    fn name(self) -> &'static str;
}

impl Named for Cell {
    const WHAT: &'static str = "cell";
    const ALL: &'static [Cell] = Cell::ALL;
    fn name(self) -> &'static str {
        self.name()
    }
}

impl Named for OptimizerKind {
    const WHAT: &'static str = "optimizer";
    const ALL: &'static [OptimizerKind] = OptimizerKind::ALL;
    fn name(self) -> &'static str {
        self.name()
    }
}

pub fn serialize<T: Named, S: Serializer>(choice: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(choice.name())
}

pub fn deserialize<'d, T: Named, D: Deserializer<'d>>(deserializer: D) -> Result<T, D::Error> {
    let name = String::deserialize(deserializer)?;
    T::ALL.iter().copied().find(|choice| choice.name() == name).ok_or_else(|| {
        let names: Vec<String> = T::ALL.iter().map(|choice| format!("`{}`", choice.name())).collect();
        D::Error::custom(format!("unknown {} `{name}`, expected one of {}", T::WHAT, names.join(", ")))
    })
}
