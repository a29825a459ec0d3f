//! The pinned `.proto` files and the code we speak OTLP with are one version of the protocol.

use std::path::Path;

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodOptions};

const ENTRY_POINTS: [&str; 3] = [
    "opentelemetry/proto/collector/logs/v1/logs_service.proto",
    "opentelemetry/proto/collector/metrics/v1/metrics_service.proto",
    "opentelemetry/proto/collector/trace/v1/trace_service.proto",
];

/// Leaves out comments, and the empty options that one compiler writes and another does not.
fn bare(mut file: FileDescriptorProto) -> FileDescriptorProto {
    file.source_code_info = None;
    for method in file
        .service
        .iter_mut()
        .flat_map(|service| &mut service.method)
    {
        method
            .options
            .take_if(|options| *options == MethodOptions::default());
    }
    file
}

#[test]
fn the_pinned_protos_are_what_the_code_speaks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let pinned = protox::compile(ENTRY_POINTS, [root]).unwrap();
    let spoken = FileDescriptorSet::decode(opentelemetry_proto::DESCRIPTORS).unwrap();
    assert_eq!(
        pinned.file.len(),
        8,
        "three services, three signals, common and resource"
    );
    for file in pinned.file {
        let name = file.name().to_owned();
        let same = spoken.file.iter().find(|other| other.name() == name);
        let same = same.unwrap_or_else(|| panic!("the crate does not know {name}"));
        assert_eq!(bare(file), bare(same.clone()), "{name}");
    }
}
