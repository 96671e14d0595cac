//! Fuel by function: as folded stacks, and as a flame graph.
//!
//! Enters: chains of calls with their fuel, and a name for each function. Leaves: text, and an SVG that needs nothing from
//! outside and runs nothing. Refuses: nothing; names are escaped, what is too narrow to be seen is not drawn.

use std::collections::HashMap;
use std::fmt::Write as _;

use tenzik::observation::{Node, Observation, Place};

use super::symbols::Symbols;

const WIDTH: f64 = 1_200.0;
const ROW: usize = 18;
/// Narrower than this nothing is drawn: a graph has as many boxes as that lets it have.
const NARROW: f64 = 0.3;
/// The width of a letter, to know what fits into a box.
const LETTER: f64 = 7.0;
/// The most bytes of folded stacks. Deep chains are long, and each line has a whole one.
const FOLDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Chains of calls, named and added up.
pub(super) struct Flame<'a> {
    nodes: &'a [Node],
    names: Vec<String>,
    /// Each node's fuel with that of all it called.
    totals: Vec<u64>,
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
    total: u64,
}

impl<'a> Flame<'a> {
    /// Names and adds up.
    pub(super) fn of(seen: &'a Observation, symbols: &Symbols) -> Self {
        let nodes = &seen.nodes[..];
        let mut functions = HashMap::new();
        let mut name = |place| match place {
            Place::Function(index) => {
                let named = functions.entry(index);
                named.or_insert_with(|| symbols.function(index)).clone()
            }
            other => named(other),
        };
        let mut totals: Vec<u64> = nodes.iter().map(|node| node.fuel).collect();
        let mut children = vec![Vec::new(); nodes.len()];
        let mut roots = Vec::new();
        // A parent stands before its children.
        for (index, node) in nodes.iter().enumerate().rev() {
            match node.parent {
                Some(parent) => {
                    totals[parent] += totals[index];
                    children[parent].push(index);
                }
                None => roots.push(index),
            }
        }
        children.iter_mut().for_each(|of| of.reverse());
        roots.reverse();
        Self {
            names: nodes.iter().map(|node| name(node.place)).collect(),
            total: seen.fuel(),
            nodes,
            totals,
            children,
            roots,
        }
    }

    /// What each name used itself, the most first.
    pub(super) fn by_name(&self) -> Vec<(&str, u64)> {
        let mut by_name: HashMap<&str, u64> = HashMap::new();
        for (node, name) in self.nodes.iter().zip(&self.names) {
            *by_name.entry(name).or_default() += node.fuel;
        }
        let mut by_name: Vec<_> = by_name.into_iter().collect();
        by_name.sort_by(|(one, fuel), (other, more)| more.cmp(fuel).then(one.cmp(other)));
        by_name
    }

    /// A line for each chain: its names with `;` between them, and the fuel at its end.
    pub(super) fn folded(&self) -> String {
        self.folded_within(FOLDED_BYTES_MAX)
    }

    /// The same, with one line for all that would not fit, so that the sum stays.
    fn folded_within(&self, bytes_max: usize) -> String {
        let mut lines = String::new();
        let mut dropped = 0;
        for (index, node) in self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.fuel > 0)
        {
            let mut chain: Vec<String> = Vec::new();
            let mut at = Some(index);
            while let Some(index) = at {
                chain.push(self.names[index].replace(';', ","));
                at = self.nodes[index].parent;
            }
            chain.reverse();
            let line = format!("{} {}\n", chain.join(";"), node.fuel);
            if lines.len() + line.len() > bytes_max {
                dropped += node.fuel;
            } else {
                lines.push_str(&line);
            }
        }
        if dropped > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{} {dropped}", named(Place::More));
        }
        lines
    }

    /// The flame graph: a box for each chain, as wide as its fuel, below that which called it.
    pub(super) fn svg(&self, title: &str) -> String {
        let mut boxes = String::new();
        let mut rows = 0;
        // With the place and the row of each that is still to be drawn.
        let mut open = vec![(0.0, 0, &self.roots)];
        while let Some((mut x, row, nodes)) = open.pop() {
            for &node in nodes {
                let width = self.width(node);
                if width >= NARROW {
                    self.rect(&mut boxes, node, x, row);
                    rows = rows.max(row + 1);
                    open.push((x, row + 1, &self.children[node]));
                }
                x += width;
            }
        }
        let height = (rows + 2) * ROW;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"monospace\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
             <text x=\"4\" y=\"14\">{}: {} fuel</text>\n{boxes}</svg>\n",
            escaped(title),
            self.total
        )
    }

    fn width(&self, node: usize) -> f64 {
        // Fuel is below 2^53.
        self.totals[node] as f64 / self.total.max(1) as f64 * WIDTH
    }

    fn rect(&self, boxes: &mut String, node: usize, x: f64, row: usize) {
        let (width, y) = (self.width(node), ROW + row * ROW);
        let (name, total, own) = (&self.names[node], self.totals[node], self.nodes[node].fuel);
        let percent = total as f64 / self.total.max(1) as f64 * 100.0;
        let fits = ((width - 6.0) / LETTER).max(0.0) as usize;
        let label: String = match name.chars().count() <= fits {
            true => name.clone(),
            false if fits < 3 => String::new(),
            false => name.chars().take(fits - 1).chain(['…']).collect(),
        };
        let _ = write!(
            boxes,
            "<g><title>{}: {total} fuel, {percent:.1} %, {own} of it its own</title>\
             <rect x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"{}\" fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"0.5\"/>",
            escaped(name),
            ROW - 1,
            colour(self.nodes[node].place),
        );
        if !label.is_empty() {
            let _ = write!(
                boxes,
                "<text x=\"{:.2}\" y=\"{}\">{}</text>",
                x + 3.0,
                y + 13,
                escaped(&label)
            );
        }
        boxes.push_str("</g>\n");
    }
}

/// What is no function of the capsule.
fn named(place: Place) -> String {
    match place {
        Place::Check => "(check of the output)".to_owned(),
        Place::Function(index) => format!("function {index}"),
        Place::Host(function) => format!("host {}", function.import().name),
        Place::Start => "(start-up)".to_owned(),
        _ => "(more)".to_owned(),
    }
}

const fn colour(place: Place) -> &'static str {
    match place {
        Place::Function(_) => "#f4a261",
        Place::Host(_) => "#7fb3d5",
        _ => "#cfd8dc",
    }
}

/// Text between tags. Control characters are in none that gets here: symbols have escaped them.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No document may have these, however they are written.
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('?'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(parent: Option<usize>, place: Place, fuel: u64) -> Node {
        Node {
            parent,
            place,
            fuel,
        }
    }

    fn seen(nodes: Vec<Node>) -> Observation {
        Observation {
            nodes,
            ..Observation::default()
        }
    }

    /// Every tag is one of ours and is closed in its order; every `&` begins one of our references.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        for part in svg.split('<').skip(1) {
            let (tag, text) = part.split_once('>').expect("a tag ends");
            assert!(!text.contains('>'), "{part}");
            for reference in text.split('&').skip(1) {
                let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
                assert!(
                    known.iter().any(|known| reference.starts_with(known)),
                    "{part}"
                );
            }
            let name = tag.split([' ', '/']).next().expect("a name");
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed), "{part}");
            } else if !tag.ends_with('/') {
                open.push(name);
            }
            let known = ["svg", "rect", "text", "g", "title", ""];
            assert!(known.contains(&name), "{part}");
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn the_folded_stacks_have_all_fuel_once() {
        let seen = seen(vec![
            node(None, Place::Start, 100),
            node(None, Place::Function(3), 20),
            node(Some(1), Place::Function(4), 5),
            node(Some(2), Place::Function(4), 7),
            node(Some(1), Place::Check, 0),
        ]);
        let flame = Flame::of(&seen, &Symbols::default());
        assert_eq!(
            flame.folded(),
            "(start-up) 100\nfunction 3 20\nfunction 3;function 4 5\nfunction 3;function 4;function 4 7\n"
        );
        assert_eq!(flame.totals, [100, 32, 12, 7, 0]);
        assert_eq!(
            flame.by_name()[..3],
            [("(start-up)", 100), ("function 3", 20), ("function 4", 12)]
        );
    }

    #[test]
    fn folded_stacks_that_do_not_fit_are_one_line_with_their_fuel() {
        let chain = (0..100).map(|at: usize| {
            let parent = at.checked_sub(1);
            node(parent, Place::Function(0), 3)
        });
        let seen = seen(chain.collect());
        let flame = Flame::of(&seen, &Symbols::default());
        let whole = flame.folded();
        assert!(!whole.contains("(more)"));
        assert_eq!(flame.folded_within(whole.len()), whole);
        for bytes_max in [0, 100, whole.len() - 1] {
            let folded = flame.folded_within(bytes_max);
            let (kept, more) = folded.split_at(folded.rfind("(more) ").expect("a last line"));
            assert!(
                kept.len() <= bytes_max && whole.starts_with(kept),
                "{folded}"
            );
            let fuel = more.trim_start_matches("(more) ").trim_end();
            let fuel: usize = fuel.parse().expect("a number");
            assert_eq!(fuel + 3 * kept.lines().count(), 300);
        }
    }

    #[test]
    fn names_cannot_leave_their_place_in_the_graph() {
        let hostile =
            "(module (func $\"</svg><script>alert(1)</script>&x;\\1b]\" (export \"run\")))";
        let module = wat::parse_str(hostile).expect("a module");
        let symbols = Symbols::beside(&module, None);
        let seen = seen(vec![node(None, Place::Function(0), 9)]);
        let flame = Flame::of(&seen, &symbols);
        let svg = flame.svg("a & b <c>");
        assert_well_formed(&svg);
        assert!(
            svg.contains("&lt;/svg&gt;&lt;script&gt;") && !svg.contains("<script"),
            "{svg}"
        );
        assert!(svg.chars().all(|char| char == '\n' || !char.is_control()));
        let folded = flame.folded();
        assert_eq!(folded.lines().count(), 1);
        assert!(!folded.contains(';'), "{folded}");
    }

    #[test]
    fn boxes_are_as_wide_as_their_fuel_and_those_nobody_sees_are_left_out() {
        let seen = seen(vec![
            node(None, Place::Function(0), 249_999),
            node(Some(0), Place::Function(1), 750_000),
            node(Some(0), Place::Function(2), 1),
        ]);
        let svg = Flame::of(&seen, &Symbols::default()).svg("t");
        assert_well_formed(&svg);
        assert!(
            svg.contains("<title>function 0: 1000000 fuel, 100.0 %, 249999 of it its own</title>")
        );
        assert!(svg.contains("width=\"900.00\""), "{svg}");
        assert!(!svg.contains("function 2"));
    }

    #[test]
    fn nothing_at_all_is_a_graph_too() {
        assert_well_formed(&Flame::of(&seen(Vec::new()), &Symbols::default()).svg(""));
    }
}
