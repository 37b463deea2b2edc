//! Describes a way through the model in words.

use crate::state::{Grant, RefreshToken, State, Step, WorkerId};
use crate::transitions::Action;
use crate::verdict::Way;

/// Returns one sentence for every action of the way.
#[must_use]
pub fn sentences(way: &Way) -> Vec<String> {
    way.windows(2)
        .filter_map(|pair| match pair {
            [(before, Some(action)), (after, _)] => Some(sentence(before, *action, after)),
            _ => None,
        })
        .collect()
}

/// Describes an action by the states before and after it.
fn sentence(before: &State, action: Action, after: &State) -> String {
    let tok_changed = before.tok != after.tok;
    let sched_changed = before.sched != after.sched;
    match action {
        Action::FindDue(id) => format!("{} finds the connection due", name(id)),
        Action::Lease(id) => match after.workers[id].step {
            Step::Leased(_) => format!("{} takes the lease", name(id)),
            _ => format!("{} may not lease and stops", name(id)),
        },
        Action::Read(id) => match after.workers[id].step {
            Step::Read(_, token) => format!("{} reads {}", name(id), words(token)),
            Step::Releasing(_) => format!("{} finds the tokens renewed already", name(id)),
            _ => format!("{} finds no tokens and stops", name(id)),
        },
        Action::Ask(id) => format!("{} sends it to the server", name(id)),
        Action::Answer(id) => match after.workers[id].step {
            Step::Fetched { token, .. } => {
                format!("the server gives {} {}", name(id), words(token))
            }
            _ => format!("the server refuses {} and revokes the grant", name(id)),
        },
        Action::GiveUp(id) => format!("the deadline of {} passes", name(id)),
        Action::Store(id) if tok_changed => format!("{} stores what it fetched", name(id)),
        Action::Store(id) => format!("the store of {} changes nothing", name(id)),
        Action::StoreUnheard(id) => format!("{} stores, and the reply is lost", name(id)),
        Action::Mark(id) if sched_changed => {
            format!("{} marks the connection reauthorization_required", name(id))
        }
        Action::Mark(id) => format!("{} may not mark the connection", name(id)),
        Action::Release(id) if sched_changed => format!("{} ends the lease", name(id)),
        Action::Release(id) => format!("the release of {} changes nothing", name(id)),
        Action::Crash(id) => match after.workers[id].step {
            Step::Crashed { fetched: Some(_), .. } => {
                format!("{} crashes with the new token unstored", name(id))
            }
            _ => format!("{} crashes", name(id)),
        },
        Action::Expire => "the lease expires".to_owned(),
        Action::Reconnect => "the user signs in again".to_owned(),
        Action::Delete => "the user deletes the connection".to_owned(),
    }
}

fn name(id: WorkerId) -> &'static str {
    ["A", "B", "C"].get(id).copied().unwrap_or("another worker")
}

fn words(token: RefreshToken) -> String {
    let grant = match token.grant {
        Grant::First => "first",
        Grant::Second => "second",
    };
    format!("token {} of the {grant} grant", token.serial)
}
