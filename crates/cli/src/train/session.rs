//! A training session: what it begins with, the loop with its reports and curves, and what is printed at its end. Not here: the
//! tasks, the order in which all of this is done (`train.rs`).

use std::f64::consts::LN_2;
use std::time::{Duration, Instant};

use elman::config::LossKind;
use elman::task::{Pretrained, Task};
use elman::train::{Control, Event, Outcome, Report, Trainer};
use elman::{Config, Cpu, Origin, RunDir};
use serde::Serialize;

use super::args::Args;
use crate::progress::Progress;
use crate::signals::Signals;
use crate::terminal::{self, counted, fact, loss_unit, perplexity, say, shell_word, short, short_unit, span, spoken};
use crate::{corpus, curves, tensorboard};

/// The settings of a training session.
pub struct Job<'a> {
    pub args: &'a Args,
    pub config: Config,
    /// The run that is resumed, and its original settings and text.
    pub origin: Option<(RunDir, Origin)>,
    /// The model whose weights a new run starts from.
    pub model: Option<Pretrained>,
}

/// The words of a task that `Session::train` prints.
pub struct Words {
    /// The name of an example, many of which are a batch.
    pub example: String,
    /// The name of a prediction, of which the loss is the mean.
    pub unit: &'static str,
    /// Name and text of what is printed before the settings.
    pub facts: [(&'static str, String); 2],
    /// What the model is for, and the arguments of the program.
    pub usage: (&'static str, String),
}

/// The object that `--json` prints.
#[derive(Serialize)]
pub struct Summary<F> {
    run: String,
    steps: u64,
    train_loss: f64,
    val_loss: Option<f64>,
    best_val_loss: Option<f64>,
    test_loss: Option<f64>,
    seconds: f64,
    tokens_per_sec: f64,
    parameters: usize,
    peak_memory_bytes: Option<u64>,
    /// The estimate that was compared with the memory of the machine, without the program and the text.
    estimated_memory_bytes: usize,
    /// The figures of one task.
    #[serde(flatten)]
    figures: F,
}

/// A run that is trained, and what it is trained with.
pub struct Session<'a, T: Task> {
    pub args: &'a Args,
    pub cpu: Cpu,
    pub trainer: Trainer<T>,
    pub run: RunDir,
}

/// The result of a training session.
pub struct Driven {
    pub outcome: Outcome,
    /// Whether training is at its end and examples are held out to measure it on.
    pub is_measurable: bool,
    was_over: bool,
    /// The exit code of the signal that stopped it.
    pub stopped_by: Option<u8>,
    pub test_loss: Option<f64>,
}

impl<T: Task> Session<'_, T> {
    /// Trains to the end, or until a signal or the time limit; prints progress and draws the curves. `unit` is the name of a
    /// prediction.
    pub fn drive(&mut self, unit: &'static str) -> anyhow::Result<Driven> {
        let Session { args, trainer, run, .. } = self;
        let started = Instant::now();
        let (plan, config) = (trainer.plan().clone(), trainer.config());
        let title = format!("{}, {}", plan.text, shape(config));
        let mut reports = if plan.steps_done > 0 { run.reports()? } else { Vec::new() };
        reports.retain(|report| report.step <= plan.steps_done);
        let (was_over, signals) = (trainer.is_over(), Signals::listen()?);
        let summed = (config.loss == LossKind::Sum).then_some(config.seq_len);
        let validates = plan.val_tokens > 0 && config.eval_every != Some(0);
        let mut progress = Progress::start(&plan, validates, &reports, unit, summed, args.quiet);
        let outcome = trainer.run(Some(run), &mut |event| {
            match event {
                Event::Step { step, loss, tokens_per_sec } => progress.step(step, loss, tokens_per_sec),
                Event::Report(report) => {
                    reports.push(report.clone());
                    progress.report(report);
                }
                Event::Sample { text: "", .. } | Event::Working { .. } => {}
                Event::Sample { step, text } => progress.sample(step, text),
                Event::Saved { step, .. } => {
                    progress.saved(step);
                    draw(args, &reports, run, &title, unit, &progress);
                }
                Event::Bad { words, continues_after, .. } => {
                    reports.retain(|report| report.step <= continues_after);
                    progress.bad(words, continues_after);
                }
            }
            let is_time_up = args.minutes.is_some_and(|limit| started.elapsed() >= limit);
            if is_time_up || signals.exit_code().is_some() { Control::Stop } else { Control::Continue }
        });
        progress.finish();
        let outcome = outcome?;
        draw(args, &reports, run, &title, unit, &progress);
        let stopped_by = signals.exit_code().filter(|_| outcome.stopped);
        let is_measurable = !outcome.stopped && plan.val_tokens > 0;
        Ok(Driven { outcome, is_measurable, was_over, stopped_by, test_loss: None })
    }

    /// Prints the results, or how to resume.
    pub fn conclude(&self, driven: &Driven, unit: &'static str) {
        if driven.stopped_by.is_some() || (driven.outcome.stopped && !self.args.quiet) {
            self.say_how_to_resume(&driven.outcome);
        } else if !self.args.quiet {
            self.say_results(driven, unit);
        }
    }

    fn say_results(&self, driven: &Driven, unit: &'static str) {
        let (outcome, config, run) = (&driven.outcome, self.trainer.config(), &self.run);
        let figures = |loss: f64| match unit {
            "word" | "token" => format!("loss {loss:.4} nats/{unit}, perplexity {}", perplexity(loss)),
            "example" | "value" | "label" | "number" | "sample" => format!("loss {loss:.4} {}", loss_unit(unit)),
            _ => format!("loss {loss:.4} nats/{0}, {1:.3} bits/{0}", short_unit(unit), loss / LN_2),
        };
        say!("");
        let memory =
            peak_memory().map_or(String::new(), |bytes| format!(", {} MB of memory at most", bytes / 1_000_000));
        let time = span(Duration::try_from_secs_f64(outcome.seconds).unwrap_or_default());
        let steps = counted(outcome.steps, "step");
        let how = match driven.was_over {
            true => "all of them in earlier sessions: nothing is left to do".to_string(),
            false => format!("{} {}s/s between evaluations{memory}", short(outcome.tokens_per_sec), spoken(unit)),
        };
        say!("{}", fact("done", &format!("{steps} in {time}, {how}")));
        if outcome.out_of_patience {
            let barren = counted(config.patience, "validation");
            say!("{}", fact("early", &format!("{barren} without a lower loss: training ended")));
        }
        if let Some(loss) = outcome.best_val_loss {
            let at = outcome.best_step.map(|step| format!(", at step {step}")).unwrap_or_default();
            say!("{}", fact("best", &format!("validation {}{at}", figures(loss))));
            let is_last = outcome.best_step.is_none_or(|step| step == outcome.steps);
            if !is_last && self.trainer.config().uses_best() {
                say!("{}", fact("", "the model of that step is the one that is used; --last: the one at the end"));
            }
        }
        if let Some(loss) = driven.test_loss {
            say!("{}", fact("test", &figures(loss)));
        }
        say!("{}", fact("run", &run.path().display().to_string()));
        say!("{}", fact("curves", &run.curves().display().to_string()));
    }

    fn say_how_to_resume(&self, outcome: &Outcome) {
        let (args, plan, run) = (self.args, self.trainer.plan(), &self.run);
        let stdin = if corpus::is_from_stdin(&args.text) { " -" } else { "" };
        say!("\nstopped after step {} of {}; saved in {}", outcome.steps, plan.steps, run.path().display());
        let again = if stdin.is_empty() { "" } else { " with the same text on standard input" };
        let command = terminal::command(&format!("train{stdin} --resume {}", path_word(run)));
        say!("To continue{again}:\n\n{command}\n");
    }

    /// The figures that `--json` prints.
    pub fn summary<F>(&self, driven: &Driven, figures: F) -> Summary<F> {
        let outcome = &driven.outcome;
        Summary {
            run: self.run.path().display().to_string(),
            steps: outcome.steps,
            train_loss: outcome.train_loss,
            val_loss: outcome.val_loss,
            best_val_loss: outcome.best_val_loss,
            test_loss: driven.test_loss,
            seconds: outcome.seconds,
            tokens_per_sec: outcome.tokens_per_sec,
            parameters: outcome.parameters,
            peak_memory_bytes: peak_memory(),
            estimated_memory_bytes: self.trainer.plan().memory_bytes,
            figures,
        }
    }
}

/// `LSTM 2 x 256`, or `LSTM 512, 256`.
pub fn shape(config: &Config) -> String {
    let cell = config.cell.name().to_uppercase();
    match &config.hidden_sizes {
        Some(widths) => format!("{cell} {}", widths.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
        None => format!("{cell} {} x {}", config.num_layers, config.hidden_size),
    }
}

/// Draws the curves; an error does not stop training.
fn draw(args: &Args, reports: &[Report], run: &RunDir, title: &str, unit: &str, progress: &Progress) {
    warn_of(curves::draw(reports, &run.curves(), title, unit), progress);
    if args.tensorboard {
        warn_of(tensorboard::write(run, reports), progress);
    }
}

/// Prints an error that does not end the run.
fn warn_of(done: Result<(), impl Into<anyhow::Error>>, progress: &Progress) {
    if let Err(error) = done {
        progress.words(&format!("warning: {:#}", error.into()));
    }
}

/// The path of a run as a word for a shell.
pub fn path_word(run: &RunDir) -> String {
    shell_word(&run.path().display().to_string())
}

/// The peak memory of this process in bytes, where the system reports it (Linux).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
