//! Flows as text and as diagrams, before they run.

use std::fmt::Write;

use super::{Flow, Role};
use crate::primitive::Description;

impl<I, O, S> Flow<I, O, S> {
    /// The flow as an indented tree.
    ///
    /// ```
    /// use tta_primitives::step;
    /// let flow = step("validate", |n: u8| async move { Ok(n) }).then("store", |n| async move { Ok(n) });
    /// assert_eq!(flow.to_tree(), "sequential\n├─ step 0: validate\n└─ step 1: store\n");
    /// ```
    #[must_use]
    pub fn to_tree(&self) -> String {
        let mut tree = String::new();
        write_tree(&mut tree, &self.node.describe(), &Role::Inner, "", "");
        tree
    }

    /// The flow as a Mermaid flowchart.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut graph = String::from("flowchart TD\n");
        walk(&self.node.describe(), &mut 0, None, &mut |id, description, parent| {
            let label = label(description).replace('"', "#quot;");
            let _ = writeln!(graph, "    n{id}[\"{label}\"]");
            if let Some((parent, role)) = parent {
                let _ = match role.to_string() {
                    role if role.is_empty() => writeln!(graph, "    n{parent} --> n{id}"),
                    role => writeln!(graph, "    n{parent} -->|\"{}\"| n{id}", role.replace('"', "#quot;")),
                };
            }
        });
        graph
    }

    /// The flow as a graph in the DOT language of Graphviz.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut graph = String::from("digraph flow {\n    node [shape=box];\n");
        walk(&self.node.describe(), &mut 0, None, &mut |id, description, parent| {
            let _ = writeln!(graph, "    n{id} [label={:?}];", label(description));
            if let Some((parent, role)) = parent {
                let _ = writeln!(graph, "    n{parent} -> n{id} [label={:?}];", role.to_string());
            }
        });
        graph.push_str("}\n");
        graph
    }
}

/// The name, and the type if it says more.
fn label(description: &Description) -> String {
    if description.name == description.kind {
        description.name.to_string()
    } else {
        format!("{} ({})", description.name, description.kind)
    }
}

fn write_tree(tree: &mut String, description: &Description, role: &Role, lead: &str, below: &str) {
    let role = role.to_string();
    let separator = if role.is_empty() { "" } else { ": " };
    let _ = writeln!(tree, "{lead}{role}{separator}{}", label(description));
    let last = description.children.len().saturating_sub(1);
    for (index, child) in description.children.iter().enumerate() {
        let (branch, line) = if index == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let (lead, below) = (format!("{below}{branch}"), format!("{below}{line}"));
        write_tree(tree, &child.describe(), child.role(), &lead, &below);
    }
}

type Parent<'a> = Option<(usize, &'a Role)>;

/// Visits every node with a number of its own, parents first.
fn walk(
    description: &Description,
    next: &mut usize,
    parent: Parent<'_>,
    visit: &mut dyn FnMut(usize, &Description, Parent<'_>),
) {
    let id = *next;
    *next += 1;
    visit(id, description, parent);
    for child in &description.children {
        walk(&child.describe(), next, Some((id, child.role())), visit);
    }
}
