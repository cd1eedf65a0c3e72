//! Holds the verb `train`: what it says before, while and after, and the run directory it leaves.
//! Refuses before a step is taken whatever cannot end well: settings, text, run directory.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::builder::RangedU64ValueParser;
use elman::config::{Dtype, LossKind};
use elman::data::{TextMark, can_stay_on_disk};
use elman::task::{Language, Task};
use elman::train::Trainer;
use elman::train::{Changes, Control, Event, Outcome, Plan, Report};
use elman::{Config, Corpus, Cpu, Element, Error, Origin, RunDir, origin_of};
use serde::Serialize;

use crate::progress::{Progress, wait_for};
use crate::settings::Settings;
use crate::signals::Signals;
use crate::terminal::{self, bold, counted, fact, grouped, perplexity, say, shell_word, short, short_unit, span};
use crate::{corpus, curves, tasks};

/// Learn to write from a text
#[derive(clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// Files, folders of text files, or - for standard input; without any, the bundled tales
    pub text: Vec<PathBuf>,
    /// A file or folder to validate on, instead of the text's tail, which is then trained on
    #[arg(long, value_name = "FILE", help_heading = "Text")]
    pub val_file: Option<PathBuf>,
    /// A file or folder to measure the trained model on at the end
    #[arg(long, value_name = "FILE", help_heading = "Text")]
    pub test_file: Option<PathBuf>,
    /// Take the parts of words from this tokenizer.json instead of learning them; implies --tokenizer bpe
    #[arg(long, value_name = "FILE", conflicts_with = "resume", help_heading = "Text")]
    tokenizer_file: Option<PathBuf>,
    /// Leave the text on the disk and train on a file of its tokens in the run directory, so that memory does not grow with
    /// it. Files of 64 MiB and more stay there anyway, but for parts of words, lines as batches and a tail that is cut off
    #[arg(long, help_heading = "Text")]
    pub on_disk: bool,
    /// The run directory to make [default: runs/NAME, the next free one]
    #[arg(long, visible_aliases = ["checkpoint-dir", "save"], value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,
    /// Go on with a stopped run, exactly where it was
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// With --resume: go on with another text of the same vocabulary, or with other settings, as a run that is no longer
    /// the one that was started
    #[arg(long, requires = "resume")]
    pub force: bool,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub threads: Option<usize>,
    /// Minutes after which to stop and save, once the step in progress is done; the learning rate moves by steps all the
    /// same, and --resume goes on
    #[arg(long, value_name = "X", value_parser = minutes)]
    minutes: Option<Duration>,
    /// Where to compute
    #[arg(long, value_parser = ["auto", "cpu"], default_value = "auto")]
    device: String,
    /// Print one JSON object with the results on stdout
    #[arg(long)]
    pub json: bool,
    /// Say nothing but errors
    #[arg(long)]
    pub quiet: bool,
    #[command(flatten)]
    settings: Settings,
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "expected a number")?;
    let is_positive = minutes > 0.0;
    let time = Duration::try_from_secs_f64(60.0 * minutes).ok().filter(|_| is_positive);
    time.ok_or_else(|| "expected a finite number above 0".to_string())
}

/// The object that `--json` prints.
#[derive(Serialize)]
pub struct Summary {
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
    /// The estimate that was held against what the machine has, without the program and the text.
    estimated_memory_bytes: usize,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let origin = match &args.resume {
        None => None,
        Some(path) => {
            let run = RunDir::open(path)?;
            let origin = origin_of(&run)?;
            Some((run, origin))
        }
    };
    let config = match &origin {
        None => args.settings.resolve(args.tokenizer_file.is_some())?,
        Some((run, origin)) => args.settings.of_resume(run)?.unwrap_or_else(|| origin.config.clone()),
    };
    if config.task.is_some() {
        return tasks::train(args, config, origin);
    }
    let work = Work::prepare(args, config, origin)?;
    match work.config.dtype {
        Dtype::F32 | Dtype::Bf16 => train::<f32>(args, work),
        Dtype::F64 => train::<f64>(args, work),
    }
}

fn train<E: Element>(args: &Args, work: Work) -> anyhow::Result<ExitCode> {
    let cpu = Cpu::new(args.threads)?;
    let (mut trainer, run) = work.begin::<E>(args, &cpu)?;
    if !args.quiet {
        announce(&trainer, &cpu, &run);
    }
    let unit = trainer.vocab().unit(1);
    let mut driven = drive(args, &mut trainer, &run, unit)?;
    driven.test_loss = if driven.outcome.stopped { None } else { trainer.test()?.map(|figures| figures.loss) };
    driven.conclude(args, trainer.config(), trainer.plan(), &run, unit);
    if !args.quiet && !driven.outcome.stopped {
        say!(
            "\nTo let it write:\n\n    {}\n",
            bold(&format!("{} sample {}", terminal::this_program(), path_word(&run)))
        );
    }
    if args.json {
        terminal::print_json(&driven.summary(trainer.plan(), &run))?;
    }
    Ok(driven.exit())
}

/// What a session of training came to.
pub struct Driven {
    pub outcome: Outcome,
    was_over: bool,
    /// The exit code of the signal that stopped it.
    stopped_by: Option<u8>,
    test_loss: Option<f64>,
}

/// Trains to the end, or until a signal or the clock says stop; tells of it, and draws the curves. `unit` is what is
/// predicted.
pub fn drive<T: Task>(
    args: &Args,
    trainer: &mut Trainer<T>,
    run: &RunDir,
    unit: &'static str,
) -> anyhow::Result<Driven> {
    let started = Instant::now();
    let plan = trainer.plan().clone();
    let title = format!("{}, {}", plan.text, shape(trainer.config()));
    let mut reports = if plan.steps_done > 0 { run.reports()? } else { Vec::new() };
    reports.retain(|report| report.step <= plan.steps_done);
    let was_over = trainer.is_over();
    let signals = Signals::listen()?;
    let config = trainer.config();
    let summed = (config.loss == LossKind::Sum).then_some(config.seq_len);
    let mut progress = Progress::start(&plan, unit, summed, args.quiet);
    let outcome = trainer.run(Some(run), &mut |event| {
        match event {
            Event::Step { step, loss, tokens_per_sec } => progress.step(step, loss, tokens_per_sec),
            Event::Report(report) => {
                reports.push(report.clone());
                progress.report(report);
            }
            Event::Sample { text: "", .. } => {}
            Event::Sample { step, text } => progress.sample(step, text),
            Event::Saved { step, .. } => {
                progress.saved(step);
                draw(&reports, run, &title, unit, &progress);
            }
            Event::Bad { words, goes_on_after, .. } => {
                reports.retain(|report| report.step <= goes_on_after);
                progress.bad(words);
            }
            Event::Working { .. } => {}
        }
        let is_time_up = args.minutes.is_some_and(|limit| started.elapsed() >= limit);
        if is_time_up || signals.exit_code().is_some() { Control::Stop } else { Control::Continue }
    });
    progress.finish();
    let outcome = outcome?;
    draw(&reports, run, &title, unit, &progress);
    let stopped_by = signals.exit_code().filter(|_| outcome.stopped);
    Ok(Driven { outcome, was_over, stopped_by, test_loss: None })
}

impl Driven {
    /// Says what was done, or how to go on.
    pub fn conclude(&self, args: &Args, config: &Config, plan: &Plan, run: &RunDir, unit: &'static str) {
        if self.stopped_by.is_some() || (self.outcome.stopped && !args.quiet) {
            say_how_to_resume(args, &self.outcome, plan, run);
        } else if !args.quiet {
            conclude(&self.outcome, self.was_over, self.test_loss, config, unit, run);
        }
    }

    /// The figures that `--json` prints.
    pub fn summary(&self, plan: &Plan, run: &RunDir) -> Summary {
        summary(&self.outcome, plan, self.test_loss, run)
    }

    /// The program's exit code.
    pub fn exit(&self) -> ExitCode {
        self.stopped_by.map_or(ExitCode::SUCCESS, ExitCode::from)
    }
}

/// What is to be done, found out in the order in which it costs nothing.
struct Work {
    /// The settings: of a resume, those it goes on with.
    config: Config,
    corpus: Corpus,
    /// The run that is resumed.
    resumed: Option<RunDir>,
}

impl Work {
    fn prepare(args: &Args, config: Config, origin: Option<(RunDir, Origin)>) -> anyhow::Result<Work> {
        if let Some((run, origin)) = origin {
            let (kind, mark) = (origin.config.tokenizer, origin.text);
            let on_disk = args.on_disk || (run.tokens().exists() && can_stay_on_disk(&config));
            let corpus = match args.text.is_empty() {
                true => corpus::of_run(&run, &mark, &config, on_disk)?,
                false => corpus::to_train_on(&args.text, &config, on_disk)?,
            };
            let corpus = corpus.with_tokens_in(run.tokens());
            let place = |given: &Option<PathBuf>, mark: &Option<Box<TextMark>>| match given {
                Some(path) => vec![path.clone()],
                None => corpus::places(mark.as_deref()),
            };
            let (validation, test) = (place(&args.val_file, &mark.validation), place(&args.test_file, &mark.test));
            let corpus = corpus::with_held_out(corpus, &validation, &test, kind)?;
            return Ok(Work { config, corpus, resumed: Some(run) });
        }
        if let Some(path) = args.out.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
            return Err(Error::Exists { path: path.clone() }.into()); // before a long text is read
        }
        let kind = config.tokenizer;
        let (validation, test) = (args.val_file.as_slice(), args.test_file.as_slice());
        let corpus =
            corpus::with_held_out(corpus::to_train_on(&args.text, &config, args.on_disk)?, validation, test, kind)?;
        let corpus = match &args.tokenizer_file {
            Some(path) => corpus.with_tokenizer(path)?,
            None => corpus,
        };
        Ok(Work { config, corpus, resumed: None })
    }

    /// The trainer, and its run directory, which is made last, unless a text on the disk is to have its tokens there.
    fn begin<E: Element>(self, args: &Args, cpu: &Cpu) -> anyhow::Result<(Trainer<Language<E>>, RunDir)> {
        let Work { config, corpus, resumed } = self;
        if let Some(run) = resumed {
            let changes = Changes { config: Some(config), force: args.force };
            return Ok((wait_for("reading the text", || Trainer::resume_with(&run, &corpus, cpu, changes))?, run));
        }
        let make_run = || match &args.out {
            Some(path) => RunDir::create(path),
            None => RunDir::next_free(Path::new("runs"), &corpus::run_name(&args.text)),
        };
        if !corpus.is_on_disk() {
            return Ok((Trainer::new(config, &corpus, cpu)?, make_run()?));
        }
        config.check()?;
        let run = make_run()?;
        let corpus = corpus.with_tokens_in(run.tokens());
        match wait_for("reading the text", || Trainer::new(config, &corpus, cpu)) {
            Ok(trainer) => Ok((trainer, run)),
            Err(error) => {
                run.discard();
                Err(error.into())
            }
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

fn announce<E: Element>(trainer: &Trainer<Language<E>>, cpu: &Cpu, run: &RunDir) {
    let (plan, config, unit) = (trainer.plan(), trainer.config(), trainer.vocab().unit(1));
    let (characters, split) = match (plan.val_tokens, &trainer.text().validation) {
        (n, Some(file)) => {
            (plan.train_tokens, format!("all to train on; {} of {} to validate", grouped(n as u64), file.name))
        }
        (0, None) => (plan.train_tokens, "all to train on".to_string()),
        (n, None) => (plan.train_tokens + n, format!("the last {} to validate", grouped(n as u64))),
    };
    say!("{}", fact("text", &format!("{}: {} {}s, {split}", plan.text, grouped(characters as u64), unit)));
    say!("{}", fact("vocabulary", &format!("{} different {}s", grouped(plan.vocab_size as u64), unit)));
    let input = if config.embed > 0 { format!("embedding of {}", config.embed) } else { "one-hot input".to_string() };
    let model = format!(
        "{}, {input}, dropout {} between layers, {} before the head: {} parameters",
        shape(config),
        config.dropout,
        config.output_dropout,
        grouped(plan.parameters as u64)
    );
    say!("{}", fact("model", &model));
    let numbers = match config.dtype {
        Dtype::F32 => "",
        Dtype::F64 => ", in double precision",
        Dtype::Bf16 if cpu.backend().has_bfloat16_instruction() => ", products of bfloat16",
        Dtype::Bf16 => ", products of bfloat16 without an instruction for them: slow",
    };
    let threads = counted(cpu.threads() as u64, "thread");
    say!("{}", fact("device", &format!("cpu, backend {}, {threads}{numbers}", cpu.backend_name())));
    let steps = format!(
        "{} of {} x {} {}s, {} an epoch; {:?}, rate {} ({})",
        counted(plan.steps, "step"),
        plan.batch,
        plan.seq_len,
        unit,
        grouped(plan.steps_per_epoch),
        config.optimizer,
        config.lr,
        format!("{:?}", config.schedule()).to_lowercase()
    );
    say!("{}", fact("training", &steps));
    let from = if plan.steps_done > 0 { format!(", resumed after step {}", plan.steps_done) } else { String::new() };
    say!("{}", fact("run", &format!("{}{from}", run.path().display())));
    for note in &plan.notes {
        say!("{}", fact("note", note));
    }
    say!("");
}

/// Draws the curves; a picture that fails is no reason to stop training.
fn draw(reports: &[Report], run: &RunDir, title: &str, unit: &str, progress: &Progress) {
    if let Err(error) = curves::draw(reports, &run.curves(), title, unit) {
        progress.words(&format!("{error:#}"));
    }
}

fn conclude(
    outcome: &Outcome,
    was_over: bool,
    test_loss: Option<f64>,
    config: &Config,
    unit: &'static str,
    run: &RunDir,
) {
    let figures = |loss: f64| match unit {
        "word" | "token" => format!("loss {loss:.4} nats/{unit}, perplexity {}", perplexity(loss)),
        "example" | "value" => format!("loss {loss:.4} nats/{unit}"),
        _ => {
            let (bits, unit) = (loss / std::f64::consts::LN_2, short_unit(unit));
            format!("loss {loss:.4} nats/{unit}, {bits:.3} bits/{unit}")
        }
    };
    say!("");
    let memory = peak_memory().map(|bytes| format!(", {} MB of memory at most", bytes / 1_000_000)).unwrap_or_default();
    let time = span(Duration::try_from_secs_f64(outcome.seconds).unwrap_or_default());
    let steps = counted(outcome.steps, "step");
    let done = match was_over {
        true => format!("{steps} in {time}, all of them before this start: there was nothing left to do"),
        false => format!(
            "{steps} in {time}, {} {}s/s between evaluations{memory}",
            short(outcome.tokens_per_sec),
            spoken(unit)
        ),
    };
    say!("{}", fact("done", &done));
    if outcome.out_of_patience {
        let barren = counted(config.patience, "validation");
        say!("{}", fact("early", &format!("{barren} brought no lower loss: training ended")));
    }
    if let Some(loss) = outcome.best_val_loss {
        let at = outcome.best_step.map(|step| format!(", at step {step}")).unwrap_or_default();
        say!("{}", fact("best", &format!("validation {}{at}", figures(loss))));
    }
    if let Some(loss) = test_loss {
        say!("{}", fact("test", &format!("{}, of the model at the end", figures(loss))));
    }
    say!("{}", fact("run", &run.path().display().to_string()));
    say!("{}", fact("curves", &run.curves().display().to_string()));
}

/// What is counted in a speed: tokens, whatever they are, or what else is predicted.
fn spoken(unit: &'static str) -> &'static str {
    if matches!(unit, "character" | "byte" | "word") { "token" } else { unit }
}

fn say_how_to_resume(args: &Args, outcome: &Outcome, plan: &Plan, run: &RunDir) {
    let stdin = if corpus::is_from_stdin(&args.text) { " -" } else { "" };
    say!("\nstopped after step {} of {}; saved in {}", outcome.steps, plan.steps, run.path().display());
    let again = if stdin.is_empty() { "" } else { " with the same text on standard input" };
    let command = format!("{} train{stdin} --resume {}", terminal::this_program(), path_word(run));
    say!("To go on{again}:\n\n    {}\n", bold(&command));
}

pub fn path_word(run: &RunDir) -> String {
    shell_word(&run.path().display().to_string())
}

fn summary(outcome: &Outcome, plan: &Plan, test_loss: Option<f64>, run: &RunDir) -> Summary {
    Summary {
        run: run.path().display().to_string(),
        steps: outcome.steps,
        train_loss: outcome.train_loss,
        val_loss: outcome.val_loss,
        best_val_loss: outcome.best_val_loss,
        test_loss,
        seconds: outcome.seconds,
        tokens_per_sec: outcome.tokens_per_sec,
        parameters: outcome.parameters,
        peak_memory_bytes: peak_memory(),
        estimated_memory_bytes: plan.memory_bytes,
    }
}

/// The most memory this process has held, in bytes, where the system tells (Linux).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
