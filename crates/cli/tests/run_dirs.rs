//! Run directories of somebody else: links, hard links, FIFOs, sockets, devices and directories in place of a run's files,
//! foreign locks, missing rights. Nothing outside the directory is read into the run or changed, nothing waits, and the
//! message names the file.
#![cfg(unix)]

#[path = "../../../.ci/not_run.rs"]
mod not_run;
mod place;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use not_run::not_run;
use place::waiting::{fifo, within_time};
use place::{Place, TINY};

/// A user without rights, for tests that run as root.
const NOBODY: u32 = 65534;

/// Continues a run of 20 steps.
const RESUME: &[&str] = &["train", "text.txt", "--resume", "run", "--steps", "30", "--force"];
/// Resumes a run that has nothing left to do.
const RESUME_AT_END: &[&str] = &["train", "text.txt", "--resume", "run"];

/// The files of a finished run and its text, made once and written out for each case.
struct Template(BTreeMap<PathBuf, Vec<u8>>);

impl Template {
    fn new() -> Template {
        let place = Place::with_text();
        // Saves of earlier steps, and one to roll back to, so that every name of a run is there.
        let train = ["train", "text.txt", "--out", "run", "--steps", "20", "--on-nan", "rollback", "--keep", "2"];
        place.done(&[&train[..], &["--save-every", "5", "--sample-every", "10"], &TINY].concat());
        let root = place.path("");
        let files = place.files().into_iter().filter(|(path, _)| path.is_file());
        Template(files.map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_path_buf(), bytes)).collect())
    }

    /// A fresh copy, with files outside of the run that must stay as they are.
    fn place(&self) -> Place {
        let place = Place::new();
        for (path, bytes) in &self.0 {
            place.write(path.to_str().unwrap(), bytes);
        }
        place.write("outside/victim", "what is here stays\n");
        place.write("outside/model.safetensors", &self.0[Path::new("run/model.safetensors")]);
        place
    }
}

/// Every file outside the run with its bytes, and the names of all else.
fn outside(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(place.path("outside")).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect()
}

/// What stands in place of a file of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Link,
    DanglingLink,
    LinkToDevice,
    HardLink,
    Fifo,
    Socket,
    Directory,
}

use Kind::*;

const KINDS: [Kind; 7] = [Link, DanglingLink, LinkToDevice, HardLink, Fifo, Socket, Directory];

impl Kind {
    /// Replaces `path`. A link leads to a copy of what was there, so that its contents are no reason for an error.
    fn put(self, place: &Place, path: &Path) {
        let copy = place.path("outside/copy");
        fs::write(&copy, fs::read(path).unwrap_or_else(|_| b"what is here stays\n".to_vec())).unwrap();
        let _ = fs::remove_file(path);
        match self {
            Link => symlink(copy, path).unwrap(),
            DanglingLink => symlink(place.path("outside/nowhere"), path).unwrap(),
            LinkToDevice => symlink("/dev/zero", path).unwrap(),
            HardLink => fs::hard_link(copy, path).unwrap(),
            Fifo => fifo(path),
            Socket => drop(UnixListener::bind(path).unwrap()),
            Directory => fs::create_dir(path).unwrap(),
        }
    }

    /// The message where the file is read or changed in place.
    fn refusal(self) -> &'static str {
        match self {
            Link | DanglingLink | LinkToDevice => "a symbolic link, expected a regular file",
            HardLink => "a file with 2 names (hard links), expected one with no other name",
            Fifo | Socket => "a FIFO, socket or device, expected a regular file",
            Directory => "a directory, expected a regular file",
        }
    }
}

/// What a resume makes of something in place of one of the run's files: None where it ends well, else a part of the message. `name`
/// is in the message, except where the whole directory is no run.
fn resumed(name: &str, kind: Kind) -> Option<&'static str> {
    match (name, kind) {
        // Changed in place.
        (".lock" | "log.jsonl" | "samples.txt", _) => Some(kind.refusal()),
        // Read, and replaced by a rename.
        ("config.toml" | "state.safetensors", HardLink) => None,
        ("config.toml", _) => Some(kind.refusal()),
        ("state.safetensors", Link) => Some(kind.refusal()),
        ("state.safetensors", _) => Some("it holds no state.safetensors"),
        // Only removed.
        ("model-20.safetensors", Directory) => Some("cannot remove"),
        // Only replaced by a rename, which replaces a link and not where it leads.
        (_, Directory) => Some("cannot write"),
        _ => None,
    }
}

#[test]
fn nothing_in_a_run_directory_leads_out_of_it_or_waits() {
    let (template, mut cases) = (Template::new(), 0);
    let names = [
        ".lock",
        "log.jsonl",
        "samples.txt",
        "state.safetensors",
        "config.toml",
        "model.safetensors",
        "model-20.safetensors",
    ];
    for name in names {
        for kind in KINDS {
            let place = template.place();
            kind.put(&place, &place.path("run").join(name));
            let before = outside(&place);
            let (code, messages) = within_time(place.command(RESUME));
            match resumed(name, kind) {
                None => assert_eq!(code, Some(0), "{name} {kind:?}: {messages}"),
                Some(want) => {
                    assert_eq!(code, Some(1), "{name} {kind:?}: {messages}");
                    let named = if want.contains("holds no") { "run".to_string() } else { format!("run/{name}") };
                    let error = messages.lines().find(|line| line.starts_with("error: ")).unwrap_or(&messages);
                    assert!(error.contains(want) && error.contains(&named), "{name} {kind:?}: {messages}");
                }
            }
            assert!(outside(&place) == before, "{name} {kind:?} changed something outside");
            cases += 1;
        }
    }
    eprintln!("{cases} run directories with links, FIFOs, sockets, devices and directories");
    assert_eq!(cases, 49);
}

#[test]
fn a_model_in_a_run_directory_is_read_from_a_regular_file_only() {
    let template = Template::new();
    for kind in KINDS {
        for command in [&["sample", "run", "-n", "3"][..], &["info", "run"], &["eval", "run", "text.txt"]] {
            let place = template.place();
            kind.put(&place, &place.path("run/model.safetensors"));
            let before = outside(&place);
            let (code, messages) = within_time(place.command(command));
            if kind == HardLink {
                assert_eq!(code, Some(0), "{command:?}: what is only read may have other names: {messages}");
            } else {
                assert_eq!(code, Some(1), "{command:?} {kind:?}: {messages}");
                let names = messages.contains(kind.refusal()) && messages.contains("run/model.safetensors");
                assert!(names, "{command:?} {kind:?}: {messages}");
            }
            assert!(outside(&place) == before, "{command:?} {kind:?}");
        }
    }
}

#[test]
fn leftovers_of_a_write_are_removed_without_following_them() {
    let template = Template::new();
    for kind in KINDS {
        let place = template.place();
        let stray = place.path("run/state.safetensors.77-1.tmp");
        kind.put(&place, &stray);
        let before = outside(&place);
        let (code, messages) = within_time(place.command(RESUME));
        let is_gone = stray.symlink_metadata().is_err();
        match kind {
            Directory => assert!(code == Some(1) && messages.contains("cannot remove run/state.safetensors.77-1.tmp")),
            _ => assert!(code == Some(0) && is_gone, "{kind:?}: {messages}"),
        }
        assert!(outside(&place) == before, "{kind:?}");
    }
}

#[test]
fn locks_of_others_are_respected_and_what_stands_in_them_is_not_believed() {
    let template = Template::new();
    for (content, want) in [
        ("4711", "run is being trained into by process 4711, expected one that nobody trains"),
        ("", "run is being trained into by another process, expected one that nobody trains"),
        ("99999999999999999999", "run is being trained into by another process"),
        ("\x1b]0;title\x07", "run is being trained into by another process"),
        ("1\n2", "run is being trained into by another process"),
    ] {
        let place = template.place();
        let mut lock = fs::File::create(place.path("run/.lock")).unwrap();
        lock.write_all(content.as_bytes()).unwrap();
        let before = (outside(&place), place.read("run/state.safetensors"));
        // Nobody holds it: what is in it is of no importance.
        let (code, messages) = within_time(place.command(RESUME_AT_END));
        assert_eq!(code, Some(0), "{content:?}: {messages}");
        let state = place.read("run/state.safetensors");
        lock.set_len(0).unwrap();
        std::io::Seek::rewind(&mut lock).unwrap();
        lock.write_all(content.as_bytes()).unwrap();
        lock.try_lock().unwrap();
        let (code, messages) = within_time(place.command(RESUME));
        assert!(code == Some(1) && messages.contains(want), "{content:?}: {messages}");
        assert!(!messages.contains('\x1b'), "{content:?}: {messages}");
        assert!(outside(&place) == before.0 && place.read("run/state.safetensors") == state, "{content:?}");
    }
}

/// A change of rights in the run, the command, and what it says; None where it ends well.
type Rights = (&'static str, u32, &'static [&'static str], Option<&'static str>);

#[test]
fn missing_rights_are_told_by_the_file() {
    const SAMPLE: &[&str] = &["sample", "run", "-n", "3"];
    const NEW: &[&str] = &["train", "text.txt", "--out", "run/new", "--steps", "1"];
    let cases: [Rights; 14] = [
        ("run", 0o555, RESUME, Some("cannot write run/")),
        ("run", 0o000, RESUME, Some("cannot read run/state.safetensors")),
        ("run", 0o000, SAMPLE, Some("cannot read run/model.safetensors")),
        ("run", 0o555, SAMPLE, None),
        ("run", 0o555, NEW, Some("cannot create run/new")),
        ("run/.lock", 0o444, RESUME, Some("cannot lock run/.lock")),
        ("run/state.safetensors", 0o000, RESUME, Some("cannot read run/state.safetensors")),
        ("run/config.toml", 0o000, RESUME, Some("cannot read run/config.toml")),
        ("run/log.jsonl", 0o444, RESUME, Some("cannot write run/log.jsonl")),
        ("run/log.jsonl", 0o000, RESUME, Some("cannot read run/log.jsonl")),
        ("run/samples.txt", 0o444, RESUME, Some("cannot write run/samples.txt")),
        ("run/model.safetensors", 0o000, SAMPLE, Some("cannot read run/model.safetensors")),
        ("run/model.safetensors", 0o000, &["info", "run"], Some("cannot read run/model.safetensors")),
        ("text.txt", 0o000, NEW, Some("cannot read text.txt")),
    ];
    let template = Template::new();
    // As root every right is there: the program is run as another user, from a copy that it can reach.
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let program = Place::new();
    let copy = program.path("elman");
    fs::copy(place_program(), &copy).unwrap();
    for path in [program.path(""), copy.clone()] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let command = |place: &Place, args: &[&str]| {
        let mut command = Command::new(&copy);
        command.args(args).current_dir(place.path("")).env("NO_COLOR", "1");
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    if is_root {
        let can = within_time(command(&program, &["--version"]));
        if can.0 != Some(0) {
            not_run(&format!("missing rights of run directories: user {NOBODY} cannot run the program: {}", can.1));
            return;
        }
    }
    for (name, mode, args, want) in cases {
        let place = template.place();
        let mut paths: Vec<PathBuf> = place.files().into_keys().collect();
        paths.push(place.path(""));
        if is_root {
            paths.iter().for_each(|path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap());
        }
        let before = outside(&place);
        fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
        let (code, messages) = within_time(command(&place, args));
        fs::set_permissions(place.path(name), Permissions::from_mode(0o700)).unwrap();
        match want {
            None => assert_eq!(code, Some(0), "{name} {mode:o} {args:?}: {messages}"),
            Some(want) => {
                assert_eq!(code, Some(1), "{name} {mode:o} {args:?}: {messages}");
                let has_cause = messages.contains("Permission denied");
                assert!(messages.contains(want) && has_cause, "{name} {mode:o} {args:?}: {messages}");
            }
        }
        assert!(outside(&place) == before, "{name} {mode:o} {args:?}");
    }
}

fn place_program() -> PathBuf {
    PathBuf::from(Place::new().command(&[]).get_program())
}
