//! What must hold of whole runs with the tutorials' options: sums and means, carried states, words that resume.

mod runs;

use elman::config::{BatchKind, LossKind, OptimizerKind, TokenizerKind};
use elman::train::Event;
use elman::{Config, RunDir, Trainer};
use runs::{assert_same, config, corpus, cpu, keep_training, run_until};

/// The losses of each step, and the trained parameters.
fn trained(config: Config) -> (Vec<f64>, Vec<f32>) {
    let mut trainer = Trainer::new(config, &corpus(), &cpu()).unwrap();
    let mut losses = Vec::new();
    let mut watch = |event: Event<'_>| {
        if let Event::Step { loss, .. } = &event {
            losses.push(*loss);
        }
        keep_training(event)
    };
    trainer.run(None, &mut watch).unwrap();
    (losses, trainer.model().params().values().to_vec())
}

fn plain() -> Config {
    let sgd = OptimizerKind::Sgd;
    Config { optimizer: sgd, seq_len: 16, drop_last: true, clip: 0.0, dropout: 0.0, steps: Some(20), ..config() }
}

#[test]
fn a_sum_is_the_mean_at_as_many_times_the_rate() {
    // 16 steps a window: every product with them is exact, so that the bits are the same.
    let mean = trained(Config { lr: 0.16, ..plain() });
    let sum = trained(Config { lr: 0.01, loss: LossKind::Sum, ..plain() });
    assert!(mean == sum, "losses stay means, steps are the same");
    // A sum's gradient is clipped as it is, 16 times the mean's: at 16 times the limit and a 16th of the rate the steps
    // are the same, and at the same limit they are not.
    let clipped = |lr, loss, clip| trained(Config { lr, loss, clip, ..plain() });
    let (of_mean, of_sum) = (clipped(0.16, LossKind::Mean, 0.01), clipped(0.01, LossKind::Sum, 0.16));
    assert!(of_mean == of_sum, "the same limit of the mean's gradient");
    assert!(of_mean.1 != mean.1, "the limit is reached");
    assert!(
        of_sum.1 != clipped(0.01, LossKind::Sum, 0.01).1,
        "a limit of the sum's gradient is no limit of the mean's"
    );
}

#[test]
fn a_state_is_carried_where_it_is_asked_for() {
    let carried = trained(plain());
    assert!(carried == trained(Config { stateful: Some(true), ..plain() }), "rows carry by themselves");
    let fresh = trained(Config { stateful: Some(false), ..plain() });
    assert_eq!(carried.0[0], fresh.0[0], "the first window begins from zero anyway");
    assert_ne!(carried.0[1], fresh.0[1]);
    // One row of fresh windows is what chunks are.
    let one = |batches, drop_last| {
        let stateful = Some(false);
        trained(Config { batches, drop_last, stateful, batch: 1, ..plain() })
    };
    assert!(one(BatchKind::Rows, true) == one(BatchKind::Chunks, false));
}

#[test]
fn words_and_moving_losses_resume_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        tokenizer: TokenizerKind::Word,
        vocab_size: Some(8),
        moving: 0.9,
        random_offset: true,
        seq_len: 5,
        batch: 3,
        ..config()
    };
    let new = |name: &str| RunDir::create(dir.path().join(name)).unwrap();
    let (whole, stopped) = (new("whole"), new("stopped"));
    let mut trainer = Trainer::new(config.clone(), &corpus(), &cpu()).unwrap();
    trainer.run(Some(&whole), &mut keep_training).unwrap();
    run_until(&mut Trainer::new(config, &corpus(), &cpu()).unwrap(), &stopped, 17);
    let mut resumed = Trainer::resume(&stopped, &corpus(), &cpu()).unwrap();
    resumed.run(Some(&stopped), &mut keep_training).unwrap();
    assert_same(&stopped, &whole, "words, stopped after 17 steps");
    let moving: Vec<_> = whole.reports().unwrap().iter().map(|report| report.moving_loss).collect();
    assert!(moving.iter().all(|loss| loss.is_some_and(|loss| loss > 0.0)), "{moving:?}");
}
