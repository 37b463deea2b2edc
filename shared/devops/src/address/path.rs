//! A path that is split into its segments once.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::organization::OrganizationName;

/// The characters that a segment must not contain: all but RFC 3986's `pchar`. A percent sign is kept, because each one
/// that gets here begins an encoded byte.
const ENCODED_IN_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'%');

/// Full stops, and the characters that some readers treat as one.
const DOTS: &[char] = &[
    '.', '\u{2024}', '\u{2025}', '\u{2026}', '\u{3002}', '\u{fe19}', '\u{fe30}', '\u{fe52}',
    '\u{ff0e}', '\u{ff61}',
];

/// The characters that some readers treat as a slash or a backslash.
const SLASHES: &[char] = &[
    '\u{2044}', '\u{2215}', '\u{2216}', '\u{29f8}', '\u{29f9}', '\u{fe68}', '\u{ff0f}', '\u{ff3c}',
];

/// What makes a path mean different things to different readers.
pub(super) struct Ambiguous(pub(super) &'static str);

/// A path whose segments nobody can read in two ways, each encoded as it goes on the wire.
pub(super) struct Path {
    segments: Vec<String>,
    /// Whether the path ends with a slash, which does not begin another segment.
    slash_at_end: bool,
}

impl Path {
    pub(super) fn parse(path: &str) -> Result<Self, Ambiguous> {
        if path.is_empty() {
            return Ok(Self { segments: Vec::new(), slash_at_end: false });
        }
        let refused = Ambiguous("no slash at the beginning of its path");
        let below = path.strip_prefix('/').ok_or(refused)?;
        if below.is_empty() {
            return Ok(Self { segments: Vec::new(), slash_at_end: true });
        }
        let within = below.strip_suffix('/');
        let segments = within.unwrap_or(below).split('/').map(segment).collect::<Result<_, _>>()?;
        Ok(Self { segments, slash_at_end: within.is_some() })
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(String::as_str)
    }

    pub(super) fn below(&self, organization: &OrganizationName) -> String {
        if self.segments.is_empty() && !self.slash_at_end {
            format!("/{organization}")
        } else {
            format!("/{organization}{self}")
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            write!(f, "/{segment}")?;
        }
        if self.slash_at_end || self.segments.is_empty() { f.write_str("/") } else { Ok(()) }
    }
}

/// A segment as it came, with what cannot stand in a path percent-encoded.
fn segment(raw: &str) -> Result<String, Ambiguous> {
    match ambiguity(raw) {
        Some(reason) => Err(Ambiguous(reason)),
        None => Ok(utf8_percent_encode(raw, ENCODED_IN_SEGMENT).to_string()),
    }
}

fn ambiguity(raw: &str) -> Option<&'static str> {
    if raw.is_empty() {
        return Some("an empty segment");
    }
    if raw.to_ascii_lowercase().contains("%2e") {
        return Some("an encoded dot");
    }
    let Ok(decoded) = percent_decode_str(raw).decode_utf8() else {
        return Some("bytes that are not UTF-8");
    };
    if reads_as_dots(&decoded) {
        return Some("a segment of nothing but dots or blanks");
    }
    decoded.chars().find_map(|character| match character {
        '/' | '\\' => Some("an encoded slash or a backslash"),
        // Decoding also leaves percent signs that encode nothing.
        '%' => Some("a percent sign that is encoded itself or encodes nothing"),
        '?' | '#' => Some("an encoded question mark or number sign"),
        // Parameters such as `..;x` hide a dot segment from some readers. Azure DevOps uses none.
        ';' => Some("a semicolon"),
        c if c.is_control() => Some("a control character"),
        c if SLASHES.contains(&c) => Some("a look-alike of a slash"),
        _ => None,
    })
}

/// Returns whether some reader could take a segment for `.`, `..` or an empty one: Windows drops blanks and further
/// dots, others drop characters without width.
fn reads_as_dots(segment: &str) -> bool {
    segment.chars().all(|c| DOTS.contains(&c) || c.is_whitespace() || has_no_width(c))
}

fn has_no_width(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}
