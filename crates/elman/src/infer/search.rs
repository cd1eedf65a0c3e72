//! The search for the output of a decoder: greedy, and beam search with a length penalty, for many texts at once. Ties
//! go to the earlier beam, then to the lower token. Not here: networks; it sees a writer that gives the most probable
//! next tokens.

use crate::error::Error;

/// Writes texts token by token. Row k*B + b is beam k of text b.
pub trait Writer {
    /// B, the texts that are written.
    fn texts(&self) -> usize;
    /// Continues from the rows at `from` of the step before (of the first step: of rows 0 to B-1) with a token each.
    /// Gives the `count` likeliest next tokens of each row with the logarithms of their probabilities, the likeliest
    /// first.
    fn write(&mut self, tokens: &[u32], from: &[usize], count: usize) -> Result<Vec<Vec<(u32, f64)>>, Error>;
}

/// How texts are searched for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Hypotheses that are kept at each step; 1 is greedy.
    pub beam: usize,
    /// Alpha of the length penalty: a hypothesis' score is its log-probability over ((5 + tokens) / 6)^alpha, `<eos>`
    /// counted (Wu et al. 2016, section 7). 0 is none; the more, the longer.
    pub length_penalty: f64,
    /// Tokens after which a text is cut, `<eos>` counted.
    pub longest: usize,
}

/// A text that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its tokens, without `<eos>`.
    pub tokens: Vec<u32>,
    /// Its log-probability in nats, with that of `<eos>` where it has ended.
    pub log_probability: f64,
    /// Whether it has ended, and was not cut.
    pub ended: bool,
}

/// A text that is not at its end.
#[derive(Clone)]
struct Live {
    tokens: Vec<u32>,
    log_probability: f64,
    row: usize,
}

impl Search {
    /// The penalty of a length.
    fn penalty(&self, tokens: usize) -> f64 {
        libm::pow((5.0 + tokens as f64) / 6.0, self.length_penalty)
    }

    /// The best text of each. A beam is searched until nothing that is alive can become better than the best that has
    /// ended. Errors: a beam or a length of 0; what the writer rejects.
    pub fn run(&self, writer: &mut dyn Writer, bos: u32, eos: u32) -> Result<Vec<Found>, Error> {
        if self.beam == 0 || self.longest == 0 {
            let name = if self.beam == 0 { "beam" } else { "longest" };
            return Err(Error::Setting { name, got: "0".into(), expected: "at least 1".into() });
        }
        let texts = writer.texts();
        let first = |b| vec![Live { tokens: Vec::new(), log_probability: 0.0, row: b }];
        let mut live: Vec<Vec<Live>> = (0..texts).map(first).collect();
        let mut best: Vec<Option<Found>> = vec![None; texts];
        for step in 1..=self.longest {
            let width = live.iter().map(Vec::len).max().unwrap_or_default();
            if width == 0 {
                break;
            }
            // A text with fewer beams than others repeats its first row, and one that is done any row, unheard.
            let beam = |k: usize, b: usize| live[b].get(k).or(live[b].first());
            let rows: Vec<(usize, usize)> = (0..width).flat_map(|k| (0..texts).map(move |b| (k, b))).collect();
            let from: Vec<usize> = rows.iter().map(|&(k, b)| beam(k, b).map_or(b, |live| live.row)).collect();
            let last = |live: &Live| live.tokens.last().copied().unwrap_or(bos);
            let tokens: Vec<u32> = rows.iter().map(|&(k, b)| beam(k, b).map_or(eos, last)).collect();
            let told = writer.write(&tokens, &from, self.beam + 1)?;
            for b in 0..texts {
                let beams = std::mem::take(&mut live[b]);
                let of = |k: usize| told[k * texts + b].iter().map(move |&(token, p)| (k, token, p));
                let mut next: Vec<(usize, u32, f64)> = (0..beams.len()).flat_map(of).collect();
                next.iter_mut().for_each(|(k, _, p)| *p += beams[*k].log_probability);
                next.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
                for (rank, (k, token, log_probability)) in next.into_iter().enumerate() {
                    if live[b].len() == self.beam {
                        break;
                    }
                    let mut tokens = beams[k].tokens.clone();
                    if token == eos {
                        // What ends below the beam has been given up.
                        if rank < self.beam {
                            let found = Found { tokens, log_probability, ended: true };
                            self.keep(&mut best[b], found);
                        }
                        continue;
                    }
                    tokens.push(token);
                    live[b].push(Live { tokens, log_probability, row: k * texts + b });
                }
                if let Some(found) = &best[b] {
                    let reached = self.score(found.log_probability, found.tokens.len() + 1);
                    // The least that a longer text can be divided by is the penalty of the longest, or of the next.
                    let hope = |live: &Live| {
                        let [next, last] = [step + 1, self.longest].map(|n| self.score(live.log_probability, n));
                        next.max(last)
                    };
                    live[b].retain(|live| self.beam > 1 && hope(live) > reached);
                }
            }
        }
        let rest = live.into_iter().map(|beams| beams.into_iter().next());
        let cut = |live: Live| Found { tokens: live.tokens, log_probability: live.log_probability, ended: false };
        let none = Found { tokens: Vec::new(), log_probability: f64::NEG_INFINITY, ended: false };
        Ok(best.into_iter().zip(rest).map(|(best, rest)| best.or(rest.map(cut)).unwrap_or(none.clone())).collect())
    }

    fn score(&self, log_probability: f64, tokens: usize) -> f64 {
        log_probability / self.penalty(tokens)
    }

    fn keep(&self, best: &mut Option<Found>, found: Found) {
        let score = |found: &Found| self.score(found.log_probability, found.tokens.len() + 1);
        if best.as_ref().is_none_or(|best| score(&found) > score(best)) {
            *best = Some(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EOS: u32 = 3;
    const LONGEST: usize = 5;

    /// A text's next token depends on the whole text before it, by numbers without pattern.
    struct Toy {
        texts: usize,
        rows: Vec<Vec<u32>>,
    }

    /// The logarithms of the probabilities of tokens 0 to 3 after a text.
    fn next(text: usize, before: &[u32]) -> Vec<f64> {
        let mut z = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(text as u64 + 1);
        let mut draw = |token: u32| {
            before.iter().chain([&token]).for_each(|&t| {
                z = (z ^ u64::from(t + 1)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
                z ^= z >> 32;
            });
            (z >> 40) as f64 / (1_u64 << 24) as f64 * 4.0
        };
        let logits: Vec<f64> = (0..4).map(&mut draw).collect();
        let sum: f64 = logits.iter().map(|x| x.exp()).sum();
        logits.iter().map(|x| x - sum.ln()).collect()
    }

    impl Writer for Toy {
        fn texts(&self) -> usize {
            self.texts
        }
        fn write(&mut self, tokens: &[u32], from: &[usize], count: usize) -> Result<Vec<Vec<(u32, f64)>>, Error> {
            let grown = |(&token, &from): (&u32, &usize)| {
                let mut row = self.rows.get(from).cloned().unwrap_or_default();
                row.extend((token != u32::MAX).then_some(token));
                row
            };
            let rows: Vec<Vec<u32>> = tokens.iter().zip(from).map(grown).collect();
            self.rows = rows;
            let told = self.rows.iter().enumerate().map(|(at, row)| {
                let mut all: Vec<(u32, f64)> = (0..4).zip(next(at % self.texts, row)).collect();
                all.sort_by(|a, b| b.1.total_cmp(&a.1));
                all.truncate(count);
                all
            });
            Ok(told.collect())
        }
    }

    fn run(texts: usize, beam: usize, length_penalty: f64) -> Vec<Found> {
        let mut toy = Toy { texts, rows: Vec::new() };
        Search { beam, length_penalty, longest: LONGEST }.run(&mut toy, u32::MAX, EOS).unwrap()
    }

    /// The best of all texts that end, by going through them.
    fn best(text: usize, length_penalty: f64) -> (Vec<u32>, f64) {
        let mut found: Option<(Vec<u32>, f64, f64)> = None;
        let mut waiting = vec![(Vec::new(), 0.0)];
        while let Some((tokens, sum)) = waiting.pop() {
            for (token, p) in (0..4_u32).zip(next(text, &tokens)) {
                if token == EOS {
                    let score = (sum + p) / ((6.0 + tokens.len() as f64) / 6.0).powf(length_penalty);
                    if found.as_ref().is_none_or(|best| score > best.2) {
                        found = Some((tokens.clone(), sum + p, score));
                    }
                } else if tokens.len() + 1 < LONGEST {
                    waiting.push(([tokens.as_slice(), &[token]].concat(), sum + p));
                }
            }
        }
        found.map(|(tokens, sum, _)| (tokens, sum)).unwrap()
    }

    #[test]
    fn a_beam_as_wide_as_everything_finds_the_best() {
        let mut lengths = [0, 0];
        for (at, penalty) in [0.0, 2.5].into_iter().enumerate() {
            for (text, found) in run(12, 256, penalty).into_iter().enumerate() {
                let (tokens, log_probability) = best(text, penalty);
                lengths[at] += tokens.len();
                assert!(found.ended);
                assert_eq!(found.tokens, tokens, "text {text}, penalty {penalty}");
                assert!((found.log_probability - log_probability).abs() < 1e-12);
            }
        }
        assert!(lengths[1] > lengths[0], "the penalty is for what is short: {lengths:?}");
    }

    #[test]
    fn one_beam_is_greedy_and_more_are_no_worse() {
        let (greedy, wide) = (run(40, 1, 0.0), run(40, 4, 0.0));
        let mut better = 0;
        for (text, (greedy, wide)) in greedy.iter().zip(&wide).enumerate() {
            let (mut tokens, mut sum, mut ended) = (Vec::new(), 0.0, false);
            while tokens.len() < LONGEST && !ended {
                let all = next(text, &tokens);
                let token = (0..4).max_by(|&a, &b| all[a].total_cmp(&all[b])).unwrap();
                sum += all[token];
                ended = token as u32 == EOS;
                tokens.extend((!ended).then_some(token as u32));
            }
            assert_eq!((&greedy.tokens, greedy.ended), (&tokens, ended), "text {text}");
            assert!((greedy.log_probability - sum).abs() < 1e-12);
            better += usize::from(wide.ended && wide.log_probability > greedy.log_probability + 1e-9);
        }
        assert!(better > 5, "{better} of 40 are better with a beam of 4");
    }

    #[test]
    fn what_is_found_does_not_depend_on_the_texts_beside_it() {
        for beam in [1, 3] {
            let all = run(7, beam, 1.0);
            assert_eq!(run(3, beam, 1.0), all[..3]);
            assert_eq!(run(1, beam, 1.0), all[..1]);
        }
        assert!(run(0, 2, 0.0).is_empty());
        let mut toy = Toy { texts: 1, rows: Vec::new() };
        let none = Search { beam: 0, length_penalty: 0.0, longest: 1 }.run(&mut toy, u32::MAX, EOS);
        assert_eq!(none.unwrap_err().to_string(), "beam is 0, expected at least 1");
    }
}
