//! Takes the first handler out of README.md, so that `src/bin/first_handler.rs` is what stands there.

use std::path::Path;
use std::{env, fs};

const README: &str = "../README.md";

fn main() {
    println!("cargo::rerun-if-changed={README}");
    let readme = fs::read_to_string(README).expect("README.md lies at the root of the workspace");
    let blocks = readme.split("```rust\n").skip(1);
    let mut programs = blocks
        .filter_map(|block| block.split("```").next())
        .filter(|block| block.contains("fn main("));
    let program = programs.next().expect("README.md shows a whole program");
    let folder = env::var_os("OUT_DIR").expect("cargo names a folder for a build script");
    fs::write(Path::new(&folder).join("first_handler.rs"), program)
        .expect("cargo's folder can be written");
}
