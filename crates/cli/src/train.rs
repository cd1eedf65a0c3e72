//! The verb `train`: the path of every task. Settings, data and run directory are checked before the first step; then the
//! settings are printed, the network is trained, and the results are printed. Not here: the training loop (`elman::train`),
//! what differs between the tasks (`tasks`), the data of language models (`train/work.rs`).

mod args;
mod init_from;
pub mod session;
pub mod work;

use std::process::ExitCode;

use elman::config::{Classify, Dtype, TaskSettings, Translate};
use elman::task::Task;
use elman::{Config, RunDir, origin_of};
use serde::Serialize;

use crate::terminal::{self, counted, fact, grouped, say};
use crate::{failure, tasks};

pub use args::Args;
use session::{Driven, Job, Session, Words, shape};

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let run = args.resume.as_ref().map(RunDir::open).transpose()?;
    let origin = run.map(|run| origin_of(&run).map(|origin| (run, origin))).transpose()?;
    let model = init_from::read(args)?;
    let config = match &origin {
        None => args.settings.resolve(args.tokenizer_file.is_some(), model.as_ref())?,
        Some((run, origin)) => args.settings.of_resume(run, &origin.config)?,
    };
    let job = Job { args, config, origin, model };
    match job.config.dtype {
        Dtype::F32 | Dtype::Bf16 => tasks::train::<f32>(job),
        Dtype::F64 => tasks::train::<f64>(job),
    }
}

impl<T: Task> Session<'_, T> {
    /// Prints the settings, trains, measures the model that the run uses from then on, and prints the results. `measure` returns the lines to print and the task's
    /// figures in the object of `--json`.
    pub fn train<F: Serialize>(
        mut self,
        words: Words,
        measure: impl FnOnce(&mut Self, &mut Driven) -> anyhow::Result<(Vec<String>, F)>,
    ) -> anyhow::Result<ExitCode> {
        if !self.args.quiet {
            announce(&self, &words);
        }
        let mut driven = self.drive(words.unit)?;
        if !driven.outcome.stopped {
            // Without the file the model at the end is the one that is left.
            if let Err(error) = self.trainer.use_best(&self.run) {
                failure::warn(&error);
            }
        }
        let (lines, figures) = measure(&mut self, &mut driven)?;
        if !self.args.quiet {
            lines.iter().for_each(|line| say!("{line}"));
        }
        self.conclude(&driven, words.unit);
        if !self.args.quiet && !driven.outcome.stopped {
            let (purpose, arguments) = words.usage;
            say!("\n{purpose}:\n\n{}\n", terminal::command(&arguments));
        }
        if self.args.json {
            terminal::print_json(&self.summary(&driven, figures))?;
        }
        Ok(driven.stopped_by.map_or(ExitCode::SUCCESS, ExitCode::from))
    }
}

fn announce<T: Task>(session: &Session<'_, T>, words: &Words) {
    let (plan, config, cpu) = (session.trainer.plan(), session.trainer.config(), &session.cpu);
    let tell = |name: &str, words: String| say!("{}", fact(name, &words));
    words.facts.iter().for_each(|(name, words)| tell(name, words.clone()));
    let (network, parameters) = (network(config), grouped(plan.parameters as u64));
    tell("model", format!("{}, {network}: {parameters} parameters", shape(config)));
    let numbers = match config.dtype {
        dtype if dtype == Dtype::F32 || config.task.is_some() => "",
        Dtype::F64 => ", in double precision",
        Dtype::Bf16 if cpu.backend().has_bfloat16_instruction() => ", products of bfloat16",
        _ => ", products of bfloat16 without an instruction for them: slow",
    };
    let threads = counted(cpu.threads() as u64, "thread");
    tell("device", format!("cpu, backend {}, {threads}{numbers}", cpu.backend_name()));
    let (steps, an_epoch) = (counted(plan.steps, "step"), grouped(plan.steps_per_epoch));
    let schedule = format!("{:?}", config.schedule()).to_lowercase();
    let rate = format!("{:?}, rate {} ({schedule})", config.optimizer, config.lr);
    tell("training", format!("{steps} of {} {}s, {an_epoch} an epoch; {rate}", plan.batch, words.example));
    let from = if plan.steps_done > 0 { format!(", resumed after step {}", plan.steps_done) } else { String::new() };
    tell("run", format!("{}{from}", session.run.path().display()));
    plan.notes.iter().for_each(|note| tell("note", note.clone()));
    say!("");
}

/// What a language model reads and where it drops, or in which direction the network of another task reads.
fn network(config: &Config) -> String {
    let input = if config.embed > 0 { format!("embedding of {}", config.embed) } else { "one-hot input".to_string() };
    let between = match config.num_layers {
        1 => String::new(),
        _ => format!("{} between layers, ", config.dropout),
    };
    let dropout = format!("dropout {between}{} before the head", config.output_dropout);
    match &config.task {
        None => format!("{input}, {dropout}"),
        Some(TaskSettings::Classify(Classify { bidirectional: true, .. })) => "bidirectional".to_string(),
        Some(TaskSettings::Tag(tag) | TaskSettings::Restore(tag)) if tag.bidirectional => "bidirectional".to_string(),
        Some(TaskSettings::Regress(_) | TaskSettings::MultiLabel(_))
            if config.answers().is_ok_and(|answers| answers.bidirectional) =>
        {
            "bidirectional".to_string()
        }
        Some(TaskSettings::Translate(Translate { bidirectional: true, .. })) => "bidirectional encoder".to_string(),
        Some(_) => "forward".to_string(),
    }
}
