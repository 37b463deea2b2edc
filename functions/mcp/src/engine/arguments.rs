//! The arguments of a call of a tool: read one by one, so that each fault has its name.

use ground::fields::{Fault, Fields, Object};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::failure::Failure;
use crate::tools::parameter::{Kind, LONGEST_CONTENT, LONGEST_TEXT, ORGANIZATION, Parameter};

/// The largest whole number that JSON carries exactly everywhere.
const LARGEST_INTEGER: u64 = 1 << 53;

/// Arguments that fit the parameters of a tool.
#[derive(Debug, Clone, Default)]
pub struct Arguments(Map<String, Value>);

impl Arguments {
    /// Reads arguments. `null`, and an empty text where one may be left out, count as absent.
    ///
    /// # Errors
    /// [`Failure::Arguments`] with every fault.
    pub fn read(sent: Option<&RawValue>, parameters: &[Parameter]) -> Result<Self, Failure> {
        let object: Object<'_> = match sent {
            Some(sent) => serde_json::from_str(sent.get())
                .map_err(|_| Failure::argument("arguments", "must be an object"))?,
            None => Object::default(),
        };
        let mut fields = Fields::new(object);
        let mut values = Map::new();
        // A client may always name the organization, also where there is no choice.
        let knows = |name| parameters.iter().any(|parameter| parameter.name == name);
        let silent = (!knows(ORGANIZATION.name)).then_some(&ORGANIZATION);
        for parameter in parameters.iter().chain(silent) {
            let name = parameter.name;
            let raw: Option<Box<RawValue>> = fields.optional(name);
            let value = raw.and_then(|raw| fields.noted(name, read(&raw, &parameter.kind)));
            match value.filter(|value| value != "") {
                Some(value) => {
                    values.insert(name.to_owned(), value);
                }
                None if parameter.is_required && !fields.is_faulty(name) => {
                    fields.refuse(name, "is missing");
                }
                None => {}
            }
        }
        fields.finish(Some(Self(values))).map_err(Failure::Arguments)
    }

    /// Returns an argument, or `None` if it is absent.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns a text, or `None` if it is absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Returns a whole number, or `None` if it is absent.
    pub fn integer(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    /// Returns a list of texts; empty if the argument is absent.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let entries = self.get(name).and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(Value::as_str).collect()
    }

    /// Returns whether an argument is `true`.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// Returns the arguments with another value of one of them.
    #[must_use]
    pub(crate) fn with(&self, name: &str, value: impl Into<Value>) -> Self {
        let mut arguments = self.clone();
        arguments.replace(name, value.into());
        arguments
    }

    /// Returns the names of the arguments that are there.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Replaces an argument.
    pub(crate) fn replace(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// Returns all arguments but one, as JSON whose members are in order.
    pub(crate) fn without(&self, name: &str) -> String {
        let mut others = self.0.clone();
        others.remove(name);
        Value::Object(others).to_string()
    }
}

fn read(raw: &RawValue, kind: &Kind) -> Result<Value, Fault> {
    let unreadable = |_| Fault::new("", "is nested too deeply, or has a number out of range");
    checked(serde_json::from_str(raw.get()).map_err(unreadable)?, kind)
}

fn checked(value: Value, kind: &Kind) -> Result<Value, Fault> {
    let expected = |what: &str| Err(Fault::new("", format!("must be {what}")));
    match kind {
        Kind::Text | Kind::Person => text(value, LONGEST_TEXT),
        Kind::Content => text(value, LONGEST_CONTENT),
        Kind::Integer { most } => {
            let most = most.unwrap_or(LARGEST_INTEGER);
            match whole(&value).filter(|number| (1..=most).contains(number)) {
                Some(number) => Ok(number.into()),
                None if most == LARGEST_INTEGER => expected("a whole number from 1 on"),
                None => expected(&format!("a whole number from 1 to {most}")),
            }
        }
        Kind::Number if value.as_f64().is_some_and(|number| number >= 0.0) => Ok(value),
        Kind::Number => expected("a number that is not negative"),
        Kind::Boolean if value.is_boolean() => Ok(value),
        Kind::Boolean => expected("true or false"),
        Kind::OneOf(words) if value.as_str().is_some_and(|text| words.contains(&text)) => Ok(value),
        Kind::OneOf(words) => expected(&format!("one of {}", words.join(", "))),
        Kind::List { of, most } => match value {
            Value::Array(entries) if entries.len() > *most => {
                expected(&format!("a list of at most {most} entries"))
            }
            Value::Array(entries) => {
                let entry = |(index, entry)| {
                    checked(entry, of).map_err(|fault| below(&format!("[{index}]"), fault))
                };
                Ok(Value::Array(
                    entries.into_iter().enumerate().map(entry).collect::<Result<_, _>>()?,
                ))
            }
            _ => expected("a list"),
        },
        Kind::Record(members) => match value {
            Value::Object(object) => record(object, members),
            _ => expected("an object"),
        },
        Kind::Object if value.is_object() => Ok(value),
        Kind::Object => expected("an object"),
        Kind::Any => Ok(value),
    }
}

fn text(value: Value, longest: usize) -> Result<Value, Fault> {
    match value {
        Value::String(text) if text.len() <= longest => Ok(text.into()),
        Value::String(_) => Err(Fault::new("", format!("must be at most {longest} bytes long"))),
        _ => Err(Fault::new("", "must be a text")),
    }
}

/// Returns a whole number, also if it is written as `5.0`.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let text = value.as_f64().filter(|number| number.fract() == 0.0)?.to_string();
        text.parse().ok()
    })
}

fn record(mut object: Map<String, Value>, members: &[Parameter]) -> Result<Value, Fault> {
    let mut read = Map::new();
    for member in members {
        match object.remove(member.name).filter(|value| !value.is_null()) {
            Some(value) => {
                let value = checked(value, &member.kind);
                let value = value.map_err(|fault| below(&format!(".{}", member.name), fault))?;
                read.insert(member.name.to_owned(), value);
            }
            None if member.is_required => {
                return Err(Fault::new(format!(".{}", member.name), "is missing"));
            }
            None => {}
        }
    }
    match object.keys().next() {
        Some(_) => {
            let names: Vec<_> = members.iter().map(|member| member.name).collect();
            Err(Fault::new("", format!("may have only {}", names.join(", "))))
        }
        None => Ok(Value::Object(read)),
    }
}

fn below(path: &str, fault: Fault) -> Fault {
    Fault { field: format!("{path}{}", fault.field), ..fault }
}

#[cfg(test)]
pub(crate) mod tests;
