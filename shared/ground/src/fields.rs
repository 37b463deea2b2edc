//! Named values: take each by its name, note what is wrong and go on, so that every fault is found at once.
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

/// A field and what is wrong with it. The message never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field's path, such as `allowed_calls[0].methods`; empty for the whole.
    pub field: String,
    /// What is wrong, or what is expected.
    pub message: String,
}

impl Fault {
    /// A fault of the field with this path.
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

/// Values with names.
pub trait Source<T> {
    /// Takes the value of this name as a `T`. The fault's path begins below the name.
    fn take(&mut self, name: &str) -> Option<Result<T, Fault>>;

    /// Takes a value that says that there is none.
    fn take_null(&mut self, _name: &str) {}
}

/// Environment variables, or others like them. An empty one counts as none.
#[derive(Clone, Copy)]
pub struct Variables<'a>(pub &'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    /// The variable as it is.
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
    /// Where these fields are within the whole.
    path: String,
    faults: Vec<Fault>,
}

impl<S> Fields<S> {
    /// The fields of a whole.
    pub fn new(source: S) -> Self {
        Self { source, path: String::new(), faults: Vec::new() }
    }

    /// The value of a field. `None` without a fault if there is none.
    pub fn optional<T>(&mut self, name: &str) -> Option<T>
    where
        S: Source<T>,
    {
        self.source.take_null(name);
        let value = self.source.take(name)?;
        self.noted(name, value)
    }

    /// The value of a field that has to be there. `None` is always with a fault.
    pub fn required<T>(&mut self, name: &str) -> Option<T>
    where
        S: Source<T>,
    {
        let missing = || Err(Fault::new("", "is missing"));
        let value = self.source.take(name).unwrap_or_else(missing);
        self.noted(name, value)
    }

    /// The value of a field, or the usual one.
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

    /// The value, or a fault of the field that it is for.
    pub fn checked<T, E: fmt::Display>(&mut self, name: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.refuse(name, error)).ok()
    }

    /// The value, or a fault at or below a field.
    pub fn noted<T>(&mut self, name: &str, value: Result<T, Fault>) -> Option<T> {
        let path = join(&self.path, name);
        value.map_err(|fault| self.faults.push(fault.below(&path))).ok()
    }

    /// Whether a field, or one below it, is at fault.
    pub fn is_faulty(&self, name: &str) -> bool {
        let path = join(&self.path, name);
        self.faults.iter().any(|fault| is_within(&fault.field, &path))
    }

    /// The value if nothing is wrong.
    ///
    /// # Errors
    /// With every fault.
    pub fn all<T>(self, value: Option<T>) -> Result<T, Vec<Fault>> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(self.faults),
        }
    }
}

/// Whether the path of a field is this one, or one below it.
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
