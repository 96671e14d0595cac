//! Writes the seeds of the log's targets: `cargo run --manifest-path fuzz/Cargo.toml --example log_seeds`.
//!
//! Each goes through its oracle first.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let targets = [
        ("log_files", tenzik_fuzz::seeds::log_files(), tenzik_fuzz::log_files as fn(&[u8])),
        ("log_trees", tenzik_fuzz::seeds::log_trees(), tenzik_fuzz::log_trees),
    ];
    for (target, seeds, oracle) in targets {
        fs::create_dir_all(corpus.join(target))?;
        for (name, bytes) in seeds {
            oracle(&bytes);
            fs::write(corpus.join(target).join(name), bytes)?;
        }
    }
    Ok(())
}
