//! The toolset `advsec`: alerts of Advanced Security.

use devops::host::Family;
use vault::integrations::Toolset::Advsec;

use crate::tools::parameter::{BRANCH, ID, Kind, LIMIT, NEXT, PROJECT, Parameter, REPOSITORY};
use crate::tools::tool::{Paging, Tool};

const KIND: Parameter =
    Parameter::new("kind", Kind::OneOf(&["code", "dependency", "secret", "license"]));
const SEVERITIES: Parameter =
    Parameter::new("severities", Kind::List { of: &Kind::Text, most: 10 });
const STATES: Parameter = Parameter::new("states", Kind::List { of: &Kind::Text, most: 10 });

pub(super) const TOOLS: &[Tool] = &[
    Tool::new("list_security_alerts", Advsec, "Advanced Security alerts of a repository.")
        .takes(&[
            PROJECT.required(), REPOSITORY.required(), KIND, STATES, SEVERITIES, BRANCH, LIMIT, NEXT,
        ])
        .at(Family::Advsec)
        .get("/{project}/_apis/alert/repositories/{repository}/alerts?api-version=7.2-preview.1")
        .query(&[
            ("top", "limit"),
            ("criteria.alertType", "kind"),
            ("criteria.states", "states"),
            ("criteria.severities", "severities"),
            ("criteria.ref", "branch|ref"),
        ])
        .pages(Paging::Token)
        .shows("id:alertId title severity kind:alertType state first:firstSeenDate|time last:lastSeenDate|time"),
    Tool::new("get_security_alert", Advsec, "One alert.")
        .takes(&[PROJECT.required(), REPOSITORY.required(), ID.required()])
        .at(Family::Advsec)
        .get("/{project}/_apis/alert/repositories/{repository}/alerts/{id}?api-version=7.2-preview.1")
        .shows("*"),
];
