//! The caller whom a refusal names: a person, nobody, or neither.
//!
//! `TF400813: The user '…' is not authorized to access this resource.` names the caller between quotes, in every
//! language. Other messages may name the caller by e-mail address, as `DOMAIN\name`, or by id.

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::text;

/// The identity of callers without one.
pub(crate) const ANONYMOUS: Uuid = Uuid::from_u128(0xaaaaaaaa_aaaa_aaaa_aaaa_aaaaaaaaaaaa);
/// Words with which Azure DevOps and Windows name callers without an identity.
const NOBODY: &[&str] = &[
    "anonymous",
    "anonymous logon",
    "null",
    "public",
    "publicaccess",
    "system:publicaccess",
    "unauthenticated",
    "unauthenticatedidentity",
];

/// Azure DevOps' code for a caller who is not authorized.
const NOT_AUTHORIZED: &str = "TF400813";
/// Begins another sentence that names the caller, in small letters.
const DENIED: &str = "access denied";
/// The longest sentence that is read after a code, in bytes.
const LONGEST_SENTENCE: usize = 2000;

/// Whom a refusal names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// Neither a person nor nobody.
    Unnamed,
    /// Expressly nobody: the anonymous identity, or empty quotes.
    Nobody,
    /// A person, or an application.
    Person,
}

/// Returns whom an answer names, in its headers or in its body.
pub(super) fn named(headers: &HeaderMap, body: Option<&str>) -> Named {
    in_user_data(headers).max(in_service_error(headers)).max(body.map_or(Named::Unnamed, in_body))
}

/// Returns whether an answer refuses the anonymous identity, in its description of the caller or in words that `asked`, the
/// address of the call, did not bring along: a server may repeat those in any message.
pub(super) fn is_nobody_refused(headers: &HeaderMap, body: Option<&str>, asked: &Url) -> bool {
    named(headers, body) == Named::Nobody
        && (in_user_data(headers) == Named::Nobody || !may_be_repeated(asked))
}

/// Returns whether an address contains words by which a message refuses its caller.
fn may_be_repeated(asked: &Url) -> bool {
    let asked = text::unescaped(&asked.as_str().replace('+', " ")).to_lowercase();
    asked.contains(&NOT_AUTHORIZED.to_lowercase()) || asked.contains(DENIED)
}

/// Reads `{identity}:{account}`, which describes the caller in almost every answer.
fn in_user_data(headers: &HeaderMap) -> Named {
    let data = headers.get("x-vss-userdata").map(|value| String::from_utf8_lossy(value.as_bytes()));
    let Some(data) = data.filter(|data| !data.trim().is_empty()) else { return Named::Unnamed };
    let (id, account) = data.split_once(':').unwrap_or((&*data, ""));
    match Uuid::parse_str(id.trim()) {
        // An organization without a tenant writes the nil id before the account.
        Ok(id) if id == ANONYMOUS || (id.is_nil() && !account.contains('@')) => Named::Nobody,
        Ok(_) => Named::Person,
        Err(_) if account.contains('@') => Named::Person,
        Err(_) => Named::Unnamed,
    }
}

/// Reads the headers that repeat the message, percent-encoded: as text and in SOAP.
fn in_service_error(headers: &HeaderMap) -> Named {
    let errors = ["x-tfs-serviceerror", "x-tfs-soapexception"];
    let errors = errors.iter().flat_map(|name| headers.get_all(*name));
    let named = errors.map(|error| {
        let error = String::from_utf8_lossy(error.as_bytes()).into_owned();
        // Older servers write a blank as `+`.
        let is_form = !error.contains([' ', '<']) && !error.contains("%20");
        let error = if is_form { error.replace('+', " ") } else { error };
        in_body(&percent_decode_str(&error).decode_utf8_lossy())
    });
    named.max().unwrap_or(Named::Unnamed)
}

fn in_body(body: &str) -> Named {
    if let Ok(json) = serde_json::from_str(body.trim_start()) {
        return in_json(&json, false);
    }
    // Beside its sentences, a page names much that is not the caller.
    let is_markup = body.trim_start().starts_with(['<', '{', '[']);
    if is_markup { in_sentences(body) } else { in_message(body) }
}

fn in_json(value: &Value, is_message: bool) -> Named {
    match value {
        Value::String(text) if is_message => in_message(text),
        Value::String(text) => in_sentences(text),
        Value::Array(values) => {
            values.iter().map(|value| in_json(value, is_message)).max().unwrap_or(Named::Unnamed)
        }
        Value::Object(members) => {
            let named = members.iter().map(|(name, value)| {
                in_json(value, name.to_ascii_lowercase().ends_with("message"))
            });
            named.max().unwrap_or(Named::Unnamed)
        }
        _ => Named::Unnamed,
    }
}

fn in_message(message: &str) -> Named {
    let in_sentences = in_sentences(message);
    let whole = start(message);
    in_sentences.max(in_other_sentence(&text::unescaped(whole)))
}

/// Reads every sentence that begins with the code of [`NOT_AUTHORIZED`] or with another code.
fn in_sentences(text: &str) -> Named {
    let mut named = Named::Unnamed;
    let mut rest = text;
    while let Some(at) = next_code(rest) {
        let (code, after) = rest.split_at(at).1.split_at(NOT_AUTHORIZED.len());
        let sentence = text::unescaped(sentence(after));
        named = named.max(if code.eq_ignore_ascii_case(NOT_AUTHORIZED) {
            in_sentence_of_code(&sentence)
        } else {
            in_other_sentence(&sentence)
        });
        rest = after;
    }
    named
}

/// Returns where the next code is: `TF` or `VS` and six digits.
fn next_code(text: &str) -> Option<usize> {
    text.as_bytes().windows(NOT_AUTHORIZED.len()).position(|window| {
        let (letters, digits) = window.split_at(2);
        (letters.eq_ignore_ascii_case(b"TF") || letters.eq_ignore_ascii_case(b"VS"))
            && digits.iter().all(u8::is_ascii_digit)
    })
}

/// Returns the text up to the next tag, or to the end of a JSON string.
fn sentence(text: &str) -> &str {
    let text = start(text);
    let ends = text.char_indices().find(|(at, character)| match character {
        '<' => true,
        '"' => {
            let after = text.get(at + 1..).unwrap_or_default().trim_start();
            after.starts_with([',', '}', ']'])
        }
        _ => false,
    });
    ends.and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

fn start(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_SENTENCE)).unwrap_or(text)
}

/// The caller is in the first quotes. A sentence without quotes may name an id, but not its request's.
fn in_sentence_of_code(sentence: &str) -> Named {
    if let Some(name) = quoted(sentence).next() {
        return judge(&name);
    }
    let sentence = without_parentheses(sentence);
    let of_id = |id| if is_nobody(id) { Named::Nobody } else { Named::Person };
    let account = has_account(&sentence).then_some(Named::Person);
    ids(&sentence).map(of_id).chain(account).max().unwrap_or(Named::Unnamed)
}

/// Another sentence names a person by account, or by id in quotes; it may also name projects and repositories by id. Only
/// where it names the caller can it name nobody: otherwise the anonymous identity may be a word of the request.
fn in_other_sentence(sentence: &str) -> Named {
    let sentence = without_parentheses(sentence);
    let is_person =
        |quoted: Quoted<'_>| Uuid::parse_str(quoted.text.trim()).is_ok_and(|id| !is_nobody(id));
    if has_account(&sentence) || quoted(&sentence).any(is_person) {
        return Named::Person;
    }
    let caller = denied(&sentence).map(|text| judge(&Quoted { text, is_whole: true }));
    caller.unwrap_or(Named::Unnamed)
}

/// Returns the name in `Access denied. Ada Lovelace needs the following permission(s) …`.
fn denied(sentence: &str) -> Option<&str> {
    let at = sentence.to_ascii_lowercase().find(DENIED)? + DENIED.len();
    let rest = sentence.get(at..)?.trim_start_matches(['.', ':', ' ']);
    rest.split_once(" needs ").map(|(name, _)| name)
}

/// Returns whom the text between quotes names.
fn judge(quoted: &Quoted<'_>) -> Named {
    let name = quoted.text.trim().trim_matches(['{', '}', '[', ']', '<', '>', '"', '\'']).trim();
    let lower = name.to_ascii_lowercase();
    let last = lower.rsplit(['\\', '.']).next().unwrap_or_default();
    if name.is_empty() || NOBODY.contains(&lower.as_str()) || NOBODY.contains(&last) {
        return Named::Nobody;
    }
    let is_anonymous = ids(name).any(is_nobody);
    // An organization without a tenant writes the nil id before the account.
    let is_somebody = ids(name).any(|id| !is_nobody(id)) || has_account(name);
    // A name that is cut off may be the beginning of the anonymous id.
    let begins = |id: Uuid| !quoted.is_whole && id.to_string().starts_with(&lower);
    let is_beginning = begins(ANONYMOUS) || begins(Uuid::nil());
    if (is_anonymous && !is_somebody) || is_beginning { Named::Nobody } else { Named::Person }
}

fn is_nobody(id: Uuid) -> bool {
    id.is_nil() || id == ANONYMOUS
}

/// A text between quotes.
struct Quoted<'a> {
    text: &'a str,
    /// Whether it has its end.
    is_whole: bool,
}

/// Returns the texts between quotes. The last one may lack its end.
fn quoted(text: &str) -> impl Iterator<Item = Quoted<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (at, open) = rest.char_indices().find(|(at, character)| {
            is_opening(*character) && !is_apostrophe(rest, *at, *character)
        })?;
        let inside = rest.get(at + open.len_utf8()..)?;
        let closing = closing(open);
        let end = inside.char_indices().find(|(at, character)| {
            closing.contains(character) && !is_apostrophe(inside, *at, *character)
        });
        let Some((end, close)) = end else {
            rest = "";
            return Some(Quoted { text: inside, is_whole: false });
        };
        rest = inside.get(end + close.len_utf8()..).unwrap_or_default();
        Some(Quoted { text: inside.get(..end)?, is_whole: true })
    })
}

fn is_opening(character: char) -> bool {
    matches!(
        character,
        '\'' | '"'
            | '\u{2018}'
            | '\u{201a}'
            | '\u{201c}'
            | '\u{201e}'
            | '\u{ab}'
            | '\u{bb}'
            | '\u{2039}'
            | '\u{203a}'
            | '\u{300c}'
            | '\u{300e}'
            | '`'
            | '\u{2019}'
            | '\u{201d}'
            | '\u{ff07}'
            | '\u{ff02}'
    )
}

/// Returns the quotes that end what one opens; languages swap them.
fn closing(open: char) -> &'static [char] {
    match open {
        '"' => &['"'],
        '`' => &['`', '\''],
        '\'' => &['\''],
        '\u{ff07}' => &['\u{ff07}'],
        '\u{ff02}' => &['\u{ff02}'],
        '\u{ab}' | '\u{bb}' => &['\u{ab}', '\u{bb}'],
        '\u{2039}' | '\u{203a}' => &['\u{2039}', '\u{203a}'],
        '\u{300c}' => &['\u{300d}'],
        '\u{300e}' => &['\u{300f}'],
        '\u{2018}' | '\u{2019}' | '\u{201a}' => &['\u{2018}', '\u{2019}'],
        _ => &['\u{201c}', '\u{201d}'],
    }
}

/// Returns whether the character belongs to a word, as in `l'utilisateur` and `O'Brien`.
fn is_apostrophe(text: &str, at: usize, character: char) -> bool {
    let is_latin = |character: char| character.is_alphabetic() && character < '\u{250}';
    matches!(character, '\'' | '\u{2019}')
        && text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(is_latin)
        && text.get(at..).and_then(|from| from.chars().nth(1)).is_some_and(is_latin)
}

/// Returns every id in the text, with or without hyphens.
fn ids(text: &str) -> impl Iterator<Item = Uuid> {
    let of_length = |length: usize| {
        let bytes = text.as_bytes();
        let is_part = |at: Option<&u8>| at.is_some_and(u8::is_ascii_hexdigit);
        bytes.windows(length).enumerate().filter_map(move |(at, window)| {
            let alone = !is_part(at.checked_sub(1).and_then(|before| bytes.get(before)))
                && !is_part(bytes.get(at + length));
            let id = str::from_utf8(window).ok().filter(|_| alone)?;
            Uuid::try_parse(id).ok()
        })
    };
    of_length(36).chain(of_length(32))
}

/// Returns whether the text has an e-mail address or a `DOMAIN\name`.
fn has_account(text: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || "._-+#$~".contains(character);
    let around = |mark: char| {
        text.match_indices(mark).any(|(at, _)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + 1..).and_then(|after| after.chars().next());
            before.is_some_and(is_part) && after.is_some_and(char::is_alphanumeric)
        })
    };
    // A text with several backslashes is a path of work items or files, and names no domain.
    let is_domain = text.matches('\\').count() == 1 && around('\\') && {
        let (domain, name) = text.split_once('\\').unwrap_or_default();
        let domain =
            domain.rsplit(|character: char| !is_part(character)).next().unwrap_or_default();
        let name = name.split(|character: char| !is_part(character)).next().unwrap_or_default();
        let is_nobody = |text: &str| Uuid::try_parse(text).is_ok_and(is_nobody);
        !is_nobody(domain)
            && !is_nobody(name)
            && !NOBODY.contains(&name.to_ascii_lowercase().as_str())
    };
    around('@') || is_domain
}

/// Returns the text without its parentheses, which hold the id of the activity, and without addresses.
fn without_parentheses(text: &str) -> String {
    let mut depth = 0_usize;
    let kept: String = text
        .chars()
        .filter(|character| match character {
            '(' | '\u{ff08}' => {
                depth += 1;
                false
            }
            ')' | '\u{ff09}' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect();
    let words = kept.split(' ').filter(|word| !word.contains("://"));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
