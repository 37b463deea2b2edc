//! The parameters of tools, and their JSON Schema (2020-12).

use serde_json::{Map, Value, json};

/// A parameter of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// A description for the model; empty if the name suffices.
    pub about: &'static str,
    /// Whether a call without it is refused.
    pub is_required: bool,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text of at most [`LONGEST_TEXT`] bytes.
    Text,
    /// A text of at most [`LONGEST_CONTENT`] bytes.
    Content,
    /// A person: `me`, an e-mail address, a name or an id. The engine puts the id in its place.
    Person,
    /// A whole number that is not negative.
    Integer {
        /// The largest, if there is one.
        most: Option<u64>,
    },
    /// A number that is not negative.
    Number,
    /// `true` or `false`.
    Boolean,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// At most so many entries.
    List {
        /// Their type.
        of: &'static Self,
        /// Their largest number.
        most: usize,
    },
    /// An object with these members and no others.
    Record(&'static [Parameter]),
    /// An object with any members.
    Object,
    /// Any JSON.
    Any,
}

/// The longest text, in bytes.
pub const LONGEST_TEXT: usize = 8_000;
/// The longest content, in bytes.
pub const LONGEST_CONTENT: usize = 1_000_000;
/// The most entries of a list.
pub const MOST_ENTRIES: usize = 200;

/// The list of a call that is shown in pages.
pub const LIMIT: Parameter =
    Parameter::new("limit", Kind::Integer { most: Some(MOST_ENTRIES as u64) });
/// The next page.
pub const NEXT: Parameter = Parameter::new("next", Kind::Text).about("From the answer before");
/// A project.
pub const PROJECT: Parameter = Parameter::new("project", Kind::Text);
/// An area of work items.
pub const AREA: Parameter = Parameter::new("area", Kind::Text);
/// A long text.
pub const CONTENT: Parameter = Parameter::new("content", Kind::Content).about("Markdown");
/// The long text of a thing.
pub const DESCRIPTION: Parameter = Parameter::new("description", Kind::Content).about("Markdown");
/// Values of fields.
pub const FIELDS: Parameter =
    Parameter::new("fields", Kind::Object).about("By name; long texts as Markdown");
/// The number of a thing.
pub const ID: Parameter = Parameter::new("id", Kind::Integer { most: None });
/// The numbers of things.
pub const IDS: Parameter =
    Parameter::new("ids", Kind::List { of: &Kind::Integer { most: None }, most: MOST_ENTRIES });
/// An iteration.
pub const ITERATION: Parameter =
    Parameter::new("iteration", Kind::Text).about("Path, id or `current`");
/// The name of a thing.
pub const NAME: Parameter = Parameter::new("name", Kind::Text);
/// A path.
pub const PATH: Parameter = Parameter::new("path", Kind::Text);
/// The fields that are shown.
pub const SHOW_FIELDS: Parameter =
    Parameter::new("show_fields", Kind::List { of: &Kind::Text, most: 50 });
/// A title.
pub const TITLE: Parameter = Parameter::new("title", Kind::Text);
/// A branch.
pub const BRANCH: Parameter = Parameter::new("branch", Kind::Text);
/// The number of a build.
pub const BUILD: Parameter = Parameter::new("build", Kind::Integer { most: None });
/// A repository.
pub const REPOSITORY: Parameter = Parameter::new("repository", Kind::Text);
/// The begin of a time.
pub const SINCE: Parameter = Parameter::new("since", Kind::Text).about("Date or time");
/// A team.
pub const TEAM: Parameter = Parameter::new("team", Kind::Text);
/// The end of a time.
pub const UNTIL: Parameter = Parameter::new("until", Kind::Text);
/// An address.
pub const URL: Parameter = Parameter::new("url", Kind::Text);
/// A wiki.
pub const WIKI: Parameter = Parameter::new("wiki", Kind::Text);
/// A text to search for.
pub const TEXT: Parameter = Parameter::new("text", Kind::Text);
/// The organization, where a connection reaches several.
pub const ORGANIZATION: Parameter = Parameter::new("organization", Kind::Text);

impl Parameter {
    /// A parameter that may be left out.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, about: "", is_required: false }
    }

    /// The same with a description.
    #[must_use]
    pub const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// The same, but required.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    fn schema(&self) -> Value {
        let mut schema = self.kind.schema();
        let about = match self.kind {
            Kind::Person if self.about.is_empty() => "`me`, e-mail, name or id",
            _ => self.about,
        };
        if !about.is_empty() {
            schema["description"] = about.into();
        }
        schema
    }
}

impl Kind {
    fn schema(&self) -> Value {
        match self {
            Self::Text | Self::Content | Self::Person => json!({"type": "string"}),
            Self::Integer { most: None } => json!({"type": "integer"}),
            Self::Integer { most: Some(most) } => json!({"type": "integer", "maximum": most}),
            Self::Number => json!({"type": "number"}),
            Self::Boolean => json!({"type": "boolean"}),
            Self::OneOf(words) => json!({"enum": words}),
            Self::List { of, most } => {
                json!({"type": "array", "items": of.schema(), "maxItems": most})
            }
            Self::Record(members) => object(*members),
            Self::Object => json!({"type": "object"}),
            Self::Any => json!({}),
        }
    }
}

/// Returns the schema of an object with these members.
pub(super) fn object<'a>(members: impl IntoIterator<Item = &'a Parameter>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for member in members {
        properties.insert(member.name.to_owned(), member.schema());
        if member.is_required {
            required.push(member.name);
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}
