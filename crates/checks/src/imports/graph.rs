//! Graphs: strongly connected components and shortest cycles. Not here: what the nodes are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A directed graph by its edges, without an edge from a node to itself.
pub type Graph = BTreeMap<usize, BTreeSet<usize>>;

/// The strongly connected components of more than one node, each sorted, in the order of their first nodes.
pub fn components(graph: &Graph) -> Vec<Vec<usize>> {
    let reach: BTreeMap<usize, BTreeSet<usize>> = graph.keys().map(|&node| (node, reachable(graph, node))).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (&node, beyond) in &reach {
        if !beyond.contains(&node) || !seen.insert(node) {
            continue;
        }
        let back = |other: &usize| reach.get(other).is_some_and(|beyond| beyond.contains(&node));
        let component: Vec<usize> = beyond.iter().copied().filter(back).collect();
        seen.extend(&component);
        found.push(component);
    }
    found
}

/// The nodes that at least one edge leads to.
fn reachable(graph: &Graph, from: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut queue = vec![from];
    while let Some(node) = queue.pop() {
        queue.extend(graph.get(&node).into_iter().flatten().filter(|&&next| seen.insert(next)));
    }
    seen
}

/// The shortest cycle through nodes of a component; it returns to its first node, which is not repeated.
pub fn shortest_cycle(graph: &Graph, component: &[usize]) -> Vec<usize> {
    let cycles = component.iter().filter_map(|&start| cycle_from(graph, start));
    cycles.min_by_key(Vec::len).unwrap_or_default()
}

fn cycle_from(graph: &Graph, start: usize) -> Option<Vec<usize>> {
    let mut before = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &next in graph.get(&node).into_iter().flatten() {
            if next == start {
                let mut cycle = vec![node];
                while let Some(&earlier) = before.get(cycle.last()?) {
                    cycle.push(earlier);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if let std::collections::btree_map::Entry::Vacant(e) = before.entry(next) {
                e.insert(node);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(usize, usize)]) -> Graph {
        let mut graph = Graph::new();
        for &(from, to) in edges {
            graph.entry(from).or_default().insert(to);
        }
        graph
    }

    #[test]
    fn components_are_found_and_the_shortest_cycle_is_the_shortest() {
        let graph = graph(&[(0, 1), (1, 2), (2, 3), (3, 1), (3, 2), (4, 5), (5, 4), (4, 1), (6, 0)]);
        assert_eq!(components(&graph), [vec![1, 2, 3], vec![4, 5]]);
        assert_eq!(shortest_cycle(&graph, &[1, 2, 3]), [2, 3]);
        assert_eq!(shortest_cycle(&graph, &[4, 5]), [4, 5]);
    }

    #[test]
    fn a_graph_without_cycles_has_no_component() {
        assert!(components(&graph(&[(0, 1), (1, 2), (0, 2), (3, 2)])).is_empty());
    }
}
