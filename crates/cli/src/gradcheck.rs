//! The verb `gradcheck`: prints the verdicts of the library's gradient check. One FAIL makes the exit code 1. Not here: the
//! check itself (`elman::check`).

use std::process::ExitCode;

use elman::Cpu;
use elman::check::{Check, Configuration, Network, Scope, Verdict, run as run_checks};
use serde::Serialize;

use crate::failure::Refusal;
use crate::progress::wait_for;
use crate::terminal;

/// The explanation of INCONCLUSIVE below the table.
const INCONCLUSIVE: &str = "INCONCLUSIVE: the gradient is smaller than the rounding noise of the numerical one, so a comparison means nothing.";

/// Compare gradients with numerical differentiation
#[derive(clap::Args)]
pub struct Args {
    /// Check every cell; this is the default
    #[arg(long)]
    all: bool,
    /// Check every cell with every combination of sizes and options; takes minutes instead of seconds
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
    let checks = wait_for("comparing gradients", || run_checks(&cpu, scope, &mut |_, all| configurations = all))?;
    if checks.is_empty() {
        return Err(Refusal::new("no gradient was checked").into());
    }
    let mut total = Tally::default();
    checks.iter().for_each(|check| total.add(check));
    if args.json {
        let Tally { pass, fail, inconclusive, .. } = total;
        terminal::print_json(&Summary { configurations, checks: &checks, pass, fail, inconclusive })?;
    } else {
        terminal::print(&table(configurations, &checks, &total))?;
    }
    Ok(if total.fail > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One row for each cell, network and parameter over all sizes and layers; then each failure, then the totals.
fn table(configurations: usize, checks: &[Check], total: &Tally) -> String {
    let mut groups: Vec<(&str, &str, &str, Tally)> = Vec::new();
    for check in checks {
        let key = (check.configuration.cell, network(&check.configuration), kind(&check.parameter));
        let found = groups.iter().position(|&(cell, network, kind, _)| (cell, network, kind) == key);
        let at = found.unwrap_or_else(|| {
            groups.push((key.0, key.1, key.2, Tally::default()));
            groups.len() - 1
        });
        groups[at].3.add(check);
    }
    let mut lines = vec![format!(
        "{:<16}  {:<14}  {:<14}  {:>15}  {:>6}  {:>6}  {:>12}",
        "cell", "network", "parameter", "worst rel error", "pass", "fail", "inconclusive"
    )];
    for (cell, network, kind, Tally { pass, fail, inconclusive, worst }) in &groups {
        let worst = if pass + fail == 0 { "-".to_string() } else { format!("{worst:.1e}") };
        lines.push(format!(
            "{cell:<16}  {network:<14}  {kind:<14}  {worst:>15}  {pass:>6}  {fail:>6}  {inconclusive:>12}"
        ));
    }
    lines.push(String::new());
    for check in checks.iter().filter(|check| check.finding.verdict == Verdict::Fail) {
        let f = &check.finding;
        lines.push(format!(
            "FAIL {} of {}: relative error {:.1e}, largest gradient {:.1e}",
            check.parameter,
            describe(&check.configuration),
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

/// A parameter's name without its prefix, layer and direction.
fn kind(parameter: &str) -> &str {
    let name = parameter.strip_prefix("rnn.").unwrap_or(parameter);
    name.rsplit_once("_l").map_or(name, |(kind, _)| kind)
}

/// A configuration in words.
fn describe(c: &Configuration) -> String {
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
        Check { configuration, parameter: parameter.into(), finding }
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
        let table = table(2, &checks, &total);
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
