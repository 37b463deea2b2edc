//! The kill switch, as a request meets it.

use std::time::Duration;

use vault::service::Service;

use crate::problem::{Code, Problem};

/// When it makes sense to look again.
const RETRY_AFTER: Duration = Duration::from_mins(1);

/// Goes on only if the operator has not stopped the service.
///
/// # Errors
/// [`Code::ServicePaused`], or what keeps us from knowing.
pub async fn running(service: &Service) -> Result<(), Problem> {
    if service.is_paused().await? {
        return Err(Problem::new(Code::ServicePaused).retry_after(RETRY_AFTER));
    }
    Ok(())
}
