//! The lesson of the from-scratch tutorial: The Time Machine without its licence, in rows whose state continues from batch to
//! batch, and the tutorial's small examples. Not here: batches that do not continue each other.

use elman::autodiff::nodes::Sequence;
use elman::autodiff::params::Declaration;
use elman::autodiff::tape::Tape;
use elman::data::{Batch, Batches};
use elman::nn::Recurrent;
use elman::rng::{Purpose, generator};
use elman::train::{Control, Event};
use elman::{Cpu, Trainer, Vocab};
use elman_kernels::recurrent::Cell;

use super::runs::{recipe, shown, write};
use super::setting::Setting;
use super::softmax::temperatures;
use super::table::Report;

const RECIPE: &str = include_str!("../../../../recipes/scratch-timemachine.toml");
/// Epochs after which loss and text are reported.
const STATIONS: [u64; 6] = [1, 10, 50, 175, 200, 2000];
const PROMPTS: [&str; 2] = ["The Time Ma", "The Medical Man rose, came to the lamp,"];

pub fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let corpus = setting.text("timemachine")?;
    let mut config = recipe("scratch-timemachine", RECIPE)?;
    if setting.full {
        config.epochs = Some(2000);
    }
    let mut trainer = Trainer::new(config.clone(), &corpus, &setting.cpu)?;
    let text: String = {
        let all = corpus.text();
        let kept = all.chars().count() - config.cut_tail;
        all.chars().take(kept).collect()
    };
    let vocab = trainer.vocab().clone();
    let ids = vocab.encode(corpus.name(), &text)?;
    report.equal("characters after the cut", 179_533, trainer.plan().train_tokens);
    report.equal("distinct characters", 77, vocab.len());
    report.equal("sequences of 64", 2805, (ids.len() - 1) / config.seq_len);
    report.equal("sequences in a row", 87, trainer.plan().steps_per_epoch);
    rows(&config, &ids, &vocab, report)?;
    one_hot(&setting.cpu, &text, report)?;
    temperatures(&setting.cpu, report)?;

    let (per_epoch, steps) = (trainer.plan().steps_per_epoch, trainer.plan().steps);
    let book = words_of(&text);
    let (mut sum, mut since) = (0.0, std::time::Instant::now());
    for station in STATIONS.into_iter().filter(|&epochs| epochs <= config.epochs.unwrap_or_default()) {
        let mut moving = 0.0;
        trainer.run(None, &mut |event| match event {
            Event::Step { step, loss, .. } => {
                setting.at("", step, steps, per_epoch);
                sum = if (step - 1).is_multiple_of(per_epoch) { loss } else { sum + loss };
                if step == station * per_epoch { Control::Stop } else { Control::Continue }
            }
            Event::Report(line) => {
                moving = line.moving_loss.unwrap_or_default();
                Control::Continue
            }
            _ => Control::Continue,
        })?;
        setting.say(&format!("epoch {station}: {:.0} s", since.elapsed().as_secs_f64()));
        since = std::time::Instant::now();
        let mean = sum / per_epoch as f64;
        report.told(format!("loss of epoch {station}, and its moving loss"), "-", format!("{mean:.4}, {moving:.4}"));
        for prompt in PROMPTS {
            let text = write(&trainer, prompt, 1024, 0.1, &setting.cpu)?;
            report.told(format!("  after {}", shown(prompt, 12)), "-", shown(&text, 60));
            judge(station, prompt, &text, &book, report);
        }
    }
    report.note(
        "The tutorial prints no losses. It halves its rate one epoch earlier: before the 100th epoch instead of after it.",
    );
    if !setting.full {
        report.note("200 epochs of the tutorial's 2000: --full runs them all.");
    }
    Ok(())
}

/// Measures what the tutorial describes of its texts: spaces and e's at first, words of the book at the end.
fn judge(epochs: u64, prompt: &str, text: &str, book: &std::collections::BTreeSet<String>, report: &mut Report) {
    let share = |n: usize, of: usize| 100.0 * n as f64 / of.max(1) as f64;
    let prompt = shown(prompt, 12);
    if epochs == 1 {
        let common = text.chars().filter(|c| " et".contains(*c)).count();
        let here = share(common, 1024);
        let name = format!("  share of blanks, e's and t's after {prompt}");
        report.check(name, "nearly all", format!("{here:.0} %"), "at least 80 %", here >= 80.0);
    }
    if epochs == 175 {
        let words: Vec<&str> = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
        let known = words.iter().filter(|word| book.contains(&word.to_lowercase())).count();
        let here = share(known, words.len());
        let name = format!("  share of the book's words after {prompt}");
        report.check(name, "most of what it shows", format!("{here:.0} %"), "at least 70 %", here >= 70.0);
    }
}

fn words_of(text: &str) -> std::collections::BTreeSet<String> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// Checks in every row of every batch: sequence s+1 continues sequence s, and labels are the inputs one step later.
fn rows(config: &elman::Config, ids: &[u32], vocab: &Vocab, report: &mut Report) -> anyhow::Result<()> {
    let mut batches = Batches::new(config, "the text", ids.to_vec(), vocab.line_end())?;
    let (mut batch, mut before) = (Batch::default(), Batch::default());
    let (mut continues, mut shifted, mut first) = (true, true, Vec::new());
    for index in 0..batches.windows() {
        batches.fill(index, &mut batch)?;
        let (rows, steps) = (batch.rows, batch.inputs.len() / batch.rows);
        shifted &= (0..(steps - 1) * rows).all(|i| batch.targets[i] == batch.inputs[i + rows]);
        if index > 0 {
            continues &= (0..rows).all(|b| batch.inputs[b] == before.targets[(steps - 1) * rows + b]);
        } else {
            first = (0..rows).map(|b| row_text(&batch.inputs, rows, b, vocab)).collect::<Result<Vec<_>, _>>()?;
        }
        std::mem::swap(&mut batch, &mut before);
    }
    report.check("each sequence continues the one before", "yes", yes(continues), "all rows", continues);
    report.check("labels are the next characters", "yes", yes(shifted), "all rows", shifted);
    let begins = [
        "Project Gutenberg's The Time Machine, by",
        "vement of the barometer. Yesterday",
        "andlesticks upon the mantel",
    ];
    for (b, begin) in begins.into_iter().enumerate() {
        let here = first.get(b).cloned().unwrap_or_default();
        let passes = here.starts_with(begin);
        report.check(format!("row {b} begins"), shown(begin, 40), shown(&here, 40), "equal", passes);
    }
    Ok(())
}

fn yes(is_true: bool) -> &'static str {
    if is_true { "yes" } else { "no" }
}

fn row_text(inputs: &[u32], rows: usize, b: usize, vocab: &Vocab) -> Result<String, elman::Error> {
    let ids: Vec<u32> = inputs.iter().skip(b).step_by(rows).copied().collect();
    vocab.decode(&ids)
}

/// Converts tokens to one-hot vectors and back, and compares a layer's output for vectors and for tokens.
fn one_hot(cpu: &Cpu, text: &str, report: &mut Report) -> anyhow::Result<()> {
    let piece: String = text.chars().take(40).collect();
    let vocab = Vocab::fit(text, "");
    let (ids, size) = (vocab.encode("the text", &piece)?, vocab.len());
    let mut vectors = vec![0.0_f32; ids.len() * size];
    ids.iter().enumerate().for_each(|(t, &id)| vectors[t * size + id as usize] = 1.0);
    let largest = |row: &[f32]| (0..size as u32).max_by(|&a, &b| row[a as usize].total_cmp(&row[b as usize]));
    let back: Vec<u32> = vectors.chunks_exact(size).filter_map(largest).collect();
    report.equal(
        "one-hot vectors and back",
        "Project Gutenberg's The Time Machine, by".to_string(),
        vocab.decode(&back)?,
    );
    let mut declaration = Declaration::default();
    let rnn = Recurrent::plain(Cell::RnnTanh, size, &[32]).declare::<f32>(&mut declaration, "");
    let mut params = declaration.zeros::<f32>()?;
    params.fill_uniform(0.1, &mut generator(1, Purpose::Init, 0));
    let mut tape = Tape::new(cpu);
    let mut output = |is_dense: bool| -> Result<Vec<f32>, elman::Error> {
        tape.start(false);
        let state = rnn.as_layer().zero_state(1).to_tape(&mut tape, false);
        let x = match is_dense {
            true => Sequence::Dense(tape.dense_leaf(size, &vectors, false)?),
            false => Sequence::Tokens { tokens: &ids, vocab_size: size },
        };
        let (y, _) = rnn.as_layer().run(&mut tape, &params, x, &state, &mut elman::nn::Pass::plain(1))?;
        Ok(tape.dense_value(y))
    };
    let (dense, tokens) = (output(true)?, output(false)?);
    let apart = dense.iter().zip(&tokens).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Products with 0 and 1 in the same order give the same sum.
    report.check("a layer on one-hot vectors and on tokens", "the same", format!("{apart:e} apart"), "0", apart == 0.0);
    Ok(())
}
