//! Tokens are drawn as often as the settings say, at the ends of their ranges too, and a stream read step by step
//! equals the whole, for any length.

#[path = "../../../.ci/not_run.rs"]
mod not_run;
mod runs;

use elman::{
    Config, LanguageModel, Settings, Vocab,
    autodiff::tape::Tape,
    infer::choose,
    rng::{Purpose, generator},
};
use runs::{cpu, times};

/// Chi-square at p = .001 for 1 to 9 degrees of freedom.
const CRITICAL: [f64; 9] = [10.828, 13.816, 16.266, 18.467, 20.515, 22.458, 24.322, 26.124, 27.877];

const LOGITS: [f32; 8] = [0.3, -1.2, 2.0, 0.3, -0.4, 1.1, -3.0, 0.9];

/// The probability of each token, from the definitions, in plain arithmetic.
fn probabilities(s: &Settings) -> Vec<f64> {
    let weights = LOGITS.map(|x| (f64::from(x) / s.temperature).exp());
    let mut order: Vec<usize> = (0..8).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
    order.truncate(if s.top_k == 0 { 8 } else { s.top_k });
    let total: f64 = order.iter().map(|&id| weights[id]).sum();
    let (mut kept, mut mass) = (Vec::new(), 0.0);
    for id in order {
        let is_enough = !kept.is_empty() && mass >= s.top_p * total;
        if !is_enough && weights[id] >= s.min_p * weights[2] {
            kept.push(id);
        }
        mass += weights[id];
    }
    let total: f64 = kept.iter().map(|&id| weights[id]).sum();
    (0..8).map(|id| if kept.contains(&id) { weights[id] / total } else { 0.0 }).collect()
}

#[test]
fn a_million_draws_have_the_distribution_that_the_settings_ask_for() {
    let base = Settings { temperature: 1.0, ..Settings::default() };
    let cases = [
        base,
        Settings { temperature: 0.5, ..base },
        Settings { temperature: 1.7, ..base },
        Settings { top_k: 3, ..base },
        Settings { top_p: 0.8, ..base },
        Settings { min_p: 0.2, ..base },
        Settings { temperature: 1.3, top_k: 6, top_p: 0.9, min_p: 0.1, ..base },
    ];
    let draws = times("ELMAN_DRAWS", 1_000_000);
    for (case, settings) in cases.into_iter().enumerate() {
        let mut rng = generator(5, Purpose::Sample, case as u64);
        let mut counts = [0_u64; 8];
        for _ in 0..draws {
            counts[choose(&LOGITS, &settings, &mut rng)] += 1;
        }
        let (mut chi_square, mut cells) = (0.0, 0);
        for (count, p) in counts.into_iter().zip(probabilities(&settings)) {
            if p == 0.0 {
                assert_eq!(count, 0, "{settings:?}");
                continue;
            }
            let expected = p * draws as f64;
            chi_square += (count as f64 - expected).powi(2) / expected;
            cells += 1;
        }
        println!("{settings:?}: chi-square {chi_square:.2} with {} degrees of freedom", cells - 1);
        assert!(chi_square < CRITICAL[cells - 2], "{settings:?}: {chi_square} {counts:?}");
    }
}

#[test]
fn the_ends_of_every_range_have_a_meaning() {
    let base = Settings { temperature: 1.0, ..Settings::default() };
    let chosen = |settings: Settings| -> Vec<usize> {
        settings.check().unwrap();
        let mut rng = generator(1, Purpose::Sample, 0);
        let mut seen = [0_usize; 8];
        (0..4000).for_each(|_| seen[choose(&LOGITS, &settings, &mut rng)] += 1);
        (0..8).filter(|&id| seen[id] > 0).collect()
    };
    let all: Vec<usize> = (0..8).collect();
    for likeliest in [
        Settings { temperature: 0.0, ..base },
        Settings { temperature: 1e-6, ..base },
        Settings { temperature: f64::MIN_POSITIVE, ..base },
        Settings { top_k: 1, ..base },
        Settings { top_p: 0.0, ..base },
        Settings { top_p: f64::MIN_POSITIVE, ..base },
        Settings { min_p: 1.0, ..base },
    ] {
        assert_eq!(chosen(likeliest), [2], "{likeliest:?}");
    }
    for everything in [
        Settings { temperature: 1e6, ..base },
        Settings { temperature: f64::MAX, ..base },
        Settings { top_k: 0, ..base },
        Settings { top_k: 9, ..base },
        Settings { top_k: usize::MAX, ..base },
        Settings { top_p: 1.0, min_p: 0.0, ..base },
    ] {
        assert_eq!(chosen(everything), all, "{everything:?}");
    }
    // So hot that all are alike: 4000 draws of 8 tokens, 500 each.
    let mut rng = generator(2, Purpose::Sample, 0);
    let mut seen = [0_u32; 8];
    (0..4000).for_each(|_| seen[choose(&LOGITS, &Settings { temperature: 1e6, ..base }, &mut rng)] += 1);
    let chi_square: f64 = seen.iter().map(|&n| (f64::from(n) - 500.0).powi(2) / 500.0).sum();
    assert!(chi_square < CRITICAL[6], "{seen:?}");
}

/// Bytes this process holds, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[test]
fn a_stream_equals_the_whole_bit_for_bit_and_takes_no_more_memory_however_long() {
    let steps = times("ELMAN_STREAM", 40_000) as usize;
    let config = Config { hidden_size: 8, num_layers: 1, ..Config::default() };
    let model: LanguageModel<f32> = LanguageModel::new(&config, 5).unwrap();
    let tokens: Vec<u32> = (0..steps).map(|i| ((i * i / 7 + i) % 5) as u32).collect();

    // In pieces of 1000 for the whole, one by one for the stream.
    let (mut tape, mut state) = (Tape::new(&cpu()), model.initial_state(1));
    let (mut steps_tape, mut steps_state, mut logits) = (Tape::new(&cpu()), model.initial_state(1), vec![]);
    let mut early = None;
    for (piece, tokens) in tokens.chunks(1000).enumerate() {
        tape.start(false);
        let before = state.to_tape(&mut tape, false);
        let (rows, after) = model.forward(&mut tape, tokens, &before, None).unwrap();
        state.from_tape(&tape, &after);
        let whole = tape.dense_value(rows);
        for (token, want) in tokens.iter().zip(whole.chunks_exact(5)) {
            model.step(&mut steps_tape, &[*token], &mut steps_state, &mut logits).unwrap();
            assert!(logits.iter().zip(want).all(|(a, b)| a.to_bits() == b.to_bits()), "piece {piece}");
        }
        if piece == 9 {
            early = resident();
        }
    }
    let bits = |state: &elman::nn::state::State<f32>| -> Vec<u32> {
        state.tensors().into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect()
    };
    assert_eq!(bits(&state), bits(&steps_state));

    let vocab = Vocab::fit("abcd\n", "");
    let mut text =
        elman::infer::Generator::new(&model, &vocab, "", Settings::default(), generator(1, Purpose::Sample, 0), &cpu())
            .unwrap();
    assert_eq!(text.by_ref().take(steps).count(), steps);
    let (Some(early), Some(late)) = (early, resident()) else {
        return not_run::not_run("the memory of a long stream: the system does not tell it");
    };
    println!("{steps} steps: {early} bytes after the first 10,000, {late} at the end");
    // A step kept, in whatever form, would be 32 bytes at the least: 32 MB in a million steps.
    assert!(late < early + 4_000_000, "{early} {late}");
}
