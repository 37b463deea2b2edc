//! `get_diff` and `get_pull_request_diff`: changed files as a unified diff, a few files at a time.
//!
//! ```text
//!  list of changes ──> both versions of each file, at their ids ──> hunks ──> text, until the budget ends
//!        │                     │
//!        │                     └ a few at once, as many as the operator's limits let through
//!        └ at two fixed commits, which `next` carries: a push in between moves nothing
//! ```

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::changed_file::Change;
use crate::engine::arguments::Arguments;
use crate::engine::blocks::Blocks;
use crate::engine::budget;
use crate::engine::failure::Failure;
use crate::engine::fill::Version;
use crate::engine::pages::Position;
use crate::engine::session::Session;
use crate::tools::tool::{Call, Verb};

/// The room of the diff's text, in bytes: beside it are its commits and `next`.
const ROOM: usize = budget::LARGEST - 1_500;
/// The most changed files of a diff.
const MOST: usize = 10_000;
/// The changes of one page of Azure DevOps.
const PAGE: usize = 2_000;

pub(super) const PULL_REQUEST: Call =
    Call::new(Verb::Get, "/{project}/_apis/git/pullrequests/{pull_request}");
pub(super) const ITERATIONS: Call = Call::new(
    Verb::Get,
    "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/iterations",
);
const OF_ITERATION: Call = Call {
    query: &[("$top", "top"), ("$skip", "skip"), ("$compareTo", "since_iteration")],
    ..Call::new(
        Verb::Get,
        "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/iterations/{iteration}/changes",
    )
};
const OF_COMMIT: Call = Call {
    query: &[("top", "top"), ("skip", "skip")],
    ..Call::new(Verb::Get, "/{project}/_apis/git/repositories/{repository}/commits/{head}/changes")
};
const BETWEEN: Call = Call {
    query: &[
        ("baseVersion", "base|version"),
        ("baseVersionType", "base|version_type"),
        ("targetVersion", "head|version"),
        ("targetVersionType", "head|version_type"),
        ("diffCommonCommit", "=true"),
        ("$top", "top"),
        ("$skip", "skip"),
    ],
    ..Call::new(Verb::Get, "/{project}/_apis/git/repositories/{repository}/diffs/commits")
};
const TIP: Call = Call {
    query: &[
        ("searchCriteria.itemVersion.version", "head|version"),
        ("searchCriteria.itemVersion.versionType", "head|version_type"),
        ("$top", "=1"),
    ],
    ..Call::new(Verb::Get, "/{project}/_apis/git/repositories/{repository}/commits")
};
/// Compares a pull request's last iteration with the commit where it began, or with an iteration.
pub(super) async fn get_pull_request_diff(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Blocks, Failure> {
    let position = Position::named("get_pull_request_diff", arguments)?;
    let found = session.step(&PULL_REQUEST, arguments).await?.body;
    let arguments = arguments.with("repository", found["repository"]["id"].clone());
    let iterations = session.step(&ITERATIONS, &arguments).await?.body;
    let iterations = iterations["value"].as_array().map_or(&[][..], Vec::as_slice);
    let wanted = position.word().and_then(|word| word.parse().ok());
    let is_wanted = |one: &&Value| wanted.is_none_or(|id: u64| one["id"].as_u64() == Some(id));
    let Some(iteration) = iterations.iter().rfind(is_wanted) else {
        return Err(Failure::Other("The pull request has no iterations.".to_owned()));
    };
    let id = &iteration["id"];
    let changes = all(session, &OF_ITERATION, &arguments.with("iteration", id.clone())).await?;
    let about = json!({
        "iteration": id,
        "base": iteration["commonRefCommit"]["commitId"],
        "head": iteration["sourceRefCommit"]["commitId"],
    });
    shown(session, &arguments, &position, changes.entries, (about, &id.to_string())).await
}

/// Compares a commit with its first parent, or two versions.
pub(super) async fn get_diff(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Blocks, Failure> {
    let position = Position::named("get_diff", arguments)?;
    if arguments.text("base").is_none() {
        let head = match position.word() {
            Some(head) => head.to_owned(),
            None => commit_of_head(session, arguments).await?,
        };
        let changes = all(session, &OF_COMMIT, &arguments.with("head", head.as_str())).await?;
        let about = json!({"head": head});
        return shown(session, arguments, &position, changes.entries, (about, &head)).await;
    }
    let fixed = match position.word().and_then(|word| word.split_once(' ')) {
        Some((base, head)) => arguments.with("base", base).with("head", head),
        None => arguments.clone(),
    };
    let changes = all(session, &BETWEEN, &fixed).await?;
    let commit = |name: &str| changes.first[name].as_str().unwrap_or_default();
    let (base, head) = (commit("baseCommit"), commit("targetCommit"));
    let about = json!({"base": commit("commonCommit"), "head": head});
    let word = format!("{base} {head}");
    shown(session, arguments, &position, changes.entries.clone(), (about, &word)).await
}

/// Returns the id of the commit that `head` names.
async fn commit_of_head(session: &Session<'_>, arguments: &Arguments) -> Result<String, Failure> {
    let head = arguments.text("head").unwrap_or_default();
    if Version::of(head).kind == "commit" {
        return Ok(head.to_owned());
    }
    let commits = session.step(&TIP, arguments).await?.body;
    let commit = commits["value"][0]["commitId"].as_str().map(str::to_owned);
    commit.ok_or_else(|| Failure::argument("head", "has no commit"))
}

/// A list of changes, with the first page as it came.
struct Listed {
    first: Value,
    entries: Vec<Value>,
}

/// Returns all pages of a list of changes.
async fn all(session: &Session<'_>, call: &Call, arguments: &Arguments) -> Result<Listed, Failure> {
    let mut listed = Listed { first: Value::Null, entries: Vec::new() };
    loop {
        let skip = listed.entries.len();
        // The first page has no `skip`: it would be 0, which is none of a list.
        let mut asked = arguments.with("top", PAGE);
        if skip > 0 {
            asked = asked.with("skip", skip);
        }
        let page = session.step(call, &asked).await?.body;
        let entries = page.get("changeEntries").or_else(|| page.get("changes"));
        let entries = entries.and_then(Value::as_array).cloned().unwrap_or_default();
        let is_last = page["allChangesIncluded"] == true || entries.len() < PAGE;
        let has_next = page["nextSkip"].as_u64().is_some_and(|skip| skip > 0);
        let is_empty = entries.is_empty();
        listed.entries.extend(entries);
        if listed.first.is_null() {
            listed.first = page;
        }
        if is_empty || (is_last && !has_next) || listed.entries.len() > MOST {
            return Ok(listed);
        }
    }
}

/// Returns the answer that shows the changes from a place on.
async fn shown(
    session: &Session<'_>,
    arguments: &Arguments,
    position: &Position,
    entries: Vec<Value>,
    (mut about, word): (Value, &str),
) -> Result<Blocks, Failure> {
    let below = arguments.text("path").unwrap_or_default().trim_matches('/');
    let changes = entries.iter().filter_map(Change::read);
    let changes: Vec<Change> = changes.filter(|change| change.is_below(below)).collect();
    about["files"] = changes.len().into();
    let mut text = String::new();
    let (mut at, mut parts) = (position.skipped(), position.shown_parts());
    let begin = at;
    let is_whole = 'all: {
        let rest = changes.get(begin..).unwrap_or_default();
        for few in rest.chunks(session.at_once()) {
            if at > begin && !session.has_time() {
                break 'all false;
            }
            let files = few.iter().map(|change| change.difference(session, arguments));
            for file in join_all(files).await {
                let file = match file {
                    Err(failure) if failure.is_of_limits() && at > begin => break 'all false,
                    file => file?,
                };
                match add(&mut text, &file, parts) {
                    Added::Whole => (at, parts) = (at + 1, 0),
                    Added::Until(line) => {
                        parts = line;
                        break 'all false;
                    }
                }
            }
        }
        true
    };
    if !is_whole {
        about["next"] = position.next_of_steps(at, parts, word);
    }
    let blocks = Blocks::from(about);
    Ok(if text.is_empty() { blocks } else { blocks.and(Blocks::text("A unified diff", text)) })
}

/// The end of a file's difference in an answer.
enum Added {
    Whole,
    /// The lines before this one were shown; the next answer begins with it.
    Until(usize),
}

/// Adds the lines of a file's difference from a line on, as far as there is room. A difference that fits the next answer is
/// not divided.
fn add(text: &mut String, file: &str, from: usize) -> Added {
    let lines: Vec<&str> = file.split_inclusive('\n').collect();
    let rest = lines.get(from..).unwrap_or_default();
    let size: usize = rest.iter().map(|line| line.len()).sum();
    if text.len() + size <= ROOM {
        text.extend(rest.iter().copied());
        return Added::Whole;
    }
    if size <= ROOM {
        return Added::Until(from);
    }
    let is_first = text.is_empty();
    let mut shown = 0;
    for line in rest {
        if text.len() + line.len() <= ROOM {
            text.push_str(line);
        } else if is_first && shown == 0 {
            // A line that is too long is cut, because else `next` would lead to the same place again.
            text.push_str(&budget::shortened(line, ROOM));
            text.push('\n');
        } else {
            break;
        }
        shown += 1;
    }
    Added::Until(from + shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the texts of the answers that show a difference.
    fn answers(file: &str) -> Vec<String> {
        let (mut answers, mut from) = (Vec::new(), 0);
        loop {
            let mut text = String::new();
            let added = add(&mut text, file, from);
            answers.push(text);
            match added {
                Added::Whole => return answers,
                Added::Until(next) => {
                    assert!(next > from, "it goes on");
                    from = next;
                }
            }
        }
    }

    #[test]
    fn a_long_difference_is_divided_between_lines() {
        let file = "+a line of a long file\n".repeat(5_000);
        let answers = answers(&file);
        assert_eq!(answers.concat(), file);
        assert!(answers.len() > 2 && answers.iter().all(|text| text.len() <= ROOM));
        let line = format!("+{}\n+end\n", "x".repeat(100_000));
        let answers = self::answers(&line);
        assert_eq!(answers.len(), 2);
        assert!(answers[0].contains("bytes left out") && answers[0].len() <= ROOM + 100);
        assert_eq!(answers[1], "+end\n");
    }

    #[test]
    fn a_difference_that_fits_the_next_answer_waits_for_it() {
        let mut text = "x".repeat(ROOM - 10);
        assert!(matches!(add(&mut text, &"+y\n".repeat(10), 0), Added::Until(0)));
        assert_eq!(text.len(), ROOM - 10);
    }
}
