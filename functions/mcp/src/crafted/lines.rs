//! Some lines of a text, as far as they fit an answer.

use crate::engine::arguments::Arguments;
use crate::engine::blocks::Blocks;
use crate::engine::budget;
use crate::engine::failure::Failure;

/// The room of the lines, in bytes.
const ROOM: usize = budget::LARGEST - 1_000;

/// The lines that are asked for, the first of which is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) from: usize,
    /// The last one; absent: as many as fit.
    pub(super) to: Option<usize>,
}

impl Lines {
    /// Reads `from_line` and `to_line`.
    ///
    /// # Errors
    /// [`Failure::Arguments`] if the last is before the first.
    pub(super) fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let line = |name: &str| arguments.integer(name).and_then(|line| usize::try_from(line).ok());
        let lines = Self { from: line("from_line").unwrap_or(1), to: line("to_line") };
        if lines.to.is_some_and(|to| to < lines.from) {
            return Err(Failure::argument("to_line", "must not be before from_line"));
        }
        Ok(lines)
    }
}

/// Returns a text block with these lines of a text.
pub(super) fn shown(what: &str, text: &str, wanted: Lines) -> Blocks {
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let before = wanted.from.saturating_sub(1).min(all.len());
    let end = wanted.to.unwrap_or(all.len()).min(all.len());
    let chosen = all.get(before..end).unwrap_or_default();
    let mut used = 0;
    let fitting = chosen.iter().take_while(|line| {
        used += line.len();
        used <= ROOM
    });
    // A line that is longer than an answer is cut when the block is made.
    let fitting = fitting.count().max(1).min(chosen.len());
    let last = before + fitting;
    let rest = if fitting < chosen.len() {
        format!("; from_line {} goes on", last + 1)
    } else {
        String::new()
    };
    let lines = match all.len() {
        0 => "empty".to_owned(),
        count if before >= count => format!("has {count} lines"),
        count if fitting == count => format!("{count} lines"),
        count => format!("lines {} to {last} of {count}{rest}", before + 1),
    };
    Blocks::text(format!("{what}, {lines}"), chosen.get(..fitting).unwrap_or_default().concat())
}

#[cfg(test)]
mod tests {
    use ground::random::Random;

    use super::*;

    fn of(text: &str, from: usize, to: Option<usize>) -> String {
        let content = shown("It", text, Lines { from, to }).content(&Random::seeded(1));
        content[0]["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_text_is_shown_by_its_lines_and_names_where_it_goes_on() {
        for (from, to, about, body) in [
            (1, None, "It, 3 lines. ", "a\nb\nc\n"),
            (2, None, "It, lines 2 to 3 of 3. ", "b\nc\n"),
            (2, Some(2), "It, lines 2 to 2 of 3. ", "b\n"),
            (4, None, "It, has 3 lines. ", ""),
            (3, Some(99), "It, lines 3 to 3 of 3. ", "c\n"),
        ] {
            let shown = of("a\nb\nc", from, to);
            assert!(shown.starts_with(about), "{shown}");
            assert!(shown.contains(&format!(">\n{body}</")), "{shown}");
        }
        assert!(of("", 1, None).starts_with("It, empty. "));
        let long = "a line of some length\n".repeat(3_000);
        let shown = of(&long, 1, None);
        assert!(shown.len() <= budget::LARGEST, "{}", shown.len());
        let last = (shown.lines().count() - 3).to_string();
        assert!(shown.contains(&format!("lines 1 to {last} of 3000; from_line ")), "{last}");
    }
}
