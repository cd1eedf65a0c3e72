//! Which tasks a flag belongs to, above all those of `train`. A flag of another task is an error that names both. Not here: the
//! flags (`settings.rs`, `task_flags.rs`), their help (`help.rs`).

use crate::failure::Refusal;

/// The name of the task of language models.
pub const LM: &str = "lm";

const WITH_TEXT: &[&str] = &[LM, "classify", "tag", "restore", "generate", "translate", "regress", "multilabel"];
const LABELLED: &[&str] = &["classify", "tag", "generate", "regress", "multilabel"];

/// Flags, by the names of their fields, that some tasks only have a use for.
const OF: &[(&[&str], &[&str])] = &[
    (
        &[
            "batches",
            "stateful",
            "drop_last",
            "random_offset",
            "random_epoch",
            "cut_tail",
            "max_tokens",
            "on_disk",
            "test_file",
        ],
        &[LM],
    ),
    (&["sample_length"], &[LM, "generate"]),
    (&["seq_len"], &[LM, "classify", "tag", "restore", "generate", "forecast", "regress", "multilabel", "signal"]),
    (
        &["initial_state"],
        &[LM, "classify", "tag", "restore", "translate", "forecast", "regress", "multilabel", "signal"],
    ),
    (&["embed", "tied", "tokenizer", "tokenizer_file", "unk", "min_freq", "vocab_size"], WITH_TEXT),
    (&["words", "eos", "reserve", "clean", "lowercase"], WITH_TEXT),
    (&["text_column"], &["classify", "tag", "restore", "generate", "regress", "multilabel"]),
    (&["label"], LABELLED),
    (&["features"], LABELLED),
    (&["group"], &["classify", "tag", "generate", "forecast", "regress", "multilabel"]),
    (&["header"], &["classify", "tag", "restore", "generate", "translate", "forecast", "regress", "multilabel"]),
    (&["bidirectional"], &["classify", "tag", "restore", "translate", "regress", "multilabel"]),
    (&["pooling"], &["classify", "regress", "multilabel"]),
    (&["class_weights", "logit_adjustment", "token_dropout"], &["classify"]),
    (&["labels", "every_step", "ahead"], &["regress", "multilabel"]),
    (&["crf"], &["tag", "restore"]),
    (&["knobs", "skip", "signal_loss", "pre_emphasis", "dc", "settle", "windows", "test_frac", "align"], &["signal"]),
    (&["listen"], &["signal"]),
    (&["output", "quantiles"], &["forecast", "regress"]),
    (&["wide"], &["forecast", "classify", "regress", "multilabel"]),
    (&["members"], &["classify", "forecast", "regress", "multilabel"]),
    (&["ngrams", "ngram_share", "keep_duplicates"], &["classify"]),
    (&["condition"], &["generate"]),
    (&["time", "values", "covariates", "horizon", "season", "transform", "calendar"], &["forecast"]),
    (&["past_covariates", "statics", "categories", "freq", "zone", "missing", "season_lags"], &["forecast"]),
    (&["box_cox", "scale", "non_negative", "decoder", "train_origins"], &["forecast"]),
    (&["origins", "stride", "test_from"], &["forecast"]),
    (&["strategy", "memory", "lags", "level", "paths", "recent"], &["forecast"]),
    (&["from", "to", "max_from", "max_to", "val_sentences", "test_sentences", "encoder_hidden"], &["translate"]),
    (&["attention", "input_feeding", "forcing", "smoothing"], &["translate"]),
];

/// The tasks that have a use for a flag; None if all have.
pub fn tasks_of(field: &str) -> Option<&'static [&'static str]> {
    OF.iter().find(|(fields, _)| fields.contains(&field)).map(|(_, tasks)| *tasks)
}

/// Errors: one of the fields is that of a flag for which `task` has no use.
pub fn refuse_others<'a>(task: &str, fields: impl IntoIterator<Item = &'a str>) -> Result<(), Refusal> {
    for field in fields {
        if let Some(tasks) = tasks_of(field).filter(|tasks| !tasks.contains(&task)) {
            let flag = field.trim_end_matches("_column").replace('_', "-");
            let message = refusal(&format!("--{flag}"), &format!("--task {task}"), tasks);
            let hint = format!("'elman train --task {task} --help' lists the flags of {task}");
            return Err(Refusal::new(message).hint(hint));
        }
    }
    Ok(())
}

/// Errors: a flag of another verb than `train` is given for which models of `task` have no use. `flags` are: whether one is given,
/// its name, the tasks that have a use for it.
pub fn refuse_flags(task: &str, flags: &[(bool, &str, &[&str])]) -> Result<(), Refusal> {
    match flags.iter().find(|(is_given, _, tasks)| *is_given && !tasks.contains(&task)) {
        Some((_, flag, tasks)) => Err(Refusal::new(refusal(flag, &format!("a model of the task {task}"), tasks))),
        None => Ok(()),
    }
}

/// The message for a flag that is given with what has no use for it.
pub fn refusal(flag: &str, given_with: &str, tasks: &[&str]) -> String {
    format!("{flag} is given with {given_with}, expected it with {}", tasks.join(", "))
}

#[cfg(test)]
mod tests {
    use elman::config::TaskSettings;
    use toml::{Table, Value};

    use super::*;

    #[test]
    fn the_settings_of_each_task_are_the_flags_it_has() {
        for kind in TaskSettings::KINDS {
            let mut settings = Table::try_from(TaskSettings::of_kind(kind).unwrap()).unwrap();
            if let Some(Value::Table(source)) = settings.remove("source") {
                settings.extend(source);
            }
            for key in settings.keys().filter(|key| *key != "kind") {
                let field = if key == "text" { "text_column" } else { key };
                // A text to restore has no labels, but its settings are those of tags.
                if (*kind, field) != ("restore", "label") {
                    assert!(tasks_of(field).unwrap_or_else(|| panic!("{field}")).contains(kind), "{kind} {field}");
                }
            }
        }
    }

    #[test]
    fn a_flag_of_another_task_is_refused_by_name() {
        let message = |task, field| refuse_others(task, [field]).unwrap_err().to_string();
        assert_eq!(
            message("classify", "horizon"),
            "--horizon is given with --task classify, expected it with forecast"
        );
        assert_eq!(
            message("lm", "text_column"),
            "--text is given with --task lm, expected it with classify, tag, restore, generate, regress, multilabel"
        );
        assert!(refuse_others("lm", ["batches", "seq_len", "lr"]).is_ok());
    }
}
