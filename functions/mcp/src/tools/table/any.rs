//! The toolset `any`: every call of the REST API that the integration allows.

use vault::integrations::Toolset::Any;

use crate::crafted;
use crate::tools::parameter::{Kind, NEXT, Parameter};
use crate::tools::tool::{Effect, Tool};

const BODY: Parameter = Parameter::new("body", Kind::Any);
const METHOD: Parameter =
    Parameter::new("method", Kind::OneOf(&["POST", "PUT", "PATCH", "DELETE"]));
const PATH: Parameter = Parameter::new("path", Kind::Text).about(
    "From the organization on, as `/Website/_apis/git/policy/configurations`; or `https://…`",
);
const SHOW: Parameter = Parameter::new("show", Kind::Text);

pub(super) const TOOLS: &[Tool] = &[
    Tool::new(
        "get_anything",
        Any,
        "Any other GET of Azure DevOps' REST API that is allowed here; `show` picks parts, as `id name by:createdBy.displayName`.",
    )
    .takes(&[PATH.required(), SHOW, NEXT])
    .steps(crafted::get_anything),
    Tool::new(
        "send_anything",
        Any,
        "Any other changing call of Azure DevOps' REST API that is allowed here.",
    )
    .takes(&[METHOD.required(), PATH.required(), BODY])
    .has(Effect::Destroys)
    .steps(crafted::send_anything),
];
