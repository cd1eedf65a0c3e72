//! Weights of any declared parameters in a safetensors file: with the user's metadata, written whole or not at all,
//! with a checksum; and plain files of other programs, such as a PyTorch state dict. Not here: model files of the
//! program (`model_file.rs`), which hold a configuration and a vocabulary too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use elman_kernels::Element;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::disk::Disk;
use super::model_file::{MODEL, named};
use super::state_file::KEY as STATE;
use super::tensor_file::{self, TensorFile};
use crate::autodiff::params::{Declaration, Params};
use crate::error::Error;
use crate::files::regular::Links;

/// The metadata key of files that [`save`] writes.
const KEY: &str = "elman_weights";
/// Version of its value. Another number is an error.
const FORMAT: u64 = 1;

/// The value of the metadata key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    format: u64,
    metadata: Value,
}

/// Writes parameters by their names, in PyTorch's layout, with any JSON value as metadata. Equal contents give equal
/// bytes.
///
/// Errors: a number that is not finite; the file cannot be written. Then an earlier file stays as it was.
pub fn save<E: Element>(path: impl AsRef<Path>, params: &Params<E>, metadata: &Value) -> Result<(), Error> {
    let meta = Meta { format: FORMAT, metadata: metadata.clone() };
    tensor_file::write(&Disk::default(), path.as_ref(), KEY, &meta, named("", params))
}

/// A file of weights that was read.
pub struct Weights {
    path: PathBuf,
    file: TensorFile,
    /// What names in the file begin with, and what stands there in the names that are declared.
    prefixes: Vec<(String, String)>,
    ignores_others: bool,
}

impl Weights {
    /// Reads a safetensors file. Errors: it cannot be read; it is cut short or no safetensors file; its checksum, where
    /// it has one, is not that of its contents; a file of ours without a checksum, which only models of the first
    /// version lack.
    pub fn read(path: impl AsRef<Path>) -> Result<Weights, Error> {
        let path = path.as_ref();
        Weights::of(TensorFile::read(path, Links::Follow)?, path)
    }

    /// The same of bytes in memory; `path` is what messages call them.
    pub fn from_bytes(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Weights, Error> {
        let path = path.as_ref();
        Weights::of(TensorFile::of(path, bytes), path)
    }

    fn of(file: TensorFile, path: &Path) -> Result<Weights, Error> {
        let weights = Weights { path: path.to_path_buf(), file, prefixes: Vec::new(), ignores_others: false };
        weights.file.parse()?.check_sums(&[MODEL, (STATE, |_| false), (KEY, |_| false)])?;
        weights.metadata()?;
        Ok(weights)
    }

    /// Whether this is a model with a configuration ([`super::model_file`]). Errors: as [`Weights::read`].
    pub(crate) fn is_model(&self) -> Result<bool, Error> {
        Ok(self.file.parse()?.has_key(MODEL.0))
    }

    /// The metadata that [`save`] was given; None in a file of another program.
    pub fn metadata(&self) -> Result<Option<Value>, Error> {
        let tensors = self.file.parse()?;
        if !tensors.has_key(KEY) {
            return Ok(None);
        }
        Ok(Some(tensors.meta::<Meta>(KEY, "a file of weights", FORMAT, |_| false)?.metadata))
    }

    /// The names and shapes in the file, sorted by name.
    pub fn shapes(&self) -> Result<Vec<(String, Vec<usize>)>, Error> {
        let tensors = self.file.parse()?;
        Ok(tensors.names().iter().map(|name| (name.to_string(), tensors.shape(name).unwrap_or_default())).collect())
    }

    /// Reads names that begin with `from` as if they began with `to`: `("module.gru.", "")` for a layer that was
    /// declared without a prefix. Once there is such a rule, tensors that no rule names are skipped. The first rule
    /// that fits counts.
    pub fn rename(mut self, from: impl Into<String>, to: impl Into<String>) -> Weights {
        self.prefixes.push((from.into(), to.into()));
        self
    }

    /// Passes over tensors that are not declared instead of refusing them.
    pub fn ignore_others(mut self) -> Weights {
        self.ignores_others = true;
        self
    }

    /// The declared parameters, from tensors of f16, bf16, f32 or f64 that the numbers of `E` hold exactly. A bias that
    /// the file lacks is zero. Memory is made when every tensor has its right shape.
    ///
    /// Errors: a weight that is missing; a tensor that is not declared; another shape; numbers wider than `E`; a number
    /// that is not finite; two tensors of one name after renaming.
    pub fn params<E: Element>(&self, declaration: Declaration) -> Result<Params<E>, Error> {
        let tensors = self.file.parse()?;
        let refuse = |problem: String| Error::file(&self.path, problem);
        let mut sources: BTreeMap<String, &str> = BTreeMap::new();
        for name in tensors.names() {
            let Some(declared) = self.renamed(name) else { continue };
            if let Some(other) = sources.get(&declared) {
                return Err(refuse(format!("{other} and {name} are both {declared}, expected one")));
            }
            sources.insert(declared, name);
        }
        let mut found: Vec<Option<&str>> = Vec::new();
        for declared in declaration.shapes() {
            let source = sources.remove(declared.name);
            match source {
                Some(source) => tensors.check_wide::<E>(source, declared.formula, declared.shape)?,
                None if is_bias(declared.name) && declared.shape.len() == 1 => {}
                None => return Err(refuse(format!("{} is missing", declared.name))),
            }
            found.push(source);
        }
        if let Some(source) = sources.values().next().filter(|_| !self.ignores_others) {
            return Err(refuse(format!("{source} is not a tensor of this network")));
        }
        let mut params: Params<E> = declaration.zeros()?;
        let names: Vec<String> = params.names().map(str::to_string).collect();
        for (name, source) in names.iter().zip(found) {
            if let Some(source) = source {
                params.set(name, &tensors.wide_values(source)?)?;
            }
        }
        Ok(params)
    }

    /// Sets every parameter. Errors: as [`Weights::params`], and a bias that is missing.
    pub(crate) fn copy_into<E: Element>(&self, params: &mut Params<E>) -> Result<(), Error> {
        let tensors = self.file.parse()?;
        let names: Vec<String> = params.names().map(str::to_string).collect();
        if let Some(name) = tensors.names().into_iter().find(|name| !names.iter().any(|known| known == name)) {
            return Err(Error::file(&self.path, format!("{name} is not a tensor of this network")));
        }
        for name in &names {
            let shape = params.shape(name).unwrap_or_default().to_vec();
            tensors.check_wide::<E>(name, "the shape of the new run", &shape)?;
        }
        for name in &names {
            params.set(name, &tensors.wide_values(name)?)?;
        }
        Ok(())
    }

    /// The declared name for a tensor's name; None where no rule maps it.
    fn renamed(&self, name: &str) -> Option<String> {
        if self.prefixes.is_empty() {
            return Some(name.to_string());
        }
        let rule = |(from, to): &(String, String)| Some(format!("{to}{}", name.strip_prefix(from.as_str())?));
        self.prefixes.iter().find_map(rule)
    }
}

/// Whether a vector of this name is a bias: `bias_hh_l0`, `fc.bias`. A gain that is missing is no zero.
fn is_bias(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.starts_with("bias"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use safetensors::{Dtype, tensor::TensorView};
    use serde_json::json;

    use super::*;

    fn declared() -> Declaration {
        let mut declaration = Declaration::default();
        declaration.weight("fc.weight", 2, 3);
        declaration.bias("fc.bias", 2);
        declaration
    }

    /// A file of another program: name, type, shape and bytes of each tensor.
    fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Weights {
        let view = |(name, dtype, shape, bytes): &'_ (&str, Dtype, &[usize], Vec<u8>)| {
            (name.to_string(), TensorView::new(*dtype, shape.to_vec(), &bytes[..]).unwrap().to_owned_parts())
        };
        let parts: Vec<_> = tensors.iter().map(view).collect();
        let views: HashMap<String, TensorView<'_>> = parts
            .iter()
            .map(|(name, (dtype, shape, bytes))| (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()))
            .collect();
        Weights::from_bytes(safetensors::serialize(&views, None).unwrap(), "w").unwrap()
    }

    /// The parts of a view that outlive it.
    trait Parts {
        fn to_owned_parts(&self) -> (Dtype, Vec<usize>, Vec<u8>);
    }

    impl Parts for TensorView<'_> {
        fn to_owned_parts(&self) -> (Dtype, Vec<usize>, Vec<u8>) {
            (self.dtype(), self.shape().to_vec(), self.data().to_vec())
        }
    }

    fn le<const N: usize>(values: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
        values.into_iter().flatten().collect()
    }

    #[test]
    fn f16_and_bf16_are_widened_exactly_and_a_missing_bias_is_zero() {
        // 1.5, -2, 2^-24 (subnormal), 65504, -0, 0.333251953125 in f16; the upper halves of f32 in bf16.
        let f16: [u16; 6] = [0x3E00, 0xC000, 0x0001, 0x7BFF, 0x8000, 0x3555];
        let want = [1.5, -2.0, 2f64.powi(-24), 65504.0, -0.0, 0.333251953125];
        let weights = file(&[("fc.weight", Dtype::F16, &[2, 3], le(f16.map(u16::to_le_bytes)))]);
        let params: Params<f64> = weights.params(declared()).unwrap();
        let got = params.get("fc.weight").unwrap();
        assert!(got.iter().zip(want).all(|(a, b)| a.to_bits() == b.to_bits()), "{got:?}");
        assert_eq!(params.get("fc.bias").unwrap(), [0.0, 0.0]);
        let bf16 = [1.5f32, -2.0, 1e-40, 3.0e38, -0.0, 0.5].map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes());
        let weights = file(&[("fc.weight", Dtype::BF16, &[2, 3], le(bf16))]);
        let got = weights.params::<f32>(declared()).unwrap().get("fc.weight").unwrap();
        let widened = bf16.map(|bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16));
        assert!(got.iter().zip(widened).all(|(a, b)| a.to_bits() == b.to_bits()), "{got:?}");
    }

    #[test]
    fn every_parameter_is_set_from_a_tensor_of_its_name_and_shape() {
        let numbers = |n: usize| le((0..n).map(|i| (i as f32 + 0.5).to_le_bytes()));
        let weight = || ("fc.weight", Dtype::F32, &[2_usize, 3][..], numbers(6));
        let bias = || ("fc.bias", Dtype::F32, &[2_usize][..], numbers(2));
        let copy = |tensors: &[(&str, Dtype, &[usize], Vec<u8>)]| {
            let mut params: Params<f32> = declared().zeros().unwrap();
            let done = file(tensors).copy_into(&mut params).map_err(|error| error.to_string());
            done.map(|()| (params.get("fc.weight").unwrap(), params.get("fc.bias").unwrap()))
        };
        assert_eq!(copy(&[weight(), bias()]).unwrap(), (vec![0.5, 1.5, 2.5, 3.5, 4.5, 5.5], vec![0.5, 1.5]));
        let more = copy(&[weight(), bias(), ("norm", Dtype::F32, &[1], numbers(1))]);
        assert_eq!(more.unwrap_err(), "norm is not a tensor of this network (w)");
        assert_eq!(copy(&[weight()]).unwrap_err(), "fc.bias is missing (w)");
        let shape = copy(&[weight(), ("fc.bias", Dtype::F32, &[3], numbers(3))]);
        assert!(shape.unwrap_err().starts_with("fc.bias has shape [3], expected"));
    }

    #[test]
    fn names_are_mapped_and_what_does_not_fit_is_refused_by_name() {
        let numbers = |n: usize| le((0..n).map(|i| (i as f32).to_le_bytes()));
        let wide = |n: usize| le((0..n).map(|i| (i as f64).to_le_bytes()));
        let mapped = || {
            file(&[
                ("module.fc.weight", Dtype::F32, &[2, 3], numbers(6)),
                ("module.other", Dtype::F32, &[1], numbers(1)),
                ("step", Dtype::F32, &[1], numbers(1)),
            ])
        };
        let refused = |weights: Weights| weights.params::<f32>(declared()).unwrap_err().to_string();
        assert_eq!(refused(mapped()), "fc.weight is missing (w)");
        assert_eq!(refused(mapped().rename("module.", "")), "module.other is not a tensor of this network (w)");
        let params = mapped().rename("module.fc.", "fc.").params::<f32>(declared()).unwrap();
        assert_eq!(params.get("fc.weight").unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(mapped().rename("module.", "").ignore_others().params::<f32>(declared()).is_ok());
        let twice = mapped().rename("module.fc.", "fc.").rename("module.other", "fc.weight");
        assert_eq!(refused(twice), "module.fc.weight and module.other are both fc.weight, expected one (w)");
        let shape = file(&[("fc.weight", Dtype::F32, &[3, 2], numbers(6))]);
        assert!(refused(shape).starts_with("fc.weight has shape [3, 2], expected"));
        let double = file(&[("fc.weight", Dtype::F64, &[2, 3], wide(6))]);
        assert_eq!(refused(double), "fc.weight has dtype F64, expected F16, BF16 or F32 (w)");
        let nan = file(&[("fc.weight", Dtype::F32, &[2, 3], le([[0, 0, 0xC0, 0x7F]; 6]))]);
        assert_eq!(refused(nan), "fc.weight holds NaN, expected finite numbers (w)");
        let whole = file(&[("fc.weight", Dtype::I64, &[2, 3], wide(6))]);
        assert_eq!(refused(whole), "fc.weight has dtype I64, expected F16, BF16 or F32 (w)");
    }

    #[test]
    fn a_gain_that_is_missing_is_no_zero_and_a_damaged_model_file_is_found() {
        let declared = || {
            let mut declaration = declared();
            declaration.bias("fc.gain", 2);
            declaration
        };
        let numbers = le((0..6).map(|i| (i as f32).to_le_bytes()));
        let refused = file(&[("fc.weight", Dtype::F32, &[2, 3], numbers)]).params::<f32>(declared()).unwrap_err();
        assert_eq!(refused.to_string(), "fc.gain is missing (w)");
        // The checksum of a file of any other kind is compared, too.
        let params: Params<f32> = declared().zeros().unwrap();
        let path = std::path::Path::new("model");
        let mut bytes = tensor_file::serialize(path, "elman", &json!({"format": 1}), named("", &params)).unwrap();
        assert!(Weights::from_bytes(bytes.clone(), "w").is_ok());
        *bytes.last_mut().unwrap() ^= 1;
        assert!(Weights::from_bytes(bytes, "w").map(|_| ()).unwrap_err().to_string().starts_with("damaged"));
    }

    #[test]
    fn what_is_saved_comes_back_with_its_metadata_and_a_changed_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        let mut params: Params<f32> = declared().zeros().unwrap();
        params.set("fc.weight", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.5]).unwrap();
        let metadata = json!({"units": ["C", "m/s"], "mean": 12.25});
        save(&path, &params, &metadata).unwrap();
        let weights = Weights::read(&path).unwrap();
        assert_eq!(weights.metadata().unwrap(), Some(metadata));
        assert_eq!(weights.params::<f32>(declared()).unwrap().values(), params.values());
        assert_eq!(weights.params::<f64>(declared()).unwrap().get("fc.weight").unwrap()[5], 6.5, "f32 is widened");
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        let damaged = Weights::from_bytes(bytes, "w").map(|_| ()).unwrap_err().to_string();
        assert!(damaged.starts_with("damaged: the checksum"), "{damaged}");
    }
}
