//! What is shown of an answer: named parts of each thing, and nothing that is absent, `null`, `false` or empty.
//!
//! ```text
//!  id name:path.to.it commit:sourceVersion|hash reviewers[name:displayName vote|vote] *
//!  │  │               │                         │                                     └ everything
//!  │  │               │                         └ of each entry of a list, or of an object
//!  │  │               └ a filter
//!  │  └ another name than the last of the path
//!  └ a member of this name
//! ```
//!
//! A path is dotted; a number is an index, `*` is every entry, and `\.` is a dot of a name.
//!
//! | filter | shows |
//! | --- | --- |
//! | `branch` | a reference without `refs/heads/` |
//! | `time` | a time in whole seconds |
//! | `hash` | the first 12 digits |
//! | `vote` | the name of a vote; none without a vote |
//! | `count` | the number of entries |
//! | `disabled` | whether it is `disabled` |
//! | `md` | HTML as Markdown; `md:format` leaves a text whose thing has the `format` Markdown as it is |
//! | `changes` | changed fields of a work item as differences |
//! | `links` | links of a work item by their kinds |
//! | `steps` | the steps of a test case, of its fields |
//! | `highlights` | the places of a search that were hit, without markup |

use serde_json::{Map, Value};

use super::fill::VOTES;
use super::path::{Key, keys};
use super::{changes, links, markdown, test_steps};

/// The digits of a hash that are shown.
const HASH: usize = 12;

/// The parts of a thing that are shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Projection(Vec<Field>);

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Everything,
    Named { name: String, path: Vec<Key>, filter: Option<Filter>, below: Option<Projection> },
}

#[derive(Debug, PartialEq, Eq)]
enum Filter {
    Branch,
    Time,
    Hash,
    Vote,
    Count,
    Disabled,
    /// With the path of the format beside the text, if the thing has one.
    Markdown(Option<Vec<Key>>),
    Changes,
    Links,
    Highlights,
    Steps,
}

impl Projection {
    /// Reads a projection.
    ///
    /// # Errors
    /// Its fault.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields = fields(text)?.into_iter().map(Field::parse).collect::<Result<Vec<_>, _>>()?;
        if fields.is_empty() { Err("shows nothing".to_owned()) } else { Ok(Self(fields)) }
    }

    /// Returns what is shown of a thing, or `None` if nothing is.
    pub fn of(&self, thing: &Value) -> Option<Value> {
        if let Value::Array(entries) = thing {
            return shown(Value::Array(
                entries.iter().filter_map(|entry| self.of(entry)).collect(),
            ));
        }
        let mut members = Map::new();
        for field in &self.0 {
            match field {
                Field::Everything => return shown(stripped(thing)),
                Field::Named { name, path, filter, below } => {
                    let Some(found) = find(thing, path) else { continue };
                    let found = match (filter, below) {
                        (_, Some(below)) => below.of(&found),
                        (Some(filter), None) => filter.apply(found, thing).and_then(shown),
                        (None, None) => shown(stripped(&found)),
                    };
                    if let Some(found) = found {
                        members.insert(name.clone(), found);
                    }
                }
            }
        }
        shown(Value::Object(members))
    }
}

/// Splits a text at blanks that are not between brackets.
fn fields(text: &str) -> Result<Vec<&str>, String> {
    let (mut fields, mut depth, mut begin) = (Vec::new(), 0_usize, 0);
    for (at, character) in text.char_indices() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1).ok_or("it closes a bracket that is not open")?,
            ' ' if depth == 0 => {
                fields.extend(text.get(begin..at));
                begin = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err("a bracket stays open".to_owned());
    }
    fields.extend(text.get(begin..));
    Ok(fields.into_iter().filter(|field| !field.is_empty()).collect())
}

impl Field {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        let (text, below) = match text.split_once('[') {
            Some((text, below)) => {
                let below = below.strip_suffix(']').ok_or(format!("{text}: a bracket inside"))?;
                (text, Some(Projection::parse(below)?))
            }
            None => (text, None),
        };
        let (text, filter) = match text.split_once('|') {
            Some((text, filter)) => (text, Some(Filter::parse(filter)?)),
            None => (text, None),
        };
        let (name, path) = match text.split_once(':') {
            Some((name, path)) => (Some(name), path),
            None => (None, text),
        };
        let path = keys(path);
        let name = match (name, path.last()) {
            (Some(name), _) => name.to_owned(),
            (None, Some(Key::Member(name))) => name.clone(),
            (None, _) => return Err(format!("{text} has no name")),
        };
        if name.is_empty() || path.is_empty() {
            return Err(format!("{text} has no name or no path"));
        }
        Ok(Self::Named { name, path, filter, below })
    }
}

impl Filter {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "branch" => Self::Branch,
            "time" => Self::Time,
            "hash" => Self::Hash,
            "vote" => Self::Vote,
            "count" => Self::Count,
            "disabled" => Self::Disabled,
            "md" => Self::Markdown(None),
            "changes" => Self::Changes,
            "links" => Self::Links,
            "highlights" => Self::Highlights,
            "steps" => Self::Steps,
            _ => match text.strip_prefix("md:") {
                Some(format) => Self::Markdown(Some(keys(format))),
                None => return Err(format!("there is no filter {text}")),
            },
        })
    }

    fn apply(&self, value: Value, thing: &Value) -> Option<Value> {
        Some(match (self, value) {
            (Self::Branch, Value::String(name)) => {
                name.strip_prefix("refs/heads/").unwrap_or(&name).into()
            }
            (Self::Time, Value::String(time)) => whole_seconds(&time).into(),
            (Self::Hash, Value::String(hash)) => hash.get(..HASH).unwrap_or(&hash).into(),
            (Self::Vote, value) => {
                let number = value.as_i64().filter(|number| *number != 0)?;
                let known = VOTES.iter().find(|(_, known)| *known == number);
                known.map_or(value, |(name, _)| (*name).into())
            }
            (Self::Count, Value::Array(entries)) => entries.len().into(),
            (Self::Disabled, value) => (value == "disabled").into(),
            (Self::Markdown(format), Value::String(text)) => {
                let format = format.as_deref().and_then(|format| find(thing, format));
                markdown::of_text(&text, format.as_ref().and_then(Value::as_str)).into()
            }
            (Self::Changes, value) => stripped(&changes::of(&value)),
            (Self::Links, value) => links::all(&value),
            (Self::Steps, value) => test_steps::shown(&value),
            (Self::Highlights, value) => highlights(&value).into(),
            (_, value) => value,
        })
    }
}

/// Returns the texts of highlights, whose hits are between elements of their own.
fn highlights(hits: &Value) -> Vec<String> {
    let text = |hit: &Value| {
        let texts = hit.get("highlights").and_then(Value::as_array).into_iter().flatten();
        let texts: Vec<_> = texts.filter_map(Value::as_str).collect();
        texts.join(" … ").replace("<highlighthit>", "").replace("</highlighthit>", "")
    };
    hits.as_array().into_iter().flatten().map(text).filter(|text| !text.is_empty()).collect()
}

/// Returns a time without the fraction of its seconds.
pub(crate) fn whole_seconds(time: &str) -> String {
    let Some((seconds, fraction)) = time.split_once('.') else { return time.to_owned() };
    format!("{seconds}{}", fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

fn find(thing: &Value, path: &[Key]) -> Option<Value> {
    let Some((first, rest)) = path.split_first() else { return Some(thing.clone()) };
    match (first, thing) {
        (Key::Member(name), Value::Object(members)) => find(members.get(name)?, rest),
        (Key::Index(index), Value::Array(entries)) => find(entries.get(*index)?, rest),
        (Key::Every, Value::Array(entries)) => Some(every(entries.iter(), rest)),
        (Key::Every, Value::Object(members)) => Some(every(members.values(), rest)),
        _ => None,
    }
}

/// Returns what is found in each of these, in one list.
fn every<'a>(things: impl Iterator<Item = &'a Value>, rest: &[Key]) -> Value {
    let found = things.filter_map(|thing| find(thing, rest));
    let entries = found.flat_map(|found| match found {
        Value::Array(entries) => entries,
        one => vec![one],
    });
    entries.collect()
}

/// Returns a value without everything in it that is not shown.
fn stripped(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, value)| {
                let value = shown(stripped(value))?;
                Some((name.clone(), value))
            });
            Value::Object(kept.collect())
        }
        Value::Array(entries) => entries.iter().map(stripped).collect(),
        other => other.clone(),
    }
}

/// Returns a value, or `None` if it is `null`, `false` or empty.
fn shown(value: Value) -> Option<Value> {
    let is_empty = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    (!is_empty).then_some(value)
}

/// Returns the list of an answer: at a path, or in `value`. `None` if the answer is one thing.
pub(crate) fn items(body: &Value, path: &str) -> Option<Vec<Value>> {
    let path = if path.is_empty() { vec![Key::Member("value".to_owned())] } else { keys(path) };
    match find(body, &path)? {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
