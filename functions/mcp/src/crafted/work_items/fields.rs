//! The fields of an organization's work items: by reference name, by display name, or as our answers name them.

use serde_json::{Map, Value, json};

use super::shown::NAMES;
use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::people;
use crate::engine::session::Session;
use crate::engine::show;
use crate::tools::tool::{Call, Verb};

const FIELDS: Call = Call::new(Verb::Get, "/_apis/wit/fields");
/// The most names that a refusal offers.
const MOST_OFFERED: usize = 10;

/// The fields of an organization.
pub(super) struct Fields(Vec<Field>);

/// A field.
pub(super) struct Field {
    pub(super) reference: String,
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    LongText,
    Person,
    Other,
}

impl Fields {
    /// Asks for the fields.
    ///
    /// # Errors
    /// As [`Session::step`].
    pub(super) async fn known(
        session: &Session<'_>,
        arguments: &Arguments,
    ) -> Result<Self, Failure> {
        let answer = session.step(&FIELDS, arguments).await?;
        let fields = show::items(&answer.body, "").unwrap_or_default();
        Ok(Self(fields.iter().filter_map(Field::read).collect()))
    }

    /// Returns the field of a name.
    ///
    /// # Errors
    /// [`Failure::Arguments`] with similar names if there is none.
    pub(super) fn named(&self, argument: &str, name: &str) -> Result<&Field, Failure> {
        let ours = NAMES.iter().find(|(_, shown)| *shown == name).map(|(reference, _)| *reference);
        let wanted = simple(ours.unwrap_or(name));
        let mut found = self.0.iter().filter(|field| simple(&field.reference) == wanted);
        let by_name = || self.0.iter().find(|field| simple(&field.name) == wanted);
        found.next().or_else(by_name).ok_or_else(|| {
            let words = name.split(['.', ' ', '_']).map(simple);
            let beginnings: Vec<String> = words
                .filter(|word| word.len() > 2)
                .map(|word| word.chars().take(3).collect())
                .collect();
            let is_like = |field: &&Field| {
                beginnings.iter().any(|beginning| simple(&field.name).contains(beginning))
            };
            let similar = self.0.iter().filter(is_like).take(MOST_OFFERED);
            let similar: Vec<_> = similar.map(|field| field.name.as_str()).collect();
            let similar = match similar.as_slice() {
                [] => String::new(),
                names => format!("; similar: {}", names.join(", ")),
            };
            Failure::argument(argument, format!("there is no field {name}{similar}"))
        })
    }

    /// Returns the field of a reference name, or `None` if the organization has none.
    pub(super) fn referenced(&self, reference: &str) -> Option<&Field> {
        self.0.iter().find(|field| field.reference == reference)
    }

    /// Returns the operations that set fields to these values.
    ///
    /// # Errors
    /// [`Failure::Arguments`] for a name that no field has; also those of [`Session::step`].
    pub(super) async fn operations(
        &self,
        argument: &str,
        values: &Map<String, Value>,
        session: &Session<'_>,
        arguments: &Arguments,
    ) -> Result<Vec<Value>, Failure> {
        let mut operations = Vec::new();
        for (name, value) in values {
            let field = self.named(argument, name)?;
            let value = match value {
                Value::String(person) if field.kind == Kind::Person && person == people::ME => {
                    account(session, arguments).await?
                }
                other => other.clone(),
            };
            operations.extend(field.set(value));
        }
        Ok(operations)
    }
}

impl Field {
    fn read(field: &Value) -> Option<Self> {
        let text = |name: &str| field.get(name).and_then(Value::as_str);
        let is_person = field.get("isIdentity") == Some(&Value::Bool(true));
        let kind = match text("type") {
            Some("html" | "history") => Kind::LongText,
            Some("identity") => Kind::Person,
            _ if is_person => Kind::Person,
            _ => Kind::Other,
        };
        Some(Self {
            reference: text("referenceName")?.to_owned(),
            name: text("name")?.to_owned(),
            kind,
        })
    }

    /// Returns the operations that set the field. A long text is marked as Markdown.
    pub(super) fn set(&self, value: Value) -> Vec<Value> {
        let path = format!("/fields/{}", self.reference);
        let value = match value {
            Value::Null => return vec![json!({"op": "remove", "path": path})],
            // The only field with a list is that of tags, which are joined.
            Value::Array(entries) => {
                let entries: Vec<_> = entries.iter().filter_map(Value::as_str).collect();
                entries.join("; ").into()
            }
            other => other,
        };
        let is_markdown = self.kind == Kind::LongText && value.is_string();
        let mut operations = vec![json!({"op": "add", "path": path, "value": value})];
        if is_markdown {
            let path = format!("/multilineFieldsFormat/{}", self.reference);
            operations.push(json!({"op": "add", "path": path, "value": "Markdown"}));
        }
        operations
    }
}

/// Returns the name by which a user signs in, which a field of a person takes.
async fn account(session: &Session<'_>, arguments: &Arguments) -> Result<Value, Failure> {
    let user = people::who_am_i(session.organization(arguments)?, session).await?;
    let account = user.pointer("/properties/Account/$value").cloned();
    account.ok_or_else(|| Failure::Other("Azure DevOps does not name the calling user.".to_owned()))
}

/// Returns a name without what differs between its spellings.
fn simple(name: &str) -> String {
    let characters = name.chars().filter(|c| !c.is_whitespace() && *c != '_');
    characters.flat_map(char::to_lowercase).collect()
}
