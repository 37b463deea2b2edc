//! The report of a worker on a shard: one log line that also carries its metrics.

use edge::metrics::{AUDIT_LOST, Metrics, Unit};
use jiff::Timestamp;
use vault::refresh::Metered;
use vault::refresh::drain::Drained;

pub(crate) fn report(
    shard: u32,
    drained: &Drained,
    metered: Metered,
    audit_lost: u64,
    now: Timestamp,
) {
    let tally = drained.tally;
    tracing::info!(
        shard,
        finished = drained.finished,
        renewed = tally.renewed,
        erased = tally.erased,
        put_off = tally.put_off,
        unavailable = tally.unavailable,
        throttled = tally.throttled,
        refused = tally.refused,
        credential_rejected = tally.credential_rejected,
        tenant_refused = tally.tenant_refused,
        misconfigured = tally.misconfigured,
        reauthorization_required = tally.reauthorization_required,
        failed = tally.failed,
        token_requests = metered.token_requests,
        "a due shard was handled",
    );
    let mut metrics = Metrics::new("refresh");
    let handled = u64::try_from(drained.overdue.len()).unwrap_or(u64::MAX);
    for (name, value) in [
        ("DueHandled", handled),
        ("DueRenewed", tally.renewed),
        ("DueErased", tally.erased),
        ("DuePutOff", tally.put_off),
        ("DueUnavailable", tally.unavailable),
        ("DueThrottled", tally.throttled),
        ("DueRefused", tally.refused),
        ("DueCredentialRejected", tally.credential_rejected),
        ("DueTenantRefused", tally.tenant_refused),
        ("DueMisconfigured", tally.misconfigured),
        ("DueReauthorizationRequired", tally.reauthorization_required),
        ("DueFailed", tally.failed),
        // Exchanges per expiry are the first of these divided by the second.
        ("TokenRequests", metered.token_requests),
        ("TokensRenewed", metered.renewals),
        ("TokensUnsaved", metered.unsaved_tokens),
        (AUDIT_LOST, audit_lost),
    ] {
        metrics.add(name, Unit::Count, value);
    }
    let overdue = drained.overdue.iter().map(|seconds| u64::from(*seconds)).collect();
    metrics.add_each("OverdueSeconds", Unit::Seconds, overdue);
    edge::log::write_metrics(&metrics, now);
}
