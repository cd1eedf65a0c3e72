//! The verb `train`: checks settings, text and run directory before the first step, trains, and prints the results. Not here:
//! the training loop (`elman::train`) and the tasks other than language models (`tasks`).

mod args;
mod session;
mod work;

use std::process::ExitCode;

use elman::config::Dtype;
use elman::task::Language;
use elman::train::Trainer;
use elman::{Cpu, Element, RunDir, origin_of};

use crate::tasks;
use crate::terminal::{self, bold, counted, fact, grouped, say};
use work::Work;

pub use args::Args;
pub use session::{Driven, Summary, drive, path_word, shape};

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
            "\nTo generate text:\n\n    {}\n",
            bold(&format!("{} sample {}", terminal::this_program(), path_word(&run)))
        );
    }
    if args.json {
        terminal::print_json(&driven.summary(trainer.plan(), &run))?;
    }
    Ok(driven.exit())
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
