//! The command `imports` on small source trees, one for each kind of path: a resolver that ignores the kind fails.
//! The trees are parsed, never compiled.

use std::fs;
use std::process::{Command, Output};

/// Runs the command on a crate made of files, with flags.
fn run(files: &[(&str, &str)], flags: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("Cargo.toml"), "[package]\nname = \"a-crate\"\n").unwrap();
    for (name, text) in files {
        let path = dir.path().join("src").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let program = env!("CARGO_BIN_EXE_elman-checks");
    Command::new(program).arg("imports").args(flags).arg(dir.path()).output().unwrap()
}

/// The edges of the graph, sorted, as `from -> to`.
fn edges(files: &[(&str, &str)]) -> Vec<String> {
    let output = run(files, &["--dot"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(';'));
    let mut edges: Vec<String> = lines.map(|line| line.replace('"', "")).collect();
    edges.sort();
    edges
}

/// The library declares a, b and c; c defines items of every kind.
fn with_a(a: &str) -> Vec<String> {
    edges(&[
        ("lib.rs", "pub mod a; pub mod b; pub mod c; mod other;\npub use c::Reexported;"),
        ("a.rs", a),
        ("b.rs", "pub use crate::c::{Thing, Kind}; pub use crate::c as sea; pub use crate::c::*;"),
        (
            "c.rs",
            "pub struct Thing; pub enum Kind { One } pub fn make() {} pub trait Does { fn act(&self); }\n\
             pub struct Reexported { pub x: u8 } pub const LIMIT: u8 = 1; pub type Name = u8; pub struct Only { pub x: u8 }",
        ),
        ("other.rs", ""),
    ])
}

#[test]
fn every_kind_of_path_to_an_item_is_an_import() {
    for a in [
        // `use` trees.
        "use crate::c::Thing;",
        "use super::c::Thing;",
        "use crate::{c::Thing};",
        "use crate::c::{self, Thing};",
        "use crate::c::Thing as T;",
        "use crate::c::Does as _;",
        "use super::{other, c::{Kind, make}};",
        "use self::super::c::make;",
        "use crate::c::Kind::One;",
        "use crate::c::Kind::*;",
        // Re-exports lead to the file that defines the item.
        "use crate::Reexported;",
        "use crate::b::Thing;",
        "use crate::b::sea::make;",
        "use crate::b::LIMIT;",
        // A module's name, then a path through it.
        "use crate::c; fn f() { c::make(); }",
        "use crate::c as d; fn f() { d::make(); }",
        "use crate::{c::{self as d}}; fn f() { d::make(); }",
        "use crate::b; fn f() { b::sea::make(); }",
        // Globs.
        "use crate::c::*; fn f() { make(); }",
        "use crate::b::*; fn f(_: Kind) {}",
        "use crate::b::sea::*; fn f() -> u8 { LIMIT }",
        "use crate::c::*; fn f(x: u8) { x.act(); }",
        // Qualified paths in expressions, types, patterns, bounds, attributes.
        "fn f() { crate::c::make(); }",
        "fn f() { super::c::make(); }",
        "fn f() { let g = crate::c::make; g(); }",
        "fn f() -> u8 { crate::c::LIMIT }",
        "fn f(_: &crate::c::Thing) {}",
        "fn f(_: Vec<Option<crate::c::Thing>>) {}",
        "fn f() { let _: super::c::Name = 1; }",
        "fn f(x: impl crate::c::Does) {}",
        "fn f<T>() where T: crate::c::Does {}",
        "struct S(crate::c::Thing);",
        "struct S; impl crate::c::Does for S { fn act(&self) {} }",
        "impl crate::c::Thing { fn g() {} }",
        "impl S { fn g() { crate::c::make(); } }",
        "type T = crate::c::Thing;",
        "trait T: crate::c::Does {}",
        "fn f() { <u8 as crate::c::Does>::act(&1); }",
        "fn f() { Vec::<crate::c::Thing>::new(); }",
        "fn f() { crate::c::Only { x: 1 }; }",
        "fn f(x: u8) { match x { crate::c::LIMIT => {}, _ => {} } }",
        "fn f(x: u8) { let crate::c::Only { x } = x; }",
        "fn f(x: u8) { if let super::c::Kind::One = x {} }",
        "pub use crate::c::LIMIT; fn f(x: u8) { match x { LIMIT => {}, _ => {} } }",
        "#[derive(Serialize)] struct S { #[serde(with = \"crate::c::make\")] x: u8 }",
        "#[derive(Serialize)] struct S { #[serde(default, with = \"crate::c\")] x: u8 }",
        "use crate::c; #[derive(Serialize)] struct S { #[serde(with = \"c\")] x: u8 }",
        "#[arg(value_parser = crate::c::make)] struct S;",
        // Names inside functions.
        "fn f() { use crate::c::make; make(); }",
        "fn f() { use crate::c; c::make(); }",
        // Macros: arguments that are expressions, statements, anything; definitions.
        "fn f() { assert!(crate::c::make() == ()); }",
        "fn f() { println!(\"{}\", super::c::LIMIT); }",
        "use crate::c; fn f() { vec![c::make()]; }",
        "fn f() { run! { let x = crate::c::make(); x } }",
        "table! { first => crate::c::Thing; second }",
        "table! { => super::c::make }",
        "macro_rules! m { () => { crate::c::make() } }",
        "macro_rules! m { () => { $crate::c::make() } }",
        // Re-exports that the file's own code uses.
        "pub use crate::c::Thing; fn f(_: Thing) {}",
        "pub(crate) use crate::c::make; fn f() { make(); }",
        "pub use crate::c::Does; fn f(x: u8) { x.act(); }",
        // Inline modules.
        "mod inner { fn f() { crate::c::make(); } }",
        "mod inner { use super::super::c::make; }",
        "mod inner { mod deeper { use super::super::super::c::make; } }",
        "use super::c; mod inner { fn f() { super::c::make(); } }",
        "use super::c as d; mod inner { use super::*; fn f() { d::make(); } }",
        "mod inner { pub(super) use crate::c; } fn f() { inner::c::make(); }",
    ] {
        let edges = with_a(a);
        assert!(edges.contains(&"a.rs -> c.rs".to_string()), "{a}: {edges:?}");
        // Only that file: not the one that re-exports, and not the library's root.
        assert!(edges.iter().all(|edge| edge == "a.rs -> c.rs"), "{a}: {edges:?}");
    }
}

#[test]
fn what_is_no_import_makes_no_edge() {
    for a in [
        // A pure re-export, and the name of a module.
        "pub use crate::c::Thing;",
        "pub(crate) use super::c::*;",
        "pub use crate::c;",
        "pub(in crate::c) fn f() {}",
        // Tests.
        "#[cfg(test)] mod tests { use crate::c::Thing; }",
        "#[cfg(test)] use crate::c::Thing;",
        "#[cfg(all(test, unix))] fn f() { crate::c::make(); }",
        "#[test] fn f() { crate::c::make(); }",
        "impl S { #[cfg(test)] fn f() { crate::c::make(); } }",
        "#[derive(Serialize)] struct S { #[serde(rename = \"c\")] x: u8 }",
        // Names of its own that other files have too.
        "pub use crate::c::make; fn f(make: u8) -> u8 { make }",
        "pub use crate::c::make; fn f() { let make = 1; make + 1; }",
        "pub use crate::c::Thing; fn f<Thing>(_: Thing) {}",
        "pub use crate::c::make; fn f() { x.make; S { make: 1 }; x.make(); }",
        "pub use crate::c::Does; fn f(x: u8) { x.other(); }",
        "pub use crate::c::make; fn f() { m!(|make: u8| make + 1); }",
        "pub use crate::c::Kind; fn Kind() {} fn f() { Kind(); }",
        "fn make() {} fn f() { make(); self::make(); crate::a::make(); }",
        // Other crates.
        "use std::c::Thing; fn f() { ::c::make(); serde::c::make(); }",
        "/// crate::c::make\nfn f() { \"crate::c::make\"; } // crate::c::make",
    ] {
        assert_eq!(with_a(a), [""; 0], "{a}");
    }
}

#[test]
fn a_child_may_use_its_parent_where_the_parent_only_reexports_it() {
    let child = "use super::Shared; pub struct Child(Shared); pub fn make() {}";
    let with_parent = |parent: &str| edges(&[("lib.rs", "mod a;"), ("a/mod.rs", parent), ("a/child.rs", child)]);
    let reexport = "mod child; pub use child::Child; pub struct Shared;";
    assert_eq!(with_parent(reexport), ["a/child.rs -> a/mod.rs"]);
    let uses = "mod child; pub use child::Child; pub struct Shared; fn f(_: Child) {}";
    assert_eq!(with_parent(uses), ["a/child.rs -> a/mod.rs", "a/mod.rs -> a/child.rs"]);
    let private = "mod child; use child::Child; pub struct Shared;";
    assert_eq!(with_parent(private), ["a/child.rs -> a/mod.rs", "a/mod.rs -> a/child.rs"]);
}

#[test]
fn a_function_and_the_module_of_its_name_are_two_things() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("b/mod.rs", "pub mod make; pub use make::make; pub struct Here;"),
        ("b/make.rs", "pub fn make() {} pub use super::Here;"),
        ("a.rs", "use crate::b::make; fn f() { make::make(); }"),
    ];
    assert_eq!(edges(&files), ["a.rs -> b/make.rs"]);
    let mut through = files;
    through[3] = ("a.rs", "fn f(_: crate::b::make::Here) {}");
    assert_eq!(edges(&through), ["a.rs -> b/mod.rs"]);
    // A function of its own does not lead into the module.
    let own = [("lib.rs", "mod a;"), ("a/mod.rs", "mod x; fn x() {} fn f() { x(); }"), ("a/x.rs", "use super::f;")];
    assert_eq!(edges(&own), ["a/x.rs -> a/mod.rs"]);
}

#[test]
fn a_name_of_a_child_module_leads_to_its_file() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; mod c { pub mod d; } fn f() { b::make(); c::d::make(); }"),
        ("a/b.rs", "pub fn make() {} pub use super::super::a::f as g;"),
        ("a/c/d.rs", "pub fn make() { super::super::b::make(); }"),
    ];
    assert_eq!(edges(&files), ["a.rs -> a/b.rs", "a.rs -> a/c/d.rs", "a/c/d.rs -> a/b.rs"]);
}

#[test]
fn files_are_found_where_path_attributes_say() {
    let files = [
        (
            "lib.rs",
            "#[path = \"elsewhere/one.rs\"] mod a; #[path = \"dir\"] mod b { #[path = \"two.rs\"] pub mod c; pub mod d; }",
        ),
        ("elsewhere/one.rs", "mod beside; fn f() { crate::b::c::make(); crate::b::d::make(); beside::make(); }"),
        ("elsewhere/beside.rs", "pub fn make() {}"),
        ("dir/two.rs", "pub fn make() {}"),
        ("dir/d.rs", "pub fn make() {}"),
    ];
    let want = ["dir/d.rs", "dir/two.rs", "elsewhere/beside.rs"].map(|to| format!("elsewhere/one.rs -> {to}"));
    assert_eq!(edges(&files), want);
}

#[test]
fn alternatives_under_cfg_are_both_followed() {
    let attribute = [
        ("lib.rs", "#[cfg_attr(not(feature = \"x\"), path = \"without.rs\")] mod x; mod a;"),
        ("x.rs", "pub fn make() {}"),
        ("without.rs", "pub fn make() {}"),
        ("a.rs", "use crate::x::make;"),
    ];
    assert_eq!(edges(&attribute), ["a.rs -> without.rs", "a.rs -> x.rs"]);
    let mut two_modules = attribute;
    two_modules[0].1 =
        "#[cfg(feature = \"x\")] mod x; #[cfg(not(feature = \"x\"))] #[path = \"without.rs\"] mod x; mod a;";
    assert_eq!(edges(&two_modules), ["a.rs -> without.rs", "a.rs -> x.rs"]);
}

#[test]
fn modules_that_a_macro_declares_are_imported_where_it_names_them() {
    let table = "macro_rules! table { ($($file:ident)*) => { $(mod $file;)* pub enum Made {} \
                 fn rate() { $($file::rate();)* } } }\ntable! { one two }\npub struct Place;";
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("c.rs", "use crate::a::*; fn f(_: Made) {}"),
        ("a/mod.rs", table),
        ("a/one.rs", "use super::Place; pub fn rate() {}"),
        ("a/two.rs", "pub fn rate() {}"),
        ("b.rs", "use crate::a::Made;"),
    ];
    let want = [
        "a/mod.rs -> a/one.rs",
        "a/mod.rs -> a/two.rs",
        "a/one.rs -> a/mod.rs",
        "b.rs -> a/mod.rs",
        "c.rs -> a/mod.rs",
    ];
    assert_eq!(edges(&files), want);
}

#[test]
fn a_macro_is_imported_from_the_file_that_defines_it() {
    let rules = "macro_rules! doors { () => {} }";
    let files = |defined: &'static str, a: &'static str| {
        edges(&[("lib.rs", "#[macro_use] mod m; mod a;"), ("m.rs", defined), ("a.rs", a)])
    };
    let reexported = "macro_rules! doors { () => {} } pub(crate) use doors;";
    assert_eq!(files(reexported, "use crate::m::doors;"), ["a.rs -> m.rs"]);
    assert_eq!(files(reexported, "crate::m::doors! {}"), ["a.rs -> m.rs"]);
    assert_eq!(files(rules, "doors! {}"), ["a.rs -> m.rs"]);
    assert_eq!(files(rules, "fn f() { doors!(); }"), ["a.rs -> m.rs"]);
    assert_eq!(files("#[macro_export] macro_rules! doors { () => {} }", "crate::doors! {}"), ["a.rs -> m.rs"]);
    // One of the same name, of its own.
    assert_eq!(files(rules, "fn f() { macro_rules! doors { () => {} } doors!(); }"), [""; 0]);
}

#[test]
fn a_program_imports_the_library_of_its_crate_by_name() {
    let files = [
        ("lib.rs", "pub mod a; pub use a::make; extern crate self as short;"),
        ("a.rs", "pub fn make() {}"),
        ("b.rs", "never declared"),
        ("main.rs", "mod own; use a_crate::make; fn main() { own::f(); }"),
        ("own.rs", "pub fn f() { a_crate::a::make(); }"),
        ("bin/extra.rs", "fn main() { a_crate::make(); }"),
    ];
    let without_b: Vec<_> = files.into_iter().filter(|(name, _)| *name != "b.rs").collect();
    let want = ["bin/extra.rs -> a.rs", "main.rs -> a.rs", "main.rs -> own.rs", "own.rs -> a.rs"];
    assert_eq!(edges(&without_b), want);
    // A file that does not parse is named, with its line.
    let output = run(&files, &[]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("b.rs:1: "), "{error}");
}

const CYCLE: [(&str, &str); 6] = [
    ("lib.rs", "mod a; mod b; mod c; mod d;"),
    ("a.rs", "use crate::b::B;\npub struct A;"),
    ("b.rs", "pub struct B;\nfn f() {\n    crate::c::make::<B>();\n}"),
    ("c/mod.rs", "mod inner; pub use inner::make;"),
    ("c/inner.rs", "use crate::a::A; use super::super::b::B;\npub fn make() {}"),
    ("d.rs", "use crate::a::A;"),
];

#[test]
fn a_cycle_is_printed_with_its_lines_and_fails() {
    let output = run(&CYCLE, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let want = "
cycle of 3: a.rs, b.rs, c/inner.rs
  shortest: b.rs -> c/inner.rs -> b.rs
    b.rs -> c/inner.rs
      b.rs:3: crate::c::make
    c/inner.rs -> b.rs
      c/inner.rs:1: use super::super::b::B
  other imports among these:
    a.rs -> b.rs
      a.rs:1: use crate::b::B
    c/inner.rs -> a.rs
      c/inner.rs:1: use crate::a::A
a-crate: 1 cycles
";
    assert!(text.ends_with(want), "{text}");
    let graph = "a-crate: 6 nodes, 5 imports
  (root)
    lib.rs -> 
  a
    a.rs -> b.rs
  b
    b.rs -> c/inner.rs
  c
    c/inner.rs -> a.rs, b.rs
    c/mod.rs -> 
  d
    d.rs -> a.rs
";
    assert!(text.starts_with(graph), "{text}");
}

#[test]
fn modules_have_cycles_that_their_files_have_not() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "pub mod one; pub mod two;"),
        ("a/one.rs", "use crate::b::B;"),
        ("a/two.rs", "pub struct Two;"),
        ("b.rs", "use crate::a::two::Two; pub struct B;"),
    ];
    assert_eq!(run(&files, &[]).status.code(), Some(0));
    let output = run(&files, &["--modules"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\n  shortest: a -> b -> a\n    a -> b\n      a/one.rs:1: use crate::b::B\n"), "{text}");
}

#[test]
fn bad_usage_is_exit_code_2() {
    for (flags, words) in [(&["--graph"][..], "unknown flag --graph"), (&["nowhere"], "nowhere: has no lib.rs")] {
        let output = run(&[("lib.rs", "")], flags);
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(words), "{error}");
    }
}
