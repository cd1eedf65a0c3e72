//! The help of `train`: the flags of one task with their defaults, and a short form with the most used ones. Not here: the
//! other verbs, whose help is as clap has it.

use std::ffi::OsString;

use clap::{Arg, Command};
use elman::Config;
use elman::config::TaskSettings;
use toml::{Table, Value};

use crate::flag_tasks::{LM, tasks_of};

/// The flags that `train -h` shows, of those that the task has.
pub const MOST_USED: &[&str] = &[
    "text",
    "out",
    "resume",
    "config",
    "task",
    "cell",
    "hidden_size",
    "num_layers",
    "seq_len",
    "batch",
    "epochs",
    "lr",
    "dropout",
    "tokenizer",
    "val_file",
    "horizon",
    "season",
    "values",
    "label",
    "features",
    "attention",
    "threads",
    "json",
];

/// Widest line of help, in columns; less on a narrower terminal.
const WIDEST: usize = 100;

/// The help of `train` that is asked for.
#[derive(Debug, PartialEq)]
pub enum Asked {
    /// All flags, with the defaults of all tasks: for the manual page.
    All,
    /// The flags of a task; with `-h` the most used ones.
    Task { name: String, is_short: bool },
}

/// The command line with the defaults of the settings.
pub fn with_help(command: Command, asked: &Asked) -> Command {
    command.max_term_width(WIDEST).mut_subcommand("train", |train| match asked {
        Asked::Task { name, is_short: true } => short_of_task(of_task(train, name)),
        Asked::Task { name, .. } => of_task(train, name).mut_args(with_aliases),
        Asked::All => of_all(train).mut_args(with_aliases),
    })
}

/// What arguments ask for: the flags of the task that they name, or of language models.
pub fn asked(args: &[OsString]) -> Asked {
    let words: Vec<&str> = args.iter().skip(1).map(|arg| arg.to_str().unwrap_or_default()).collect();
    let after = |i: usize| words.get(i + 1).map(|word| word.to_string());
    let named = words.iter().enumerate().find_map(|(i, word)| match word.strip_prefix("--task") {
        Some("") => after(i),
        Some(rest) => rest.strip_prefix('=').map(str::to_string),
        None => None,
    });
    let known = named.filter(|task| TaskSettings::KINDS.contains(&task.as_str()));
    Asked::Task { name: known.unwrap_or_else(|| LM.to_string()), is_short: words.contains(&"-h") }
}

/// Other names of a flag at the end of its help.
fn with_aliases(arg: Arg) -> Arg {
    let names: Vec<String> = arg.get_all_aliases().into_iter().flatten().map(|name| format!("--{name}")).collect();
    if names.is_empty() {
        return arg;
    }
    let words = words_of(&arg);
    arg.help(format!("{words} [also: {}]", names.join(", ")))
}

/// One list with the first clause of each flag's help.
fn short_of_task(train: Command) -> Command {
    train.mut_args(|arg| {
        let words = words_of(&arg);
        let (text, default) = match words.split_once(" [default") {
            Some((text, default)) => (text, format!(" [default{default}")),
            None => (words.as_str(), String::new()),
        };
        let text = match arg.get_id().as_str() {
            "task" => "What to learn: lm, classify, forecast, generate, restore, tag, translate",
            _ => text.split([';', '(']).next().and_then(|text| text.split(". ").next()).unwrap_or(text).trim_end(),
        };
        let default = default.split(", the next").next().map(|words| words.trim_end_matches(']').to_string() + "]");
        let default = default.filter(|words| words.len() > 1 && words.len() < 25).unwrap_or_default();
        let arg = arg.help(format!("{text}{default}")).hide_possible_values(true).help_heading(None::<&str>);
        // A long name of the value would put the help of every flag onto a line of its own.
        let is_list = arg.get_value_names().is_some_and(|names| names.iter().any(|name| name.len() > 12));
        if is_list { arg.value_name("COLUMNS") } else { arg }
    })
}

/// The help of a flag without the names of its tasks, where `task` is one of them.
fn without_tasks<'a>(words: &'a str, task: &str) -> &'a str {
    match words.split_once(": ") {
        Some((tasks, rest)) if tasks.split(", ").any(|name| name == task) => rest,
        _ => words,
    }
}

fn of_task(train: Command, task: &str) -> Command {
    let settings = if task == LM { None } else { TaskSettings::of_kind(task) };
    let mut defaults = table(&Config::of_task(settings));
    if let Some(Value::Table(own)) = defaults.remove("task") {
        let source = own.get("source").and_then(Value::as_table).cloned().unwrap_or_default();
        defaults.extend(own.into_iter().filter(|(key, _)| key != "kind" && key != "source" && key != "text"));
        defaults.extend(source.into_iter().filter(|(key, _)| key != "text"));
    }
    let train = train.mut_args(|arg| {
        let field = arg.get_id().to_string();
        let belongs = tasks_of(&field).is_none_or(|tasks| tasks.contains(&task));
        let is_short = MOST_USED.contains(&field.as_str()) && belongs;
        let words = words_of(&arg);
        let words = without_tasks(&words, task);
        let arg = arg.hide(!belongs).hide_short_help(!is_short);
        match defaults.get(&field).and_then(shown) {
            Some(default) if !words.contains("[default") => arg.help(format!("{words} [default: {default}]")),
            _ => arg.help(words.to_string()),
        }
    });
    let more = format!("{}\n'elman train --help' lists all flags, --task T --help those of a task", example(task));
    train.after_help(more).after_long_help(format!("{}\n\n{}", example(task), other_tasks(task)))
}

/// What to type, for one task.
fn example(task: &str) -> String {
    let words = match task {
        "classify" => "elman train names --task classify --epochs 10",
        "forecast" => "elman train series.csv --task forecast --horizon 12 --season 12",
        "tag" => "elman train words.csv --task tag --epochs 20",
        "restore" => "elman train book.txt --task restore --epochs 9",
        "generate" => "elman train names --task generate --epochs 15",
        "translate" => "elman train pairs.txt --task translate --epochs 10",
        _ => "elman train book.txt --hidden 256 --epochs 10 --out runs/book",
    };
    format!("Example: {words}")
}

fn other_tasks(task: &str) -> String {
    let others = TaskSettings::KINDS.iter().filter(|kind| **kind != task).copied();
    let names: Vec<&str> = (task != LM).then_some(LM).into_iter().chain(others).collect();
    format!("The flags of another task: elman train --task T --help, T being {}", names.join(", "))
}

/// All flags, with the defaults of language models, and of each task with another.
fn of_all(train: Command) -> Command {
    let defaults = table(&Config::default());
    let of_task = |kind: &&'static str| (*kind, table(&Config::of_task(TaskSettings::of_kind(kind))));
    let of_tasks: Vec<(&str, Table)> = TaskSettings::KINDS.iter().map(of_task).collect();
    train.mut_args(|arg| {
        let key = arg.get_id().as_str();
        let own: Vec<(&str, Option<&Value>)> = of_tasks.iter().map(|(kind, table)| (*kind, table.get(key))).collect();
        match words_of_defaults(defaults.get(key), &own) {
            Some(words) => {
                let help = words_of(&arg);
                arg.help(format!("{help} [default: {words}]"))
            }
            None => arg,
        }
    })
}

/// A configuration as a table; empty if it is none, which no default is.
fn table(config: &Config) -> Table {
    Table::try_from(config).unwrap_or_default()
}

fn words_of(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default()
}

/// A default; None for the absence of a switch or of a list.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Boolean(false) => None,
        Value::Array(all) if all.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    }
}

/// `64; classify, tag 32`: the default of language models, then those of tasks that have another, equal ones together. None if
/// there is nothing to say: no default at all, or the absence of a switch everywhere.
fn words_of_defaults(plain: Option<&Value>, of_tasks: &[(&str, Option<&Value>)]) -> Option<String> {
    let written = |value: &Value| value.as_str().map_or(value.to_string(), str::to_string);
    let mut words = vec![written(plain?)];
    let mut others: Vec<(&Value, Vec<&str>)> = Vec::new();
    for &(kind, value) in of_tasks {
        let Some(value) = value.filter(|value| Some(*value) != plain) else { continue };
        match others.iter_mut().find(|(known, _)| *known == value) {
            Some((_, kinds)) => kinds.push(kind),
            None => others.push((value, vec![kind])),
        }
    }
    words.extend(others.iter().map(|(value, kinds)| format!("{} {}", kinds.join(", "), written(value))));
    (words.len() > 1 || plain?.as_bool() != Some(false)).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_a_command_line() {
        let of = |words: &str| asked(&words.split(' ').map(OsString::from).collect::<Vec<_>>());
        let task = |name: &str, is_short| Asked::Task { name: name.to_string(), is_short };
        assert_eq!(of("elman train -h"), task("lm", true));
        assert_eq!(of("elman train x --task forecast --help"), task("forecast", false));
        assert_eq!(of("elman help train --task=tag"), task("tag", false));
        assert_eq!(of("elman train --task nothing -h"), task("lm", true));
    }
}
