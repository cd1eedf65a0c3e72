//! A forecaster of a short series: learned, tried from every place that is held out, asked for what comes next.
//!
//!     cargo run --release -p elman --example forecast           # 200 steps
//!     cargo run --release -p elman --example forecast -- 5      # 5

use elman::config::{Config, Forecast, TaskSettings, Transform};
use elman::data::series::{Known, Roles, SeriesSet};
use elman::data::table::{Format, Table};
use elman::task::ForecastTask;
use elman::task::forecast::Asked;
use elman::train::{Control, Trainer};
use elman::{Corpus, Cpu, Error};

fn main() -> Result<(), Error> {
    let steps = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200);
    let row = |t: usize| format!("{},{}\n", t, 100 + t + [0, 20, 40, 10][t % 4]);
    let table = format!("t,y\n{}", (0..80).map(row).collect::<String>());
    let corpus = Corpus::from_text("y.csv", table.clone());
    let read = Table::from_bytes("y.csv", table.as_bytes(), Format::Csv, true)?;
    let set = SeriesSet::new(&read, &Roles::default(), &Known::default())?;

    let settings = Forecast { horizon: 4, season: 4, transform: vec![Transform::Seasonal], ..Forecast::default() };
    let config = Config::of_task(Some(TaskSettings::Forecast(settings)));
    let config = Config { steps: Some(steps), hidden_size: 8, seq_len: 12, ..config };
    let cpu = Cpu::new(None)?;
    let task = ForecastTask::<f32>::new(&config, set.clone(), corpus.fingerprint())?;
    let mut trainer = Trainer::of(config, task, &cpu)?;
    trainer.run(None, &mut |_| Control::Continue)?;

    let (task, tape) = trainer.task_and_tape();
    if let Some(backtest) = task.backtest(tape, &mut || true)? {
        for method in &backtest.methods {
            println!("MASE {:.3} of {}", method.figures.mase.unwrap_or(f64::NAN), method.name);
        }
    }
    let asked = Asked::of(&task.trained().timeline.settings);
    let forecasts = &task.trained().next(tape, &set, &asked)?[0];
    for h in 0..forecasts.horizon() {
        let [low, middle, high] = forecasts.at(0, h)[..] else { continue };
        println!("t = {}: {middle:.1}, between {low:.1} and {high:.1} in four of five cases", 80 + h);
    }
    Ok(())
}
