//! The lesson on softmax and cross-entropy: the library's nodes on the tutorials' examples. Not here: an unstable softmax,
//! except as an example.

use elman::Cpu;
use elman::autodiff::tape::Tape;

use super::setting::Setting;
use super::table::Report;

/// Softmax of the rows of x over `temperature`.
pub fn softmax(cpu: &Cpu, cols: usize, x: &[f32], temperature: f64) -> anyhow::Result<Vec<f32>> {
    let mut tape = Tape::new(cpu);
    let x = tape.dense_leaf(cols, x, false)?;
    let x = tape.scale(x, 1.0 / temperature)?;
    let y = tape.softmax(x)?;
    Ok(tape.dense_value(y))
}

/// -mean over the `rows` of the sum of y ln(yhat) along them.
fn cross_entropy(cpu: &Cpu, rows: usize, yhat: &[f32], y: &[f32]) -> anyhow::Result<f64> {
    let mut tape = Tape::new(cpu);
    let [yhat, y] = [tape.dense_leaf(yhat.len() / rows, yhat, false)?, tape.dense_leaf(y.len() / rows, y, false)?];
    let log = tape.log(yhat)?;
    let product = tape.mul(y, log)?;
    let sum = tape.sum(product)?;
    Ok(-f64::from(tape.dense_value(sum)[0]) / rows as f64)
}

/// e^x over its sum, without protection against overflow.
fn unstable(x: &[f32]) -> Vec<f32> {
    let total: f32 = x.iter().map(|x| x.exp()).sum();
    x.iter().map(|x| x.exp() / total).collect()
}

/// Temperatures and cross-entropy as the tutorial on the Time Machine shows them.
pub fn temperatures(cpu: &Cpu, report: &mut Report) -> anyhow::Result<()> {
    for (x, temperature, want) in [(1.0, 1000.0, [0.500_499_96, 0.499_499_98]), (10.0, 0.1, [1.0, 0.0])] {
        let got = softmax(cpu, 2, &[x, -x, -x, x], temperature)?;
        // Symmetric rows, to the last place of f32.
        let passes = (0..2).all(|i| (f64::from(got[i]) - want[i]).abs() < 1e-7 && got[i] == got[3 - i]);
        let name = format!("softmax of [{x}, {}] at temperature {temperature}", -x);
        report.check(name, format!("{want:?}"), format!("{:?}", &got[..2]), "± 1e-7", passes);
    }
    let got = cross_entropy(cpu, 3, &[0.2, 0.5, 0.3], &[1.0, 0.0, 0.0])?;
    report.near("cross-entropy of [.2, .5, .3] and [1, 0, 0]", 0.536_479_29, got, 1e-7, 8);
    report.near("  the same from its formula, -ln(.2) / 3", 0.2_f64.ln() / -3.0, got, 1e-7, 8);
    Ok(())
}

pub fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let (cpu, x) = (&setting.cpu, [1.0_f32, 2.0, 1000.0]);
    let naive = unstable(&x);
    let is_nan = naive[0] == 0.0 && naive[1] == 0.0 && naive[2].is_nan();
    report.check("softmax of [1, 2, 1000], unstable", "[0, 0, nan]", format!("{naive:?}"), "equal", is_nan);
    let stable = softmax(cpu, 3, &x, 1.0)?;
    report.check(
        "softmax of [1, 2, 1000], stable",
        "[0, 0, 1]",
        format!("{stable:?}"),
        "equal",
        stable == [0.0, 0.0, 1.0],
    );
    // The tutorial keeps the logarithm finite by adding 1e-6 first.
    let kept: Vec<f64> = stable.iter().map(|&p| (f64::from(p) + 1e-6).ln()).collect();
    let want = [-13.815_510_6, -13.815_510_6, 9.999_995e-7];
    let passes = kept.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-7);
    let shown: Vec<String> = kept.iter().map(|x| format!("{x:.7e}")).collect();
    report.check("log-softmax, 1e-6 added", format!("{want:?}"), shown.join(", "), "± 1e-7", passes);
    let exact = log_softmax(cpu, &x)?;
    let passes = exact.iter().zip([-999.0, -998.0, 0.0]).all(|(got, want)| (got - want).abs() < 1e-3);
    report.check(
        "log-softmax, from the loss itself",
        "-999, -998, 0 (by its formula)",
        format!("{exact:?}"),
        "± 1e-3",
        passes,
    );
    report.note(
        "The tutorial's 1e-6 limits every loss to 13.8; the library's loss never takes the logarithm of a probability.",
    );
    temperatures(cpu, report)
}

/// -loss at each target.
fn log_softmax(cpu: &Cpu, x: &[f32]) -> anyhow::Result<Vec<f64>> {
    let mut tape = Tape::new(cpu);
    let mut all = Vec::new();
    for target in 0..x.len() as u32 {
        tape.start(false);
        let logits = tape.dense_leaf(x.len(), x, false)?;
        all.push(0.0 - tape.cross_entropy(logits, &[target])?.1);
    }
    Ok(all)
}
