//! The permission of a call by its integration: its rules, and the areas of Azure DevOps that are closed unless it opens
//! them. A batch is permitted if each of its calls is.

use std::collections::BTreeSet;

use devops::address::Address;
use devops::closed::ClosedArea;
use devops::{batch, method_override};
use edge::problem::{Code, Problem};
use http::{HeaderMap, Method};
use vault::audit::{Audit, AuditEvent, What};

use crate::refusal;
use crate::target::Target;

/// The permission of a call.
#[derive(Debug)]
pub struct Permission {
    /// The closed areas that the integration opens and the call reaches.
    opened: BTreeSet<ClosedArea>,
}

impl Target {
    /// Returns the permission of a call with these headers and this body.
    ///
    /// # Errors
    /// [`Code::CallNotAllowed`] if the integration forbids it, or if it is a batch that cannot be read;
    /// [`Code::InvalidRequest`] if it names another method than its own; for a batch, the problem of its first call that
    /// has one.
    pub fn permission(&self, headers: &HeaderMap, body: &[u8]) -> Result<Permission, Problem> {
        method_override::refuse_in_form(headers, body).map_err(refusal::of_override)?;
        let batched = batch::calls(&self.method, &self.address, headers, body);
        let batched = batched.map_err(|error| refusal::of_batch(&error))?.unwrap_or_default();
        let within = batched
            .iter()
            .flat_map(|call| call.readings.iter().map(move |address| (&call.method, address)));
        let mut opened = BTreeSet::new();
        for (method, address) in std::iter::once((&self.method, &self.address)).chain(within) {
            opened.extend(self.permit(method, address)?);
        }
        Ok(Permission { opened })
    }

    /// Permits a call by itself. Returns the closed area that it reaches because the integration opens it, if any.
    fn permit(&self, method: &Method, address: &Address) -> Result<Option<ClosedArea>, Problem> {
        let settings = &self.integration.settings;
        let area = address.closed_area();
        if let Some(area) = area.filter(|area| !settings.opens(*area)) {
            return Err(refusal::of_closed(area));
        }
        if settings.allowed_calls.allows(method, address) {
            Ok(area)
        } else {
            Err(Problem::new(Code::CallNotAllowed))
        }
    }
}

impl Permission {
    /// Records each closed area that the call reaches.
    pub(crate) async fn record(&self, target: &Target, audit: &Audit) {
        for area in &self.opened {
            let method = target.method.to_string();
            let what = What::ClosedAreaCalled { setting: area.setting(), method };
            let (connection, integration) = (&target.connection.id, &target.integration.id);
            let event = AuditEvent::of_connection(what, connection, integration);
            audit.record(&target.actor, &event).await;
        }
    }
}
