//! The difference of two versions of a text, as Git shows it.

use std::fmt::Write as _;
use std::ops::Range;

use imara_diff::{Algorithm, Diff, Hunk, InternedInput, Token};

use super::slider::GitSlider;

/// The unchanged lines around a change.
const CONTEXT: u32 = 3;

/// Returns the hunks of a unified diff; empty without a difference. They are those of `git diff`, but for what Git writes
/// behind a hunk's `@@`, and for texts with several shortest differences, of which Git may choose another.
pub fn hunks(before: &str, after: &str) -> String {
    let input = InternedInput::new(before, after);
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    // Git moves changes along equal lines to where they read best.
    diff.postprocess_with_heuristic(&input, GitSlider(&input));
    let changes: Vec<Hunk> = diff.hunks().collect();
    let mut text = String::new();
    let is_far = |one: &Hunk, next: &Hunk| next.before.start - one.before.end > 2 * CONTEXT;
    for group in changes.chunk_by(|one, next| !is_far(one, next)) {
        write(&mut text, group, &input);
    }
    text
}

fn write(text: &mut String, group: &[Hunk], input: &InternedInput<&str>) {
    let [first, ..] = group else { return };
    let lead = first.before.start.min(CONTEXT);
    let last = group.last().unwrap_or(first);
    let trail = (length(&input.before) - last.before.end).min(CONTEXT);
    let old = first.before.start - lead..last.before.end + trail;
    let new = first.after.start - lead..last.after.end + trail;
    // Writing to a text succeeds.
    let _ = writeln!(text, "@@ -{} +{} @@", range(&old), range(&new));
    let mut at = old.start;
    for hunk in group {
        lines(text, ' ', at..hunk.before.start, &input.before, input);
        lines(text, '-', hunk.before.clone(), &input.before, input);
        lines(text, '+', hunk.after.clone(), &input.after, input);
        at = hunk.before.end;
    }
    lines(text, ' ', at..old.end, &input.before, input);
}

fn length(tokens: &[Token]) -> u32 {
    u32::try_from(tokens.len()).unwrap_or(u32::MAX)
}

/// Returns a range of lines as in the head of a hunk: an empty one begins after the line before it.
fn range(lines: &Range<u32>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => (lines.start + 1).to_string(),
        count => format!("{},{count}", lines.start + 1),
    }
}

fn lines(
    text: &mut String,
    sign: char,
    at: Range<u32>,
    tokens: &[Token],
    input: &InternedInput<&str>,
) {
    let at = at.start as usize..at.end as usize;
    for token in tokens.get(at).unwrap_or_default() {
        let line = input.interner[*token];
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_that_of_git() {
        let numbers = |change: &dyn Fn(u32) -> Option<String>| -> String {
            (1..=20).filter_map(change).collect()
        };
        let before = numbers(&|n| Some(format!("{n}\n")));
        for (after, expected) in [
            (before.clone(), ""),
            (numbers(&|n| (n != 1).then(|| format!("{n}\n"))), "@@ -1,4 +1,3 @@\n-1\n 2\n 3\n 4\n"),
            (
                numbers(&|n| Some(if n == 20 { "20".to_owned() } else { format!("{n}\n") })),
                "@@ -17,4 +17,4 @@\n 17\n 18\n 19\n-20\n+20\n\\ No newline at end of file\n",
            ),
            (
                numbers(&|n| {
                    Some(if n == 5 || n == 11 { "x\n".to_owned() } else { format!("{n}\n") })
                }),
                "@@ -2,13 +2,13 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n 9\n 10\n-11\n+x\n 12\n 13\n 14\n",
            ),
            (
                numbers(&|n| {
                    Some(if n == 5 || n == 13 { "x\n".to_owned() } else { format!("{n}\n") })
                }),
                "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n@@ -10,7 +10,7 @@\n 10\n 11\n 12\n-13\n+x\n 14\n 15\n 16\n",
            ),
        ] {
            assert_eq!(hunks(&before, &after), expected);
        }
        assert_eq!(hunks("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(hunks("a", ""), "@@ -1 +0,0 @@\n-a\n\\ No newline at end of file\n");
        assert_eq!(hunks("a\r\n", "a\n"), "@@ -1 +1 @@\n-a\r\n+a\n");
    }

    #[test]
    fn a_block_that_is_repeated_is_added_as_a_whole() {
        // Git shows the second function, rather than the end of the first and the beginning of the second.
        let one = "fn a() {\n    x();\n}\n\n";
        let both = format!("{one}fn b() {{\n    x();\n}}\n\n");
        assert_eq!(
            hunks(one, &both),
            "@@ -2,3 +2,7 @@\n     x();\n }\n \n+fn b() {\n+    x();\n+}\n+\n"
        );
    }
}
