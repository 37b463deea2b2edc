//! A tool: a row of the table, made of const builders.
//!
//! ```
//! use mcp::tools::parameter::{LIMIT, NEXT, PROJECT};
//! use mcp::tools::tool::{Paging, Tool};
//! use vault::integrations::Toolset;
//!
//! const LIST_TEAMS: Tool = Tool::new("list_teams", Toolset::Core, "Teams of a project.")
//!     .takes(&[PROJECT.required(), LIMIT, NEXT])
//!     .get("/_apis/projects/{project}/teams")
//!     .pages(Paging::Skip)
//!     .shows("name id description");
//! assert!(LIST_TEAMS.faults().is_empty());
//! ```

use devops::host::Family;
use futures_util::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};
use vault::integrations::Toolset;

use super::parameter::{ORGANIZATION, Parameter, object};
use crate::engine::arguments::Arguments;
use crate::engine::blocks::Blocks;
use crate::engine::failure::Failure;
use crate::engine::session::{Organizations, Session};

/// A tool.
#[derive(Clone, Copy)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// The set that it belongs to.
    pub toolset: Toolset,
    /// One sentence for the model.
    pub about: &'static str,
    /// Its parameters, but for the organization.
    pub parameters: &'static [Parameter],
    /// Its effect.
    pub effect: Effect,
    /// The organizations that it is about.
    pub about_organizations: Organizations,
    /// What it does.
    pub does: Does,
}

/// The effect of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Reads,
    /// It adds something, each time anew.
    Adds,
    /// It changes something; a second time changes nothing more.
    Changes,
    /// It may destroy something.
    Destroys,
}

/// What a tool does.
#[derive(Clone, Copy)]
pub enum Does {
    /// One call, as the row describes it.
    Call(Call),
    /// More than that, in a function of its own.
    Steps(Steps),
}

/// The function of a tool that is more than one call.
pub type Steps =
    for<'a> fn(&'a Session<'_>, &'a Arguments) -> BoxFuture<'a, Result<Blocks, Failure>>;

/// A call of Azure DevOps, and what is shown of its answer.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// The host.
    pub host: Family,
    /// The method.
    pub method: Verb,
    /// The path below the organization, with `{parameters}`; see [`crate::engine::fill`].
    pub path: &'static str,
    /// The names of the query, each with the argument that fills it.
    pub query: &'static [(&'static str, &'static str)],
    /// The members of the body, each with the argument that fills it.
    pub body: &'static [(&'static str, &'static str)],
    /// Where the list is in the answer; empty: `value`, or else the answer is one thing.
    pub items: &'static str,
    /// How a list goes on.
    pub paging: Paging,
    /// What is shown of each thing; see [`crate::engine::show`].
    pub show: &'static str,
}

/// How a list goes on; see [`crate::engine::pages`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// Not at all.
    None,
    /// By the number of entries to skip.
    Skip,
    /// By a token.
    Token,
    /// By leaving out what was shown.
    Cut,
}

/// A method of Azure DevOps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Adds, or reads where a query needs a body.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
}

impl From<Verb> for Method {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Get => Self::GET,
            Verb::Post => Self::POST,
            Verb::Put => Self::PUT,
            Verb::Patch => Self::PATCH,
            Verb::Delete => Self::DELETE,
        }
    }
}

impl Call {
    /// A call of `dev.azure.com` with neither a query nor a body, of whose answer nothing is shown.
    #[must_use]
    pub const fn new(method: Verb, path: &'static str) -> Self {
        Self {
            host: Family::Core,
            method,
            path,
            query: &[],
            body: &[],
            items: "",
            paging: Paging::None,
            show: "",
        }
    }
}

impl Tool {
    /// A tool that only reads and has no parameters. Complete with [`Self::steps`], or with a method and [`Self::shows`].
    #[must_use]
    pub const fn new(name: &'static str, toolset: Toolset, about: &'static str) -> Self {
        let does = Does::Call(Call::new(Verb::Get, ""));
        Self {
            name,
            toolset,
            about,
            parameters: &[],
            effect: Effect::Reads,
            about_organizations: Organizations::One,
            does,
        }
    }

    /// Makes the tool one about all organizations, so that a call names none.
    #[must_use]
    pub const fn everywhere(self) -> Self {
        Self { about_organizations: Organizations::Several, ..self }
    }

    /// Sets the parameters.
    #[must_use]
    pub const fn takes(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }

    /// Sets the effect.
    #[must_use]
    pub const fn has(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }

    /// Makes the tool more than one call.
    #[must_use]
    pub const fn steps(self, steps: Steps) -> Self {
        Self { does: Does::Steps(steps), ..self }
    }

    /// Sets the whole call.
    #[must_use]
    pub const fn makes(self, call: Call) -> Self {
        Self { does: Does::Call(call), ..self }
    }

    /// Sets a `GET` of this path.
    #[must_use]
    pub const fn get(self, path: &'static str) -> Self {
        self.call(Verb::Get, path)
    }

    /// Sets method and path.
    #[must_use]
    pub const fn call(self, method: Verb, path: &'static str) -> Self {
        self.makes(Call { method, path, ..self.as_call() })
    }

    /// Sets the host.
    #[must_use]
    pub const fn at(self, host: Family) -> Self {
        self.makes(Call { host, ..self.as_call() })
    }

    /// Sets the query.
    #[must_use]
    pub const fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.makes(Call { query, ..self.as_call() })
    }

    /// Sets the body.
    #[must_use]
    pub const fn body(self, body: &'static [(&'static str, &'static str)]) -> Self {
        self.makes(Call { body, ..self.as_call() })
    }

    /// Sets where the list is.
    #[must_use]
    pub const fn items(self, items: &'static str) -> Self {
        self.makes(Call { items, ..self.as_call() })
    }

    /// Sets how the list goes on.
    #[must_use]
    pub const fn pages(self, paging: Paging) -> Self {
        self.makes(Call { paging, ..self.as_call() })
    }

    /// Sets what is shown.
    #[must_use]
    pub const fn shows(self, show: &'static str) -> Self {
        self.makes(Call { show, ..self.as_call() })
    }

    const fn as_call(&self) -> Call {
        match self.does {
            Does::Call(call) => call,
            Does::Steps(_) => panic!("a tool is either one call or steps"),
        }
    }

    /// Returns whether the tool only reads.
    pub const fn only_reads(&self) -> bool {
        matches!(self.effect, Effect::Reads)
    }

    /// Returns the parameters, with the organization if the caller must choose one.
    pub(crate) fn all_parameters(&self, reached: Organizations) -> Vec<Parameter> {
        let is_choice =
            (self.about_organizations, reached) == (Organizations::One, Organizations::Several);
        let chosen = is_choice.then(|| ORGANIZATION.required());
        self.parameters.iter().copied().chain(chosen).collect()
    }

    /// Returns the description of the tool, as in `tools/list`.
    pub fn described(&self, reached: Organizations) -> Value {
        json!({
            "name": self.name,
            "description": self.about,
            "inputSchema": object(&self.all_parameters(reached)),
            "annotations": self.effect.annotations(),
        })
    }
}

impl Effect {
    fn annotations(self) -> Value {
        match self {
            Self::Reads => json!({"readOnlyHint": true, "openWorldHint": true}),
            Self::Adds | Self::Changes | Self::Destroys => json!({
                "readOnlyHint": false,
                "destructiveHint": self == Self::Destroys,
                "idempotentHint": self == Self::Changes,
                "openWorldHint": true,
            }),
        }
    }
}
