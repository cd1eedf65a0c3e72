//! Forecasters on series whose right forecasts are known: what is backtested is what is predicted, series of different
//! size, covariates, gaps, differences, calendars. Not here: the numbers of a window (`data/series/tests.rs`).

use elman::config::{Config, Forecast, Missing, Output, Scale, Strategy, TaskSettings, Transform};
use elman::data::series::{Known, Origin, Roles, SeriesSet};
use elman::data::table::{Format, Table};
use elman::rng::{ChaCha8Rng, Purpose, generator, uniform};
use elman::task::ForecastTask;
use elman::task::forecast::{Asked, Backtest, Forecasts, HeldOut, Watch};
use elman::train::{Control, Trainer};
use elman::{Corpus, Cpu, Error};

fn cpu() -> Cpu {
    Cpu::new(Some(1)).unwrap()
}

fn table(text: &str) -> Table {
    Table::from_bytes("t.csv", text.as_bytes(), Format::Csv, true).unwrap()
}

fn read(text: &str, settings: &Forecast) -> SeriesSet {
    SeriesSet::new(&table(text), &Roles::of(settings), &Known::default()).unwrap()
}

fn config(settings: &Forecast, steps: u64) -> Config {
    let base = Config::of_task(Some(TaskSettings::Forecast(settings.clone())));
    Config { hidden_size: 16, batch: 16, seq_len: 16, epochs: None, steps: Some(steps), lr: 0.01, ..base }
}

fn trained(text: &str, config: &Config) -> Trainer<ForecastTask<f32>> {
    let settings = config.forecast().unwrap();
    let fingerprint = Corpus::from_text("t.csv", text.to_string()).fingerprint();
    let task = ForecastTask::<f32>::new(config, read(text, settings), fingerprint).unwrap();
    let mut trainer = Trainer::of(config.clone(), task, &cpu()).unwrap();
    trainer.run(None, &mut |_| Control::Continue).unwrap();
    trainer
}

fn backtest(trainer: &mut Trainer<ForecastTask<f32>>) -> Backtest {
    let (task, tape) = trainer.task_and_tape();
    task.backtest(tape, &mut || true).unwrap().unwrap()
}

/// About normal: the sum of twelve uniform numbers less 6.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| uniform(rng)).sum::<f64>() - 6.0
}

/// Two series with a weekly pattern of counts, a covariate known in the future, one known in the past, a category of
/// the day and one of the series; the last rows of each have covariates alone.
fn shops(rows: usize, known: usize) -> String {
    let mut text = "day,shop,sold,price,rain,event,kind\n".to_string();
    for (shop, size) in [("a", 5), ("b", 40)] {
        for t in 0..rows {
            let sold = if t < known { (size + size * (t % 7) / 3 + t % 3).to_string() } else { String::new() };
            let event = if t % 5 == 0 { "fair" } else { "none" };
            let (month, day) = [(1, 0), (2, 31), (3, 60)].into_iter().rfind(|(_, first)| t >= *first).unwrap();
            text += &format!("2024-{month:02}-{:02},{shop},{sold},{},{},{event},k{shop}\n", t - day + 1, t % 4, t % 3);
        }
    }
    text
}

#[test]
fn what_is_backtested_is_what_is_predicted_of_a_truncated_table() {
    use Output::{Gaussian, Joint, NegativeBinomial, Poisson, Quantile, Student};
    use Transform::{BoxCox, Diff, Log, Seasonal};
    let with = |output, transform: &[Transform]| (output, transform.to_vec());
    let kinds = [
        with(Gaussian, &[]),
        with(Student, &[Log]),
        with(Quantile, &[BoxCox]),
        with(Gaussian, &[Seasonal]),
        with(Gaussian, &[Diff]),
        with(Student, &[Log, Seasonal, Diff]),
        with(NegativeBinomial, &[]),
        with(Poisson, &[]),
        with(Joint, &[]),
    ];
    let (rows, known) = (84, 80);
    for (output, transform) in kinds {
        for (strategy, recent) in [(Strategy::Direct, 0), (Strategy::Recursive, 0), (Strategy::Direct, 4)] {
            let settings = Forecast {
                group: Some("shop".into()),
                covariates: vec!["price".into(), "event".into()],
                past_covariates: vec!["rain".into()],
                statics: vec!["kind".into()],
                horizon: 4,
                season: 7,
                paths: 20,
                freq: Some("day".into()),
                ensemble_size: 2,
                output,
                transform: transform.clone(),
                strategy,
                recent,
                ..Forecast::default()
            };
            let mut trainer = trained(&shops(rows, known), &config(&settings, 3));
            let set = read(&shops(rows, known), &settings);
            let held_out = HeldOut::new(&settings, 0.2, &set).unwrap();
            let mut made: Vec<(Origin, Forecasts)> = Vec::new();
            let (task, tape) = trainer.task_and_tape();
            let mut watch = Watch {
                continues: &mut || true,
                progress: &mut |_, _| (),
                forecast: &mut |origin, forecasts| {
                    made.push((origin, forecasts.clone()));
                    Ok(())
                },
            };
            task.trained().evaluate(tape, (&set, &held_out), &[], &mut watch).unwrap();
            assert_eq!(made.len(), 2 * (16 - 4 + 1));
            for (origin, forecasts) in made.iter().step_by(5) {
                // All values from the origin on are taken off, the covariates of the horizon stay.
                let cut = read(&shops(origin.t + 4, origin.t), &settings);
                let asked = Asked::of(&settings);
                let next = task.trained().next(tape, &cut, &asked).unwrap();
                assert_eq!(
                    next[origin.series], *forecasts,
                    "{output:?} {transform:?} {strategy:?} {recent} {origin:?}"
                );
            }
        }
    }
}

fn mase(backtest: &Backtest) -> f64 {
    backtest.methods[0].figures.mase.unwrap()
}

#[test]
fn a_small_series_beside_a_large_one_is_forecast_as_well_as_alone() {
    let row = |shop: &str, size: f64, t: usize, rng: &mut ChaCha8Rng| {
        let week = [1.0, 1.3, 1.6, 1.1, 0.9, 0.7, 0.5][t % 7];
        format!("{shop},{t},{}\n", size * (week + 0.05 * normal(rng)))
    };
    let text = |shops: &[(&str, f64)]| {
        let mut text = "shop,t,y\n".to_string();
        for &(shop, size) in shops {
            let mut rng = generator(size as u64, Purpose::Split, 0);
            (0..300).for_each(|t| text += &row(shop, size, t, &mut rng));
        }
        text
    };
    let settings =
        Forecast { time: Some("t".into()), group: Some("shop".into()), horizon: 7, season: 7, ..Forecast::default() };
    let config = Config { seq_len: 28, ..config(&settings, 400) };
    let alone = |shop| mase(&backtest(&mut trained(&text(&[shop]), &config)));
    let (small, large) = (alone(("a", 10.0)), alone(("b", 1e7)));
    let both = backtest(&mut trained(&text(&[("a", 10.0), ("b", 1e7)]), &config));
    let together: Vec<f64> = both.methods[0].by_series.iter().map(|(_, figures)| figures.mase.unwrap()).collect();
    assert!(together[0] < 1.1 * small && together[1] < 1.1 * large, "{together:?} {small} {large}");
    // A new series of another size needs no training.
    let mut trainer = trained(&text(&[("a", 10.0), ("b", 1e7)]), &config);
    let set = read(&text(&[("c", 3e3)]), &settings);
    let held_out = HeldOut::new(&settings, 0.2, &set).unwrap();
    let (task, tape) = trainer.task_and_tape();
    let mut watch = Watch { continues: &mut || true, progress: &mut |_, _| (), forecast: &mut |_, _| Ok(()) };
    let new = task.trained().evaluate(tape, (&set, &held_out), &[], &mut watch).unwrap().unwrap();
    let own = alone(("c", 3e3));
    assert!(mase(&new) < 1.2 * own, "{} {own}", mase(&new));
}

#[test]
fn known_future_covariates_are_used_by_both_strategies() {
    // A promotion adds 20 to 100; noise of deviation 0.5, whose mean absolute error is 0.4.
    let mut rng = generator(3, Purpose::Split, 0);
    let mut text = "t,y,promo\n".to_string();
    for t in 0..400 {
        let promo = u8::from(uniform(&mut rng) < 0.3);
        text += &format!("{t},{},{promo}\n", 100.0 + 20.0 * f64::from(promo) + 0.5 * normal(&mut rng));
    }
    let mae = |strategy| {
        let settings = Forecast {
            covariates: vec!["promo".into()],
            horizon: 8,
            scale: Some(Scale::Global),
            strategy,
            ..Forecast::default()
        };
        let config = Config { batch: 32, weight_decay: Some(0.01), ..config(&settings, 600) };
        let backtest = backtest(&mut trained(&text, &config));
        backtest.methods[0].figures.mae
    };
    let (direct, recursive) = (mae(Strategy::Direct), mae(Strategy::Recursive));
    assert!(direct < 0.6 && recursive < 0.6, "{direct} {recursive}");
    assert!((direct / recursive).max(recursive / direct) < 1.1, "{direct} {recursive}");
}

#[test]
fn a_drift_is_learned_by_differences() {
    let mut rng = generator(4, Purpose::Split, 0);
    let rows: String =
        (0..240).map(|t| format!("{t},{}\n", 100.0 + 5.0 * f64::from(t) + 0.1 * normal(&mut rng))).collect();
    let settings = Forecast { transform: vec![Transform::Diff], ..Forecast::default() };
    let backtest = backtest(&mut trained(&format!("t,y\n{rows}"), &config(&settings, 300)));
    let mae = |name: &str| backtest.methods.iter().find(|method| method.name == name).unwrap().figures.mae;
    // The line through the first and the last value is right but for the noise of the last value.
    assert!(mae("the model") < 1.25 * mae("drift"), "{} {}", mae("the model"), mae("drift"));
}

#[test]
fn a_weekly_pattern_with_gaps_and_empty_cells_is_kept() {
    let value = |t: usize| 10.0 + 3.0 * (t % 7) as f64;
    let row = |t: &usize| match t {
        50 | 90 => format!("2022-{:02}-{:02},\n", 1 + t / 28, t % 28 + 1),
        _ => format!("2022-{:02}-{:02},{}\n", 1 + t / 28, t % 28 + 1, value(*t)),
    };
    // Months of 28 days are no even grid: days 29 to 31 are missing.
    let text = format!("day,y\n{}", (0..168).filter(|t| !(60..63).contains(t)).map(|t| row(&t)).collect::<String>());
    for missing in [Missing::Mask, Missing::Ffill, Missing::Interpolate] {
        let settings = Forecast { season: 7, horizon: 7, missing, ..Forecast::default() };
        let set = read(&text, &settings);
        assert!(set.gaps > 3 && set.missing == 2, "{} {}", set.gaps, set.missing);
        let backtest = backtest(&mut trained(&text, &config(&settings, 200)));
        assert!(backtest.methods[0].figures.points > 0);
    }
}

#[test]
fn a_short_series_gives_what_it_has_and_is_forecast() {
    let long: String = (0..60).map(|t| format!("{t},long,{}\n", 5 + t % 4)).collect();
    let text = format!("t,name,y\n{long}0,short,7\n1,short,8\n2,short,5\n0,single,3\n");
    let settings = Forecast {
        time: Some("t".into()),
        group: Some("name".into()),
        horizon: 4,
        season: 4,
        transform: vec![Transform::Seasonal],
        ..Forecast::default()
    };
    let mut trainer = trained(&text, &config(&settings, 20));
    let backtest = backtest(&mut trainer);
    assert_eq!((backtest.series, backtest.too_short), (1, 2));
    let (task, tape) = trainer.task_and_tape();
    let set = read(&text, &settings);
    let next = task.trained().next(tape, &set, &Asked::of(&settings)).unwrap();
    assert!(next.iter().all(|one| one.median(0).iter().all(|y| y.is_finite())));
}

#[test]
fn what_a_forecast_needs_and_is_not_given_is_named() {
    let settings = Forecast { covariates: vec!["promo".into()], horizon: 3, ..Forecast::default() };
    let row = |t: usize| format!("{t},{},{}\n", 10 + t % 3, t % 2);
    let text = format!("t,y,promo\n{}", (0..40).map(row).collect::<String>());
    let mut trainer = trained(&text, &config(&settings, 3));
    let (task, tape) = trainer.task_and_tape();
    let mut message = |text: &str, asked: &Asked| -> Result<Vec<Forecasts>, Error> {
        task.trained().next(tape, &read(text, &settings), asked)
    };
    let asked = Asked::of(&settings);
    let refused = message(&text, &asked).unwrap_err().to_string();
    assert_eq!(
        refused,
        "promo of the series is not given at 40, expected its value for every step of the horizon (t.csv)"
    );
    let more = format!("{text}40,,1\n41,,0\n42,,1\n");
    assert_eq!(message(&more, &asked).unwrap()[0].horizon(), 3);
    // A shorter horizon needs less and gives the same.
    let less = format!("{text}40,,1\n");
    let short = message(&less, &Asked { horizon: 1, ..asked.clone() }).unwrap();
    assert_eq!(short[0].at(0, 0), message(&more, &asked).unwrap()[0].at(0, 0));
    let refused = message(&more, &Asked { horizon: 4, ..asked }).unwrap_err().to_string();
    assert_eq!(refused, "horizon is 4, expected at most 3, the horizon of training, with direct forecasts");
}
