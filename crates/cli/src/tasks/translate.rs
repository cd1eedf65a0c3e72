//! Trains a translator: prints the number of pairs first, then BLEU of the held-out sentences. Not here: the network
//! (`elman::task::translate`).

use std::process::ExitCode;

use elman::data::table::parallel::{Parallel, Sentence};
use elman::infer::search::Search;
use elman::task::translate::{Figures, LONGEST, Translate};
use elman::{Cpu, Element};
use serde::Serialize;

use super::job::{Job, announce};
use crate::terminal::{self, bold, fact, grouped, say};
use crate::train::{self, Summary};

/// What `--json` prints.
#[derive(Serialize)]
struct Json {
    #[serde(flatten)]
    summary: Summary,
    validation: Option<Scores>,
    test: Option<Scores>,
}

/// The figures of a held-out part.
#[derive(Serialize)]
pub struct Scores {
    sentences: u64,
    /// Against all reference translations.
    bleu: f64,
    /// Against the first of them.
    bleu_first: f64,
    exact_match: f64,
    /// Tokens of the translations divided by tokens of the references.
    length_ratio: f64,
}

impl Scores {
    pub fn of(Figures { all, first }: &Figures) -> Scores {
        Scores {
            sentences: all.sentences(),
            bleu: all.score(),
            bleu_first: first.score(),
            exact_match: all.exact_match(),
            length_ratio: all.length_ratio(),
        }
    }

    pub fn words(&self) -> String {
        format!(
            "BLEU {:.2} against all, {:.2} against the first, exact {:.1} %, length {:.3}, of {} sentences",
            self.bleu,
            self.bleu_first,
            100.0 * self.exact_match,
            self.length_ratio,
            self.sentences
        )
    }
}

pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let (args, (data, validation)) = (job.args, job.places()?);
    let source = job.config.translate()?.source.clone();
    let mut pairs = Parallel::read(&data, &source)?;
    let validation = validation.map(|path| Parallel::read(&path, &source)).transpose()?;
    pairs.fingerprint.validation = validation.as_ref().map(|set| Box::new(set.fingerprint.clone()));
    let (fingerprint, cpu) = (pairs.fingerprint.clone(), Cpu::new(args.threads)?);
    let (mut trainer, run) = job.begin(&fingerprint, &cpu, |config| Translate::<E>::new(config, pairs, validation))?;
    let plan = trainer.plan().clone();
    if !args.quiet {
        let (task, number) = (trainer.task(), |n: usize| grouped(n as u64));
        let [train, held] = task.pairs();
        let data = format!(
            "{}: {} pairs to train on, {} held out of {} sentences, {} sentences to test",
            plan.text,
            number(train),
            number(held),
            number(task.validation().len()),
            number(task.test().len())
        );
        let vocabs = &task.trained().vocabs;
        let words = format!("{} to read, {} to write", number(vocabs.from.len()), number(vocabs.to.len()));
        announce(&trainer, &cpu, &run, "pair", &[("data", data), ("vocabulary", words)]);
    }
    let driven = train::drive(args, &mut trainer, &run, "word")?;
    let [validation, test] = match driven.outcome.stopped {
        true => [None, None],
        false => {
            let (task, tape) = trainer.task_and_tape();
            let mut measure = |sentences: &[Sentence]| -> Result<Option<Scores>, elman::Error> {
                if sentences.is_empty() {
                    return Ok(None);
                }
                let search = Search { beam: 1, length_penalty: 0.0, longest: LONGEST };
                let measured = task.trained().measure(tape, sentences, search, &mut || true)?;
                Ok(measured.map(|(figures, _)| Scores::of(&figures)))
            };
            [measure(task.validation())?, measure(task.test())?]
        }
    };
    if !args.quiet {
        say!("");
        for (name, scores) in [("validation", &validation), ("test", &test)] {
            if let Some(scores) = scores {
                say!("{}", fact(name, &scores.words()));
            }
        }
    }
    driven.conclude(args, trainer.config(), &plan, &run, "word");
    if !args.quiet && !driven.outcome.stopped {
        let command = format!("{} predict {} --beam 5", terminal::this_program(), train::path_word(&run));
        say!("\nTo use it, a text a line on standard input:\n\n    {}\n", bold(&command));
    }
    if args.json {
        terminal::print_json(&Json { summary: driven.summary(&plan, &run), validation, test })?;
    }
    Ok(driven.exit())
}
