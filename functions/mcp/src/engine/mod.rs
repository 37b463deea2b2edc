//! From a row and arguments to an answer.
//!
//! ```text
//!  arguments ── read, each by its parameter ──> people ── names of people become ids
//!                                                  │
//!   pages ── where `next` goes on ──> fill ── path, query, body ──> session ── one call, under the integration's rules
//!                                                                       │
//!   budget ── the answer ends at 40 kB <── pages ── `next` <── show ── what matters of each thing
//! ```

pub mod arguments;
pub mod blocks;
pub mod budget;
pub(crate) mod changes;
pub mod diff;
mod explain;
pub mod failure;
pub mod fill;
pub(crate) mod links;
pub(crate) mod markdown;
pub mod pages;
pub mod path;
pub mod people;
pub mod session;
pub mod show;
mod slider;
pub(crate) mod steps;
pub(crate) mod test_steps;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use self::arguments::Arguments;
use self::blocks::Blocks;
use self::failure::Failure;
use self::pages::{Page, Position};
use self::session::{Outgoing, Session};
use self::show::Projection;
use crate::tools::tool::{Call, Does, Tool};

/// Runs a tool. Returns the result of `tools/call`, which is an error of the tool if it fails.
pub(crate) async fn run(tool: &Tool, sent: Option<&RawValue>, session: &Session<'_>) -> Value {
    // Boxed, because it is large with everything that it awaits.
    match Box::pin(answered(tool, sent, session)).await {
        Ok(blocks) => json!({"content": blocks.content(session.random())}),
        Err(failure) => {
            if let Failure::Problem(problem) = &failure {
                session.log.problem(problem);
            }
            let text = budget::shortened(&session.sentence_of(&failure), budget::LARGEST);
            json!({"content": [{"type": "text", "text": text}], "isError": true})
        }
    }
}

async fn answered(
    tool: &Tool,
    sent: Option<&RawValue>,
    session: &Session<'_>,
) -> Result<Blocks, Failure> {
    let parameters = tool.all_parameters(session.choice_of_organizations());
    let arguments = match Arguments::read(sent, &parameters) {
        Ok(arguments) => arguments,
        Err(failure) => return Err(explain::faulty_arguments(failure, session).await),
    };
    match done(tool, &arguments, session).await {
        Err(failure) => Err(explain::refused(failure, &arguments, session).await),
        blocks => blocks,
    }
}

async fn done(
    tool: &Tool,
    arguments: &Arguments,
    session: &Session<'_>,
) -> Result<Blocks, Failure> {
    let position = Position::of(tool, arguments)?;
    let arguments = &people::resolved(tool, arguments, session).await?;
    match &tool.does {
        Does::Steps(steps) => steps(session, arguments).await,
        Does::Call(call) => Ok(called(call, &position, arguments, session).await?.into()),
    }
}

async fn called(
    call: &Call,
    position: &Position,
    arguments: &Arguments,
    session: &Session<'_>,
) -> Result<Value, Failure> {
    let organization = session.organization(arguments)?;
    let projection = Projection::parse(call.show).map_err(Failure::broken_row)?;
    let mut filled = session.filled(call, arguments).await?;
    position.ask(call, arguments, &mut filled);
    let outgoing = Outgoing {
        organization,
        host: call.host,
        method: call.method.into(),
        path: &filled.path,
        query: &filled.query(),
        body: filled.body.as_ref(),
    };
    let answer = session.call(&outgoing).await?;
    let listed = show::items(&answer.body, call.items);
    let Some(items) = listed else {
        return Ok(projection.of(&answer.body).unwrap_or_else(|| json!({})));
    };
    let page = Page { items, headers: &answer.headers, body: &answer.body };
    Ok(position.shown(call, &page, &projection, arguments))
}
