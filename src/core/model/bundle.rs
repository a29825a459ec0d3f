//! A model as one file: weights and vocabulary in the safetensors format, the manifest as its
//! only metadata.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::Device;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Manifest, ModelError, Network, Vocabulary, Weights, device};

/// A trained network with its vocabulary and manifest.
#[derive(Clone, Debug)]
pub struct Bundle {
    manifest: Manifest,
    vocabulary: Vocabulary,
    network: Network,
    /// What the voices beside the network know; opaque here.
    voices: Arc<[u8]>,
    version: Box<str>,
}

/// Why bytes are no bundle that this build can use.
#[derive(Debug, Error)]
pub enum BundleError {
    /// Longer than any bundle this build writes.
    #[error("bundle has {len} bytes, more than the {max} allowed")]
    TooLong {
        /// Its length.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("cannot read the bundle as safetensors: {0}")]
    Layout(#[from] safetensors::SafeTensorError),
    /// A safetensors file that knothole did not write.
    #[error("bundle has no manifest")]
    NoManifest,
    /// The manifest is not what this build expects.
    #[error("cannot read the manifest of the bundle: {0}")]
    Manifest(#[from] serde_json::Error),
    /// Written by another version of the format.
    #[error("bundle has format {found}, this build reads format {known}; train it again", known = Manifest::FORMAT)]
    Format {
        /// The format it has.
        found: u32,
    },
    /// Some byte was changed after the bundle was written.
    #[error("bundle does not match its checksum")]
    Checksum,
    /// A network that this build does not know, or templates that contradict each other.
    #[error("bundle contradicts itself: {0}")]
    Contradiction(&'static str),
    /// A weight is missing or has another shape or type.
    #[error("bundle has no weights {name} of the right shape")]
    Shape {
        /// The name of the tensor.
        name: &'static str,
    },
    /// A weight is not a number.
    #[error("bundle has a weight in {name} that is not a finite number")]
    NotFinite {
        /// The name of the tensor.
        name: &'static str,
    },
    /// The network cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The name of the one metadata entry. One, because several would have no fixed order.
const METADATA_KEY: &str = "knothole";
/// The name of the tensor of bytes that holds what the voices know.
const VOICES_NAME: &str = "voices";
/// What `content_sha256` is while the hash is taken.
const CHECKSUM_BLANK: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const VERSION_DIGITS: usize = 12;

impl Bundle {
    /// Longest bundle read or written.
    pub const LEN_MAX: usize = 64 << 20;
    /// Longest header (names, shapes, manifest) read or written.
    pub const HEADER_LEN_MAX: usize = 16 << 20;

    /// Puts a bundle together; `content_sha256` is computed. `voices` is carried as it is.
    ///
    /// # Errors
    /// When the manifest's templates are not those of the network, or the network's weights
    /// cannot be written.
    pub fn new(manifest: Manifest, network: &Network, voices: &[u8]) -> Result<Self, BundleError> {
        let blank = Manifest {
            content_sha256: CHECKSUM_BLANK.into(),
            ..manifest
        };
        let bytes = write(&blank, network.weights(), voices)?;
        let bytes = sealed(bytes)?;
        // Reading back makes the bundle in memory the bundle that a file would give.
        Self::from_bytes(&bytes)
    }

    /// Reads a bundle onto [`device()`]. Bytes from anywhere may be given.
    ///
    /// # Errors
    /// When the bytes are no bundle, a damaged one, or one of another format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > Self::LEN_MAX {
            return Err(BundleError::TooLong {
                len: bytes.len(),
                max: Self::LEN_MAX,
            });
        }
        let header_len = header_len(bytes).ok_or(BundleError::NoManifest)?;
        if header_len > Self::HEADER_LEN_MAX {
            return Err(BundleError::TooLong {
                len: header_len,
                max: Self::HEADER_LEN_MAX,
            });
        }
        let manifest = read_manifest(bytes)?;
        check_content(bytes, header_len, &manifest)?;
        if !manifest.has_known_shape() {
            return Err(BundleError::Contradiction(
                "the network has an unknown shape",
            ));
        }
        let vocabulary = manifest.vocabulary().ok_or(BundleError::Contradiction(
            "the templates are not well named",
        ))?;
        let tensors = SafeTensors::deserialize(bytes)?;
        let network = read_network(&tensors, vocabulary.key_count(), &device())?;
        let voices = tensors
            .tensor(VOICES_NAME)
            .map_err(|_| BundleError::Shape { name: VOICES_NAME })?;
        let voices = voices.data().into();
        let version = manifest
            .content_sha256
            .get(..VERSION_DIGITS)
            .unwrap_or_default();
        let version = format!("sha256:{version}").into();
        Ok(Self {
            manifest,
            vocabulary,
            network,
            voices,
            version,
        })
    }

    /// The file. The same bundle gives the same bytes.
    ///
    /// # Errors
    /// When the manifest is longer than a header may be.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        write(&self.manifest, self.network.weights(), &self.voices)
    }

    /// A short name for exactly this content: `sha256:` and 12 hex digits.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the bundle says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The templates the network knows.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// What the voices beside the network know, as they wrote it.
    pub fn voices(&self) -> &[u8] {
        &self.voices
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }
}

fn write(manifest: &Manifest, weights: &Weights, voices: &[u8]) -> Result<Vec<u8>, BundleError> {
    let mut tensors = Vec::new();
    for ((name, shape), values) in weights.shapes().into_iter().zip(weights.values()) {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        tensors.push((name, shape, bytes));
    }
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape, bytes) in &tensors {
        views.push((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?));
    }
    views.push((
        VOICES_NAME,
        TensorView::new(Dtype::U8, vec![voices.len()], voices)?,
    ));
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), serde_json::to_string(manifest)?)]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// The bytes with their checksum put in. The checksum has as many digits as the blank it
/// replaces, so that nothing else moves.
fn sealed(mut bytes: Vec<u8>) -> Result<Vec<u8>, BundleError> {
    let header_len = header_len(&bytes).ok_or(BundleError::NoManifest)?;
    let place = find(&bytes, header_len, CHECKSUM_BLANK).ok_or(BundleError::Checksum)?;
    let sum = hex(&Sha256::digest(&bytes));
    bytes.splice(place..place + sum.len(), sum.bytes());
    Ok(bytes)
}

fn check_content(bytes: &[u8], header_len: usize, manifest: &Manifest) -> Result<(), BundleError> {
    let written = &manifest.content_sha256;
    let place = find(bytes, header_len, written).ok_or(BundleError::Checksum)?;
    if written.len() != CHECKSUM_BLANK.len() {
        return Err(BundleError::Checksum);
    }
    let (before, rest) = bytes.split_at(place);
    let after = rest.get(written.len()..).unwrap_or_default();
    let parts = [before, CHECKSUM_BLANK.as_bytes(), after];
    let sum = parts
        .iter()
        .fold(Sha256::new(), |sum, part| sum.chain_update(part))
        .finalize();
    if hex(&sum) == *written {
        Ok(())
    } else {
        Err(BundleError::Checksum)
    }
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, BundleError> {
    #[derive(serde::Deserialize)]
    struct FormatOnly {
        format: u32,
    }
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().as_ref().ok_or(BundleError::NoManifest)?;
    let text = metadata.get(METADATA_KEY).ok_or(BundleError::NoManifest)?;
    let FormatOnly { format } = serde_json::from_str(text)?;
    if format != Manifest::FORMAT {
        return Err(BundleError::Format { found: format });
    }
    Ok(serde_json::from_str(text)?)
}

fn read_network(
    tensors: &SafeTensors<'_>,
    key_count: usize,
    device: &Device,
) -> Result<Network, BundleError> {
    let mut all: [Vec<f32>; Weights::COUNT] = Default::default();
    for (values, (name, shape)) in all.iter_mut().zip(Weights::shapes_of(key_count)) {
        let view = tensors
            .tensor(name)
            .map_err(|_| BundleError::Shape { name })?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            return Err(BundleError::Shape { name });
        }
        let (words, _) = view.data().as_chunks::<4>();
        *values = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        if !values.iter().all(|value| value.is_finite()) {
            return Err(BundleError::NotFinite { name });
        }
    }
    Ok(Network::new(Weights::new(key_count, all), device)?)
}

/// The length of the header that a safetensors file announces in its first eight bytes.
fn header_len(bytes: &[u8]) -> Option<usize> {
    let (len, _) = bytes.split_first_chunk::<8>()?;
    usize::try_from(u64::from_le_bytes(*len)).ok()
}

fn find(bytes: &[u8], header_len: usize, text: &str) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    let header = bytes.get(..header_len.checked_add(8)?)?;
    header
        .windows(text.len())
        .position(|window| window == text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::TemplateRef;
    use crate::core::model::Calibration;
    use crate::core::model::network::tests::weights;
    use crate::core::record::TemplateId;

    fn bundle() -> Bundle {
        let templates = [("send <num>", u64::MAX), ("done \"<str>\"", 7)];
        let templates = templates.map(|(text, id)| TemplateRef {
            id: TemplateId(id),
            text: text.into(),
        });
        let calibration = Calibration {
            alarm_rate: 0.005,
            top_g: 2,
            sequences: 3,
            worst: vec![5.123_456, 0.1 + 0.2, 1e-7],
        };
        let manifest = Manifest {
            calibration,
            ..Manifest::of_templates(&templates)
        };
        let network = Network::new(weights(4), &Device::Cpu).unwrap();
        Bundle::new(manifest, &network, b"voices").unwrap()
    }

    /// The bytes with a manifest changed by `edit` and a checksum that fits it again.
    fn edited(edit: impl Fn(&mut Manifest)) -> Vec<u8> {
        let bundle = bundle();
        let mut manifest = bundle.manifest().clone();
        edit(&mut manifest);
        manifest.content_sha256 = CHECKSUM_BLANK.into();
        sealed(write(&manifest, bundle.network().weights(), bundle.voices()).unwrap()).unwrap()
    }

    fn refusal(bytes: &[u8]) -> String {
        Bundle::from_bytes(bytes)
            .err()
            .map_or("read".into(), |error| error.to_string())
    }

    #[test]
    fn what_was_written_is_read_and_written_again_to_the_byte() {
        let bytes = bundle().to_bytes().unwrap();
        let read = Bundle::from_bytes(&bytes).unwrap();
        assert_eq!(read.to_bytes().unwrap(), bytes);
        assert_eq!(read.manifest(), bundle().manifest());
        assert_eq!(read.network().weights(), bundle().network().weights());
        assert_eq!(read.vocabulary().templates()[0].id, TemplateId(u64::MAX));
        assert!(read.version().starts_with("sha256:") && read.version().len() == 19);
        assert_eq!(read.version(), bundle().version());
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let bytes = bundle().to_bytes().unwrap();
        for place in (0..bytes.len()).step_by(97).chain(0..200) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 4;
            assert_ne!(refusal(&damaged), "read", "byte {place} may be changed");
        }
        for len in [0, 7, 8, 100, bytes.len() - 1] {
            assert_ne!(refusal(&bytes[..len]), "read");
        }
        assert_ne!(refusal(&[bytes.clone(), vec![0]].concat()), "read");
    }

    #[test]
    fn a_header_of_absurd_length_is_refused_before_it_is_read() {
        let mut bytes = bundle().to_bytes().unwrap();
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(refusal(&bytes).ends_with("more than the 16777216 allowed"));
    }

    #[test]
    fn bundles_that_contradict_this_build_or_themselves_are_refused() {
        assert_eq!(
            refusal(&edited(|manifest| manifest.format = 1)),
            "bundle has format 1, this build reads format 2; train it again"
        );
        assert!(refusal(&edited(|manifest| manifest.hidden = 32)).ends_with("an unknown shape"));
        let twice = |manifest: &mut Manifest| manifest.templates[1] = manifest.templates[0].clone();
        assert!(refusal(&edited(twice)).ends_with("the templates are not well named"));
        let fewer = |manifest: &mut Manifest| manifest.templates.truncate(1);
        assert_eq!(
            refusal(&edited(fewer)),
            "bundle has no weights lstm0.input of the right shape"
        );
    }

    #[test]
    fn a_weight_that_is_no_number_is_refused() {
        let mut weights = weights(4);
        weights = {
            let mut values = weights.values().clone();
            values[2][5] = f32::NAN;
            Weights::new(4, values)
        };
        let network = Network::new(weights, &Device::Cpu).unwrap();
        let error = Bundle::new(bundle().manifest().clone(), &network, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "bundle has a weight in lstm0.recurrent that is not a finite number"
        );
    }
}
