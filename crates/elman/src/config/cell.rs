//! Holds how a configuration writes and reads its cell: by the name that the kernels' table of cells gives it.
//! Refuses names that are not there.

use elman_kernels::recurrent::Cell;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub fn serialize<S: Serializer>(cell: &Cell, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(cell.name())
}

pub fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Cell, D::Error> {
    let name = String::deserialize(deserializer)?;
    Cell::ALL.iter().copied().find(|cell| cell.name() == name).ok_or_else(|| {
        let names: Vec<String> = Cell::ALL.iter().map(|cell| format!("`{}`", cell.name())).collect();
        D::Error::custom(format!("unknown cell `{name}`, expected one of {}", names.join(", ")))
    })
}
