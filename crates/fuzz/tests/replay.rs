//! Runs the committed corpus through every target, with a few mutations of each input.

use elman_fuzz::{Mutator, TARGETS, corpus};

#[test]
fn the_corpus_and_what_lies_near_it_break_nothing() {
    for (name, target) in TARGETS {
        let inputs = corpus(name).unwrap();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for (path, bytes) in &inputs {
            println!("{}", path.display());
            target(bytes);
        }
        let mut mutator = Mutator::new(inputs.into_iter().map(|(_, bytes)| bytes).collect(), 42);
        for _ in 0..3000 {
            target(&mutator.next_input());
        }
    }
}
