//! The lesson on min-char-rnn with its author's settings: one pass over Shakespeare with the state carried between windows.
//! Not here: single losses; the lesson compares the moving loss, which starts at 25 ln 65.

use super::runs::{recipe, shown, train, write};
use super::setting::Setting;
use super::table::Report;

const RECIPE: &str = include_str!("../../../../recipes/min-char-rnn-original.toml");

pub fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let corpus = setting.text("tinyshakespeare")?;
    let config = recipe("min-char-rnn-original", RECIPE)?;
    let steps = config.seq_len as f64;
    let start = steps * 65_f64.ln();
    let (mut moving, mut trend, mut first) = (start, Vec::new(), 0.0);
    let trainer = train(setting, "", &config, &corpus, |step, loss| {
        if step == 1 {
            first = steps * loss;
        }
        moving = config.moving * moving + (1.0 - config.moving) * steps * loss;
        if step.is_multiple_of(5000) {
            trend.push((step, moving));
        }
    })?;
    let plan = trainer.plan();
    trend.push((plan.steps, moving));
    report.equal("steps of one pass", 44_615, plan.steps);
    // A new model has weights of about 0.01, so its logits differ by a few thousandths.
    report.near("loss of the first window, sum over 25: 25 ln 65", start, first, 0.05, 2);
    let mut before = start;
    for &(step, loss) in &trend {
        // 5,000 windows may be slightly harder than the 5,000 before.
        let allowed = format!("below {:.2}, 3 % above the one before", 1.03 * before);
        report.check(
            format!("moving loss at step {step}"),
            "falls",
            format!("{loss:.2}"),
            allowed,
            loss < 1.03 * before,
        );
        before = loss;
    }
    report.check("moving loss at the end", "falls", format!("{before:.2}"), "half of the first", before < start / 2.0);
    let text = write(&trainer, "\n", 200, 1.0, &setting.cpu)?;
    report.told("text at the end", "-", shown(&text, 60));
    Ok(())
}
