//! The module tree of a crate: its files, its modules, and the names that each module binds. Not here: what a path leads
//! to (`resolve.rs`), and which paths the code contains (`walk.rs`).
//!
//! Code under `#[cfg(test)]` and `#[test]` is left out. A file that no `mod` item names, because a macro declares it, is
//! attached to the module of its directory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Item, Meta, Token, UseTree, Visibility};

/// Whether a name is looked up among types and modules, among values, or among macros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    Types,
    Values,
    Macros,
    /// A tuple or unit struct, or a name that a macro defines.
    Any,
}

/// What a name in a module stands for.
#[derive(Clone, Debug)]
pub enum Binding {
    /// An item defined in this module.
    Item(Namespace),
    /// A child module.
    Module(usize),
    /// `use path`, by its index in `Module::imports`.
    Import(usize),
}

/// One leaf of a `use` tree.
#[derive(Clone, Debug)]
pub struct Import {
    pub path: Vec<String>,
    /// The name it binds; none for `as _`.
    pub name: Option<String>,
    pub glob: bool,
    /// `pub`, `pub(crate)` and the like: a re-export.
    pub public: bool,
    pub line: usize,
}

#[derive(Default)]
pub struct Module {
    /// Names from the crate's root, which has none.
    pub path: Vec<String>,
    pub file: usize,
    pub parent: Option<usize>,
    pub root: usize,
    pub names: HashMap<String, Vec<Binding>>,
    pub imports: Vec<Import>,
    /// Identifiers inside the macro calls among the items: names that the expansion may define.
    pub generated: BTreeSet<String>,
    /// The methods of each trait defined here.
    pub traits: HashMap<String, BTreeSet<String>>,
    pub items: Vec<Item>,
    /// The directory of the files of its child modules.
    directory: PathBuf,
    /// Children that no `mod` item declares.
    pub declared_by_macro: Vec<usize>,
}

#[derive(Default)]
pub struct Crate {
    pub name: String,
    /// Paths relative to `src`.
    pub files: Vec<PathBuf>,
    pub modules: Vec<Module>,
    /// Where each `macro_rules!` is defined.
    pub macros: BTreeMap<String, BTreeSet<usize>>,
    /// The crate's library by its name, as the crate's programs call it.
    pub library: Option<(String, usize)>,
    source: PathBuf,
    /// Files of modules that are compiled for tests alone.
    left_out: BTreeSet<PathBuf>,
}

impl Crate {
    /// Reads a crate's directory, or its `src`. Errors: no root file; a file that cannot be read or parsed.
    pub fn read(directory: &Path) -> Result<Crate, String> {
        let inside = directory.join("src");
        let source = if inside.is_dir() { inside } else { directory.to_path_buf() };
        let manifest = source.join("../Cargo.toml");
        let name = package_name(&manifest).unwrap_or_else(|| directory.display().to_string());
        let mut this = Crate { name, source: source.clone(), ..Crate::default() };
        let mut roots: Vec<PathBuf> = ["lib.rs", "main.rs"].iter().map(|name| source.join(name)).collect();
        if let Ok(programs) = fs::read_dir(source.join("bin")) {
            let mut programs: Vec<PathBuf> = programs.flatten().map(|entry| entry.path()).collect();
            programs.sort();
            roots.extend(programs.into_iter().map(|path| if path.is_dir() { path.join("main.rs") } else { path }));
        }
        roots.retain(|path| path.is_file());
        if roots.is_empty() {
            return Err(format!("{}: has no lib.rs, main.rs or bin/*.rs", source.display()));
        }
        for path in roots {
            let root = this.modules.len();
            let is_library = path == source.join("lib.rs");
            let directory = path.parent().unwrap_or(Path::new("")).to_path_buf();
            let (file, items) = this.parse(&path)?;
            this.add(Module { file, root, directory, ..Module::default() }, items)?;
            if is_library {
                this.library = Some((this.name.replace('-', "_"), root));
            }
        }
        this.attach_the_rest()?;
        Ok(this)
    }

    fn parse(&mut self, path: &Path) -> Result<(usize, Vec<Item>), String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let parsed = syn::parse_file(&text)
            .map_err(|error| format!("{}:{}: {error}", path.display(), error.span().start().line))?;
        let relative = normal(path).strip_prefix(normal(&self.source)).map_or_else(|_| normal(path), Path::to_path_buf);
        let file = self.files.iter().position(|known| *known == relative).unwrap_or_else(|| {
            self.files.push(relative);
            self.files.len() - 1
        });
        Ok((file, parsed.items))
    }

    /// Adds a module and its children. Returns its index.
    fn add(&mut self, module: Module, items: Vec<Item>) -> Result<usize, String> {
        let id = self.modules.len();
        self.modules.push(module);
        let mut kept = Vec::new();
        for item in items {
            let test = only_for_tests(attributes(&item));
            match &item {
                Item::Mod(child) if child.content.is_none() => {
                    for path in self.files_of(id, child)? {
                        if test {
                            self.left_out.insert(normal(&path));
                        } else {
                            self.add_file(id, &plain(&child.ident), &path)?;
                        }
                    }
                }
                _ if test => continue,
                Item::Mod(child) => self.add_inline(id, child)?,
                _ => {
                    self.bind(id, &item);
                    kept.push(item);
                }
            }
        }
        self.modules[id].items = kept;
        Ok(id)
    }

    fn add_inline(&mut self, parent: usize, child: &syn::ItemMod) -> Result<(), String> {
        let name = child.ident.to_string();
        let above = &self.modules[parent];
        let directory = above.directory.join(path_attribute(&child.attrs).unwrap_or_else(|| name.clone()));
        let module = self.child(parent, &name, above.file, directory);
        let items = child.content.as_ref().map(|(_, items)| items.clone()).unwrap_or_default();
        let id = self.add(module, items)?;
        self.modules[parent].names.entry(name).or_default().push(Binding::Module(id));
        Ok(())
    }

    fn add_file(&mut self, parent: usize, name: &str, path: &Path) -> Result<usize, String> {
        let (file, items) = self.parse(path)?;
        // `mod.rs`, and a file named by `#[path]`, have their children beside them, `name.rs` in `name/`.
        let beside = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let conventional = path.file_name().is_some_and(|file| file.to_str() == Some(&format!("{name}.rs")));
        let moved = !conventional || normal(&beside) != normal(&self.modules[parent].directory);
        let directory = if moved { beside } else { beside.join(name) };
        let module = self.child(parent, name, file, directory);
        let id = self.add(module, items)?;
        self.modules[parent].names.entry(name.to_string()).or_default().push(Binding::Module(id));
        Ok(id)
    }

    fn child(&self, parent: usize, name: &str, file: usize, directory: PathBuf) -> Module {
        let above = &self.modules[parent];
        let mut path = above.path.clone();
        path.push(name.to_string());
        Module { path, file, parent: Some(parent), root: above.root, directory, ..Module::default() }
    }

    /// The files of `mod name;`: more than one where `cfg_attr` chooses among paths.
    fn files_of(&self, parent: usize, child: &syn::ItemMod) -> Result<Vec<PathBuf>, String> {
        let above = &self.modules[parent];
        // Relative to the file's own directory, or, in an inline module, to the directory of its children.
        let inline = above.parent.is_some_and(|grandparent| self.modules[grandparent].file == above.file);
        let file = self.source.join(&self.files[above.file]);
        let base = if inline { above.directory.clone() } else { file.parent().unwrap_or(Path::new("")).into() };
        if let Some(path) = path_attribute(&child.attrs) {
            return Ok(vec![base.join(path)]);
        }
        let name = plain(&child.ident);
        let mut choices = vec![above.directory.join(format!("{name}.rs")), above.directory.join(&name).join("mod.rs")];
        choices.extend(conditional_paths(&child.attrs).map(|path| base.join(path)));
        choices.retain(|path| path.is_file());
        if choices.is_empty() && !only_for_tests(&child.attrs) {
            let line = child.span().start().line;
            return Err(format!("{}:{line}: no file for `mod {name};`", self.files[above.file].display()));
        }
        Ok(choices)
    }

    /// Attaches each file that no `mod` item names to the module whose directory it is in.
    fn attach_the_rest(&mut self) -> Result<(), String> {
        let mut all = Vec::new();
        rust_files(&self.source, &mut all)?;
        loop {
            let known: BTreeSet<PathBuf> = self.files.iter().map(|file| normal(&self.source.join(file))).collect();
            let mut attached = false;
            for path in &all {
                let path = normal(path);
                if known.contains(&path) || self.left_out.contains(&path) {
                    continue;
                }
                let is_mod = path.ends_with("mod.rs");
                let unit = if is_mod { path.parent().unwrap_or(Path::new("")) } else { &path };
                let above = unit.parent().map(normal);
                let owner = self.modules.iter().position(|module| Some(normal(&module.directory)) == above);
                let name = unit.file_stem().and_then(|name| name.to_str()).map(str::to_string);
                if let (Some(owner), Some(name)) = (owner, name) {
                    let id = self.add_file(owner, &name, &path)?;
                    self.modules[owner].declared_by_macro.push(id);
                    attached = true;
                }
            }
            if !attached {
                return Ok(());
            }
        }
    }

    fn bind(&mut self, id: usize, item: &Item) {
        let (root, file) = (self.modules[id].root, self.modules[id].file);
        let mut bind = |name: &syn::Ident, namespace| {
            self.modules[id].names.entry(plain(name)).or_default().push(Binding::Item(namespace));
        };
        match item {
            Item::Const(item) => bind(&item.ident, Namespace::Values),
            Item::Static(item) => bind(&item.ident, Namespace::Values),
            Item::Fn(item) => bind(&item.sig.ident, Namespace::Values),
            Item::Enum(item) => bind(&item.ident, Namespace::Types),
            Item::Type(item) => bind(&item.ident, Namespace::Types),
            Item::Union(item) => bind(&item.ident, Namespace::Types),
            Item::TraitAlias(item) => bind(&item.ident, Namespace::Types),
            Item::Struct(item) => match item.fields {
                syn::Fields::Named(_) => bind(&item.ident, Namespace::Types),
                _ => bind(&item.ident, Namespace::Any),
            },
            Item::Trait(item) => {
                bind(&item.ident, Namespace::Types);
                let methods = item.items.iter().filter_map(|item| match item {
                    syn::TraitItem::Fn(method) => Some(plain(&method.sig.ident)),
                    _ => None,
                });
                let methods = methods.collect();
                self.modules[id].traits.insert(plain(&item.ident), methods);
            }
            Item::ExternCrate(item) if item.ident == "self" => {
                let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name);
                self.modules[id].names.entry(plain(name)).or_default().push(Binding::Module(root));
            }
            Item::Macro(item) => match &item.ident {
                Some(name) => {
                    let name = plain(name);
                    self.macros.entry(name.clone()).or_default().insert(file);
                    self.modules[id].names.entry(name.clone()).or_default().push(Binding::Item(Namespace::Macros));
                    if item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) && id != root {
                        // Its path is the crate's; its file is this one.
                        let path = self.modules[id].path.iter().chain([&name]).cloned();
                        let path = ["crate".to_string()].into_iter().chain(path).collect();
                        self.import(root, Import { path, name: Some(name), glob: false, public: true, line: 0 });
                    }
                    defined(&item.mac.tokens, &mut self.modules[id].generated);
                }
                None => identifiers(&item.mac.tokens, &mut self.modules[id].generated),
            },
            Item::Use(item) if item.leading_colon.is_none() => {
                let public = !matches!(item.vis, Visibility::Inherited);
                for import in leaves(&item.tree, public) {
                    self.import(id, import);
                }
            }
            _ => {}
        }
    }

    fn import(&mut self, id: usize, import: Import) {
        let module = &mut self.modules[id];
        if let Some(name) = import.name.clone().filter(|_| !import.glob) {
            module.names.entry(name).or_default().push(Binding::Import(module.imports.len()));
        }
        module.imports.push(import);
    }
}

/// The leaves of a `use` tree.
pub fn leaves(tree: &UseTree, public: bool) -> Vec<Import> {
    let mut found = Vec::new();
    collect(tree, &mut Vec::new(), public, &mut found);
    found
}

fn collect(tree: &UseTree, path: &mut Vec<String>, public: bool, found: &mut Vec<Import>) {
    let mut leaf = |path: &[String], last: Option<&syn::Ident>, name: Option<String>, glob, span: Span| {
        let mut path = path.to_vec();
        path.extend(last.map(plain));
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        found.push(Import { path, name, glob, public, line: span.start().line });
    };
    match tree {
        UseTree::Path(tree) => {
            path.push(plain(&tree.ident));
            collect(&tree.tree, path, public, found);
            path.pop();
        }
        UseTree::Name(tree) => {
            let name = if tree.ident == "self" { path.last().cloned() } else { Some(plain(&tree.ident)) };
            leaf(path, Some(&tree.ident), name, false, tree.ident.span());
        }
        UseTree::Rename(tree) => {
            let name = Some(plain(&tree.rename)).filter(|name| name != "_");
            leaf(path, Some(&tree.ident), name, false, tree.ident.span());
        }
        UseTree::Glob(tree) => leaf(path, None, None, true, tree.span()),
        UseTree::Group(tree) => {
            for tree in &tree.items {
                collect(tree, path, public, found);
            }
        }
    }
}

/// An identifier without `r#`.
pub fn plain(name: &syn::Ident) -> String {
    let name = name.to_string();
    name.strip_prefix("r#").map_or(name.clone(), str::to_string)
}

/// Whether attributes compile the item for tests alone.
pub fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => needs_test(&list.tokens),
        _ => false,
    })
}

/// Whether a `cfg` predicate is `test`, or `all(...)` of something that needs it.
fn needs_test(tokens: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name)] => name == "test",
        [TokenTree::Ident(name), TokenTree::Group(group)] if name == "all" => {
            let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
            let comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
            tokens.split(comma).any(|part| needs_test(&part.iter().cloned().collect()))
        }
        _ => false,
    }
}

pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| path_of(&attribute.meta))
}

/// The paths of `#[cfg_attr(predicate, path = "...")]`.
fn conditional_paths(attributes: &[Attribute]) -> impl Iterator<Item = String> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg_attr")).flat_map(|attribute| {
        let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
        attribute.parse_args_with(parser).into_iter().flatten().filter_map(|meta| path_of(&meta))
    })
}

fn path_of(meta: &Meta) -> Option<String> {
    match meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

fn identifiers(tokens: &TokenStream, found: &mut BTreeSet<String>) {
    for token in tokens.clone() {
        match token {
            TokenTree::Ident(name) => {
                found.insert(plain(&name));
            }
            TokenTree::Group(group) => identifiers(&group.stream(), found),
            _ => {}
        }
    }
}

/// The names after `struct`, `fn` and the like.
fn defined(tokens: &TokenStream, found: &mut BTreeSet<String>) {
    let mut after_keyword = false;
    for token in tokens.clone() {
        match token {
            TokenTree::Ident(name) => {
                if after_keyword {
                    found.insert(plain(&name));
                }
                let keywords = ["struct", "enum", "union", "trait", "type", "fn", "const", "static", "mod"];
                after_keyword = keywords.contains(&name.to_string().as_str());
            }
            TokenTree::Group(group) => {
                defined(&group.stream(), found);
                after_keyword = false;
            }
            _ => after_keyword = false,
        }
    }
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if parts.file_name().is_some() => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

/// The name in a manifest's `[package]`.
fn package_name(manifest: &Path) -> Option<String> {
    let text = fs::read_to_string(manifest).ok()?;
    let package = text.lines().skip_while(|line| line.trim() != "[package]").skip(1);
    let mut package = package.take_while(|line| !line.starts_with('['));
    package.find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "name").then(|| value.trim().trim_matches('"').to_string())
    })
}
