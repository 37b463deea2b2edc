//! Whether all is well: what waits to be renewed, what failed, what expires, how much is called.

use askama::Template;
use edge::gateway::Body;
use edge::problem::Problem;
use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use vault::integrations::Status;
use vault::service;
use vault::tallies::{Counter, Hour};

use super::Visit;
use super::chart::Chart;
use super::frame::{Frame, Section, shown};
use super::integrations::Row;
use super::shown::When;
use crate::Manage;

/// Hours of the charts.
const HOURS: u8 = 24;
/// Due connections that are counted in one shard.
const COUNTED: i32 = 1000;
/// The schedule comes every minute; what is due for longer than this waits for something.
const LATE: SignedDuration = SignedDuration::from_mins(5);

#[derive(Template)]
#[template(path = "health.html")]
struct HealthPage {
    frame: Frame,
    is_paused: bool,
    backlog: Backlog,
    calls: Chart,
    renewals: Chart,
    failures: Vec<(&'static str, u64)>,
    integrations: Vec<(Row, &'static str)>,
}

/// What is due to be renewed now.
#[derive(Default)]
struct Backlog {
    count: usize,
    /// Whether there are more than were counted.
    is_more: bool,
    oldest: Option<When>,
    is_late: bool,
}

/// The circuit breaker of an integration: whether Entra is asked for its connections.
const fn breaker(status: Status) -> &'static str {
    match status {
        Status::Ready => "Closed: connections are renewed.",
        Status::Paused => "Open: paused by an operator.",
        Status::CredentialRejected => {
            "Open: Entra is asked again every few minutes, with one connection."
        }
    }
}

impl Manage {
    pub(super) async fn health_page(&self, visit: &Visit<'_>) -> Result<Response<Body>, Problem> {
        let now = self.clock.now();
        let settings = self.service.settings().await?;
        let hours = self.tallies.last_hours(HOURS).await?;
        let integrations = self.integrations.list().await?;
        let backlog = self.backlog(settings.refresh_shards.max(self.refresh_shards), now).await?;
        shown(
            StatusCode::OK,
            &HealthPage {
                frame: Frame::new(visit, Section::Health, "Health"),
                is_paused: settings.status == service::Status::Paused,
                backlog,
                calls: Chart::of(
                    "Calls of Azure DevOps in each hour",
                    ["calls", "failed"],
                    &hours,
                    |hour| (hour.count(Counter::Calls), hour.count(Counter::CallsFailed)),
                ),
                renewals: Chart::of(
                    "Scheduled renewals in each hour",
                    ["renewals", "failed"],
                    &hours,
                    |hour| {
                        let failed = FAILURES.iter().map(|(_, counter)| hour.count(*counter)).sum();
                        (hour.count(Counter::Renewed) + failed, failed)
                    },
                ),
                failures: FAILURES
                    .iter()
                    .map(|(text, counter)| (*text, sum(&hours, *counter)))
                    .collect(),
                integrations: integrations
                    .iter()
                    .map(|one| (self.row(one), breaker(one.status)))
                    .collect(),
            },
        )
    }

    async fn backlog(&self, shards: u32, now: Timestamp) -> Result<Backlog, Problem> {
        let mut backlog = Backlog::default();
        let mut oldest: Option<Timestamp> = None;
        for shard in 0..shards {
            let page = self.connections.due_in_shard(shard, now, None, COUNTED).await?;
            backlog.count += page.rows.len();
            backlog.is_more = backlog.is_more || page.next.is_some();
            // The longest overdue comes first.
            let first = page.rows.first().map(|row| row.due_at);
            oldest = oldest.into_iter().chain(first).min();
        }
        backlog.is_late = oldest.is_some_and(|time| now.duration_since(time) > LATE);
        backlog.oldest = When::of(oldest, now);
        Ok(backlog)
    }
}

/// The classes of failed renewals, and what they mean.
const FAILURES: [(&str, Counter); 6] = [
    ("Entra was not available; tried again by itself", Counter::Unavailable),
    ("Entra throttled the app; tried again later by itself", Counter::Throttled),
    ("Entra refused, which is confirmed before the user is asked", Counter::Refused),
    ("Entra rejects the client credential: verify the integration", Counter::CredentialRejected),
    ("Users who must sign in again", Counter::ReauthorizationRequired),
    ("Our own side failed: see the log", Counter::OwnFailures),
];

fn sum(hours: &[Hour], counter: Counter) -> u64 {
    hours.iter().map(|hour| hour.count(counter)).sum()
}
