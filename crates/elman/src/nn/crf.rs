//! A linear chain over the tags of a sentence: the score of a sequence of tags is the sum of the scores of each tag at its step,
//! of each pair of neighbours, of the first and of the last. Its probability is the exponential of that over the sum of those of
//! all sequences. Sources: Lafferty et al. 2001; Rabiner 1989 (the scaled forward and backward sums). Not here: networks, and the
//! names of tags but for which may follow which.

use crate::error::Error;

/// Scores between the tags of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Tags.
    tags: usize,
    /// `[from, to]`.
    transitions: Vec<f64>,
    start: Vec<f64>,
    end: Vec<f64>,
}

/// What is computed of a sentence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summed {
    /// ln of the sum over all sequences of tags of the exponential of their scores.
    pub log_sum: f64,
    /// `[T, tags]`: the probability of each tag at each step.
    pub marginals: Vec<f64>,
    /// `[from, to]`: the expected number of each pair of neighbours.
    pub pairs: Vec<f64>,
}

impl Chain {
    /// Errors: another number of scores than the tags ask for.
    pub fn new(tags: usize, transitions: Vec<f64>, start: Vec<f64>, end: Vec<f64>) -> Result<Chain, Error> {
        if transitions.len() != tags * tags || start.len() != tags || end.len() != tags {
            let got = vec![transitions.len(), start.len(), end.len()];
            return Err(Error::Shape {
                name: "scores of a chain".into(),
                got,
                expected: vec![tags * tags, tags, tags],
            });
        }
        Ok(Chain { tags, transitions, start, end })
    }

    /// The score of a sequence of tags with the scores `[T, tags]` of each at its step.
    pub fn score(&self, emissions: &[f64], path: &[usize]) -> f64 {
        let k = self.tags;
        let (Some(&first), Some(&last)) = (path.first(), path.last()) else { return 0.0 };
        let own: f64 = path.iter().enumerate().map(|(t, &tag)| emissions[t * k + tag]).sum();
        let between: f64 = path.windows(2).map(|pair| self.transitions[pair[0] * k + pair[1]]).sum();
        self.start[first] + own + between + self.end[last]
    }

    /// The sums over all sequences of tags of a sentence with the scores `[T, tags]`.
    pub fn summed(&self, emissions: &[f64]) -> Summed {
        let k = self.tags;
        let steps = emissions.len() / k.max(1);
        if steps == 0 {
            return Summed { pairs: vec![0.0; k * k], ..Summed::default() };
        }
        let largest = |row: &[f64]| row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shift = largest(&self.transitions);
        let between: Vec<f64> = self.transitions.iter().map(|x| libm::exp(x - shift)).collect();
        // Factors of each step, the largest of which is 1; what is taken out is added to the logarithm.
        let mut factors = emissions.to_vec();
        factors.iter_mut().zip(&self.start).for_each(|(x, start)| *x += start);
        factors[(steps - 1) * k..].iter_mut().zip(&self.end).for_each(|(x, end)| *x += end);
        let mut log_sum = shift * (steps - 1) as f64;
        for row in factors.chunks_exact_mut(k) {
            let most = largest(row);
            log_sum += most;
            row.iter_mut().for_each(|x| *x = libm::exp(*x - most));
        }
        // Forward: the share of each tag given the steps until there, and what their sums were.
        let (mut forward, mut sums) = (factors.clone(), Vec::with_capacity(steps));
        for t in 0..steps {
            if t > 0 {
                let (before, now) = forward.split_at_mut(t * k);
                let before = &before[(t - 1) * k..];
                for (j, now) in now[..k].iter_mut().enumerate() {
                    *now *= (0..k).map(|i| before[i] * between[i * k + j]).sum::<f64>();
                }
            }
            let row = &mut forward[t * k..][..k];
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= sum);
            log_sum += libm::log(sum);
            sums.push(sum);
        }
        // Backward, divided by the sums of the steps after it.
        let (mut marginals, mut pairs) = (forward.clone(), vec![0.0; k * k]);
        let mut after = vec![1.0; k];
        for t in (0..steps - 1).rev() {
            let weighted: Vec<f64> = (0..k).map(|j| factors[(t + 1) * k + j] * after[j] / sums[t + 1]).collect();
            for i in 0..k {
                let mut sum = 0.0;
                for (j, weighted) in weighted.iter().enumerate() {
                    let term = between[i * k + j] * weighted;
                    sum += term;
                    pairs[i * k + j] += forward[t * k + i] * term;
                }
                after[i] = sum;
            }
            marginals[t * k..][..k].iter_mut().zip(&after).for_each(|(p, after)| *p *= after);
        }
        Summed { log_sum, marginals, pairs }
    }

    /// The sequence of tags of the highest score, of several the one of the first tags, among those that `rules` allow. Source:
    /// Viterbi 1967.
    pub fn best(&self, emissions: &[f64], rules: Option<&Rules>) -> Vec<usize> {
        let k = self.tags;
        let steps = emissions.len() / k.max(1);
        if steps == 0 {
            return Vec::new();
        }
        let barred = |is_barred: bool| if is_barred { f64::NEG_INFINITY } else { 0.0 };
        let of = |rules: Option<&Rules>, which: fn(&Rules) -> &[bool], at: usize| {
            barred(rules.is_some_and(|rules| !which(rules)[at]))
        };
        let first = |j: usize| self.start[j] + emissions[j] + of(rules, |rules| &rules.start, j);
        let mut scores: Vec<f64> = (0..k).map(first).collect();
        let mut from: Vec<usize> = vec![0; steps * k];
        for t in 1..steps {
            let score = |i: usize, j: usize, scores: &[f64]| {
                scores[i] + self.transitions[i * k + j] + of(rules, |rules| &rules.pairs, i * k + j)
            };
            let next: Vec<f64> = (0..k)
                .map(|j| {
                    let best =
                        (1..k).fold(0, |best, i| if score(i, j, &scores) > score(best, j, &scores) { i } else { best });
                    from[t * k + j] = best;
                    score(best, j, &scores) + emissions[t * k + j]
                })
                .collect();
            scores = next;
        }
        let last = |j: usize| scores[j] + self.end[j] + of(rules, |rules| &rules.end, j);
        let mut tag = (1..k).fold(0, |best, j| if last(j) > last(best) { j } else { best });
        let mut path = vec![tag; steps];
        for t in (1..steps).rev() {
            tag = from[t * k + tag];
            path[t - 1] = tag;
        }
        path
    }
}

/// Which tags may begin a sentence, follow each other and end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    start: Vec<bool>,
    /// `[from, to]`.
    pairs: Vec<bool>,
    end: Vec<bool>,
}

impl Rules {
    /// The rules of tags of spans: of B and I, and where a tag is E or S, of B, I, E and S. I and E continue a span of their type;
    /// with E and S a span of several tokens ends with E.
    pub fn of(names: &[String]) -> Rules {
        let part = |name: &String| {
            let letter = name.bytes().next().unwrap_or(b'O');
            (letter, name.get(2..).unwrap_or_default().to_string())
        };
        let parts: Vec<(u8, String)> = names.iter().map(part).collect();
        let has_ends = parts.iter().any(|(letter, _)| matches!(letter, b'E' | b'S'));
        let continues = |letter: u8| matches!(letter, b'I' | b'E');
        let is_open = |letter: u8| matches!(letter, b'B' | b'I');
        let follows = |(from, of): &(u8, String), (to, other): &(u8, String)| match continues(*to) {
            true => is_open(*from) && of == other,
            false => !(has_ends && is_open(*from)),
        };
        Rules {
            start: parts.iter().map(|(letter, _)| !continues(*letter)).collect(),
            pairs: parts.iter().flat_map(|from| parts.iter().map(move |to| follows(from, to))).collect(),
            end: parts.iter().map(|(letter, _)| !(has_ends && is_open(*letter))).collect(),
        }
    }

    /// Whether a sequence keeps them.
    pub fn allow(&self, path: &[usize]) -> bool {
        let (Some(&first), Some(&last)) = (path.first(), path.last()) else { return true };
        let pair = |pair: &[usize]| self.pairs[pair[0] * self.start.len() + pair[1]];
        self.start[first] && self.end[last] && path.windows(2).all(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, generator, uniform};

    fn numbers(n: usize, tag: u64, scale: f64) -> Vec<f64> {
        let mut rng = generator(tag, Purpose::Sample, 0);
        (0..n).map(|_| scale * (uniform(&mut rng) - 0.5)).collect()
    }

    fn chain(tags: usize, tag: u64, scale: f64) -> Chain {
        let all = numbers(tags * tags + 2 * tags, tag, scale);
        let (transitions, rest) = all.split_at(tags * tags);
        Chain::new(tags, transitions.to_vec(), rest[..tags].to_vec(), rest[tags..].to_vec()).unwrap()
    }

    /// Every sequence of tags.
    fn paths(tags: usize, steps: usize) -> impl Iterator<Item = Vec<usize>> {
        (0..tags.pow(steps as u32)).map(move |at| (0..steps).map(|t| at / tags.pow(t as u32) % tags).collect())
    }

    #[test]
    fn sums_and_the_best_sequence_are_those_of_all_sequences() {
        for (tags, steps, scale) in [(2, 1, 3.0), (3, 5, 4.0), (4, 4, 40.0), (5, 3, 300.0)] {
            let (chain, emissions) = (chain(tags, 7, scale), numbers(tags * steps, 8, scale));
            let scores: Vec<(Vec<usize>, f64)> =
                paths(tags, steps).map(|path| (path.clone(), chain.score(&emissions, &path))).collect();
            let most = scores.iter().map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|(_, score)| libm::exp(score - most)).sum();
            let summed = chain.summed(&emissions);
            let want = most + libm::log(sum);
            assert!((summed.log_sum - want).abs() < 1e-12 * want.abs().max(1.0), "{} {want}", summed.log_sum);
            let probability = |score: f64| libm::exp(score - want);
            for t in 0..steps {
                for tag in 0..tags {
                    let of_tag = scores.iter().filter(|(path, _)| path[t] == tag);
                    let want: f64 = of_tag.map(|(_, score)| probability(*score)).sum();
                    assert!((summed.marginals[t * tags + tag] - want).abs() < 1e-12);
                }
            }
            for (at, got) in summed.pairs.iter().enumerate() {
                let count =
                    |path: &[usize]| path.windows(2).filter(|pair| pair[0] * tags + pair[1] == at).count() as f64;
                let want: f64 = scores.iter().map(|(path, score)| count(path) * probability(*score)).sum();
                assert!((got - want).abs() < 1e-12, "{got} {want}");
            }
            let best = chain.best(&emissions, None);
            assert!((chain.score(&emissions, &best) - most).abs() < 1e-12 * most.abs().max(1.0));
        }
        assert_eq!(chain(3, 1, 1.0).best(&[], None), Vec::<usize>::new());
    }

    #[test]
    fn the_best_sequence_keeps_the_rules() {
        for names in [&["O", "B-x", "I-x", "B-y", "I-y"][..], &["O", "B-x", "I-x", "E-x", "S-x"]] {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            let rules = Rules::of(&names);
            for tag in 0..40 {
                let (chain, emissions) = (chain(5, 100 + tag, 2.0), numbers(5 * 4, tag, 6.0));
                let best = chain.best(&emissions, Some(&rules));
                assert!(rules.allow(&best), "{best:?}");
                let allowed = paths(5, 4).filter(|path| rules.allow(path));
                let most = allowed.map(|path| chain.score(&emissions, &path)).fold(f64::NEG_INFINITY, f64::max);
                assert!((chain.score(&emissions, &best) - most).abs() < 1e-12);
            }
        }
        let names = ["O", "B-x", "I-x", "B-y"].map(String::from);
        let rules = Rules::of(&names);
        assert!(rules.allow(&[1, 2, 2, 0, 3]) && rules.allow(&[1, 3, 1]) && rules.allow(&[]));
        assert!(!rules.allow(&[2]) && !rules.allow(&[0, 2]) && !rules.allow(&[3, 2]));
        let ends = Rules::of(&["O", "B-x", "E-x", "S-x"].map(String::from));
        assert!(ends.allow(&[1, 2, 3]) && !ends.allow(&[1]) && !ends.allow(&[1, 0]) && !ends.allow(&[1, 3]));
    }
}
