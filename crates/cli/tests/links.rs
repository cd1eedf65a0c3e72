//! Paths that the user names: FIFOs and devices are refused at once, links are followed, and of a large file of another kind
//! only the beginning is read. Not here: what is in a run directory (`run_dirs.rs`).
#![cfg(unix)]

mod place;

use std::fs;
use std::os::unix::fs::symlink;

use place::Place;
use place::waiting::{fifo, within_time};

#[test]
fn a_model_or_text_that_is_no_regular_file_is_refused_at_once() {
    let place = Place::with_run();
    fifo(&place.path("pipe"));
    for path in ["pipe", "/dev/zero"] {
        let want = format!("cannot read {path}: a FIFO, socket or device, expected a regular file");
        for verb in ["info", "sample", "eval"] {
            let args = [&[verb, path][..], if verb == "eval" { &["text.txt"] } else { &[] }].concat();
            let (code, messages) = within_time(place.command(&args));
            assert!(code == Some(1) && messages.contains(&want), "{verb} {path}: {messages}");
        }
        let (code, messages) = within_time(place.command(&["train", path, "--steps", "1"]));
        assert!(code == Some(1) && messages.contains(&want), "train {path}: {messages}");
    }
    // A link that the user names is followed.
    symlink(place.path("run/best.safetensors"), place.path("linked.safetensors")).unwrap();
    assert_eq!(within_time(place.command(&["sample", "linked.safetensors", "-n", "3"])).0, Some(0));
}

#[test]
fn a_large_file_of_another_kind_is_refused_by_its_beginning() {
    let place = Place::new();
    // A sparse file, of which all would be read otherwise.
    fs::File::create(place.path("large.safetensors")).unwrap().set_len(1 << 36).unwrap();
    let (code, messages) = within_time(place.command(&["info", "large.safetensors"]));
    assert!(code == Some(1) && messages.contains("not a safetensors file"), "{messages}");
}
