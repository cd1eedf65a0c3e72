//! No crate but the kernels' may have unsafe code, and each says so to the compiler.

use std::fs;
use std::path::Path;

#[test]
fn every_crate_but_the_kernels_forbids_unsafe_code() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut roots = 0;
    for entry in fs::read_dir(crates).unwrap() {
        let folder = entry.unwrap().path();
        for root in ["src/lib.rs", "src/main.rs"].map(|root| folder.join(root)) {
            let Ok(text) = fs::read_to_string(&root) else { continue };
            let forbids = text.lines().any(|line| line == "#![forbid(unsafe_code)]");
            let is_kernels = folder.file_name().is_some_and(|name| name == "kernels");
            assert!(forbids != is_kernels, "{}: forbids unsafe code: {forbids}", root.display());
            roots += 1;
        }
    }
    assert!(roots >= 8, "{roots} crate roots were found");
}
