//! BLEU as sacrebleu defines it: of a corpus, by its tokenizer 13a, with any number of references for each sentence and
//! exponential smoothing; and the share of exact matches. The comparison is case-sensitive.
//! Source: Papineni et al. 2002; Post 2018, sacrebleu 2 (signature `case:mixed|eff:no|tok:13a|smooth:exp`).

use std::collections::HashMap;

/// Longest n-gram that counts.
const ORDER: usize = 4;

/// Counts over sentences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bleu {
    /// n-grams found in a reference, by n from 1.
    matched: [u64; ORDER],
    /// n-grams there are.
    total: [u64; ORDER],
    /// Tokens of what was written.
    written: u64,
    /// Tokens of the references next to them in length.
    reference: u64,
    exact: u64,
    sentences: u64,
}

impl Bleu {
    /// Counts what was written for a sentence against all that may be; at least one reference is needed to match
    /// anything.
    pub fn add(&mut self, written: &str, references: &[&str]) {
        let tokens = tokens(written);
        let of_references: Vec<Vec<String>> = references.iter().map(|reference| self::tokens(reference)).collect();
        let grams = grams(&tokens);
        let mut most: HashMap<&[String], u64> = HashMap::new();
        for reference in &of_references {
            for (gram, count) in self::grams(reference) {
                let most = most.entry(gram).or_default();
                *most = count.max(*most);
            }
        }
        for (gram, count) in grams {
            self.total[gram.len() - 1] += count;
            self.matched[gram.len() - 1] += count.min(most.get(gram).copied().unwrap_or_default());
        }
        self.written += tokens.len() as u64;
        // The nearest, and of two as near the shorter.
        let length = |reference: &Vec<String>| (reference.len().abs_diff(tokens.len()), reference.len());
        self.reference += of_references.iter().map(length).min().map_or(0, |(_, length)| length as u64);
        self.exact += u64::from(references.contains(&written));
        self.sentences += 1;
    }

    /// BLEU in percent; 0 where nothing matches.
    pub fn score(&self) -> f64 {
        if self.matched.iter().all(|&n| n == 0) {
            return 0.0;
        }
        let (mut smoothing, mut logarithms) = (1.0, 0.0);
        for (&matched, &total) in self.matched.iter().zip(&self.total) {
            if total == 0 {
                return 0.0; // no sentence is so long: sacrebleu's precision of it is 0
            }
            let precision = if matched == 0 {
                smoothing *= 2.0;
                100.0 / (smoothing * total as f64)
            } else {
                100.0 * matched as f64 / total as f64
            };
            logarithms += libm::log(precision);
        }
        self.brevity_penalty() * libm::exp(logarithms / ORDER as f64)
    }

    /// What is left of the score of texts shorter than their references.
    pub fn brevity_penalty(&self) -> f64 {
        match self.written {
            written if written >= self.reference => 1.0,
            0 => 0.0,
            written => libm::exp(1.0 - self.reference as f64 / written as f64),
        }
    }

    /// Tokens written for each of the references'.
    pub fn length_ratio(&self) -> f64 {
        if self.reference == 0 { 0.0 } else { self.written as f64 / self.reference as f64 }
    }

    /// The share of the sentences that are a reference, letter by letter; 0 of none.
    pub fn exact_match(&self) -> f64 {
        if self.sentences == 0 { 0.0 } else { self.exact as f64 / self.sentences as f64 }
    }

    /// Sentences counted.
    pub fn sentences(&self) -> u64 {
        self.sentences
    }
}

/// How often each run of 1 to 4 tokens comes.
fn grams(tokens: &[String]) -> HashMap<&[String], u64> {
    let mut counts = HashMap::new();
    for order in 1..=ORDER {
        tokens.windows(order).for_each(|gram| *counts.entry(gram).or_default() += 1);
    }
    counts
}

/// The tokens of mteval-v13a, as sacrebleu cuts them.
fn tokens(text: &str) -> Vec<String> {
    let mut text = text.trim_end().replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    if text.contains('&') {
        for (name, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
            text = text.replace(name, character);
        }
    }
    let is_punctuation = |c: char| matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/');
    let mut apart: Vec<char> = Vec::with_capacity(2 * text.len());
    for c in format!(" {text} ").chars() {
        match is_punctuation(c) {
            true => apart.extend([' ', c, ' ']),
            false => apart.push(c),
        }
    }
    let is_stop = |c: char| matches!(c, '.' | ',');
    // Each pass reads what the one before wrote, two characters at a time and never one of them twice.
    let pairs = |text: &[char], fits: &dyn Fn(char, char) -> bool, [before, after]: [bool; 2]| {
        let (mut out, mut at) = (Vec::with_capacity(text.len() + 16), 0);
        while at < text.len() {
            match text.get(at + 1) {
                Some(&next) if fits(text[at], next) => {
                    out.extend(before.then_some(' '));
                    out.extend([text[at], ' ', next]);
                    out.extend(after.then_some(' '));
                    at += 2;
                }
                _ => {
                    out.push(text[at]);
                    at += 1;
                }
            }
        }
        out
    };
    let apart = pairs(&apart, &|a, b| !a.is_ascii_digit() && is_stop(b), [false, true]);
    let apart = pairs(&apart, &|a, b| is_stop(a) && !b.is_ascii_digit(), [true, false]);
    let apart = pairs(&apart, &|a, b| a.is_ascii_digit() && b == '-', [false, true]);
    let text: String = apart.into_iter().collect();
    // Python's white space has four characters more than Unicode's.
    let is_space = |c: char| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}');
    text.split(is_space).filter(|token| !token.is_empty()).map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, its references, and what sacrebleu 2.6.0 says: score, brevity penalty, matched and total
    /// n-grams.
    type Case = (&'static [&'static str], &'static [&'static [&'static str]], f64, f64, [u64; 4], [u64; 4]);

    const CASES: [Case; 7] = [
        (
            &["the the the the the the the"],
            &[&["the cat is on the mat", "there is a cat on the mat"]],
            7.809849842300637,
            1.0,
            [2, 0, 0, 0],
            [7, 6, 5, 4],
        ),
        (
            &["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."],
            &[
                &["The dog bit the man.", "The dog had bit the man."],
                &["It was not unexpected.", "No one was surprised."],
                &["The man bit him first.", "The man had bitten the dog."],
            ],
            48.530827009929865,
            0.9428731438548749,
            [14, 7, 5, 3],
            [17, 14, 11, 8],
        ),
        // Another number of references for each.
        (
            &[
                "j'ai faim .",
                "où est la gare ?",
                "il a 3,5 ans et 1-2 chats.",
                "tom l'a vu, n'est-ce pas ?",
                "je  ne sais\u{202f}pas !",
                "« oui », dit-elle... enfin",
            ],
            &[
                &["j'ai faim.", "j’ai faim ."],
                &["où est la gare ?"],
                &["il a 3,5 ans et 1-2 chats .", "il a trois ans & deux chats.", "ans"],
                &["tom l'a vu, non ?", "est-ce que tom l'a vu ?"],
                &["je ne sais\u{202f}pas !", "je l'ignore !"],
                &["« oui » , dit-elle.", "oui."],
            ],
            79.34104336217236,
            1.0,
            [34, 27, 21, 15],
            [39, 33, 27, 21],
        ),
        (
            &["a b c x e f", "g h"],
            &[&["a b c d e f"], &["g h i"]],
            34.844928509543394,
            0.8824969025845955,
            [7, 4, 1, 0],
            [8, 6, 4, 3],
        ),
        // Two references as near: the shorter is meant.
        (&["a b c d e"], &[&["a b c d x f", "a b c d"]], 66.87403049764218, 1.0, [4, 3, 2, 1], [5, 4, 3, 2]),
        (&["a b c"], &[&["a b c"]], 0.0, 1.0, [3, 2, 1, 0], [3, 2, 1, 0]),
        (
            &["", "a b c d e"],
            &[&["x y"], &["a b c d e f g"]],
            44.932896411722176,
            0.44932896411722156,
            [5, 4, 3, 2],
            [5, 4, 3, 2],
        ),
    ];

    #[test]
    fn figures_are_sacrebleus() {
        for (written, references, score, penalty, matched, total) in CASES {
            let mut bleu = Bleu::default();
            written.iter().zip(references).for_each(|(written, references)| bleu.add(written, references));
            assert_eq!((bleu.matched, bleu.total), (matched, total), "{written:?}");
            assert!((bleu.score() - score).abs() <= 1e-13 * score, "{written:?}: {} {score}", bleu.score());
            assert!((bleu.brevity_penalty() - penalty).abs() <= 1e-15, "{written:?}");
        }
        assert_eq!((Bleu::default().score(), Bleu::default().exact_match()), (0.0, 0.0));
    }

    #[test]
    fn tokens_are_those_of_13a() {
        for (text, want) in [
            (
                "$5.00,000 (e.g. <b>) a/b c:d 7- -7 1.,2 x&amp;y &quot;z&quot; ... ,,",
                "$ 5.00,000 ( e . g . < b > ) a / b c : d 7 - -7 1 . , 2 x & y \" z \" . . . , ,",
            ),
            (
                "a_b^c`d~e{f}g|h[i]j\\k@l#m%n*o+p=q<r>s;t!u\"v'w",
                "a _ b ^ c ` d ~ e { f } g | h [ i ] j \\ k @ l # m % n * o + p = q < r > s ; t ! u \" v'w",
            ),
            ("il a 3,5 ans et 1-2 chats.", "il a 3,5 ans et 1 - 2 chats ."),
            ("« oui », dit-elle... enfin", "« oui » , dit-elle . . . enfin"),
        ] {
            assert_eq!(tokens(text).join(" "), want);
        }
    }

    #[test]
    fn exact_matches_are_letter_by_letter() {
        let mut bleu = Bleu::default();
        bleu.add("a b", &["x", "a b"]);
        bleu.add("a  b", &["a b"]);
        assert_eq!((bleu.exact_match(), bleu.sentences(), bleu.length_ratio()), (0.5, 2, 1.0));
    }
}
