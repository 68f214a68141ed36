//! Compiles proto/ through protox, so that no protoc need be installed, and keeps the encoded
//! descriptor set for reflection.

use std::path::{Path, PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = ["memory", "transcript", "dream"]
        .iter()
        .map(|package| proto_files(&root.join("reverie").join(package).join("v1")));
    let files: Vec<PathBuf> = files.collect::<Result<Vec<_>, _>>()?.concat();

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    // The encoded set, not the decoded one: decoding drops custom options.
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    let set = prost_types::FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice())?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names(); // error details are packed by name
    tonic_prost_build::configure().bytes(".").compile_fds_with_config(set, config)?;
    Ok(())
}

fn proto_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "proto"));
    files.sort();
    Ok(files)
}
