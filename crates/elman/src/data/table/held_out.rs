//! Which examples are held out from training: a share of every class, drawn with a fixed seed, after duplicates are
//! removed. It depends on texts and classes only.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use rand_chacha::rand_core::Rng;

use crate::data::table::items::Items;
use crate::rng::{ChaCha8Rng, Purpose, generator};

/// The places of those to train on and of those held out, both rising.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeldOut {
    /// To train on.
    pub train: Vec<usize>,
    /// Kept from training.
    pub held: Vec<usize>,
}

impl HeldOut {
    /// Holds out a share of each class: `val_frac` of its examples, rounded, but at least one where it has two, and
    /// never all. The draw depends on the seed and on the order of the examples.
    pub fn stratified(labels: &[u32], examples: &[usize], val_frac: f64, seed: u64) -> HeldOut {
        let mut classes: HashMap<u32, Vec<usize>> = HashMap::new();
        examples.iter().for_each(|&at| classes.entry(labels[at]).or_default().push(at));
        let mut by_class: Vec<(u32, Vec<usize>)> = classes.into_iter().collect();
        by_class.sort_by_key(|(class, _)| *class);
        let mut split = HeldOut::default();
        for (class, mut examples) in by_class {
            shuffle(&mut examples, &mut generator(seed, Purpose::Split, u64::from(class)));
            let share = libm::round(val_frac * examples.len() as f64) as usize;
            let most = examples.len() - 1;
            let held = if val_frac > 0.0 { share.max(1).min(most) } else { 0 };
            split.held.extend_from_slice(&examples[..held]);
            split.train.extend_from_slice(&examples[held..]);
        }
        split.train.sort_unstable();
        split.held.sort_unstable();
        split
    }
}

/// Puts a slice into an order drawn from `rng`. Source: Fisher and Yates, in Durstenfeld's form.
pub(crate) fn shuffle<T>(slice: &mut [T], rng: &mut ChaCha8Rng) {
    for last in (1..slice.len()).rev() {
        slice.swap(last, (rng.next_u64() % (last as u64 + 1)) as usize);
    }
}

/// A sequence as something that can be compared.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key<'a> {
    Text(&'a str),
    Bits(Vec<u64>),
}

fn key(items: &Items, at: usize) -> Key<'_> {
    match items {
        Items::Texts(texts) => Key::Text(&texts[at]),
        Items::Vectors { sequences, .. } => Key::Bits(sequences[at].iter().map(|x| x.to_bits()).collect()),
    }
}

/// The places of the first of each pair of sequence and class.
pub fn distinct(items: &Items, labels: &[u32]) -> Vec<usize> {
    let mut seen = HashSet::new();
    (0..items.len()).filter(|&at| seen.insert((key(items, at), labels[at]))).collect()
}

/// How many of `held` are in `train` too, whatever their classes.
pub fn in_both(train: (&Items, &[usize]), held: (&Items, &[usize])) -> usize {
    let seen: HashSet<Key<'_>> = train.1.iter().map(|&at| key(train.0, at)).collect();
    held.1.iter().filter(|&&at| seen.contains(&key(held.0, at))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_gives_its_share_and_keeps_one() {
        let labels: Vec<u32> =
            (0..130).map(|at| if at < 100 { 0 } else { 1 + u32::from(at >= 127) * (at - 126) }).collect();
        let examples: Vec<usize> = (0..130).collect();
        let split = HeldOut::stratified(&labels, &examples, 0.1, 7);
        let held = |class| split.held.iter().filter(|&&at| labels[at] == class).count();
        // 100 of class 0, 27 of class 1, one each of three others.
        assert_eq!((held(0), held(1), held(2), split.held.len()), (10, 3, 0, 13));
        let mut all: Vec<usize> = split.train.iter().chain(&split.held).copied().collect();
        all.sort_unstable();
        assert_eq!(all, examples);
        assert_eq!(split, HeldOut::stratified(&labels, &examples, 0.1, 7));
        assert_ne!(split, HeldOut::stratified(&labels, &examples, 0.1, 8));
        assert!(HeldOut::stratified(&labels, &examples, 0.0, 7).held.is_empty());
        assert_eq!(HeldOut::stratified(&[0, 0], &[0, 1], 0.99, 1).held.len(), 1);
    }

    #[test]
    fn what_comes_twice_is_found() {
        let items = Items::Texts(["a", "b", "a", "a"].map(String::from).to_vec());
        let labels = [0, 0, 0, 1];
        assert_eq!(distinct(&items, &labels), [0, 1, 3]);
        assert_eq!(in_both((&items, &[0, 1]), (&items, &[3])), 1);
        assert_eq!(in_both((&items, &[1]), (&items, &[3])), 0);
    }
}
