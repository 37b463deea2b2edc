//! JSON objects as a source of fields.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use url::Url;

use super::{Fault, Fields, Source};

/// The members of a JSON object that are not taken yet.
#[derive(Debug, Default)]
pub struct Object<'a>(BTreeMap<String, Member<'a>>);

#[derive(Debug)]
enum Member<'a> {
    Once(&'a RawValue),
    Repeated,
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    let member = if members.contains_key(&name) {
                        Member::Repeated
                    } else {
                        Member::Once(value)
                    };
                    members.insert(name, member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl<'a> Object<'a> {
    fn take_raw(&mut self, name: &str) -> Option<Result<&'a RawValue, Fault>> {
        Some(match self.0.remove(name)? {
            Member::Once(value) => Ok(value),
            Member::Repeated => Err(Fault::new("", "was sent more than once")),
        })
    }
}

impl<T: DeserializeOwned> Source<T> for Object<'_> {
    fn take(&mut self, name: &str) -> Option<Result<T, Fault>> {
        Some(self.take_raw(name)?.and_then(parsed))
    }

    fn take_null(&mut self, name: &str) {
        if matches!(self.0.get(name), Some(Member::Once(value)) if value.get() == "null") {
            self.0.remove(name);
        }
    }
}

impl<'a> Fields<Object<'a>> {
    /// Returns the object in a field, read field by field, or `None` if it is absent, `null` or faulty.
    pub fn object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        Source::<()>::take_null(&mut self.source, name);
        let object = self.source.take_raw(name)?.and_then(parsed);
        let object = self.noted(name, object)?;
        self.below(name, object, read)
    }

    /// Returns a list of at most `most` objects, each read field by field; empty if it is absent.
    pub fn objects<T>(
        &mut self,
        name: &str,
        most: usize,
        read: impl Fn(&mut Self) -> Option<T>,
    ) -> Vec<T> {
        let Some(list) = self.source.take_raw(name) else { return Vec::new() };
        let list = list.and_then(parsed::<Vec<&RawValue>>).and_then(|list| bounded(list, most));
        let Some(list) = self.noted(name, list) else { return Vec::new() };
        let entry = |(index, value): (usize, &'a RawValue)| {
            let name = format!("{name}[{index}]");
            let object = self.noted(&name, parsed(value))?;
            self.below(&name, object, &read)
        };
        list.into_iter().enumerate().filter_map(entry).collect()
    }

    /// Returns a list of at most `most` texts, each parsed; empty if it is absent. A fault of one text is the list's
    /// fault.
    pub fn texts<T: TryFrom<String, Error: fmt::Display>>(
        &mut self,
        name: &str,
        most: usize,
    ) -> Vec<T> {
        let Some(list) = self.source.take_raw(name) else { return Vec::new() };
        let list = list.and_then(parsed).and_then(|list: Vec<String>| {
            let parsed = bounded(list, most)?.into_iter().map(T::try_from);
            parsed.collect::<Result<Vec<T>, _>>().map_err(|error| Fault::new("", error))
        });
        self.noted(name, list).unwrap_or_default()
    }

    /// Returns a whole number from 1 to `most`.
    pub fn number(&mut self, name: &str, most: u32) -> Option<NonZeroU32> {
        let number = self.optional::<u32>(name)?;
        let number = NonZeroU32::new(number).filter(|number| number.get() <= most);
        self.checked(name, number.ok_or_else(|| format!("1 to {most}")))
    }

    /// Returns an absolute URL.
    pub fn url(&mut self, name: &str) -> Option<Url> {
        let text: String = self.optional(name)?;
        self.checked(name, Url::parse(&text).map_err(|_| "an absolute address"))
    }

    /// Returns the value if there are no faults and every member was taken.
    ///
    /// # Errors
    /// Every fault, if there is one; each member that is left is a fault.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Vec<Fault>> {
        self.refuse_unknown();
        self.all(value)
    }

    fn below<T>(
        &mut self,
        name: &str,
        object: Object<'a>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let mut fields =
            Self { source: object, path: super::join(&self.path, name), faults: Vec::new() };
        let value = read(&mut fields);
        fields.refuse_unknown();
        self.faults.append(&mut fields.faults);
        value
    }

    fn refuse_unknown(&mut self) {
        for name in std::mem::take(&mut self.source.0).into_keys() {
            self.refuse(&shown_name(&name), "is not a field of this object");
        }
    }
}

fn bounded<T>(list: Vec<T>, most: usize) -> Result<Vec<T>, Fault> {
    if list.len() > most {
        Err(Fault::new("", format!("at most {most} entries")))
    } else {
        Ok(list)
    }
}

fn parsed<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, Fault> {
    let mut json = serde_json::Deserializer::from_str(value.get());
    serde_path_to_error::deserialize(&mut json)
        .map_err(|error| Fault::of_json(&error.path().to_string(), error.inner()))
}

impl Fault {
    /// Returns Serde's fault of a value, without the value.
    pub fn of_json(path: &str, error: &serde_json::Error) -> Self {
        let (field, message) = describe(&error.to_string());
        let path = if path.is_empty() || path == "." { String::new() } else { shown_name(path) };
        Self::new(field.unwrap_or_default(), message).below(&path)
    }
}

/// Takes the expected type from Serde's message and drops the value. Serde gives both only as text: "invalid type:
/// string \"…\", expected u32 at line 1 column 9".
fn describe(sentence: &str) -> (Option<String>, String) {
    let text = sentence.rsplit_once(" at line ").map_or(sentence, |(text, _)| text);
    let quoted = |prefix: &str| {
        let name = text.strip_prefix(prefix)?.strip_prefix('`')?.split('`').next()?;
        Some(shown_name(name))
    };
    if let Some(field) = quoted("missing field ") {
        return (Some(field), "is missing".to_owned());
    }
    if let Some(field) = quoted("duplicate field ") {
        return (Some(field), "was sent more than once".to_owned());
    }
    if text.starts_with("unknown field ") {
        return (None, "is not a field of this object".to_owned());
    }
    if let Some((_, expected)) = text.rsplit_once(", expected ") {
        return (None, format!("must be {}", in_json_words(expected)));
    }
    // The message comes from the field's own type. Parsers that repeat the value quote it.
    if text.contains(['"', '`', '\'']) {
        return (None, "is not valid".to_owned());
    }
    (None, text.to_owned())
}

/// Returns the JSON name of a Rust type.
fn in_json_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "an array",
        "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number in range",
        "any boolean" | "a boolean" => "true or false",
        tagged if tagged.starts_with("struct ") || tagged.contains("tagged enum") => "an object",
        words => words,
    }
}

/// Returns a name from the request if it looks like one of ours, or a placeholder if not.
pub fn shown_name(name: &str) -> String {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"_-.[]".contains(&b);
    if (1..=64).contains(&name.len()) && name.bytes().all(harmless) {
        name.to_owned()
    } else {
        "(unknown)".to_owned()
    }
}
