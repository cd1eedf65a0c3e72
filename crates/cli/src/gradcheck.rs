//! The verb `gradcheck`: prints the verdicts of the library's gradient check. One FAIL makes the exit code 1. Not here: the
//! check itself (`elman::check`).

use std::process::ExitCode;

use elman::Cpu;
use elman::check::{Check, Configuration, Kind, Network, Part, Scope, Subject, Verdict, run as run_checks};
use serde::Serialize;

use crate::columns::{self, number, words};
use crate::failure::Refusal;
use crate::progress::Work;
use crate::stream::Stream;
use crate::terminal::{self};

/// The explanation of INCONCLUSIVE below the table.
const INCONCLUSIVE: &str = "INCONCLUSIVE: the gradient is smaller than the rounding noise of the numerical one, so a comparison means nothing.";

/// Compare gradients with numerical differentiation
#[derive(clap::Args)]
pub struct Args {
    /// Check every cell, loss, head, pooling, attention and the translator; this is the default
    #[arg(long)]
    all: bool,
    /// Check the cells with every combination of sizes and options; takes minutes instead of seconds
    #[arg(long)]
    full: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    configurations: usize,
    checks: &'a [Check],
    pass: usize,
    fail: usize,
    inconclusive: usize,
}

/// Counts of the verdicts and the largest relative error of those that are not inconclusive.
#[derive(Default)]
struct Tally {
    pass: usize,
    fail: usize,
    inconclusive: usize,
    worst: f64,
}

impl Tally {
    fn add(&mut self, check: &Check) {
        match check.finding.verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::Fail => self.fail += 1,
            Verdict::Inconclusive => {
                self.inconclusive += 1;
                return;
            }
        }
        // NaN counts as the largest error: no comparison with NaN is true, so it stays.
        if check.finding.rel_error.is_nan() || check.finding.rel_error > self.worst {
            self.worst = check.finding.rel_error;
        }
    }
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let _every_cell = args.all;
    let scope = if args.full { Scope::Product } else { Scope::Each };
    // Networks this small are faster on one thread; no result depends on it.
    let cpu = Cpu::new(Some(1))?;
    let mut configurations = 0;
    let work = Work::new();
    let checks = run_checks(&cpu, scope, &mut |done, all| {
        configurations = all;
        work.at("configuration", done as u64, Some(all as u64));
    })?;
    drop(work);
    if checks.is_empty() {
        return Err(Refusal::new("no gradient was checked").into());
    }
    let mut total = Tally::default();
    checks.iter().for_each(|check| total.add(check));
    if args.json {
        let Tally { pass, fail, inconclusive, .. } = total;
        terminal::print_json(&Summary { configurations, checks: &checks, pass, fail, inconclusive })?;
    } else {
        terminal::print(&table(configurations, &checks, &total, Stream::Out.width()))?;
    }
    Ok(if total.fail > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One row for each cell, network and parameter over all sizes and layers, and for each part and parameter; then each
/// failure, then the totals. `width` is that of the terminal, if there is one.
fn table(configurations: usize, checks: &[Check], total: &Tally, width: Option<usize>) -> String {
    let (of_networks, of_parts): (Vec<&Check>, Vec<&Check>) =
        checks.iter().partition(|check| matches!(check.subject, Subject::Network(_)));
    let mut lines = Vec::new();
    for (first, second, checks) in [("cell", "network", of_networks), ("part", "of", of_parts)] {
        let mut groups: Vec<(&str, &str, String, Tally)> = Vec::new();
        for check in checks {
            let key = match &check.subject {
                Subject::Network(configuration) => (configuration.cell, network(configuration), kind(&check.parameter)),
                Subject::Part(part) => (kind_of_part(part.kind), part.name.as_str(), kind(&check.parameter)),
            };
            let found =
                groups.iter().position(|(first, second, kind, _)| (*first, *second, kind) == (key.0, key.1, &key.2));
            let at = found.unwrap_or_else(|| {
                groups.push((key.0, key.1, key.2, Tally::default()));
                groups.len() - 1
            });
            groups[at].3.add(check);
        }
        if groups.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let columns = [
            words(first),
            words(second),
            words("parameter"),
            number("worst rel error").or("worst"),
            number("pass"),
            number("fail"),
            number("inconclusive").or("inc."),
        ];
        let row = |(first, second, kind, tally): &(&str, &str, String, Tally)| {
            let Tally { pass, fail, inconclusive, worst } = tally;
            let worst = if pass + fail == 0 { "-".to_string() } else { format!("{worst:.1e}") };
            let counts = [pass, fail, inconclusive].map(usize::to_string);
            [first.to_string(), second.to_string(), kind.clone(), worst].into_iter().chain(counts).collect()
        };
        let rows: Vec<Vec<String>> = groups.iter().map(row).collect();
        lines.extend(columns::table(&columns, 2, &rows, width, 0));
    }
    lines.push(String::new());
    for check in checks.iter().filter(|check| check.finding.verdict == Verdict::Fail) {
        let f = &check.finding;
        lines.push(format!(
            "FAIL {} of {}: relative error {:.1e}, largest gradient {:.1e}",
            check.parameter,
            describe(&check.subject),
            f.rel_error,
            f.max_grad
        ));
    }
    lines.push(format!(
        "{configurations} configurations: {} pass, {} fail, {} inconclusive; worst relative error {:.1e}",
        total.pass, total.fail, total.inconclusive, total.worst
    ));
    if total.inconclusive > 0 {
        lines.push(INCONCLUSIVE.to_string());
    }
    lines.join("\n")
}

fn network(c: &Configuration) -> &'static str {
    match (c.network, c.bidirectional) {
        (Network::LanguageModel, _) => "language model",
        (Network::Layers, true) => "bidirectional",
        (Network::Layers, false) => "layers",
    }
}

/// A parameter's name without the prefix `rnn.`, layer and direction: `weight_ih_l0_reverse` is `weight_ih`,
/// `bridge.h_l0.weight` is `bridge.h.weight`.
fn kind(parameter: &str) -> String {
    let name = parameter.strip_prefix("rnn.").unwrap_or(parameter);
    let Some((kind, rest)) = name.rsplit_once("_l") else { return name.to_string() };
    format!("{kind}{}", rest.find('.').map_or("", |at| &rest[at..]))
}

fn kind_of_part(kind: Kind) -> &'static str {
    match kind {
        Kind::Loss => "loss",
        Kind::Head => "head",
        Kind::Pooling => "pooling",
        Kind::Attention => "attention",
        Kind::Translator => "translator",
    }
}

/// What was differentiated, in words.
fn describe(subject: &Subject) -> String {
    let c = match subject {
        Subject::Network(configuration) => configuration,
        Subject::Part(Part { kind, name, options }) if options.is_empty() => {
            return format!("{} {name}", kind_of_part(*kind));
        }
        Subject::Part(Part { kind, name, options }) => return format!("{} {name}, {options}", kind_of_part(*kind)),
    };
    let widths: Vec<String> = c.hidden_sizes.iter().map(usize::to_string).collect();
    let initial_state = format!("{:?}", c.initial_state).to_lowercase();
    let mut words = format!(
        "{} ({}), T {} B {} I {} H {}, initial state {initial_state}",
        c.cell,
        network(c),
        c.seq_len,
        c.batch,
        c.input_size,
        widths.join(",")
    );
    for (is, word) in [(c.masked, "masked"), (c.tied, "tied"), (c.locked_dropout, "locked dropout")] {
        if is {
            words.push_str(", ");
            words.push_str(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use elman::check::{Finding, InitialState};

    use super::*;

    fn check(network: Network, parameter: &str, rel_error: f64, verdict: Verdict) -> Check {
        let configuration = Configuration {
            cell: "lstm",
            network,
            layers: 2,
            hidden_sizes: vec![4, 5],
            bidirectional: false,
            initial_state: InitialState::Given,
            masked: true,
            seq_len: 2,
            batch: 1,
            input_size: 3,
            embed: 0,
            tied: false,
            locked_dropout: false,
        };
        let finding = Finding { max_grad: 1.0, abs_error: rel_error, rel_error, verdict };
        Check { subject: Subject::Network(configuration), parameter: parameter.into(), finding }
    }

    #[test]
    fn parts_have_a_table_of_their_own_and_their_failures_say_which() {
        let part = Part { kind: Kind::Loss, name: "gaussian".into(), options: "missing targets".into() };
        let finding = Finding { max_grad: 1.0, abs_error: 0.5, rel_error: 0.5, verdict: Verdict::Fail };
        let wrong = Check { subject: Subject::Part(part), parameter: "outputs".into(), finding };
        let checks = [check(Network::Layers, "weight_ih_l0", 1e-9, Verdict::Pass), wrong];
        let mut total = Tally::default();
        checks.iter().for_each(|check| total.add(check));
        let table = table(2, &checks, &total, None);
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!((rows[0][0], rows[1][0], rows[3][..3].join(" ")), ("cell", "lstm", "part of parameter".into()));
        assert_eq!(rows[4], ["loss", "gaussian", "outputs", "5.0e-1", "0", "1", "0"]);
        assert!(table.contains("FAIL outputs of loss gaussian, missing targets: relative error 5.0e-1"), "{table}");
    }

    #[test]
    fn rows_join_sizes_and_noise_does_not_count_as_error() {
        let checks = [
            check(Network::Layers, "weight_ih_l0", 1e-9, Verdict::Pass),
            check(Network::Layers, "weight_ih_l1", 0.5, Verdict::Inconclusive),
            check(Network::Layers, "weight_ih_l0_reverse", 3e-9, Verdict::Pass),
            check(Network::LanguageModel, "rnn.weight_ih_l0", 2e-3, Verdict::Fail),
        ];
        let mut total = Tally::default();
        checks.iter().for_each(|check| total.add(check));
        let table = table(2, &checks, &total, None);
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["lstm", "layers", "weight_ih", "3.0e-9", "2", "0", "1"]);
        assert_eq!(rows[2], ["lstm", "language", "model", "weight_ih", "2.0e-3", "0", "1", "0"]);
        let failure = "FAIL rnn.weight_ih_l0 of lstm (language model), T 2 B 1 I 3 H 4,5, initial state given, masked";
        assert!(table.contains(failure), "{table}");
        assert!(table.contains("2 configurations: 2 pass, 1 fail, 1 inconclusive; worst relative error 2.0e-3"));
        assert!(table.ends_with(INCONCLUSIVE));
    }

    #[test]
    fn an_error_that_is_no_number_is_the_worst() {
        let mut tally = Tally::default();
        tally.add(&check(Network::Layers, "w", f64::NAN, Verdict::Fail));
        tally.add(&check(Network::Layers, "w", 1.0, Verdict::Fail));
        assert!(tally.worst.is_nan());
    }
}
