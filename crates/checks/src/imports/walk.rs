//! The imports of each file: every `use`, and every path in expressions, types, patterns, attributes and macro calls. Not
//! here: what a path leads to (`resolve.rs`).
//!
//! What counts as an import of file B by file A:
//! - a private `use` in A of an item defined in B, wherever it is re-exported from;
//! - a path in A's code that leads to an item defined in B.
//!
//! What does not: `mod child;`; a `use` of a module, which is a shorter name for the paths that start with it; and
//! `pub use`, which is a second name for the item. An item that A re-exports counts where A's own code uses it.
//!
//! Not seen: methods that a file calls on a type it does not name, `include!`, and modules inside function bodies.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, Item, Pat, Stmt, Token};

use super::resolve::Target;
use super::tree::{Crate, Import, Namespace, leaves, only_for_tests, plain};

/// Lines of one file that import another, with the path written there.
pub type Edges = BTreeMap<(usize, usize), BTreeSet<(usize, String)>>;

/// Every import between two files of a crate.
pub fn edges(of: &Crate) -> Edges {
    let mut edges = Edges::new();
    for module in 0..of.modules.len() {
        let mut walk = Walk { of, module, edges: &mut edges, scopes: Vec::new(), shadowed: Vec::new() };
        walk.module();
    }
    edges
}

struct Walk<'a> {
    of: &'a Crate,
    module: usize,
    edges: &'a mut Edges,
    /// The imports of the enclosing blocks.
    scopes: Vec<HashMap<String, Vec<String>>>,
    /// The names that parameters, patterns and generics of the enclosing items bind.
    shadowed: Vec<BTreeSet<String>>,
}

impl Walk<'_> {
    fn module(&mut self) {
        let of = self.of;
        let this = &of.modules[self.module];
        for import in this.imports.iter().filter(|import| !import.public) {
            self.import(import);
        }
        for item in &this.items {
            self.visit_item(item);
        }
    }

    fn record(&mut self, targets: &[Target], namespace: Namespace, line: usize, text: String) {
        let from = self.of.modules[self.module].file;
        for target in targets {
            // A module is a name for the paths that start with it.
            let Target::Item { module, namespace: found, .. } = target else { continue };
            let to = self.of.modules[*module].file;
            let fits = namespace == Namespace::Any || *found == Namespace::Any || *found == namespace;
            if fits && from != to {
                self.edges.entry((from, to)).or_default().insert((line, text.clone()));
            }
        }
    }

    fn import(&mut self, import: &Import) {
        let targets = self.of.resolve(self.module, &import.path);
        let glob = if import.glob { "::*" } else { "" };
        let text = format!("use {}{glob}", import.path.join("::"));
        self.record(&targets, Namespace::Any, import.line, text);
    }

    fn path(&mut self, path: Vec<String>, namespace: Namespace, line: usize) {
        let Some(first) = path.first() else { return };
        if path.len() == 1 && self.shadowed.iter().any(|names| names.contains(first)) {
            return;
        }
        let text = path.join("::");
        // A block's import stands for its path.
        let local = self.scopes.iter().rev().find_map(|scope| scope.get(first));
        let whole = match local {
            Some(import) => import.iter().chain(&path[1..]).cloned().collect(),
            None => path,
        };
        if local.is_none() && self.imported_by_use(&whole[0]) {
            return;
        }
        // What follows a name of the module is a type or a module; the namespace is that of a single name.
        let namespace = if whole.len() == 1 || !text.contains("::") { namespace } else { Namespace::Any };
        let targets = self.of.resolve(self.module, &whole);
        if targets.is_empty() && namespace == Namespace::Macros && whole.len() == 1 {
            let from = self.of.modules[self.module].file;
            for &to in self.of.macros.get(&whole[0]).into_iter().flatten().filter(|&&to| to != from) {
                self.edges.entry((from, to)).or_default().insert((line, format!("{text}!")));
            }
        }
        self.record(&targets, namespace, line, text);
    }

    /// Whether a private `use` of an item binds the name, so that its line is recorded already.
    fn imported_by_use(&self, name: &str) -> bool {
        let this = &self.of.modules[self.module];
        this.imports.iter().any(|import| {
            !import.public
                && import.name.as_deref() == Some(name)
                && self.of.resolve(self.module, &import.path).iter().all(|found| matches!(found, Target::Item { .. }))
        })
    }

    /// A method that only a re-exported or glob-imported trait has brought into scope.
    fn method(&mut self, name: &str, line: usize) {
        let of = self.of;
        for import in &of.modules[self.module].imports {
            if import.glob {
                for target in of.resolve(self.module, &import.path) {
                    let Target::Module(id) = target else { continue };
                    let names: Vec<&String> = of.modules[id].names.keys().collect();
                    for trait_name in names {
                        let mut path = import.path.clone();
                        path.push(trait_name.clone());
                        self.method_of(&path, name, line);
                    }
                }
            } else if import.public {
                self.method_of(&import.path, name, line);
            }
        }
    }

    fn method_of(&mut self, path: &[String], name: &str, line: usize) {
        let mut targets = self.of.resolve(self.module, path);
        targets.retain(|target| match target {
            Target::Item { module, name: found, .. } => {
                self.of.modules[*module].traits.get(found).is_some_and(|methods| methods.contains(name))
            }
            Target::Module(_) => false,
        });
        self.record(&targets, Namespace::Any, line, format!(".{name}() of {}", path.join("::")));
    }

    fn syn_path(&mut self, path: &syn::Path, namespace: Namespace) {
        if path.leading_colon.is_some() {
            return;
        }
        let names: Vec<String> = path.segments.iter().map(|segment| plain(&segment.ident)).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        if names != ["self"] && names.first().is_some_and(|name| name != "Self") {
            self.path(names, namespace, line);
        }
    }

    /// The paths in tokens that are no Rust of their own: macro definitions, attributes.
    fn tokens(&mut self, tokens: &TokenStream) {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let punct = |i: usize, c: char| matches!(tokens.get(i), Some(TokenTree::Punct(p)) if p.as_char() == c);
        let colons = |i: usize| punct(i, ':') && punct(i + 1, ':');
        let mut i = 0;
        while i < tokens.len() {
            let start = i;
            i += 1;
            let first = match &tokens[start] {
                TokenTree::Group(group) => {
                    self.tokens(&group.stream());
                    continue;
                }
                TokenTree::Ident(first) => first,
                _ => continue,
            };
            let mut path = vec![plain(first)];
            while colons(i) {
                let Some(TokenTree::Ident(next)) = tokens.get(i + 2) else { break };
                path.push(plain(next));
                i += 3;
            }
            let line = first.span().start().line;
            let before = start.wrapping_sub(1);
            if punct(before, '$') && path[0] != "crate" {
                if path.len() > 1 {
                    self.children_of_macros(line, &path);
                }
            } else if punct(before, '.') && !punct(before.wrapping_sub(1), '.') {
                self.method(&path[0], line);
            } else if path.len() == 1 {
                let after_keyword = matches!(tokens.get(before), Some(TokenTree::Ident(word)) if binds(word));
                let field = punct(i, ':') && !punct(i + 1, ':');
                let namespace = if punct(i, '!') { Namespace::Macros } else { Namespace::Any };
                if !after_keyword && !field && path[0] != "self" && path[0] != "Self" {
                    self.path(path, namespace, line);
                }
            } else if !(punct(before, ':') && punct(before.wrapping_sub(1), ':')) {
                self.path(path, Namespace::Any, line);
            }
        }
    }

    /// `$child::name` in a macro: an import of each module that a macro of this one declares.
    fn children_of_macros(&mut self, line: usize, path: &[String]) {
        let from = self.of.modules[self.module].file;
        for &child in &self.of.modules[self.module].declared_by_macro {
            let to = self.of.modules[child].file;
            self.edges.entry((from, to)).or_default().insert((line, format!("${}", path.join("::"))));
        }
    }

    fn arguments(&mut self, tokens: &TokenStream) {
        if let Ok(list) = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone()) {
            let mut bound = Bound::default();
            list.iter().for_each(|expression| bound.visit_expr(expression));
            self.within(bound.0, |this| list.iter().for_each(|expression| this.visit_expr(expression)));
        } else if let Ok(statements) = syn::Block::parse_within.parse2(tokens.clone()) {
            self.statements(&statements);
        } else {
            self.tokens(tokens);
        }
    }

    fn statements(&mut self, statements: &[Stmt]) {
        let mut scope = HashMap::new();
        for statement in statements {
            let Stmt::Item(Item::Use(item)) = statement else { continue };
            if item.leading_colon.is_some() || only_for_tests(&item.attrs) {
                continue;
            }
            for import in leaves(&item.tree, false) {
                self.import(&import);
                scope.extend(import.name.clone().map(|name| (name, import.path)));
            }
        }
        self.scopes.push(scope);
        statements.iter().for_each(|statement| self.visit_stmt(statement));
        self.scopes.pop();
    }

    /// Visits an item with the names that its own patterns and generics bind.
    fn within(&mut self, names: BTreeSet<String>, visit: impl FnOnce(&mut Self)) {
        self.shadowed.push(names);
        visit(self);
        self.shadowed.pop();
    }
}

/// Whether the identifier after this word is a new name, no path.
fn binds(word: &syn::Ident) -> bool {
    let keywords = ["fn", "let", "mut", "ref", "struct", "enum", "trait", "type", "mod", "const", "static", "union"];
    keywords.contains(&word.to_string().as_str())
}

/// The names that patterns, generics and items inside an item bind.
#[derive(Default)]
struct Bound(BTreeSet<String>);

impl<'ast> Visit<'ast> for Bound {
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        let name = plain(&pattern.ident);
        // An upper-case name in a pattern is a constant or a variant.
        if !name.starts_with(char::is_uppercase) {
            self.0.insert(name);
        }
        visit::visit_pat_ident(self, pattern);
    }
    fn visit_type_param(&mut self, parameter: &'ast syn::TypeParam) {
        self.0.insert(plain(&parameter.ident));
        visit::visit_type_param(self, parameter);
    }
    fn visit_const_param(&mut self, parameter: &'ast syn::ConstParam) {
        self.0.insert(plain(&parameter.ident));
        visit::visit_const_param(self, parameter);
    }
    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        match statement {
            Stmt::Item(Item::Fn(item)) => drop(self.0.insert(plain(&item.sig.ident))),
            Stmt::Item(Item::Const(item)) => drop(self.0.insert(plain(&item.ident))),
            Stmt::Item(Item::Struct(item)) => drop(self.0.insert(plain(&item.ident))),
            Stmt::Item(Item::Enum(item)) => drop(self.0.insert(plain(&item.ident))),
            Stmt::Item(Item::Type(item)) => drop(self.0.insert(plain(&item.ident))),
            Stmt::Item(Item::Static(item)) => drop(self.0.insert(plain(&item.ident))),
            Stmt::Item(Item::Macro(item)) => self.0.extend(item.ident.as_ref().map(plain)),
            _ => {}
        }
        visit::visit_stmt(self, statement);
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if only_for_tests(super::tree::attributes(item)) {
            return;
        }
        match item {
            // Modules are walked one by one, imports before the code.
            Item::Mod(_) | Item::Use(_) => {}
            Item::Macro(item) if item.ident.is_some() => self.tokens(&item.mac.tokens),
            _ => {
                let mut bound = Bound::default();
                if let Item::Impl(item) = item {
                    // Each function of an implementation binds its own.
                    bound.visit_generics(&item.generics);
                } else {
                    bound.visit_item(item);
                }
                self.within(bound.0, |this| visit::visit_item(this, item));
            }
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if only_for_tests(&item.attrs) {
            return;
        }
        let mut bound = Bound::default();
        bound.visit_impl_item_fn(item);
        self.within(bound.0, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.statements(&block.stmts);
    }

    fn visit_expr_path(&mut self, expression: &'ast syn::ExprPath) {
        expression.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
        if let Some(this) = &expression.qself {
            self.visit_qself(this);
        }
        self.syn_path(&expression.path, Namespace::Values);
        visit::visit_path(self, &expression.path);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        let name = plain(&pattern.ident);
        if name.starts_with(char::is_uppercase) {
            self.path(vec![name], Namespace::Values, pattern.ident.span().start().line);
        }
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_pat(&mut self, pattern: &'ast Pat) {
        match pattern {
            Pat::TupleStruct(tuple) => self.syn_path(&tuple.path, Namespace::Values),
            Pat::Struct(fields) => self.syn_path(&fields.path, Namespace::Types),
            _ => {}
        }
        visit::visit_pat(self, pattern);
    }

    fn visit_expr_struct(&mut self, expression: &'ast syn::ExprStruct) {
        self.syn_path(&expression.path, Namespace::Types);
        visit::visit_expr_struct(self, expression);
    }

    fn visit_type_path(&mut self, of: &'ast syn::TypePath) {
        self.syn_path(&of.path, Namespace::Types);
        visit::visit_type_path(self, of);
    }

    fn visit_trait_bound(&mut self, bound: &'ast syn::TraitBound) {
        self.syn_path(&bound.path, Namespace::Types);
        visit::visit_trait_bound(self, bound);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some((_, path, _)) = &item.trait_ {
            self.syn_path(path, Namespace::Types);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.method(&plain(&call.method), call.method.span().start().line);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.syn_path(&call.path, Namespace::Macros);
        self.arguments(&call.tokens);
    }

    // `pub(in path)` imports nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let tokens = match &attribute.meta {
            syn::Meta::List(list) if !list.path.is_ident("cfg") => &list.tokens,
            _ => return,
        };
        self.tokens(tokens);
        // Paths in strings, as in `#[serde(with = "crate::times")]`, where `times` is a module.
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        for window in tokens.windows(3) {
            let [TokenTree::Ident(key), _, TokenTree::Literal(literal)] = window else { continue };
            let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) else { continue };
            let Ok(path) = text.parse::<syn::Path>() else { continue };
            let names: Vec<String> = path.segments.iter().map(|segment| plain(&segment.ident)).collect();
            let line = literal.span().start().line;
            if key == "with" {
                let targets = self.of.resolve(self.module, &names);
                let modules = targets.iter().filter_map(|target| match target {
                    Target::Module(id) => Some(self.of.modules[*id].file),
                    Target::Item { .. } => None,
                });
                let from = self.of.modules[self.module].file;
                for to in modules.filter(|&to| to != from) {
                    self.edges.entry((from, to)).or_default().insert((line, format!("with = {}", literal)));
                }
            }
            if names.len() > 1 {
                self.path(names, Namespace::Any, line);
            }
        }
    }
}
