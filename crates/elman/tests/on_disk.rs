//! What must hold of a text that stays on the disk: the run that it gives is, file for file, that of the same text in
//! memory, resumed or not.

mod runs;

use std::{fs, path::PathBuf};

use elman::{
    Config, Corpus, RunDir, Trainer,
    config::{BatchKind, TokenizerKind},
    train::Changes,
};
use runs::{assert_same, config, corpus, cpu, keep_training, quick_dir, run_until};

#[test]
fn a_run_on_a_text_on_the_disk_is_the_run_on_it_in_memory() {
    let dir = quick_dir();
    let path = dir.path().join("mill.txt");
    fs::write(&path, corpus().bytes()).unwrap();
    let paths = [path];
    let kinds = [
        Config { tokenizer: TokenizerKind::Byte, ..config() },
        Config { batches: BatchKind::Random, ..config() },
        Config { batches: BatchKind::Chunks, tokenizer: TokenizerKind::Word, seq_len: 5, ..config() },
        config(),
    ];
    for (i, config) in kinds.into_iter().enumerate() {
        let is_raw = config.tokenizer == TokenizerKind::Byte;
        let run = |name: &str| RunDir::create(dir.path().join(format!("{name}-{i}"))).unwrap();
        let (want, whole, parts) = (run("memory"), run("disk"), run("resumed"));
        let memory = if is_raw { Corpus::read_raw(&paths) } else { Corpus::read(&paths) }.unwrap();
        let disk = |run: &RunDir| Corpus::on_disk_of(&paths, is_raw).unwrap().with_tokens_in(run.tokens());
        Trainer::new(config.clone(), &memory, &cpu()).unwrap().run(Some(&want), &mut keep_training).unwrap();
        assert!(!want.tokens().exists());

        Trainer::new(config.clone(), &disk(&whole), &cpu()).unwrap().run(Some(&whole), &mut keep_training).unwrap();
        assert_same(&whole, &want, &format!("{config:?}"));
        assert!(whole.tokens().exists());

        run_until(&mut Trainer::new(config.clone(), &disk(&parts), &cpu()).unwrap(), &parts, 17);
        // Once on the disk, once in memory: neither knows of the other.
        let mut trainer = Trainer::resume(&parts, &disk(&parts), &cpu()).unwrap();
        run_until(&mut trainer, &parts, 25);
        drop(trainer);
        run_until(&mut Trainer::resume(&parts, &memory, &cpu()).unwrap(), &parts, 31);
        fs::write(parts.tokens(), "spoiled").unwrap();
        Trainer::resume(&parts, &disk(&parts), &cpu()).unwrap().run(Some(&parts), &mut keep_training).unwrap();
        assert_same(&parts, &want, &format!("resumed, {config:?}"));
    }
}

#[test]
fn another_text_on_the_disk_is_refused_by_a_resume() {
    let dir = quick_dir();
    let path: PathBuf = dir.path().join("mill.txt");
    fs::write(&path, corpus().bytes()).unwrap();
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let disk = || Corpus::on_disk_of(std::slice::from_ref(&path), false).unwrap().with_tokens_in(run.tokens());
    run_until(&mut Trainer::new(config(), &disk(), &cpu()).unwrap(), &run, 5);
    let tokens = fs::read(run.tokens()).unwrap();

    let mut other = corpus().bytes().to_vec();
    let last = other.len() - 2;
    other[last] = if other[last] == b'u' { b'l' } else { b'u' };
    fs::write(&path, &other).unwrap();
    let refused = Trainer::resume(&run, &disk(), &cpu()).map(|_| ()).unwrap_err();
    let same_name = "the text is mill.txt (1897 characters), expected that of the run, whose contents were different";
    assert_eq!(refused.to_string(), same_name);
    assert!(fs::read(run.tokens()).unwrap() == tokens, "a refusal changes nothing");
    let force = Changes { config: None, force: true };
    Trainer::resume_with(&run, &disk(), &cpu(), force).unwrap().run(Some(&run), &mut keep_training).unwrap();
    assert!(fs::read(run.tokens()).unwrap() != tokens, "the tokens are those of the text");
}
