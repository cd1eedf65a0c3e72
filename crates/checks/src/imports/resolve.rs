//! What a path leads to: an item's file or a module, through imports, re-exports and globs. Not here: the paths in the
//! code (`walk.rs`).

use super::tree::{Binding, Crate, Namespace};

/// Where a path ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An item, by the module that defines it and its name there.
    Item {
        module: usize,
        name: String,
        namespace: Namespace,
    },
    Module(usize),
}

/// The names whose resolution is in progress: a name that leads to itself leads nowhere.
type Visited = Vec<(usize, String)>;

impl Crate {
    /// Everything that a path may mean in a module: several targets where namespaces or `cfg` alternatives share the name,
    /// none where it leaves the crate.
    pub fn resolve(&self, module: usize, path: &[String]) -> Vec<Target> {
        self.path(module, path, &mut Vec::new())
    }

    fn path(&self, module: usize, path: &[String], visited: &mut Visited) -> Vec<Target> {
        let Some((first, mut rest)) = path.split_first() else { return Vec::new() };
        let mut reached = match first.as_str() {
            "crate" | "$crate" => vec![Target::Module(self.modules[module].root)],
            "self" => vec![Target::Module(module)],
            "super" => self.modules[module].parent.map(Target::Module).into_iter().collect(),
            name => self.first(module, name, visited),
        };
        while let Some((name, after)) = rest.split_first() {
            let mut next = Vec::new();
            for target in reached.iter().filter(|target| leads_on(target, &reached)) {
                match target {
                    // What follows an item is part of it: a variant, an associated function.
                    Target::Item { .. } => next.push(target.clone()),
                    &Target::Module(id) if name == "super" => next.extend(self.modules[id].parent.map(Target::Module)),
                    &Target::Module(id) => {
                        let found = self.name(id, name, visited);
                        // A name that is not there is one that a macro defines.
                        let generated = Target::Item { module: id, name: name.clone(), namespace: Namespace::Any };
                        let known = self.modules[id].names.contains_key(name);
                        next.extend(if found.is_empty() && !known { vec![generated] } else { found });
                    }
                }
            }
            reached = next;
            rest = after;
        }
        reached
    }

    /// The first name of a path: one of the module, or this crate's library as its programs call it.
    fn first(&self, module: usize, name: &str, visited: &mut Visited) -> Vec<Target> {
        let found = self.name(module, name, visited);
        if !found.is_empty() || self.modules[module].names.contains_key(name) {
            return found;
        }
        match &self.library {
            Some((library, root)) if library == name && self.modules[module].root != *root => {
                vec![Target::Module(*root)]
            }
            _ => Vec::new(),
        }
    }

    /// A name in a module.
    fn name(&self, module: usize, name: &str, visited: &mut Visited) -> Vec<Target> {
        if visited.iter().any(|(m, n)| *m == module && n == name) {
            return Vec::new();
        }
        visited.push((module, name.to_string()));
        let this = &self.modules[module];
        let mut found = Vec::new();
        for binding in this.names.get(name).into_iter().flatten() {
            match *binding {
                Binding::Item(namespace) => found.push(Target::Item { module, name: name.to_string(), namespace }),
                Binding::Module(id) => found.push(Target::Module(id)),
                Binding::Import(i) => found.extend(self.path(module, &this.imports[i].path, visited)),
            }
        }
        if !this.names.contains_key(name) {
            for import in this.imports.iter().filter(|import| import.glob) {
                for target in self.path(module, &import.path, visited) {
                    match target {
                        Target::Module(id) => found.extend(self.name(id, name, visited)),
                        // The variants of an enum: which they are, its own import says.
                        Target::Item { .. } => {}
                    }
                }
            }
            if found.is_empty() && this.generated.contains(name) {
                found.push(Target::Item { module, name: name.to_string(), namespace: Namespace::Any });
            }
        }
        visited.pop();
        found.dedup();
        found
    }
}

/// Whether a path can continue after this target: a function and a module may share a name, and then the module does.
fn leads_on(target: &Target, all: &[Target]) -> bool {
    match target {
        Target::Module(_) => true,
        Target::Item { namespace: Namespace::Types, .. } => true,
        Target::Item { .. } => !all.iter().any(|other| matches!(other, Target::Module(_))),
    }
}
