//! The flags `--init-from` and `--vocab`: the model that a new run starts from. Not here: its weights in the new run
//! (`elman::task::pretrained`), and which settings the run shares with it (`settings.rs`).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use elman::files::regular::{self, Links};
use elman::task::Pretrained;
use serde_json::Value;

use super::args::Args;
use crate::failure::Refusal;

/// The model of `--init-from`. Errors: it or its vocabulary cannot be read.
pub fn read(args: &Args) -> anyhow::Result<Option<Pretrained>> {
    let Some(path) = &args.init_from else { return Ok(None) };
    let tokens = args.vocab.as_ref().map(|list| Ok::<_, anyhow::Error>((tokens(list)?, list.as_path()))).transpose()?;
    let model = Pretrained::read(path, tokens).map_err(|error| {
        let is_pickle =
            path.extension().is_some_and(|ending| ["pt", "pth", "bin", "ckpt"].iter().any(|of| ending == *of));
        let is_read = !matches!(error, elman::Error::Io { .. });
        let error = anyhow::Error::from(error);
        match is_pickle && is_read {
            true => error.context(
                Refusal::new("a file of torch.save is not read")
                    .hint("write it with safetensors.torch.save_file(model.state_dict(), FILE)"),
            ),
            false => error,
        }
    })?;
    Ok(Some(model))
}

/// The tokens of a JSON list, or of a JSON object of tokens and their ids. Errors: another file; ids that are not 0, 1, 2, ...
fn tokens(path: &Path) -> anyhow::Result<Vec<String>> {
    let text =
        regular::read_to_string(path, Links::Follow).with_context(|| format!("cannot read {}", path.display()))?;
    let refuse = |problem: String| Refusal::new(format!("{problem} ({})", path.display()));
    let wanted = "expected a JSON list of tokens, or an object of tokens and their ids";
    let value: Value = serde_json::from_str(&text).map_err(|error| refuse(format!("{error}, {wanted}")))?;
    let listed = match value {
        Value::Array(all) => all.into_iter().map(|token| token.as_str().map(str::to_string)).collect(),
        Value::Object(all) => {
            let by_id: BTreeMap<u64, String> =
                all.iter().filter_map(|(token, id)| Some((id.as_u64()?, token.clone()))).collect();
            let are_all = by_id.len() == all.len() && by_id.keys().copied().eq(0..all.len() as u64);
            are_all.then(|| by_id.into_values().collect())
        }
        _ => None,
    };
    let tokens: Vec<String> = listed.ok_or_else(|| refuse(format!("a JSON value of another form, {wanted}")))?;
    Ok(tokens)
}
