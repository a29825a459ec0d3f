//! How requests become records.

/// How requests become records.
#[derive(Clone, Debug)]
pub struct ConvertSettings {
    /// The attribute whose value keys sequences; looked for on the record, then its resource.
    pub sequence_attribute: Option<String>,
    /// The id of this process. Telemetry that carries it is knothole's own and is not judged.
    pub instance_id: String,
    /// Longest body in bytes; the rest is cut off. Default 64 KiB.
    pub body_len_max: usize,
    /// Longest attribute value in bytes; the rest is cut off. Default 4 KiB.
    pub attribute_len_max: usize,
    /// Most attributes of a resource; later ones are left out. Default 128.
    pub resource_attributes_max: usize,
}

impl ConvertSettings {
    /// The defaults, for the process `instance_id`.
    pub fn of_instance(instance_id: &str) -> Self {
        Self {
            sequence_attribute: None,
            instance_id: instance_id.to_owned(),
            body_len_max: 64 << 10,
            attribute_len_max: 4 << 10,
            resource_attributes_max: 128,
        }
    }
}
