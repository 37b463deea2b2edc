//! Named values: each is taken by its name, and each fault is collected, so that all faults are reported at once.
//!
//! ```text
//!  Variables (environment) ──┐
//!                            ├──> Fields: required, optional, or_default ──> finish: the whole value, or every fault
//!  Object (JSON)           ──┘            object, objects, texts, number, url: JSON only
//! ```

mod object;

use std::fmt;
use std::str::FromStr;

pub use object::{Object, shown_name};

/// A field and its fault. The message never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field's path, such as `allowed_calls[0].methods`; empty for the whole value.
    pub field: String,
    /// The fault, or what is expected.
    pub message: String,
}

impl Fault {
    /// Returns a fault of the field with this path.
    pub fn new(field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { field: field.into(), message: message.to_string() }
    }

    fn below(self, path: &str) -> Self {
        Self { field: join(path, &self.field), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joint = if self.message.starts_with("is ") { "" } else { ":" };
        write!(f, "{}{joint} {}", self.field, self.message)
    }
}

/// A source of named values.
pub trait Source<T> {
    /// Takes the value of this name as a `T`, or `None` if there is none. The fault's path is relative to the name.
    fn take(&mut self, name: &str) -> Option<Result<T, Fault>>;

    /// Drops the value if it is `null`.
    fn take_null(&mut self, _name: &str) {}
}

/// Environment variables, or a stand-in for them. An empty variable counts as absent.
#[derive(Clone, Copy)]
pub struct Variables<'a>(pub &'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    /// Returns the variable's text, or `None` if it is empty or absent.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|text| !text.trim().is_empty())
    }
}

impl<T: FromStr<Err: fmt::Display>> Source<T> for Variables<'_> {
    fn take(&mut self, name: &str) -> Option<Result<T, Fault>> {
        Some(self.text(name)?.parse().map_err(|error: T::Err| Fault::new("", error)))
    }
}

/// A reader of named values that collects faults.
pub struct Fields<S> {
    /// The values that are not taken yet.
    pub source: S,
    /// The path of these fields within the whole value.
    path: String,
    faults: Vec<Fault>,
}

impl<S> Fields<S> {
    /// Returns the fields of a whole value.
    pub fn new(source: S) -> Self {
        Self { source, path: String::new(), faults: Vec::new() }
    }

    /// Returns the value of a field, or `None` if it is absent or faulty.
    pub fn optional<T>(&mut self, name: &str) -> Option<T>
    where
        S: Source<T>,
    {
        self.source.take_null(name);
        let value = self.source.take(name)?;
        self.noted(name, value)
    }

    /// Returns the value of a field, or `None` after noting a fault if it is absent or faulty.
    pub fn required<T>(&mut self, name: &str) -> Option<T>
    where
        S: Source<T>,
    {
        let missing = || Err(Fault::new("", "is missing"));
        let value = self.source.take(name).unwrap_or_else(missing);
        self.noted(name, value)
    }

    /// Returns the value of a field, or the default if it is absent.
    pub fn or_default<T: Default>(&mut self, name: &str) -> T
    where
        S: Source<T>,
    {
        let value = self.source.take(name).unwrap_or_else(|| Ok(T::default()));
        self.noted(name, value).unwrap_or_default()
    }

    /// Notes a fault of a field.
    pub fn refuse(&mut self, name: &str, message: impl fmt::Display) {
        self.faults.push(Fault::new(join(&self.path, name), message));
    }

    /// Returns the value, or `None` after noting the error as a fault of the field.
    pub fn checked<T, E: fmt::Display>(&mut self, name: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.refuse(name, error)).ok()
    }

    /// Returns the value, or `None` after noting a fault at or below the field.
    pub fn noted<T>(&mut self, name: &str, value: Result<T, Fault>) -> Option<T> {
        let path = join(&self.path, name);
        value.map_err(|fault| self.faults.push(fault.below(&path))).ok()
    }

    /// Returns whether a field, or one below it, is faulty.
    pub fn is_faulty(&self, name: &str) -> bool {
        let path = join(&self.path, name);
        self.faults.iter().any(|fault| is_within(&fault.field, &path))
    }

    /// Returns the value if there are no faults.
    ///
    /// # Errors
    /// Every fault, if there is one.
    pub fn all<T>(self, value: Option<T>) -> Result<T, Vec<Fault>> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(self.faults),
        }
    }
}

/// Returns whether a field's path is `path` or below it.
pub fn is_within(field: &str, path: &str) -> bool {
    let rest = field.strip_prefix(path);
    path.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() || name.is_empty() || name.starts_with('[') {
        format!("{path}{name}")
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests;
