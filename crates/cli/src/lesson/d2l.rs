//! The lessons on d2l's Time Machine: lines, words and characters, and character models. Not here: the tutorial's prediction,
//! which reads a prefix and then starts again from its first letter.

use elman::config::{Cell, Reserved, TokenizerKind};
use elman::{Config, Corpus, Trainer};
use sha1::{Digest, Sha1};

use super::runs::{recipe, shown, train, write};
use super::setting::Setting;
use super::table::Report;

const CHARS: &str = include_str!("../../../../recipes/d2l-chars.toml");
const PERPLEXITY: &str = include_str!("../../../../recipes/d2l-perplexity.toml");
const PREFIX: &str = "time traveller ";

pub fn words(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let corpus = setting.text("timemachine-d2l")?;
    let hash: String = Sha1::digest(corpus.bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    report.equal("SHA-1 of the file", "090b5e7e70c295757f55df93cb0a180b9691891a".to_string(), hash);
    report.equal("lines", 3221, corpus.text().lines().count());
    let base = Config { clean: elman::config::Clean::D2l, val_frac: 0.0, ..recipe("d2l-chars", CHARS)? };
    // Cleaned by the library, with a vocabulary of words and a token for the end of a line.
    let lines = Config { tokenizer: TokenizerKind::Word, unk: false, max_tokens: 0, ..base.clone() };
    let vocab = Trainer::new(lines.clone(), &corpus, &setting.cpu)?.vocab().clone();
    let cleaned = vocab.decode(&vocab.encode(corpus.name(), corpus.text())?)?;
    let line = cleaned.lines().nth(42).unwrap_or_default().to_string();
    report.equal("line 42", "so most people think but wait a moment can an instantaneous".to_string(), line);
    let line = cleaned.lines().nth(21).unwrap_or_default().to_string();
    report.equal("line 21", "you must follow me carefully i shall have to controvert one or two".to_string(), line);
    let reserved = Config { eos: false, reserve: vec![Reserved::Pad], ..lines };
    let trainer = Trainer::new(reserved, &corpus, &setting.cpu)?;
    let words = trainer.vocab();
    report.equal("words, with <unk> and <pad>", 4581, words.len());
    for (word, id) in [("you", 24), ("<unk>", 0), ("<pad>", 1)] {
        report.equal(format!("id of '{word}'"), id, words.word(word).map_or(-1, i64::from));
    }
    let all = Config { max_tokens: 0, ..base };
    let trainer = Trainer::new(all, &corpus, &setting.cpu)?;
    report.equal("characters, with <unk>", 28, trainer.vocab().len());
    report.equal("characters of the cleaned text", 170_580, trainer.plan().train_tokens);
    Ok(())
}

/// Trains; returns the trainer, the mean loss of every epoch, and the time in seconds.
fn epochs(setting: &Setting, name: &str, config: &Config, corpus: &Corpus) -> anyhow::Result<(Trainer, Vec<f64>, f64)> {
    let (mut losses, started) = (Vec::new(), std::time::Instant::now());
    let trainer = train(setting, name, config, corpus, |_, loss| losses.push(loss))?;
    let seconds = started.elapsed().as_secs_f64();
    let per_epoch = trainer.plan().steps_per_epoch as usize;
    let means = losses.chunks(per_epoch).map(|epoch| epoch.iter().sum::<f64>() / epoch.len() as f64).collect();
    Ok((trainer, means, seconds))
}

pub fn chars(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let corpus = setting.text("timemachine-d2l")?;
    let (trainer, losses, seconds) = epochs(setting, "RNN", &recipe("d2l-chars", CHARS)?, &corpus)?;
    report.equal("characters trained on", 10_000, trainer.plan().train_tokens);
    report.equal("characters known, with <unk>", 28, trainer.vocab().len());
    for (epoch, loss) in losses.iter().enumerate().map(|(i, loss)| (i + 1, loss)).filter(|(epoch, _)| epoch % 50 == 0) {
        report.told(format!("loss of epoch {epoch}"), "-", format!("{loss:.4}"));
    }
    let (first, last) = (losses[49], losses[losses.len() - 1]);
    report.check("loss of the last epoch", "falls", format!("{last:.4}"), "half of epoch 50", last < first / 2.0);
    let text = write(&trainer, PREFIX, 30, 0.0, &setting.cpu)?;
    report.told(format!("greedy, after '{PREFIX}'"), "'the tranled the med'", shown(&text, 30));
    report.told("seconds, RNN at T = 18, 1000 epochs", "-", format!("{seconds:.0}"));
    report.note("The tutorial's text begins with 't', the first letter of its prefix: it reads the prefix, then starts again there.");
    let base = recipe("d2l-perplexity", PERPLEXITY)?;
    // The seconds are those of PyTorch 2.15 on two cores of a machine with AVX-512.
    for (cell, most, pytorch, its_time) in
        [(Cell::RNN_TANH, 1.4, 1.34, 37), (Cell::GRU, 1.08, 1.04, 85), (Cell::LSTM, 1.08, 1.05, 36)]
    {
        let name = cell.name().to_uppercase();
        let (trainer, losses, seconds) = epochs(setting, &name, &Config { cell, ..base.clone() }, &corpus)?;
        let last = losses[losses.len() - 1].exp();
        let tutorial = format!("1.0 to 1.4 (PyTorch here {pytorch})");
        report.at_most(format!("perplexity, {name}, rate 1, T = 35, 500 epochs"), tutorial, last, most, 3);
        report.told(format!("  seconds, {name}"), format!("{its_time} (PyTorch)"), format!("{seconds:.1}"));
        let text = write(&trainer, PREFIX, 50, 0.0, &setting.cpu)?;
        report.told(format!("  greedy, {name}"), "-", shown(&text, 50));
    }
    Ok(())
}
