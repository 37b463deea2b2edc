//! Path, query and body of a call, filled with arguments.
//!
//! | in a path | is filled with |
//! | --- | --- |
//! | `{project}` | the argument, percent-encoded; it must not have a slash |
//! | `{path\|segments}` | the argument, whose slashes stay |
//! | `{repository?}` | the argument; without it, the slash before it is left out, too |
//! | `{repositories/repository?}` | the argument behind this text; without it, all of that is left out |
//! | `{=me}` | the id of the calling user |
//!
//! | in a query or a body | is |
//! | --- | --- |
//! | `=General` | this text; `=true` is no text in a body |
//! | `=me` | the id of the calling user |
//! | `text` | the argument; without it, the member is left out |
//! | `recursive?Full:OneLevel` | the first text if the argument is `true`, or else the second |
//! | `branch\|ref` | the argument, changed by a filter, and maybe by a second one |
//!
//! | filter | makes of an argument |
//! | --- | --- |
//! | `ref` | `refs/heads/…` of the name of a branch |
//! | `version` | the name of a branch, a tag or a commit, without `tags/` |
//! | `version_type` | `commit`, `tag` or `branch` |
//! | `contains` | `*…*` |
//! | `texts` | of each entry of a list its text |
//! | `list` | a list of one |
//! | `as:id` | of each entry of a list an object with this member; `as:workItem.id` nests |
//! | `values` | of each member `{"value": …}` |
//! | `vote` | the number of a vote |
//! | `me_or_nobody` | the id of the calling user if `true`, or else that of nobody |
//!
//! A member of a body is named by a dotted path: `queries.0.items` makes a list, `\.` is a dot of a name, and the empty path
//! is the whole body. A list in a query is joined by commas.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::failure::Failure;
use super::path::{Key, keys};
use crate::tools::tool::Call;

/// The version of the REST API, unless the path of a row names another.
const API_VERSION: &str = "7.1";
/// The digits of a commit's id.
const COMMIT_ID: usize = 40;
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// Every character that has no meaning in an address (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The votes of a reviewer, with their numbers in Azure DevOps.
pub(super) const VOTES: [(&str, i64); 5] =
    [("approve", 10), ("approve_with_suggestions", 5), ("reset", 0), ("wait", -5), ("reject", -10)];

/// The path, the query and the body of a row.
#[derive(Debug)]
pub struct Template {
    path: Vec<Part>,
    query: Vec<(&'static str, Source)>,
    body: Vec<(Vec<Key>, Source)>,
}

#[derive(Debug)]
enum Part {
    Literal(&'static str),
    Filled { before: &'static str, source: Source, may_lack: bool, has_segments: bool },
}

#[derive(Debug)]
enum Source {
    Constant(&'static str),
    Me,
    Argument { name: &'static str, filters: Vec<Filter> },
    Either { name: &'static str, yes: &'static str, no: &'static str },
}

#[derive(Debug)]
enum Filter {
    Ref,
    Version,
    VersionType,
    Contains,
    List,
    Texts,
    As(Vec<Key>),
    Values,
    Vote,
    MeOrNobody,
}

/// A filled call.
#[derive(Debug, Default)]
pub struct Filled {
    /// The path below the organization, percent-encoded, with its first slash.
    pub path: String,
    /// The names and values of the query, not encoded.
    pub pairs: Vec<(String, String)>,
    /// The body, if the row has one.
    pub body: Option<Value>,
}

impl Filled {
    /// Returns the query, percent-encoded.
    pub fn query(&self) -> String {
        let mut query = String::new();
        for (name, value) in &self.pairs {
            let separator = if query.is_empty() { "" } else { "&" };
            let (name, value) = (encoded(name), encoded(value));
            // Writing to a text succeeds.
            let _ = write!(query, "{separator}{name}={value}");
        }
        query
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

impl Template {
    /// Reads a row.
    ///
    /// # Errors
    /// The fault of the row.
    pub fn parse(call: &Call) -> Result<Self, String> {
        let (path, literal_query) = split_query(call.path);
        let mut query = Vec::new();
        for pair in literal_query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').ok_or("its query has no value")?;
            query.push((name, Source::Constant(value)));
        }
        for (name, source) in call.query {
            query.push((*name, Source::parse(source)?));
        }
        if !query.iter().any(|(name, _)| *name == "api-version") {
            query.push(("api-version", Source::Constant(API_VERSION)));
        }
        let body = call.body.iter().map(|(path, source)| Ok((keys(path), Source::parse(source)?)));
        Ok(Self { path: parts(path)?, query, body: body.collect::<Result<_, String>>()? })
    }

    fn sources(&self) -> impl Iterator<Item = &Source> {
        let path = self.path.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Filled { source, .. } => Some(source),
        });
        let query = self.query.iter().map(|(_, source)| source);
        path.chain(query).chain(self.body.iter().map(|(_, source)| source))
    }

    /// Returns the names of the arguments that fill it.
    pub fn arguments(&self) -> Vec<&'static str> {
        let name = |source: &Source| match source {
            Source::Argument { name, .. } | Source::Either { name, .. } => Some(*name),
            Source::Constant(_) | Source::Me => None,
        };
        self.sources().filter_map(name).collect()
    }

    /// Returns whether the id of the calling user is needed.
    pub(crate) fn needs_me(&self) -> bool {
        self.sources().any(|source| match source {
            Source::Me => true,
            Source::Argument { filters, .. } => {
                filters.iter().any(|filter| matches!(filter, Filter::MeOrNobody))
            }
            Source::Constant(_) | Source::Either { .. } => false,
        })
    }

    /// Fills it. `me` is the id of the calling user, where it is needed.
    ///
    /// # Errors
    /// [`Failure::Arguments`] for an argument that cannot be part of a path.
    pub fn fill(&self, arguments: &Arguments, me: Option<&str>) -> Result<Filled, Failure> {
        let mut filled = Filled::default();
        for part in &self.path {
            part.fill(arguments, me, &mut filled.path)?;
        }
        for (name, source) in &self.query {
            if let Some(value) = source.value(arguments, me) {
                filled.pairs.push(((*name).to_owned(), plain(&value)));
            }
        }
        for (path, source) in &self.body {
            if let Some(value) = source.value(arguments, me) {
                put(filled.body.get_or_insert(Value::Null), path, value);
            }
        }
        Ok(filled)
    }
}

impl Part {
    fn fill(
        &self,
        arguments: &Arguments,
        me: Option<&str>,
        path: &mut String,
    ) -> Result<(), Failure> {
        let (before, source, may_lack, has_segments) = match self {
            Self::Literal(text) => {
                path.push_str(text);
                return Ok(());
            }
            Self::Filled { before, source, may_lack, has_segments } => {
                (before, source, *may_lack, *has_segments)
            }
        };
        let Some(value) = source.value(arguments, me) else {
            if may_lack && path.ends_with('/') {
                path.pop();
            }
            return Ok(());
        };
        path.push_str(before);
        let text = plain(&value);
        if has_segments {
            let segments: Vec<_> = text.trim_matches('/').split('/').map(encoded).collect();
            path.push_str(&segments.join("/"));
        } else if text.contains(['/', '\\']) {
            return Err(Failure::argument(source.name(), "must not have a slash"));
        } else {
            path.push_str(&encoded(&text));
        }
        Ok(())
    }
}

impl Source {
    fn parse(text: &'static str) -> Result<Self, String> {
        if let Some(constant) = text.strip_prefix('=') {
            return Ok(if constant == "me" { Self::Me } else { Self::Constant(constant) });
        }
        if let Some((name, words)) = text.split_once('?') {
            let (yes, no) = words.split_once(':').ok_or(format!("{text} has no colon"))?;
            return Ok(Self::Either { name, yes, no });
        }
        let mut parts = text.split('|');
        let name = parts.next().unwrap_or_default();
        Ok(Self::Argument { name, filters: parts.map(Filter::parse).collect::<Result<_, _>>()? })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Argument { name, .. } | Self::Either { name, .. } => name,
            Self::Constant(_) | Self::Me => "",
        }
    }

    fn value(&self, arguments: &Arguments, me: Option<&str>) -> Option<Value> {
        match self {
            Self::Constant("true") => Some(true.into()),
            Self::Constant(text) => Some((*text).into()),
            Self::Me => me.map(Value::from),
            Self::Either { name, yes, no } => {
                let is_true = arguments.get(name) == Some(&Value::Bool(true));
                Some(if is_true { *yes } else { *no }.into())
            }
            Self::Argument { name, filters } => {
                let value = arguments.get(name)?.clone();
                Some(filters.iter().fold(value, |value, filter| filter.apply(value, me)))
            }
        }
    }
}

impl Filter {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "ref" => Self::Ref,
            "version" => Self::Version,
            "version_type" => Self::VersionType,
            "texts" => Self::Texts,
            "contains" => Self::Contains,
            "list" => Self::List,
            "values" => Self::Values,
            "vote" => Self::Vote,
            "me_or_nobody" => Self::MeOrNobody,
            _ => match text.strip_prefix("as:") {
                Some(path) => Self::As(keys(path)),
                None => return Err(format!("there is no filter {text}")),
            },
        })
    }

    fn apply(&self, value: Value, me: Option<&str>) -> Value {
        match (self, value) {
            (Self::Ref, Value::String(name)) if !name.starts_with("refs/") => {
                format!("refs/heads/{name}").into()
            }
            (Self::Version, Value::String(name)) => Version::of(&name).name.into(),
            (Self::VersionType, Value::String(name)) => Version::of(&name).kind.into(),
            (Self::Texts, Value::Array(entries)) => entries.iter().map(plain).collect(),
            (Self::Contains, Value::String(text)) => format!("*{text}*").into(),
            (Self::List, value) => json!([value]),
            (Self::As(path), Value::Array(entries)) => {
                let entry = |entry| {
                    let mut object = Value::Null;
                    put(&mut object, path, entry);
                    object
                };
                entries.into_iter().map(entry).collect()
            }
            (Self::Values, Value::Object(members)) => {
                members.into_iter().map(|(name, value)| (name, json!({"value": value}))).collect()
            }
            (Self::Vote, Value::String(word)) => {
                let known = VOTES.iter().find(|(name, _)| *name == word);
                known.map_or(Value::String(word), |(_, number)| (*number).into())
            }
            (Self::MeOrNobody, Value::Bool(is_me)) => me.filter(|_| is_me).unwrap_or(NOBODY).into(),
            (_, value) => value,
        }
    }
}

/// A version of a repository, as Azure DevOps wants it.
pub(crate) struct Version<'a> {
    /// `commit`, `tag` or `branch`.
    pub(crate) kind: &'static str,
    pub(crate) name: &'a str,
}

impl<'a> Version<'a> {
    /// Reads a branch, a tag as `tags/…`, or a whole commit id.
    pub(crate) fn of(text: &'a str) -> Self {
        let short = text.strip_prefix("refs/").unwrap_or(text);
        if text.len() == COMMIT_ID && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Self { kind: "commit", name: text }
        } else if let Some(name) = short.strip_prefix("tags/") {
            Self { kind: "tag", name }
        } else {
            Self { kind: "branch", name: short.strip_prefix("heads/").unwrap_or(short) }
        }
    }
}

/// Splits an address at the question mark that does not end a name in braces.
fn split_query(address: &'static str) -> (&'static str, &'static str) {
    let begins = |(at, _): &(usize, &str)| {
        !address.get(at + 1..).is_some_and(|after| after.starts_with('}'))
    };
    match address.match_indices('?').find(begins) {
        Some((at, _)) => address.split_at(at),
        None => (address, ""),
    }
}

/// Splits a path at its braces.
fn parts(path: &'static str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some((literal, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("its path has an open brace")?;
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let (name, may_lack) = match name.strip_suffix('?') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (name, has_segments) = match name.strip_suffix("|segments") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let name_begins = name.rfind('/').map_or(0, |slash| slash + 1);
        let (before, name) = name.split_at(name_begins);
        parts.push(Part::Filled { before, source: Source::parse(name)?, may_lack, has_segments });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest));
    }
    Ok(parts)
}

/// Returns a value as text for a path or a query.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(entries) => entries.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Puts a value at a path, and makes the objects and lists that lead there.
fn put(body: &mut Value, path: &[Key], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *body = value;
        return;
    };
    match first {
        Key::Index(index) => {
            if !body.is_array() {
                *body = Value::Array(Vec::new());
            }
            if let Value::Array(entries) = body {
                while entries.len() <= *index {
                    entries.push(Value::Null);
                }
                if let Some(entry) = entries.get_mut(*index) {
                    put(entry, rest, value);
                }
            }
        }
        Key::Member(name) => {
            if !body.is_object() {
                *body = Value::Object(Map::new());
            }
            if let Value::Object(members) = body {
                put(members.entry(name.clone()).or_insert(Value::Null), rest, value);
            }
        }
        Key::Every => {}
    }
}

#[cfg(test)]
mod tests;
