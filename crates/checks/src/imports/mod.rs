//! The command `imports`: the graph of a crate's files, or of its top-level modules, and the cycles in it. The rules of
//! what counts as an import are in `walk.rs`.

mod graph;
mod resolve;
mod tree;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{env, fs};

use graph::{Graph, components, shortest_cycle};
use tree::Crate;

/// Lines that a cycle shows of each of its imports.
const LINES: usize = 6;

/// Runs the command. Returns whether there is a cycle. Errors: bad usage; a file that cannot be read or parsed.
pub fn command(arguments: &[String]) -> Result<bool, String> {
    let (mut by_module, mut dot, mut crates) = (false, false, Vec::new());
    for argument in arguments {
        match argument.as_str() {
            "--modules" => by_module = true,
            "--dot" => dot = true,
            flag if flag.starts_with('-') => return Err(format!("unknown flag {flag}, expected --modules or --dot")),
            directory => crates.push(PathBuf::from(directory)),
        }
    }
    if crates.is_empty() {
        crates = workspace()?;
    }
    let mut cyclic = false;
    for directory in crates {
        let graph = Imports::of(&Crate::read(&directory)?, by_module);
        if dot {
            graph.print_dot();
        } else {
            graph.print();
        }
        cyclic |= !components(&graph.graph).is_empty();
    }
    Ok(cyclic)
}

/// Every crate under `crates/` of the current directory or of one above it.
fn workspace() -> Result<Vec<PathBuf>, String> {
    let here = env::current_dir().map_err(|error| error.to_string())?;
    let crates = here.ancestors().map(|above| above.join("crates")).find(|crates| crates.is_dir());
    let crates = crates.ok_or("found no directory crates/ here or above; name the crates' directories")?;
    let entries = fs::read_dir(&crates).map_err(|error| format!("{}: {error}", crates.display()))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.join("Cargo.toml").is_file());
    found.sort();
    Ok(found)
}

/// A line that imports: the file, the line, the path written there.
type Place = (String, usize, String);

struct Imports {
    name: String,
    /// The nodes: files, or top-level modules.
    nodes: Vec<String>,
    /// The top-level module of each node.
    group: Vec<String>,
    graph: Graph,
    places: BTreeMap<(usize, usize), BTreeSet<Place>>,
}

impl Imports {
    fn of(of: &Crate, by_module: bool) -> Imports {
        let files: Vec<String> = of.files.iter().map(|file| file.display().to_string()).collect();
        // The module that a file was declared as; `(root)` for lib.rs and main.rs.
        let module_of = |file: usize| {
            let module = of.modules.iter().find(|module| module.file == file);
            let first = module.and_then(|module| module.path.first().cloned());
            first.unwrap_or_else(|| "(root)".to_string())
        };
        let groups: Vec<String> = (0..files.len()).map(module_of).collect();
        let mut nodes: Vec<String> = if by_module { groups.clone() } else { files.clone() };
        nodes.sort();
        nodes.dedup();
        let node = |file: usize| {
            let name = if by_module { &groups[file] } else { &files[file] };
            nodes.iter().position(|node| node == name).expect("every file has a node")
        };
        let mut graph = Graph::new();
        let mut places: BTreeMap<(usize, usize), BTreeSet<Place>> = BTreeMap::new();
        for ((from, to), lines) in walk::edges(of) {
            let edge = (node(from), node(to));
            if edge.0 == edge.1 {
                continue;
            }
            graph.entry(edge.0).or_default().insert(edge.1);
            let lines = lines.into_iter().map(|(line, text)| (files[from].clone(), line, text));
            places.entry(edge).or_default().extend(lines);
        }
        let of_node = |name: &String| {
            let file = files.iter().position(|file| file == name);
            file.map_or_else(|| name.clone(), |file| groups[file].clone())
        };
        let group = nodes.iter().map(of_node).collect();
        Imports { name: of.name.clone(), nodes, group, graph, places }
    }

    fn print(&self) {
        println!("{}: {} nodes, {} imports", self.name, self.nodes.len(), self.places.len());
        let groups: BTreeSet<&String> = self.group.iter().collect();
        for group in groups {
            println!("  {group}");
            for (node, name) in self.nodes.iter().enumerate().filter(|(node, _)| self.group[*node] == *group) {
                let to = self.graph.get(&node).into_iter().flatten().map(|&to| self.nodes[to].as_str());
                println!("    {name} -> {}", to.collect::<Vec<_>>().join(", "));
            }
        }
        let cycles = components(&self.graph);
        for component in &cycles {
            self.print_cycle(component);
        }
        println!("{}: {} cycles", self.name, cycles.len());
    }

    fn print_cycle(&self, component: &[usize]) {
        let names: Vec<&str> = component.iter().map(|&node| self.nodes[node].as_str()).collect();
        println!("\ncycle of {}: {}", names.len(), names.join(", "));
        let cycle = shortest_cycle(&self.graph, component);
        let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|&node| self.nodes[node].as_str()).collect();
        println!("  shortest: {}", names.join(" -> "));
        let edges: Vec<_> = cycle.iter().zip(cycle.iter().cycle().skip(1)).map(|(&from, &to)| (from, to)).collect();
        for edge in &edges {
            self.print_edge(*edge);
        }
        let within = |edge: &(usize, usize)| component.contains(&edge.0) && component.contains(&edge.1);
        let others: Vec<_> = self.places.keys().filter(|edge| within(edge) && !edges.contains(edge)).collect();
        if !others.is_empty() {
            println!("  other imports among these:");
            others.into_iter().for_each(|edge| self.print_edge(*edge));
        }
    }

    fn print_edge(&self, edge: (usize, usize)) {
        println!("    {} -> {}", self.nodes[edge.0], self.nodes[edge.1]);
        let places = &self.places[&edge];
        for (file, line, text) in places.iter().take(LINES) {
            println!("      {file}:{line}: {text}");
        }
        if places.len() > LINES {
            println!("      and {} more lines", places.len() - LINES);
        }
    }

    fn print_dot(&self) {
        println!("digraph {:?} {{", self.name);
        for (from, to) in self.places.keys() {
            println!("  {:?} -> {:?};", self.nodes[*from], self.nodes[*to]);
        }
        println!("}}");
    }
}
