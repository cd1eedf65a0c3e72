//! Counts of n-grams: for each class, how often a token followed those before it, and the probability that this gives a
//! sequence of the class. It is counted once, from the training examples. Not here: anything learned by gradients.

use std::collections::HashMap;

use super::predictor::softmax;
use crate::config::Classify as Settings;

/// Most bytes of a model file's metadata that counts may take.
const MOST_BYTES: usize = 8 << 20;

/// A model of n-grams for each class, and its share in the answer of the ensemble.
#[derive(Clone, Debug, PartialEq)]
pub struct NGrams {
    order: usize,
    share: f64,
    vocab_size: usize,
    classes: Vec<Class>,
}

#[derive(Clone, Debug, PartialEq)]
struct Class {
    /// What came after 0 to order-1 tokens.
    after: HashMap<Vec<u32>, Followers>,
    /// What is added to a sequence's log-probability: the log of the class's share, less the part that is left out.
    prior: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Followers {
    total: u32,
    counts: HashMap<u32, u32>,
}

impl NGrams {
    /// Counts the tokens of sequences of this number of classes. None where the settings want none. Errors: counts that
    /// would not fit a model file, as text.
    pub(crate) fn fit(
        settings: &Settings,
        vocab_size: usize,
        classes: usize,
        sequences: &[Vec<u32>],
        labels: &[u32],
    ) -> Result<Option<NGrams>, String> {
        if settings.ngrams == 0 {
            return Ok(None);
        }
        let windows = NGrams::windows(settings, vocab_size, classes, sequences, labels, MOST_BYTES)?;
        NGrams::of(settings, vocab_size, windows).within(MOST_BYTES).map(Some)
    }

    /// The longest n-grams of each class and how often each came. Errors: more than would fit `most` bytes of a model
    /// file, as text, before they take a multiple of that in memory.
    fn windows(
        settings: &Settings,
        vocab_size: usize,
        classes: usize,
        sequences: &[Vec<u32>],
        labels: &[u32],
        most: usize,
    ) -> Result<Vec<HashMap<Vec<u32>, u32>>, String> {
        let mut windows = vec![HashMap::new(); classes];
        // What [`NGrams::listed`] would be at least: brackets, a digit for every number and a comma after it.
        let mut bytes = 0;
        for (tokens, &label) in sequences.iter().zip(labels) {
            let marked = marked(tokens, vocab_size);
            for end in 1..marked.len() {
                let begin = (end + 1).saturating_sub(settings.ngrams);
                let count = windows[label as usize].entry(marked[begin..=end].to_vec()).or_insert(0);
                *count += 1;
                bytes += if *count == 1 { 2 * (end + 1 - begin) + 4 } else { 0 };
                if bytes > most {
                    return Err(format!(
                        "fewer, or 0: these would take more than {most} bytes of the model file, where no more fit"
                    ));
                }
            }
        }
        Ok(windows)
    }

    /// Itself, where a model file has room for it.
    fn within(self, most: usize) -> Result<NGrams, String> {
        let bytes = serde_json::to_string(&self.listed()).map_or(usize::MAX, |json| json.len());
        if bytes > most {
            return Err(format!("fewer, or 0: these would take {bytes} bytes of the model file, where {most} fit"));
        }
        Ok(self)
    }

    /// From the longest n-grams of each class and how often each came: the shorter ones are their ends.
    fn of(settings: &Settings, vocab_size: usize, windows: Vec<HashMap<Vec<u32>, u32>>) -> NGrams {
        let end = vocab_size as u32 + 1;
        let is_end = |(window, _): &(&Vec<u32>, &u32)| window.last() == Some(&end);
        let sizes: Vec<u32> = windows.iter().map(|all| all.iter().filter(is_end).map(|(_, n)| n).sum()).collect();
        let all = f64::from(sizes.iter().sum::<u32>().max(1));
        // What of a class's share the networks learn too: see `logit_adjustment` and `class_weights`.
        let weight = 1.0 - settings.logit_adjustment - settings.class_weights.power();
        let classes = windows.iter().zip(&sizes).map(|(windows, &sizes)| {
            let mut after: HashMap<Vec<u32>, Followers> = HashMap::new();
            for (window, &n) in windows {
                let (&next, history) = window.split_last().expect("a window has a token");
                for begin in 0..=history.len() {
                    let followers = after.entry(history[begin..].to_vec()).or_default();
                    followers.total += n;
                    *followers.counts.entry(next).or_default() += n;
                }
            }
            Class { after, prior: weight * libm::log(f64::from(sizes.max(1)) / all) }
        });
        NGrams { order: settings.ngrams, share: settings.ngram_share, vocab_size, classes: classes.collect() }
    }

    /// For each class its longest n-grams, each after how often it came, in rising order: what a model file holds.
    pub(crate) fn listed(&self) -> Vec<Vec<Vec<u32>>> {
        let begin = self.vocab_size as u32;
        let longest = |history: &[u32]| history.len() + 1 == self.order || history.first() == Some(&begin);
        let of_class = |class: &Class| {
            let histories = class.after.iter().filter(|(history, _)| longest(history));
            let mut all: Vec<Vec<u32>> = histories
                .flat_map(|(history, followers)| {
                    followers.counts.iter().map(move |(&next, &n)| [&[n], &history[..], &[next]].concat())
                })
                .collect();
            all.sort_unstable_by(|a, b| a[1..].cmp(&b[1..]));
            all
        };
        self.classes.iter().map(of_class).collect()
    }

    /// What [`NGrams::listed`] gave. Errors, as text: values that no counting gives.
    pub(crate) fn from_listed(
        settings: &Settings,
        vocab_size: usize,
        classes: usize,
        listed: &[Vec<Vec<u32>>],
    ) -> Result<NGrams, String> {
        if listed.len() != classes {
            return Err(format!("task.ngrams has {} classes, expected {classes}", listed.len()));
        }
        let (begin, end) = (vocab_size as u32, vocab_size as u32 + 1);
        let mut windows = vec![HashMap::new(); classes];
        let mut left = u32::MAX;
        for (all, counted) in windows.iter_mut().zip(listed) {
            for row in counted {
                let (n, window) = row.split_first().map_or((0, &[][..]), |(&n, window)| (n, window));
                let is_long = window.len() == settings.ngrams || window.first() == Some(&begin);
                let is_whole = is_long && (1..=settings.ngrams).contains(&window.len());
                let middle = window.len().saturating_sub(1);
                let is_fair = window.iter().enumerate().all(|(at, &token)| {
                    token < begin || (token == begin && at == 0 && middle > 0) || (token == end && at == middle)
                });
                let fits = left.checked_sub(n);
                match (is_whole && is_fair && n > 0, fits, all.insert(window.to_vec(), n)) {
                    (true, Some(rest), None) => left = rest,
                    _ => {
                        let begin = &row[..row.len().min(settings.ngrams + 2)];
                        return Err(format!("task.ngrams has {begin:?}, expected a count and an n-gram"));
                    }
                }
            }
        }
        Ok(NGrams::of(settings, vocab_size, windows))
    }

    /// The probabilities of the classes of a sequence, of which a network says `network`: the weighted geometric mean
    /// of both.
    pub fn with(&self, network: &[f64], tokens: &[u32]) -> Vec<f64> {
        let marked = marked(tokens, self.vocab_size);
        let logs = self.classes.iter().zip(network).map(|(class, p)| {
            let own = self.log_probability(class, &marked) + class.prior;
            // Not a number stays what it is.
            let p = if *p < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { *p };
            (1.0 - self.share) * libm::log(p) + self.share * own
        });
        softmax(&logs.collect::<Vec<f64>>())
    }

    /// The log of the probability of a marked sequence. After k tokens, of which n are known and d different ones
    /// followed, p_k = (count + d p_(k-1)) / (n + d); before all of them, every token and the end are alike. Source:
    /// Witten and Bell 1991, method C.
    fn log_probability(&self, class: &Class, marked: &[u32]) -> f64 {
        let of_place = |end: usize| {
            let mut p = 1.0 / (self.vocab_size + 1) as f64;
            for k in 0..self.order.min(end + 1) {
                let Some(followers) = class.after.get(&marked[end - k..end]) else { break };
                let count = followers.counts.get(&marked[end]).copied().unwrap_or(0);
                let distinct = followers.counts.len() as f64;
                p = (f64::from(count) + distinct * p) / (f64::from(followers.total) + distinct);
            }
            libm::log(p)
        };
        (1..marked.len()).map(of_place).sum()
    }
}

/// A sequence between what begins and what ends it.
fn marked(tokens: &[u32], vocab_size: usize) -> Vec<u32> {
    [&[vocab_size as u32], tokens, &[vocab_size as u32 + 1]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClassWeights;

    const A: u32 = 1;
    const B: u32 = 2;

    fn settings(ngrams: usize, logit_adjustment: f64) -> Settings {
        Settings { ngrams, ngram_share: 0.25, logit_adjustment, ..Settings::default() }
    }

    fn counted(settings: &Settings) -> NGrams {
        let sequences = [vec![A, B], vec![A, A], vec![B], vec![]];
        NGrams::fit(settings, 3, 2, &sequences, &[0, 0, 1, 0]).unwrap().unwrap()
    }

    #[test]
    fn probabilities_are_those_by_hand() {
        // Class 0 has "^ab$", "^aa$", "^$": of 7 tokens a came 3 times, b once, the end 3 times; 3 different, and 4 to
        // choose.
        let root = |count: f64| (count + 3.0 / 4.0) / (7.0 + 3.0);
        let (a, b, end) = (root(3.0), root(1.0), root(3.0));
        // After ^: a twice, the end once. After a: b, a and the end once each. After b: the end.
        let after_start = |count: f64, p: f64| (count + 2.0 * p) / (3.0 + 2.0);
        let after_a = |count: f64, p: f64| (count + 3.0 * p) / (3.0 + 3.0);
        let of_ab = after_start(2.0, a) * after_a(1.0, b) * ((1.0 + end) / 2.0);
        // Class 1 has "^b$": b and the end once each.
        let root = |count: f64| (count + 2.0 / 4.0) / (2.0 + 2.0);
        let after_start = (0.0 + root(0.0)) / 2.0;
        let other = after_start * root(1.0) * ((1.0 + root(1.0)) / 2.0);
        for tau in [0.0, 0.3] {
            let ngrams = counted(&settings(2, tau));
            let both = ngrams.with(&[0.2, 0.8], &[A, B]);
            let share = |p: f64| libm::pow(p, 1.0 - tau);
            let [x, y] = [(0.2_f64, of_ab * share(0.75)), (0.8, other * share(0.25))]
                .map(|(network, own)| libm::pow(network, 0.75) * libm::pow(own, 0.25));
            assert!((both[0] - x / (x + y)).abs() < 1e-14, "{both:?} {}", x / (x + y));
            assert!((both[0] + both[1] - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn what_a_file_holds_gives_the_same_counts() {
        for order in 1..=5 {
            let settings = settings(order, 0.3);
            let ngrams = counted(&settings);
            assert_eq!(NGrams::from_listed(&settings, 3, 2, &ngrams.listed()).unwrap(), ngrams, "order {order}");
        }
        assert_eq!(NGrams::fit(&settings(0, 0.0), 3, 2, &[vec![A]], &[0]).unwrap(), None);
    }

    #[test]
    fn counts_that_no_counting_gives_are_refused() {
        let settings = settings(2, 0.0);
        let refused = |row: &[u32]| NGrams::from_listed(&settings, 3, 2, &[vec![row.to_vec()], vec![]]).unwrap_err();
        assert_eq!(refused(&[1, 1]), "task.ngrams has [1, 1], expected a count and an n-gram");
        // A count of 0; too long, twice; nothing; the beginning alone, or at the end; the end at the beginning; no such
        // token.
        for row in
            [&[0, A, B][..], &[1, A, B, A], &[1, 3, A, B], &[1], &[], &[1, 3], &[1, A, 3], &[1, 4, A], &[1, A, 5]]
        {
            refused(row);
        }
        let twice = vec![vec![1, A, B], vec![1, A, B]];
        assert!(NGrams::from_listed(&settings, 3, 2, &[twice, vec![]]).is_err());
        let many = vec![vec![u32::MAX, A, B], vec![1, A, A]];
        assert!(NGrams::from_listed(&settings, 3, 2, &[many, vec![]]).is_err(), "a sum that wraps");
        let few = NGrams::from_listed(&settings, 3, 2, &[vec![]]).unwrap_err();
        assert_eq!(few, "task.ngrams has 1 classes, expected 2");
    }

    #[test]
    fn counts_that_no_file_would_hold_are_refused() {
        let ngrams = counted(&settings(2, 0.0));
        let listed = "[[[1,1,1],[1,1,2],[1,1,4],[1,2,4],[2,3,1],[1,3,4]],[[1,2,4],[1,3,2]]]";
        assert_eq!(serde_json::to_string(&ngrams.listed()).unwrap(), listed);
        assert_eq!(ngrams.clone().within(listed.len()), Ok(ngrams.clone()));
        let words = ngrams.within(listed.len() - 1).unwrap_err();
        assert_eq!(words, "fewer, or 0: these would take 69 bytes of the model file, where 68 fit");
        // Found out while they are counted: nothing is less than its brackets, digits and commas.
        let at_most = |most: usize| NGrams::windows(&settings(2, 0.0), 3, 1, &[vec![A, B]], &[0], most);
        assert_eq!(at_most(3 * 8).unwrap()[0].len(), 3);
        assert!(at_most(3 * 8 - 1).unwrap_err().contains("more than 23 bytes"));
    }

    #[test]
    fn a_prior_is_what_the_networks_learn() {
        let prior = |class_weights: ClassWeights| {
            let settings = Settings { class_weights, ..settings(2, 0.3) };
            counted(&settings).classes[1].prior / libm::log(0.25)
        };
        for (class_weights, want) in
            [(ClassWeights::None, 0.7), (ClassWeights::Root, 0.2), (ClassWeights::Balanced, -0.3)]
        {
            assert!((prior(class_weights) - want).abs() < 1e-15);
        }
    }
}
