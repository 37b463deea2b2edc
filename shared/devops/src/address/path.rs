//! A path, as it is sent and as a server reads it: decoded once, and then split.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::organization::OrganizationName;

/// The characters that a segment must not contain: all but RFC 3986's `pchar`. A percent sign is kept where it begins an
/// encoded byte.
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
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'%');

/// Full stops, and the characters that some readers treat as one.
const DOTS: &[char] = &[
    '.', '\u{2024}', '\u{2025}', '\u{2026}', '\u{3002}', '\u{fe19}', '\u{fe30}', '\u{fe52}',
    '\u{ff0e}', '\u{ff61}',
];

/// A backslash is a slash to Azure DevOps' own web server.
const SEPARATORS: [char; 2] = ['/', '\\'];

/// What makes a path mean different things to different readers.
pub(super) struct Ambiguous(pub(super) &'static str);

/// A path that no server reads in two ways.
pub(super) struct Path {
    segments: Vec<Segment>,
    /// Whether the path ends with a slash, which does not begin another segment.
    slash_at_end: bool,
}

/// The text between two slashes.
pub(super) struct Segment {
    sent: String,
    decoded: String,
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
        let segments = within.unwrap_or(below).split('/').map(Segment::parse);
        let segments = segments.collect::<Result<_, _>>()?;
        Ok(Self { segments, slash_at_end: within.is_some() })
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    /// Returns the segments as a server reads them: decoded once, encoded separators included. Some may be empty.
    pub(super) fn into_read(self) -> impl Iterator<Item = String> {
        let split = |segment: Segment| {
            segment.decoded.split(SEPARATORS).map(str::to_owned).collect::<Vec<_>>()
        };
        self.segments.into_iter().flat_map(split)
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
            write!(f, "/{}", segment.sent)?;
        }
        if self.slash_at_end || self.segments.is_empty() { f.write_str("/") } else { Ok(()) }
    }
}

impl Segment {
    fn parse(raw: &str) -> Result<Self, Ambiguous> {
        if raw.is_empty() {
            return Ok(Self { sent: String::new(), decoded: String::new() });
        }
        let sent =
            utf8_percent_encode(&with_stray_percents_encoded(raw), ENCODED_IN_SEGMENT).to_string();
        // Web servers do not agree on the encoding of other bytes.
        let not_text = |_| Ambiguous("bytes that are not UTF-8");
        let decoded = percent_decode_str(&sent).decode_utf8().map_err(not_text)?.into_owned();
        match ambiguity(&decoded) {
            Some(reason) => Err(Ambiguous(reason)),
            None => Ok(Self { sent, decoded }),
        }
    }

    /// Returns the segment as a server reads it, which must find one segment here.
    pub(super) fn alone(&self) -> Result<&str, Ambiguous> {
        if self.decoded.is_empty() {
            return Err(Ambiguous("an empty segment in or before the organization"));
        }
        if self.decoded.contains(SEPARATORS) {
            return Err(Ambiguous("an encoded slash or a backslash in or before the organization"));
        }
        Ok(&self.decoded)
    }
}

/// Encodes percent signs that begin no encoded byte. They mean themselves, and come from gateways that have decoded the
/// path.
fn with_stray_percents_encoded(raw: &str) -> String {
    let mut parts = raw.split('%');
    let mut encoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let begins_byte = part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit());
        encoded.extend([if begins_byte { "%" } else { "%25" }, part]);
    }
    encoded
}

fn ambiguity(decoded: &str) -> Option<&'static str> {
    if decoded.contains(char::is_control) {
        return Some("a control character");
    }
    if decoded.contains(char::REPLACEMENT_CHARACTER) {
        // A gateway that decodes leaves it in their place.
        return Some("bytes that are not UTF-8");
    }
    let is_split = decoded.contains(SEPARATORS);
    let is_nothing =
        |part: &str| !(is_split && part.is_empty()) && reads_as_dots(without_parameters(part));
    if decoded.split(SEPARATORS).any(is_nothing) {
        return Some("a segment of nothing but dots or blanks");
    }
    if decoded.split(SEPARATORS).any(is_session_without_cookies) {
        return Some("a segment like (S(x)), which ASP.NET leaves out");
    }
    let unfolded = decoded_to_the_end(decoded);
    let separators = |text: &str| text.matches(SEPARATORS).count();
    let is_dots = |part: &str| {
        without_parameters(part).contains(DOTS) && reads_as_dots(without_parameters(part))
    };
    if separators(&unfolded) > separators(decoded) || unfolded.split(SEPARATORS).any(is_dots) {
        return Some("a slash, a backslash or a dot segment that is encoded twice");
    }
    None
}

/// Returns the text that is left when it is decoded until nothing is encoded, also as `%u002f`, which Azure DevOps' own
/// web server understands.
fn decoded_to_the_end(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        decoded.push(byte);
        // What was decoded may complete another encoded byte.
        while let Some((length, byte)) = encoded_at_end(&decoded) {
            decoded.truncate(decoded.len() - length);
            decoded.push(byte);
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Returns the length of the encoded byte at the end of a text, and the byte.
fn encoded_at_end(text: &[u8]) -> Option<(usize, u8)> {
    let (length, high, low) = match *text {
        [.., b'%', high, low] => (3, high, low),
        [.., b'%', b'u' | b'U', b'0', b'0', high, low] => (6, high, low),
        _ => return None,
    };
    let value =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some((length, value(high)? << 4 | value(low)?))
}

/// Returns whether a segment is what ASP.NET takes for a session without cookies, and drops before it routes the request:
/// values of a letter and parentheses, all in parentheses, such as `(S(x))` and `(A(x)F(y))`
/// (<https://learn.microsoft.com/previous-versions/dotnet/articles/aa479314(v=msdn.10)>).
fn is_session_without_cookies(segment: &str) -> bool {
    let within = segment.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let Some(mut values) = within.filter(|values| !values.is_empty()) else { return false };
    while !values.is_empty() {
        let value = values.strip_prefix(|letter: char| letter.is_ascii_alphabetic());
        let value = value.and_then(|value| value.strip_prefix('(')?.split_once(')'));
        let Some((_, after)) = value else { return false };
        values = after;
    }
    true
}

/// Returns a segment without its parameters, which some readers drop, as in `..;x`.
pub(crate) fn without_parameters(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default()
}

/// Returns whether some reader could take a name for `.`, `..` or an empty one: Windows drops blanks and further dots,
/// others drop characters without width.
fn reads_as_dots(name: &str) -> bool {
    name.chars().all(|c| DOTS.contains(&c) || c.is_whitespace() || has_no_width(c))
}

fn has_no_width(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}
