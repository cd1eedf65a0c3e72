//! Models of the first version, which wrote no checksum: how they are known. Not here: their reading, which is that of
//! any model.

use serde_json::Value;

/// The settings of the version that wrote models without a checksum. A model that has another is of a later version.
const BEFORE_CHECKSUMS: [&str; 24] = [
    "batch",
    "cell",
    "clip",
    "dropout",
    "embed",
    "epochs",
    "eval_every",
    "forget_bias",
    "hidden_size",
    "lr",
    "min_lr_frac",
    "num_layers",
    "output_dropout",
    "print_every",
    "sample_every",
    "sample_length",
    "save_every",
    "schedule",
    "seed",
    "seq_len",
    "steps",
    "tokenizer",
    "val_frac",
    "warmup",
];
/// The note on such a model.
pub(super) const NO_CHECKSUM: &str =
    "the model has no checksum, as those of the first version: damage to it goes unnoticed";

/// Whether a model's metadata without a checksum was written before there were any.
pub(super) fn is_before_checksums(meta: &Value) -> bool {
    let config = meta.get("config").and_then(Value::as_object);
    config.is_some_and(|config| config.keys().all(|key| BEFORE_CHECKSUMS.contains(&key.as_str())))
}
