//! The place of an insertion or a deletion that could be shown at several, because its lines repeat those around it: where
//! Git shows it (its indent heuristic, in `xdiff/xdiffi.c`).
//!
//! Each edge of the change gets a penalty, which is small where a block begins: after blank lines and at a small indentation.

use std::ops::Range;

use imara_diff::{InternedInput, SliderHeuristic, Token};

/// The number of places that are looked at.
const MOST_PLACES: u32 = 100;
/// The blank lines that are counted.
const MOST_BLANKS: i32 = 20;
/// The largest indentation.
const LARGEST: i32 = 200;
/// What a difference of indentation weighs against a difference of penalties.
const INDENT_WEIGHT: i32 = 60;

/// Chooses places as Git does.
pub(super) struct GitSlider<'a>(pub(super) &'a InternedInput<&'a str>);

/// One edge of a change: in front of a line, or behind the last.
struct Edge {
    /// The indentation of the line; absent if it is blank, or at the end.
    indent: Option<i32>,
    is_end: bool,
    before: Neighbour,
    after: Neighbour,
}

/// The nearest line that is not blank, and the number of blank ones up to it.
struct Neighbour {
    indent: Option<i32>,
    blanks: i32,
}

/// The sum over both edges.
#[derive(Clone, Copy)]
struct Score {
    indent: i32,
    penalty: i32,
}

impl SliderHeuristic for GitSlider<'_> {
    fn best_slider_end(&mut self, tokens: &[Token], hunk: Range<u32>, earliest_end: u32) -> u32 {
        let size = hunk.end - hunk.start;
        let first = earliest_end
            .max(hunk.start.saturating_sub(1))
            .max(hunk.end.saturating_sub(MOST_PLACES));
        let mut best: Option<(u32, Score)> = None;
        for end in first..=hunk.end {
            let score = self.score(tokens, [end - size, end]);
            if best.is_none_or(|(_, known)| score.is_as_good_as(known)) {
                best = Some((end, score));
            }
        }
        best.map_or(hunk.end, |(end, _)| end)
    }
}

impl GitSlider<'_> {
    fn score(&self, tokens: &[Token], edges: [u32; 2]) -> Score {
        let mut score = Score { indent: 0, penalty: 0 };
        for at in edges {
            let edge = self.edge(tokens, at as usize);
            score.indent += edge.effective_indent().unwrap_or(-1);
            score.penalty += edge.penalty();
        }
        score
    }

    fn edge(&self, tokens: &[Token], at: usize) -> Edge {
        let indent = |token: &Token| indent_of(self.0.interner[*token]);
        Edge {
            indent: tokens.get(at).and_then(indent),
            is_end: at >= tokens.len(),
            before: neighbour(tokens.get(..at).unwrap_or_default().iter().rev().map(indent)),
            after: neighbour(tokens.get(at + 1..).unwrap_or_default().iter().map(indent)),
        }
    }
}

fn neighbour(indents: impl Iterator<Item = Option<i32>>) -> Neighbour {
    let mut blanks = 0;
    for indent in indents {
        if indent.is_some() {
            return Neighbour { indent, blanks };
        }
        blanks += 1;
        if blanks == MOST_BLANKS {
            return Neighbour { indent: Some(0), blanks };
        }
    }
    Neighbour { indent: None, blanks }
}

/// Returns the indentation of a line, or `None` if it is blank.
fn indent_of(line: &str) -> Option<i32> {
    let mut indent = 0;
    for byte in line.bytes() {
        match byte {
            b' ' => indent += 1,
            b'\t' => indent += 8 - indent % 8,
            b'\n' | b'\r' | 0x0b | 0x0c => {}
            _ => return Some(indent),
        }
        if indent >= LARGEST {
            return Some(LARGEST);
        }
    }
    None
}

impl Edge {
    fn effective_indent(&self) -> Option<i32> {
        self.indent.or(self.after.indent)
    }

    fn penalty(&self) -> i32 {
        let after = if self.indent.is_none() { 1 + self.after.blanks } else { 0 };
        let blanks = self.before.blanks + after;
        let mut penalty = -30 * blanks + 6 * after;
        if self.before.indent.is_none() && self.before.blanks == 0 {
            penalty += 1;
        }
        if self.is_end {
            penalty += 21;
        }
        let (Some(indent), Some(before)) = (self.effective_indent(), self.before.indent) else {
            return penalty;
        };
        let has_blanks = blanks != 0;
        penalty
            + match indent - before {
                0 => 0,
                1.. if has_blanks => 10,
                1.. => -4,
                // A line that is followed by a deeper one ends a block and begins another.
                _ if self.after.indent.is_some_and(|after| after > indent) => {
                    if has_blanks {
                        17
                    } else {
                        24
                    }
                }
                _ if has_blanks => 17,
                _ => 23,
            }
    }
}

impl Score {
    fn is_as_good_as(self, other: Self) -> bool {
        let indents = (self.indent - other.indent).signum();
        INDENT_WEIGHT * indents + self.penalty - other.penalty <= 0
    }
}
