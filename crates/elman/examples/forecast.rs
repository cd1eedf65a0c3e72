//! A forecaster of a short series: learned, tried from every place that is held out, asked for what comes next.
//!
//!     cargo run --release -p elman --example forecast           # 200 steps
//!     cargo run --release -p elman --example forecast -- 5      # 5

use elman::config::{Config, Forecast, TaskSettings, Transform};
use elman::data::series::{Columns, SeriesSet};
use elman::data::table::{Format, Table};
use elman::task::ForecastTask;
use elman::train::{Control, Trainer};
use elman::{Corpus, Cpu, Error};

fn main() -> Result<(), Error> {
    let steps = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200);
    let row = |t: usize| format!("{},{}\n", t, 100 + t + [0, 20, 40, 10][t % 4]);
    let table = format!("t,y\n{}", (0..80).map(row).collect::<String>());
    let corpus = Corpus::from_text("y.csv", table.clone());
    let set = SeriesSet::new(&Table::from_bytes("y.csv", table.as_bytes(), Format::Csv, true)?, &Columns::default())?;

    let settings = Forecast { horizon: 4, season: 4, transform: vec![Transform::Seasonal], ..Forecast::default() };
    let config = Config::of_task(Some(TaskSettings::Forecast(settings)));
    let config = Config { steps: Some(steps), hidden_size: 8, seq_len: 12, ..config };
    let cpu = Cpu::new(None)?;
    let task = ForecastTask::<f32>::new(&config, set.clone(), corpus.fingerprint())?;
    let mut trainer = Trainer::of(config, task, &cpu)?;
    trainer.run(None, &mut |_| Control::Continue)?;

    let (task, tape) = trainer.task_and_tape();
    if let Some(backtest) = task.backtest(tape, &mut || true)? {
        let naive = backtest.seasonal_naive.map_or(f64::NAN, |figures| figures.mase);
        println!("MASE {:.3} from {} origins; repeating the season {naive:.3}", backtest.model.mase, backtest.origins);
    }
    for (h, point) in task.trained().next(tape, "y.csv", &set.series[0])?[0].iter().enumerate() {
        println!(
            "t = {}: {:.1}, between {:.1} and {:.1} in four of five cases",
            80 + h,
            point.middle,
            point.low,
            point.high
        );
    }
    Ok(())
}
