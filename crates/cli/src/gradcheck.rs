//! Holds the verb `gradcheck`: the verdicts of the library's comparison with numerical differentiation, for people
//! and for programs. Refuses to pass over a failure: one FAIL and the exit code is 1.

use std::process::ExitCode;

use elman::Cpu;
use elman::gradcheck::{Check, Verdict, run_all};
use serde::Serialize;

use crate::failure::Refusal;
use crate::progress::wait_for;
use crate::terminal;

/// What INCONCLUSIVE means, for who meets it.
const INCONCLUSIVE: &str = "INCONCLUSIVE: the gradient is smaller than the noise of the numerical one, so that comparing them would say nothing.";

/// Compare gradients with numerical differentiation
#[derive(clap::Args)]
pub struct Args {
    /// Check every cell there is; so does leaving it out
    #[arg(long)]
    all: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    checks: &'a [Check],
    pass: usize,
    fail: usize,
    inconclusive: usize,
}

/// Counts of the verdicts and the largest relative error among those that say something.
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
        // An error that is not a number is the worst of all, and stays so.
        if check.finding.rel_error.is_nan() || check.finding.rel_error > self.worst {
            self.worst = check.finding.rel_error;
        }
    }
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let _every_cell = args.all;
    let cpu = Cpu::new(None)?;
    let checks = wait_for("comparing gradients", || run_all(&cpu, &mut |_| {}))?;
    if checks.is_empty() {
        return Err(Refusal::new("no gradient was checked").into());
    }
    let mut total = Tally::default();
    checks.iter().for_each(|check| total.add(check));
    if args.json {
        let Tally { pass, fail, inconclusive, .. } = total;
        terminal::print_json(&Summary { checks: &checks, pass, fail, inconclusive })?;
    } else {
        terminal::print(&table(&checks, &total))?;
    }
    Ok(if total.fail > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One row for each network and parameter, all its sizes together; then each failure by itself, then the sum.
fn table(checks: &[Check], total: &Tally) -> String {
    let mut groups: Vec<(String, usize, &str, Tally)> = Vec::new();
    for check in checks {
        let c = &check.configuration;
        let cell = if c.bidirectional { format!("{} both ways", c.cell) } else { c.cell.to_string() };
        let key = (&cell, c.layers, check.parameter.as_str());
        let found = groups.iter().position(|(cell, layers, parameter, _)| (cell, *layers, *parameter) == key);
        let at = found.unwrap_or_else(|| {
            groups.push((cell, c.layers, &check.parameter, Tally::default()));
            groups.len() - 1
        });
        groups[at].3.add(check);
    }
    groups.sort_by_key(|(_, layers, ..)| *layers);
    let mut lines = vec![format!(
        "{:<6}  {:>6}  {:<18}  {:>15}  {:>6}  {:>6}  {:>12}",
        "cell", "layers", "parameter", "worst rel error", "pass", "fail", "inconclusive"
    )];
    for (cell, layers, parameter, tally) in &groups {
        let Tally { pass, fail, inconclusive, worst } = tally;
        let worst = if pass + fail == 0 { "-".to_string() } else { format!("{worst:.1e}") };
        lines.push(format!(
            "{cell:<6}  {layers:>6}  {parameter:<18}  {worst:>15}  {pass:>6}  {fail:>6}  {inconclusive:>12}"
        ));
    }
    lines.push(String::new());
    for check in checks.iter().filter(|check| check.finding.verdict == Verdict::Fail) {
        let (c, f) = (&check.configuration, &check.finding);
        lines.push(format!(
            "FAIL {} of {} with {} layers, T {} B {} I {} H {}: relative error {:.1e}, largest gradient {:.1e}",
            check.parameter, c.cell, c.layers, c.seq_len, c.batch, c.input_size, c.hidden_size, f.rel_error, f.max_grad
        ));
    }
    lines.push(format!(
        "{} pass, {} fail, {} inconclusive; worst relative error {:.1e}",
        total.pass, total.fail, total.inconclusive, total.worst
    ));
    if total.inconclusive > 0 {
        lines.push(INCONCLUSIVE.to_string());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use elman::gradcheck::{Configuration, Finding};

    use super::*;

    fn check(layers: usize, parameter: &str, rel_error: f64, verdict: Verdict) -> Check {
        let (cell, bidirectional) = ("lstm", false);
        let configuration =
            Configuration { cell, layers, bidirectional, seq_len: 2, batch: 1, input_size: 3, hidden_size: 4 };
        let finding = Finding { max_grad: 1.0, abs_error: rel_error, rel_error, verdict };
        Check { configuration, parameter: parameter.into(), finding }
    }

    #[test]
    fn rows_join_sizes_and_noise_does_not_count_as_error() {
        let checks = [
            check(1, "w", 1e-9, Verdict::Pass),
            check(1, "w", 0.5, Verdict::Inconclusive),
            check(1, "w", 3e-9, Verdict::Pass),
            check(2, "w", 2e-3, Verdict::Fail),
        ];
        let mut total = Tally::default();
        checks.iter().for_each(|check| total.add(check));
        let table = table(&checks, &total);
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["lstm", "1", "w", "3.0e-9", "2", "0", "1"]);
        assert_eq!(rows[2], ["lstm", "2", "w", "2.0e-3", "0", "1", "0"]);
        assert!(table.contains("FAIL w of lstm with 2 layers, T 2 B 1 I 3 H 4"));
        assert!(table.contains("2 pass, 1 fail, 1 inconclusive; worst relative error 2.0e-3"));
        assert!(table.ends_with(INCONCLUSIVE));
    }

    #[test]
    fn an_error_that_is_no_number_is_the_worst() {
        let mut tally = Tally::default();
        tally.add(&check(1, "w", f64::NAN, Verdict::Fail));
        tally.add(&check(1, "w", 1.0, Verdict::Fail));
        assert!(tally.worst.is_nan());
    }
}
