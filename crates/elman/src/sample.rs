//! Holds the choice of the next token from logits, and the stream of text that repeats it.
//! Refuses settings that make no distribution and prompts with characters the model never saw.

use elman_kernels::Cpu;
use rand_chacha::ChaCha8Rng;

use crate::{data::Vocab, error::Error, layer::State, model::LanguageModel, rng::uniform, tape::Tape};

/// How a token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Divides the logits; 0 always takes the likeliest token (the lowest id of equals).
    pub temperature: f64,
    /// Only the k likeliest tokens; 0 takes all.
    pub top_k: usize,
    /// Only the likeliest tokens that together reach this probability, after temperature and top-k; 1 takes all.
    pub top_p: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { temperature: 0.8, top_k: 0, top_p: 1.0 }
    }
}

impl Settings {
    /// Checks each setting. Errors: the first out of range, by name.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |name, got: f64, expected: &str| {
            Err(Error::Setting { name, got: got.to_string(), expected: expected.into() })
        };
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse("temperature", self.temperature, "a finite number, 0 or more");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse("top_p", self.top_p, "above 0 and at most 1");
        }
        Ok(())
    }
}

/// Chooses a token: temperature, then top-k, then top-p, then one draw. A logit that is not a number is never chosen
/// while another is. Precision: f64 throughout, sums from the likeliest down, so the same everywhere.
pub fn choose(logits: &[f32], settings: &Settings, rng: &mut ChaCha8Rng) -> usize {
    let logit = |id: usize| {
        if logits[id].is_nan() { f64::NEG_INFINITY } else { f64::from(logits[id]) }
    };
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logit(b).total_cmp(&logit(a)).then(a.cmp(&b)));
    let best = order[0];
    if settings.temperature == 0.0 {
        return best;
    }
    if settings.top_k > 0 {
        order.truncate(settings.top_k);
    }
    let weight = |id: usize| {
        let below = if logit(id) == logit(best) { 0.0 } else { logit(id) - logit(best) };
        libm::exp(below / settings.temperature)
    };
    let weights: Vec<f64> = order.iter().map(|&id| weight(id)).collect();
    let total: f64 = weights.iter().sum();
    let (mut kept, mut mass) = (0, 0.0);
    while kept < weights.len() && (kept == 0 || mass < settings.top_p * total) {
        mass += weights[kept];
        kept += 1;
    }
    let mut left = uniform(rng) * mass;
    for (&id, &w) in order[..kept].iter().zip(&weights) {
        left -= w;
        if left < 0.0 {
            return id;
        }
    }
    best
}

/// An endless stream of text from a model, one character a turn.
pub struct Generator<'a> {
    model: &'a LanguageModel<f32>,
    vocab: &'a Vocab,
    settings: Settings,
    rng: ChaCha8Rng,
    tape: Tape<f32>,
    state: State<f32>,
    logits: Vec<f32>,
}

impl<'a> Generator<'a> {
    /// Reads `prompt` from the zero state and is ready to go on from it. The prompt itself is not part of the stream.
    /// An empty prompt stands for [`Vocab::start`].
    ///
    /// Errors: settings out of range; characters the model never saw.
    pub fn new(
        model: &'a LanguageModel<f32>,
        vocab: &'a Vocab,
        prompt: &str,
        settings: Settings,
        rng: ChaCha8Rng,
        cpu: &Cpu,
    ) -> Result<Generator<'a>, Error> {
        settings.check()?;
        let mut ids = vocab.encode_prompt(prompt)?;
        if ids.is_empty() {
            ids.push(vocab.start());
        }
        let mut generator = Generator {
            model,
            vocab,
            settings,
            rng,
            tape: Tape::new(cpu),
            state: model.zero_state(1),
            logits: Vec::new(),
        };
        for id in ids {
            generator.read(id)?;
        }
        Ok(generator)
    }

    fn read(&mut self, id: u32) -> Result<(), Error> {
        self.model.step(&mut self.tape, &[id], &mut self.state, &mut self.logits)
    }
}

impl<'a> Iterator for Generator<'a> {
    type Item = &'a str;

    /// The next character. Never None.
    fn next(&mut self) -> Option<&'a str> {
        let id = choose(&self.logits, &self.settings, &mut self.rng) as u32;
        self.read(id).expect("the model takes each of its own ids");
        self.vocab.token(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        rng::{Purpose, generator},
    };

    fn settings(temperature: f64, top_k: usize, top_p: f64) -> Settings {
        Settings { temperature, top_k, top_p }
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
        assert_eq!(message(settings(1.0, 0, 2.0)), "top_p is 2, expected above 0 and at most 1");
        assert!(message(settings(1.0, 0, 0.0)).starts_with("top_p is 0"));
        assert!(message(settings(1.0, 0, f64::NAN)).starts_with("top_p is NaN"));
    }

    #[test]
    fn a_stream_goes_on_from_its_prompt() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let vocab = Vocab::fit("aabc\nd", "");
        let config = Config { hidden_size: 4, ..Config::default() };
        let mut model = LanguageModel::new(&config, vocab.len()).unwrap();
        // Far from uniform, so that what was read matters.
        for x in model.params_mut().values_mut() {
            *x *= 2.0;
        }
        let stream = |prompt: &str, step| -> String {
            let rng = generator(1, Purpose::Sample, step);
            let text = Generator::new(&model, &vocab, prompt, settings(2.0, 0, 1.0), rng, &cpu);
            text.unwrap().take(60).collect()
        };
        assert_eq!(stream("abca", 0).chars().count(), 60);
        assert_eq!(stream("abca", 0), stream("abca", 0));
        assert_ne!(stream("abca", 0), stream("abca", 1));
        assert_eq!(stream("", 0), stream("\n", 0), "an empty prompt is a newline");
        let greedy = |prompt: &str| -> String {
            let rng = generator(1, Purpose::Sample, 0);
            let text = Generator::new(&model, &vocab, prompt, settings(0.0, 0, 1.0), rng, &cpu);
            text.unwrap().take(12).collect()
        };
        // Greedy text is its own continuation, whether it was written or read.
        let whole = greedy("ab");
        assert_eq!(greedy(&format!("ab{}", &whole[..5]))[..7], whole[5..]);
        let rng = generator(1, Purpose::Sample, 0);
        let refused = Generator::new(&model, &vocab, "xa", Settings::default(), rng, &cpu);
        assert!(matches!(refused.map(|_| ()), Err(Error::UnknownPrompt { .. })));
    }
}
