//! The lesson of the PyTorch walkthrough: three sentences, padded with blanks to one length, and a small network, over twenty
//! seeds. Not here: a mask; the tutorial counts the blanks in the loss.

use elman::autodiff::tape::Tape;
use elman::infer::Generator;
use elman::rng::{Purpose, generator};
use elman::train::optim::Optimizer;
use elman::{Config, LanguageModel, Settings, Vocab};

use super::runs::{recipe, shown};
use super::setting::Setting;
use super::table::Report;

const RECIPE: &str = include_str!("../../../../recipes/walkthrough.toml");
const SENTENCES: [&str; 3] = ["hey how are you", "good i am fine", "have a nice day"];
const PRINTED: [f64; 10] = [2.5228, 2.1118, 1.7116, 1.3229, 0.9832, 0.7112, 0.5081, 0.3617, 0.2649, 0.2016];
const SEEDS: u64 = 20;

pub fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let config = recipe("walkthrough", RECIPE)?;
    let longest = SENTENCES.iter().map(|sentence| sentence.len()).max().unwrap_or_default();
    let padded = SENTENCES.map(|sentence| format!("{sentence:<longest$}"));
    let vocab = Vocab::fit(&SENTENCES.concat(), "");
    let ids = padded.iter().map(|sentence| vocab.encode("a sentence", sentence)).collect::<Result<Vec<_>, _>>()?;
    let (rows, steps) = (ids.len(), longest - 1);
    report.equal("symbols", 17, vocab.len());
    let shape = format!("({rows}, {steps}, {})", vocab.len());
    report.equal("shape of the input", "(3, 14, 17)".to_string(), shape);
    let at = |shift: usize| (0..steps * rows).map(|i| ids[i % rows][i / rows + shift]).collect::<Vec<u32>>();
    let (inputs, targets) = (at(0), at(1));

    let (mut tape, mut losses, mut texts) = (Tape::new(&setting.cpu), Vec::new(), Vec::new());
    for seed in 1..=SEEDS {
        let config = Config { seed, ..config.clone() };
        setting.work.at("seed", seed, Some(SEEDS));
        let mut model: LanguageModel<f32> = LanguageModel::new(&config, vocab.len())?;
        let mut grads = model.params().zeros_like();
        let mut optimizer = Optimizer::of(&config, model.params());
        let mut printed = Vec::new();
        for epoch in 1..=config.epochs.unwrap_or_default() {
            let mut state = model.initial_state(rows);
            let loss = model.loss_and_grads(
                &mut tape,
                &mut elman::nn::shards::Shards::default(),
                &inputs,
                &targets,
                &mut state,
                None,
                &mut grads,
            )?;
            optimizer.update(&setting.cpu, config.lr, 1.0, model.params_mut(), &grads)?;
            printed.extend((epoch % 10 == 0).then_some(loss));
        }
        losses.push(printed);
        let greedy = Settings { temperature: 0.0, ..Settings::default() };
        let rng = generator(seed, Purpose::Sample, 0);
        let text = Generator::new(&model, &vocab, "good", greedy, rng, &setting.cpu)?;
        texts.push(format!("good{}", text.take(longest - 4).collect::<String>()));
    }
    for (i, printed) in PRINTED.into_iter().enumerate() {
        let here: Vec<f64> = losses.iter().map(|losses| losses[i]).collect();
        let mean = here.iter().sum::<f64>() / here.len() as f64;
        let (low, high) = here.iter().fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        let name = format!("loss at epoch {}", 10 * (i + 1));
        let shown = format!("{mean:.4} ({low:.4} to {high:.4})");
        report.check(name, format!("{printed:.4}"), shown, "within 20 seeds", (low..=high).contains(&printed));
        if i == 9 {
            report.near("mean loss at epoch 100 over 20 seeds", 0.18, mean, 0.03, 4);
        }
    }
    let right = texts.iter().filter(|text| *text == "good i am fine ").count();
    report.check(
        "continuation of 'good'",
        "'good i am fine '",
        format!("{right} of {SEEDS}"),
        "all",
        right == SEEDS as usize,
    );
    report.told("  the first", "'good i am fine '", shown(&texts[0], 15));
    Ok(())
}
