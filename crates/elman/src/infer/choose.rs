//! The choice of the next token from logits: penalty, temperature, truncation of the tail, one draw. Not here: the
//! truncations (`cut/`).

use elman_kernels::Element;
use rand_chacha::ChaCha8Rng;

use super::Settings;
use crate::rng::uniform;

/// How many of the last characters read or written `Settings::repetition_penalty` looks back on.
pub const REPETITION_WINDOW: usize = 64;

/// Makes the tokens of `recent` less likely (more, for a penalty below 1); one that comes twice counts once.
/// Precision: f64, rounded to the logit's own.
pub fn penalise<E: Element>(logits: &mut [E], recent: impl IntoIterator<Item = u32>, penalty: f64) {
    let mut ids: Vec<u32> = recent.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        if let Some(x) = logits.get_mut(id as usize) {
            let logit = x.to_f64();
            *x = E::from_f64(if logit > 0.0 { logit / penalty } else { logit * penalty });
        }
    }
}

/// Chooses a token: temperature, then the cuts, then one draw. A logit that is not a number is never chosen while
/// another is. Precision: f64 throughout, sums from the likeliest down, so the same everywhere.
pub fn choose<E: Element>(logits: &[E], settings: &Settings, rng: &mut ChaCha8Rng) -> usize {
    let logit = |id: usize| {
        let logit = logits[id].to_f64();
        if logit.is_nan() { f64::NEG_INFINITY } else { logit }
    };
    let best = (1..logits.len()).fold(0, |best, id| if logit(id).total_cmp(&logit(best)).is_gt() { id } else { best });
    if settings.temperature == 0.0 {
        return best;
    }
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_unstable_by(|&a, &b| logit(b).total_cmp(&logit(a)).then(a.cmp(&b)));
    let weight = |id: usize| {
        let below = if logit(id) == logit(best) { 0.0 } else { logit(id) - logit(best) };
        libm::exp(below / settings.temperature)
    };
    let weights: Vec<f64> = order.iter().map(|&id| weight(id)).collect();
    let kept = settings.kept(&weights);
    let mass: f64 = weights[..kept].iter().sum();
    let mut left = uniform(rng) * mass;
    for (&id, &w) in order[..kept].iter().zip(&weights) {
        left -= w;
        if left < 0.0 {
            return id;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, generator};

    fn settings(temperature: f64, top_k: usize, top_p: f64) -> Settings {
        Settings { temperature, top_k, top_p, ..Settings::default() }
    }

    /// How often each token is chosen in `draws` draws, as a share.
    fn shares(logits: &[f32], settings: Settings, draws: u32) -> Vec<f64> {
        let mut rng = generator(11, Purpose::Sample, 0);
        let mut counts = vec![0_u32; logits.len()];
        for _ in 0..draws {
            counts[choose(logits, &settings, &mut rng)] += 1;
        }
        counts.iter().map(|&n| f64::from(n) / f64::from(draws)).collect()
    }

    #[test]
    fn shares_follow_the_softmax_at_each_temperature() {
        let logits = [0.5, -1.0, 2.0, 0.5];
        for temperature in [0.5, 1.0, 2.0] {
            let weights = logits.map(|x: f32| (f64::from(x) / temperature).exp());
            let total: f64 = weights.iter().sum();
            // Four standard errors of a share of 40,000 draws are below 0.01.
            for (got, w) in shares(&logits, settings(temperature, 0, 1.0), 40_000).iter().zip(weights) {
                assert!((got - w / total).abs() < 0.01, "{temperature}: {got} {}", w / total);
            }
        }
    }

    #[test]
    fn greedy_takes_the_likeliest_and_the_lowest_of_equals() {
        let mut rng = generator(1, Purpose::Sample, 0);
        assert_eq!(choose(&[1.0, 3.0, 3.0], &settings(0.0, 0, 1.0), &mut rng), 1);
        assert_eq!(choose(&[f32::NAN, -2.0, -1.0], &settings(0.0, 0, 1.0), &mut rng), 2);
        assert_eq!(choose(&[f32::NAN; 3], &settings(0.0, 0, 1.0), &mut rng), 0);
        assert_eq!(choose(&[0.0, 1.0], &settings(1e-300, 0, 1.0), &mut rng), 1);
    }

    #[test]
    fn top_k_and_top_p_cut_the_tail() {
        // Probabilities 0.1, 0.2, 0.3, 0.4.
        let logits = [1.0_f32, 2.0, 3.0, 4.0].map(f32::ln);
        let chosen = |settings| -> Vec<bool> { shares(&logits, settings, 2_000).iter().map(|&s| s > 0.0).collect() };
        assert_eq!(chosen(settings(1.0, 0, 1.0)), [true; 4]);
        assert_eq!(chosen(settings(1.0, 2, 1.0)), [false, false, true, true]);
        assert_eq!(chosen(settings(1.0, 9, 1.0)), [true; 4]);
        assert_eq!(chosen(settings(1.0, 0, 0.69)), [false, false, true, true]);
        assert_eq!(chosen(settings(1.0, 0, 0.71)), [false, true, true, true]);
        assert_eq!(chosen(settings(1.0, 0, 1e-9)), [false, false, false, true]);
        // After top-k 2 the first of two has 4/7 = 0.571: top-p counts what top-k left.
        assert_eq!(chosen(settings(1.0, 2, 0.57)), [false, false, false, true]);
        assert_eq!(chosen(settings(1.0, 2, 0.58)), [false, false, true, true]);
        // After temperature 1/2 the squares count: 16/30 = 0.533.
        assert_eq!(chosen(settings(0.5, 0, 0.53)), [false, false, false, true]);
        assert_eq!(chosen(settings(0.5, 0, 0.54)), [false, false, true, true]);
    }

    #[test]
    fn what_is_kept_shares_all_the_probability() {
        let logits = [1.0_f32, 2.0, 3.0, 4.0].map(f32::ln);
        let want = [0.0, 2.0 / 9.0, 3.0 / 9.0, 4.0 / 9.0];
        for kept in [settings(1.0, 3, 1.0), settings(1.0, 0, 0.8)] {
            for (got, want) in shares(&logits, kept, 40_000).iter().zip(want) {
                assert!((got - want).abs() < 0.01, "{kept:?}: {got} {want}");
            }
        }
    }

    #[test]
    fn min_p_cuts_below_a_share_of_the_likeliest() {
        // Probabilities 0.1, 0.2, 0.3, 0.4: shares of the likeliest 1/4, 1/2, 3/4, 1.
        let logits = [1.0_f32, 2.0, 3.0, 4.0].map(f32::ln);
        let with = |temperature, top_p, min_p| Settings { min_p, ..settings(temperature, 0, top_p) };
        let chosen = |settings| -> Vec<bool> { shares(&logits, settings, 2_000).iter().map(|&s| s > 0.0).collect() };
        assert_eq!(chosen(with(1.0, 1.0, 0.24)), [true; 4]);
        assert_eq!(chosen(with(1.0, 1.0, 0.26)), [false, true, true, true]);
        assert_eq!(chosen(with(1.0, 1.0, 0.51)), [false, false, true, true]);
        assert_eq!(chosen(with(1.0, 1.0, 1.0)), [false, false, false, true]);
        // Temperature 1/2 squares the shares: 1/16, 1/4, 9/16.
        assert_eq!(chosen(with(0.5, 1.0, 0.26)), [false, false, true, true]);
        // Top-p counts all the probability, whatever min-p is going to cut: 0.4 + 0.3 reach 0.69 only of the whole.
        assert_eq!(chosen(with(1.0, 0.71, 0.3)), [false, true, true, true]);
        for (got, want) in
            shares(&logits, with(1.0, 1.0, 0.4), 40_000).iter().zip([0.0, 2.0 / 9.0, 3.0 / 9.0, 4.0 / 9.0])
        {
            assert!((got - want).abs() < 0.01, "{got} {want}");
        }
        // Equals of the likeliest stay.
        assert_eq!(shares(&[2.0, 2.0, 1.0], with(1.0, 1.0, 1.0), 500).iter().filter(|&&s| s > 0.0).count(), 2);
    }

    #[test]
    fn the_penalty_divides_and_multiplies_each_recent_token_once() {
        let mut logits = [3.0, -3.0, 0.0, 3.0, f32::NEG_INFINITY];
        penalise(&mut logits, [0, 1, 0, 2, 4, 99], 2.0);
        assert_eq!(logits, [1.5, -6.0, 0.0, 3.0, f32::NEG_INFINITY]);
        penalise(&mut logits, [0, 1], 0.5);
        assert_eq!(logits[..2], [3.0, -3.0]);
    }

    #[test]
    fn what_makes_no_number_makes_no_panic() {
        let mut rng = generator(1, Purpose::Sample, 0);
        for logits in [
            [f32::NAN, f32::NAN],
            [f32::INFINITY, 0.0],
            [f32::NEG_INFINITY, f32::NEG_INFINITY],
            [f32::NAN, f32::INFINITY],
        ] {
            for _ in 0..20 {
                let id = choose(&logits, &settings(0.7, 0, 0.9), &mut rng);
                assert!(logits[id] != 0.0 && id < 2);
            }
        }
        assert_eq!(shares(&[f32::NAN, 1.0], settings(1.0, 0, 1.0), 200), [0.0, 1.0]);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let message = |s: Settings| s.check().unwrap_err().to_string();
        assert!(Settings::default().check().is_ok() && settings(0.0, 5, 1.0).check().is_ok());
        assert_eq!(message(settings(-1.0, 0, 1.0)), "temperature is -1, expected a finite number, 0 or more");
        assert!(message(settings(f64::NAN, 0, 1.0)).starts_with("temperature is NaN"));
        assert_eq!(message(settings(1.0, 0, 2.0)), "top_p is 2, expected 0 to 1");
        assert!(message(settings(1.0, 0, -0.1)).starts_with("top_p is -0.1") && settings(1.0, 0, 0.0).check().is_ok());
        assert!(message(settings(1.0, 0, f64::NAN)).starts_with("top_p is NaN"));
        let min_p = |min_p| message(Settings { min_p, ..Settings::default() });
        assert_eq!(min_p(1.5), "min_p is 1.5, expected 0 to 1");
        assert!(min_p(-0.1).starts_with("min_p is -0.1") && min_p(f64::NAN).starts_with("min_p is NaN"));
        let penalty = |repetition_penalty| message(Settings { repetition_penalty, ..Settings::default() });
        assert_eq!(penalty(0.0), "repetition_penalty is 0, expected a finite number above 0");
        assert!(penalty(f64::INFINITY).starts_with("repetition_penalty is inf"));
    }
}
